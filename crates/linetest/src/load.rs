//! The sending end of a load: packets at a rate that rises by steps for as long as they get through without a queue.

use std::time::{Duration, Instant};

use crate::message::{LOAD_SIZE, OVERHEAD, Report};

/// Rates in kbit/s, with what lies around messages. Two partners' video and sound take 4,000; more need not be known.
const STEPS: [u32; 10] = [300, 600, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500];

/// Time at each. Ten of them and a window of the receiver are two seconds.
const STEP: Duration = Duration::from_millis(160);

/// All of it at most.
pub(crate) const LONGEST: Duration = Duration::from_millis(2_000);

/// A queue this long means that the line is full: no faster.
const QUEUE_TO_HOLD_MS: u32 = 80;

/// A queue this long hurts whoever else is on the line: slower.
const QUEUE_TO_YIELD_MS: u32 = 200;

/// In kbit/s, on whatever line: something must arrive for the receiver to report.
const SLOWEST: u32 = 200;

/// From the first sign that the line is full: the receiver's window, and a round trip to hear of it.
const ENOUGH: Duration = Duration::from_millis(700);

/// Bytes that may wait in our own buffers or be on their way unacknowledged. More than that, and we would measure ourselves.
const MAX_WAITING: usize = 128 * 1024;

/// How long to look away when they are full.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Time that is made up for when the sender was held up.
const CATCH_UP: Duration = Duration::from_millis(20);

pub(crate) struct Load {
    started: Instant,
    step: usize,
    step_ends: Instant,
    next: Instant,
    number: u32,
    full_since: Option<Instant>,
    /// Once the line is full, what it carries, or less while its queue is long.
    ceiling: Option<u32>,
}

impl Load {
    pub(crate) fn new(now: Instant) -> Self {
        Self { started: now, step: 0, step_ends: now + STEP, next: now, number: 0, full_since: None, ceiling: None }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        let is_known = self.full_since.is_some_and(|since| now >= since + ENOUGH);
        is_known || now >= self.started + LONGEST
    }

    pub(crate) fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// The number of the next packet, if one is due.
    pub(crate) fn poll(&mut self, now: Instant, waiting: usize) -> Option<u32> {
        if now < self.next || self.is_over(now) {
            return None;
        }
        if waiting > MAX_WAITING {
            self.next = now + LOOK_AGAIN;
            return None;
        }
        if now >= self.step_ends && self.full_since.is_none() && self.step + 1 < STEPS.len() {
            self.step += 1;
            self.step_ends = now + STEP;
        }
        let bits = (LOAD_SIZE + OVERHEAD) as u64 * 8;
        let gap = Duration::from_micros(bits * 1000 / u64::from(self.rate()));
        let held_up = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(held_up) + gap;
        self.number += 1;
        Some(self.number - 1)
    }

    fn rate(&self) -> u32 {
        self.ceiling.map_or(STEPS[self.step], |ceiling| ceiling.clamp(SLOWEST, STEPS[self.step]))
    }

    /// Full, the line is kept full with hardly more than it carries, until the receiver has seen a window of it.
    pub(crate) fn handle_report(&mut self, report: Report, now: Instant) {
        if report.queue_ms >= QUEUE_TO_HOLD_MS {
            self.full_since.get_or_insert(now);
        }
        if self.full_since.is_some() {
            self.ceiling = Some(match report.queue_ms {
                QUEUE_TO_YIELD_MS.. => report.kbps / 2,
                QUEUE_TO_HOLD_MS.. => report.kbps / 10 * 9,
                _ => report.kbps,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::Arrivals;

    /// A load over a line of `kbps` with 20 ms each way: what was reported at last, bytes sent, and the longest queue.
    #[allow(clippy::disallowed_methods)]
    fn over(kbps: u64) -> (Report, usize, Duration) {
        let start = Instant::now();
        let way = Duration::from_millis(20);
        let size = (LOAD_SIZE + OVERHEAD) as u64 * 8;
        let (mut load, mut arrivals) = (Load::new(start), Arrivals::default());
        let (mut free, mut sent, mut longest) = (start, 0, Duration::ZERO);
        let mut arriving = std::collections::VecDeque::new();
        let mut reports = std::collections::VecDeque::new();
        let micros = |at: Instant| (at - start).as_micros() as u32;
        for tick in 0..3_000 {
            let now = start + Duration::from_millis(tick);
            while load.poll(now, 0).is_some() {
                sent += LOAD_SIZE;
                free = free.max(now) + Duration::from_micros(size * 1000 / kbps);
                longest = longest.max(free - now);
                arriving.push_back((free + way, now));
            }
            while let Some((at, left)) = arriving.pop_front_if(|(at, _)| *at <= now) {
                arrivals.take(LOAD_SIZE, micros(left), micros(at), at);
            }
            if tick % 50 == 0 {
                reports.push_back((now + way, arrivals.report()));
            }
            while let Some((_, report)) = reports.pop_front_if(|(at, _)| *at <= now) {
                load.handle_report(report, now);
            }
        }
        (arrivals.report(), sent, longest)
    }

    #[test]
    fn a_line_is_known_within_a_twentieth_and_its_queue_stays_short() {
        for kbps in [400, 800, 1_000, 1_700, 2_000, 2_500, 3_000, 4_000] {
            let (report, _, longest) = over(kbps);
            assert!(u64::from(report.kbps).abs_diff(kbps) <= kbps / 20, "{kbps}: {report:?}");
            // A line that carries no video fills faster than it tells.
            let bound = Duration::from_millis(if kbps < 1_000 { 700 } else { 400 });
            assert!(longest <= bound, "{kbps}: {longest:?}");
        }
    }

    #[test]
    fn a_line_that_carries_all_is_known_to_carry_that_and_no_more_is_sent() {
        let (report, sent, _) = over(100_000);
        assert!(report.kbps >= 3_800, "{report:?}");
        assert!(sent <= 900_000, "{sent}");
    }

    #[test]
    fn buffers_that_are_full_are_not_filled_further() {
        #[allow(clippy::disallowed_methods)]
        let start = Instant::now();
        let mut load = Load::new(start);
        let sent = (0..2_000).filter(|ms| load.poll(start + Duration::from_millis(*ms), MAX_WAITING + 1).is_some());
        assert_eq!(sent.count(), 0);
    }
}
