//! What happens on the channel of one test, from our side: beats are echoed, one load is sent when it is asked for, one
//! is received and reported. Everything is bounded, whatever the client does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::arrivals::Arrivals;
use crate::load::Load;
use crate::message::{Message, Report};

/// Beats that are echoed: 1.5 s of one each 10 ms, and as many again for a client that begins anew.
const MAX_BEATS: u32 = 300;

/// Bytes of messages that a test may send in all: a load at its fastest for as long as it may last, and all echoes.
pub(crate) const MAX_SENT: usize = 1_250_000;

/// Bytes that a client may send. A load of its own is no larger than one of ours; the rest is clocks that differ.
pub(crate) const MAX_RECEIVED: usize = 2_000_000;

/// How often the sender of a load hears how it goes.
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// Answers that wait for the channel; each is made by one message of the client.
const MAX_ANSWERS: usize = 64;

enum Ours {
    NotAsked,
    Going(Load),
    Done,
}

pub(crate) struct Course {
    started: Instant,
    beats: u32,
    ours: Ours,
    theirs: Arrivals,
    /// The client's load is arriving: when it is told next.
    report_due: Option<Instant>,
    reported: Report,
    answers: VecDeque<Message>,
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

impl Course {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            beats: 0,
            ours: Ours::NotAsked,
            theirs: Arrivals::default(),
            report_due: None,
            reported: Report::default(),
            answers: VecDeque::new(),
            sent: 0,
            received: 0,
        }
    }

    /// Whether both loads came to something.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.ours, Ours::Done) && self.theirs.report().count > 0
    }

    /// `false`: the client sends more than a test has.
    pub(crate) fn handle_message(&mut self, payload: &[u8], now: Instant) -> bool {
        self.received += payload.len();
        if self.received > MAX_RECEIVED {
            return false;
        }
        match Message::read(payload) {
            Some(Message::Beat { number, sent }) => self.echo(number, sent, now),
            Some(Message::Ask) if matches!(self.ours, Ours::NotAsked) => self.ours = Ours::Going(Load::new(now)),
            Some(Message::Load { sent, .. }) => {
                let received = self.micros(now);
                self.theirs.take(payload.len(), sent, received, now);
                self.report_due.get_or_insert(now + REPORT_EVERY);
            }
            Some(Message::Report(report)) => {
                if let Ours::Going(load) = &mut self.ours {
                    load.handle_report(report, now);
                }
            }
            Some(Message::Ask | Message::Echo { .. }) | None => {}
        }
        true
    }

    fn echo(&mut self, number: u32, sent: u32, now: Instant) {
        if self.beats >= MAX_BEATS || self.answers.len() >= MAX_ANSWERS {
            return;
        }
        self.beats += 1;
        self.answers.push_back(Message::Echo { number, sent, received: self.micros(now), count: self.beats });
    }

    /// The next message. `waiting`: bytes that the channel holds already.
    pub(crate) fn poll_message(&mut self, now: Instant, waiting: usize) -> Option<Vec<u8>> {
        if self.sent >= MAX_SENT {
            return None;
        }
        let message =
            self.answers.pop_front().or_else(|| self.poll_report(now)).or_else(|| self.poll_load(now, waiting))?;
        let bytes = message.write();
        self.sent += bytes.len();
        Some(bytes)
    }

    /// The last report is said once more, since it may get lost; then there is nothing to say until more arrives.
    fn poll_report(&mut self, now: Instant) -> Option<Message> {
        self.report_due.filter(|due| *due <= now)?;
        let report = self.theirs.report();
        self.report_due = (report.count > self.reported.count).then_some(now + REPORT_EVERY);
        self.reported = report;
        Some(Message::Report(report))
    }

    fn poll_load(&mut self, now: Instant, waiting: usize) -> Option<Message> {
        let sent = self.micros(now);
        let Ours::Going(load) = &mut self.ours else { return None };
        if load.is_over(now) {
            self.ours = Ours::Done;
            return None;
        }
        load.poll(now, waiting).map(|number| Message::Load { number, sent })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.sent >= MAX_SENT {
            return None;
        }
        let load = match &self.ours {
            Ours::Going(load) => Some(load.poll_timeout()),
            Ours::NotAsked | Ours::Done => None,
        };
        [load, self.report_due].into_iter().flatten().min()
    }

    fn micros(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.started).as_micros() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::disallowed_methods)]
    fn course() -> (Course, Instant) {
        let now = Instant::now();
        (Course::new(now), now)
    }

    /// Everything that comes out until `time` has passed.
    fn sent(course: &mut Course, start: Instant, time: Duration) -> Vec<Message> {
        let mut all = Vec::new();
        for ms in 0..time.as_millis() as u64 {
            while let Some(bytes) = course.poll_message(start + Duration::from_millis(ms), 0) {
                all.extend(Message::read(&bytes));
            }
        }
        all
    }

    #[test]
    fn a_beat_is_echoed_with_its_own_time_and_only_so_many_are() {
        let (mut course, now) = course();
        for number in 0..1_000 {
            assert!(course.handle_message(&Message::Beat { number, sent: 5 }.write(), now));
            if let Some(bytes) = course.poll_message(now, 0) {
                let echo = Message::Echo { number, sent: 5, received: 0, count: number + 1 };
                assert_eq!(Message::read(&bytes), Some(echo));
            }
        }
        assert_eq!(course.beats, MAX_BEATS);
    }

    #[test]
    fn a_load_is_sent_once_however_often_it_is_asked_for() {
        let (mut course, now) = course();
        assert!(sent(&mut course, now, Duration::from_secs(1)).is_empty(), "nothing before");
        let mut loads = 0;
        for ms in 0..20_000 {
            let now = now + Duration::from_millis(ms);
            course.handle_message(&Message::Ask.write(), now);
            while course.poll_message(now, 0).is_some() {
                loads += 1;
            }
        }
        assert!(loads > 100 && course.sent <= 900_000, "{loads} {}", course.sent);
    }

    #[test]
    fn a_load_that_arrives_is_reported_and_its_end_twice() {
        let (mut course, now) = course();
        for number in 0..10 {
            course.handle_message(&Message::Load { number, sent: 0 }.write(), now);
        }
        let reports = sent(&mut course, now, Duration::from_secs(1));
        assert_eq!(reports.len(), 2, "{reports:?}");
        assert!(reports.iter().all(|one| matches!(one, Message::Report(Report { count: 10, .. }))), "{reports:?}");
    }

    #[test]
    fn more_than_a_test_has_is_not_taken() {
        let (mut course, now) = course();
        let load = Message::Load { number: 0, sent: 0 }.write();
        let taken = (0..10_000).take_while(|_| course.handle_message(&load, now)).count();
        assert_eq!(taken, MAX_RECEIVED / load.len());
    }
}
