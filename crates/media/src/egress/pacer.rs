//! The order in which packets leave for one receiver. Audio, repetitions and padding go at once and are only counted; video
//! goes when its turn has come and nothing waits before it, else it waits. When turns come is [`Pace`]'s, which the bench
//! of the estimator uses as well.
//!
//! What waits too long or is too much is for the caller to throw away.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_estimator::{Pace, Speed};

use crate::egress::outgoing::Outgoing;

/// A release is never planned closer than this: the timer of a worker has about this grain.
const GRAIN: Duration = Duration::from_micros(500);

/// Packets that may wait; the bound in bytes is reached first unless they are tiny.
const MAX_WAITING: usize = 1_024;

#[derive(Clone, Copy, Debug)]
struct Waiting {
    item: Outgoing,
    size: u32,
    since: Instant,
}

/// What becomes of a packet that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Send it.
    Now,
    /// It waits.
    Later,
    /// It cannot wait: the queue is too long or too slow.
    Overflow,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Pacer {
    pace: Pace,
    /// When it was looked at last.
    seen: Instant,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    max_bytes: u64,
    max_delay: Duration,
}

impl Pacer {
    pub fn new(speed: Speed, max_bytes: u64, max_delay: Duration, now: Instant) -> Self {
        Self {
            pace: Pace::new(speed, now),
            seen: now,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            max_bytes,
            max_delay,
        }
    }

    pub fn set_speed(&mut self, speed: Speed, now: Instant) {
        self.seen = now;
        self.pace.set_speed(speed, now);
    }

    /// Whether something waits for its turn.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Counts what leaves without waiting.
    pub fn spend(&mut self, size: usize, now: Instant) {
        self.pace.sent_beside(size as u64, now);
    }

    /// Counts what leaves as a part of a probe: media of the probe waits for it.
    pub fn take_turn(&mut self, size: usize, now: Instant) {
        self.pace.sent(size as u64, now);
    }

    /// A video packet wants to leave.
    pub fn offer(&mut self, item: Outgoing, size: usize, now: Instant) -> Turn {
        self.seen = now;
        if self.waiting.is_empty() && self.is_turn(size as u64) {
            self.pace.sent(size as u64, now);
            return Turn::Now;
        }
        let full = self.waiting.len() >= MAX_WAITING || self.waiting_bytes + size as u64 > self.max_bytes;
        let slow =
            self.waiting.front().is_some_and(|first| now.saturating_duration_since(first.since) > self.max_delay);
        if full || slow {
            return Turn::Overflow;
        }
        self.waiting_bytes += size as u64;
        self.waiting.push_back(Waiting { item, size: size as u32, since: now });
        Turn::Later
    }

    /// The next packet whose turn has come.
    pub fn poll(&mut self, now: Instant) -> Option<Outgoing> {
        self.seen = now;
        let size = u64::from(self.waiting.front()?.size);
        if !self.is_turn(size) {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(size);
        self.pace.sent(size, now);
        Some(next.item)
    }

    /// When the next turn comes. While nothing may leave, none does: what is known of the line has to change first.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let turn = self.pace.next(u64::from(self.waiting.front()?.size))?;
        Some(if turn <= self.seen { self.seen } else { turn.max(self.seen + GRAIN) })
    }

    /// Throws away what waits for this stream and says how much.
    pub fn remove(&mut self, stream: u16) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.item.stream != stream);
        self.waiting_bytes = self.waiting.iter().map(|waiting| u64::from(waiting.size)).sum();
        before - self.waiting.len()
    }

    fn is_turn(&self, size: u64) -> bool {
        self.pace.next(size).is_some_and(|turn| turn <= self.seen)
    }
}

#[cfg(test)]
mod tests {
    use parlour_model::Bitrate;

    use super::*;
    use crate::egress::outgoing::Form;
    use crate::tests::epoch;

    fn item(stream: u16, sequence: u64) -> Outgoing {
        Outgoing {
            stream,
            publication: 0,
            layer: 0,
            form: Form::Media,
            incoming: 0,
            sequence,
            timestamp: 0,
            picture: None,
        }
    }

    fn paced(rate: Bitrate, max_bytes: u64, now: Instant) -> Pacer {
        Pacer::new(Speed::Paced { burst: rate.scaled(1.5), mean: rate }, max_bytes, Duration::from_millis(300), now)
    }

    #[test]
    fn a_free_line_delays_nothing() {
        let now = epoch();
        let mut pacer = Pacer::new(Speed::Free, 500_000, Duration::from_millis(300), now);
        // A keyframe of 60 kB.
        assert!((0..50).all(|i| pacer.offer(item(0, i), 1_200, now) == Turn::Now));
        assert_eq!(pacer.poll_timeout(), None);
    }

    /// Everything that waits, as it leaves by timers.
    fn released(pacer: &mut Pacer, start: Instant) -> (Vec<u64>, Duration) {
        let (mut sequences, mut last) = (Vec::new(), start);
        while let Some(at) = pacer.poll_timeout() {
            assert!(at >= last);
            while let Some(item) = pacer.poll(at) {
                sequences.push(item.sequence);
            }
            last = at;
        }
        (sequences, last - start)
    }

    #[test]
    fn a_burst_leaves_at_the_rate_and_in_order() {
        let start = epoch();
        let mut pacer = paced(Bitrate::mbps(2), 500_000, start);
        let passed = (0..50).filter(|&i| pacer.offer(item(0, i), 1_000, start) == Turn::Now).count() as u64;
        assert_eq!(passed, 1);
        let (sequences, took) = released(&mut pacer, start);
        assert_eq!(sequences, (passed..50).collect::<Vec<_>>());
        // 50 kB at 255 kB/s, less the 13 ms by which it may be ahead.
        assert!((Duration::from_millis(178)..Duration::from_millis(188)).contains(&took), "{took:?}");
    }

    #[test]
    fn what_does_not_wait_leaves_what_waits_the_less() {
        let start = epoch();
        let took = |beside: usize| {
            let mut pacer = paced(Bitrate::mbps(2), 500_000, start);
            pacer.spend(beside, start);
            (0..50).for_each(|i| _ = pacer.offer(item(0, i), 1_000, start));
            released(&mut pacer, start).1
        };
        // Ten kilobytes are 39 ms at 255 kB/s.
        let longer = took(10_000) - took(0);
        assert!((Duration::from_millis(35)..Duration::from_millis(43)).contains(&longer), "{longer:?}");
    }

    #[test]
    fn while_the_line_is_held_nothing_leaves_and_nothing_is_due() {
        let start = epoch();
        let mut pacer = Pacer::new(Speed::Held, 500_000, Duration::from_millis(300), start);
        assert_eq!(pacer.offer(item(0, 0), 1_000, start), Turn::Later);
        assert_eq!((pacer.poll_timeout(), pacer.poll(start + Duration::from_millis(100))), (None, None));
        let later = start + Duration::from_millis(200);
        pacer.set_speed(Speed::Paced { burst: Bitrate::mbps(1), mean: Bitrate::mbps(1) }, later);
        assert_eq!(pacer.poll(later).map(|item| item.sequence), Some(0));
    }

    #[test]
    fn what_waits_too_long_or_is_too_much_overflows() {
        let start = epoch();
        let mut pacer = paced(Bitrate::kbps(8), 20_000, start);
        let last = (0..50).map(|i| pacer.offer(item(0, i), 1_000, start)).last();
        assert_eq!(last, Some(Turn::Overflow));
        assert_eq!(pacer.offer(item(0, 50), 10, start + Duration::from_millis(301)), Turn::Overflow);
        assert_eq!(pacer.remove(0), 20);
        assert_eq!(pacer.poll_timeout(), None);
    }
}
