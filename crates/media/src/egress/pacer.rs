//! The order and speed in which packets leave for one receiver. Audio, repetitions and padding go at once and are only
//! counted; video goes at once as long as there is allowance and nothing waits, else it waits for its turn.
//!
//! The allowance grows at a multiple of the budget: a frame comes as a burst, and at the budget itself each frame would
//! be delayed by its own length. What waits too long or is too much is for the caller to throw away.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_model::Bitrate;

use crate::egress::outgoing::Outgoing;

/// Allowance is saved for this long at most.
const BURST: Duration = Duration::from_millis(5);

/// However small the rate, some packets may leave together.
const MIN_BURST: f64 = 6_000.0;

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
    /// Bytes a second.
    rate: f64,
    burst: f64,
    allowance: f64,
    filled: Instant,
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    max_bytes: u64,
    max_delay: Duration,
}

impl Pacer {
    pub fn new(rate: Bitrate, max_bytes: u64, max_delay: Duration, now: Instant) -> Self {
        let (rate, burst) = rate_and_burst(rate);
        Self {
            rate,
            burst,
            allowance: burst,
            filled: now,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            max_bytes,
            max_delay,
        }
    }

    pub fn set_rate(&mut self, rate: Bitrate, now: Instant) {
        self.fill(now);
        (self.rate, self.burst) = rate_and_burst(rate);
        self.allowance = self.allowance.min(self.burst);
    }

    /// Whether something waits for its turn.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Counts what leaves without waiting. Its debt delays video, but no longer than one burst.
    pub fn spend(&mut self, size: usize, now: Instant) {
        self.fill(now);
        self.allowance = (self.allowance - size as f64).max(-self.burst);
    }

    /// A video packet wants to leave.
    pub fn offer(&mut self, item: Outgoing, size: usize, now: Instant) -> Turn {
        self.fill(now);
        if self.waiting.is_empty() && self.allowance > 0.0 {
            self.allowance -= size as f64;
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
        if self.waiting.is_empty() {
            return None;
        }
        self.fill(now);
        if self.allowance <= 0.0 {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.waiting_bytes = self.waiting_bytes.saturating_sub(u64::from(next.size));
        self.allowance -= f64::from(next.size);
        Some(next.item)
    }

    /// When the next turn comes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front()?;
        if self.allowance > 0.0 {
            return Some(self.filled);
        }
        // Never beyond the delay allowed, also at no rate at all.
        let wait = (-self.allowance / self.rate.max(1.0)).min(self.max_delay.as_secs_f64());
        Some(self.filled + Duration::from_secs_f64(wait).max(GRAIN))
    }

    /// Throws away what waits for this stream and says how much.
    pub fn remove(&mut self, stream: u16) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.item.stream != stream);
        self.waiting_bytes = self.waiting.iter().map(|waiting| u64::from(waiting.size)).sum();
        before - self.waiting.len()
    }

    fn fill(&mut self, now: Instant) {
        // Packets come in batches of one instant.
        if now <= self.filled {
            return;
        }
        let elapsed = now.saturating_duration_since(self.filled);
        self.allowance = (self.allowance + self.rate * elapsed.as_secs_f64()).min(self.burst);
        self.filled = now;
    }
}

fn rate_and_burst(rate: Bitrate) -> (f64, f64) {
    let rate = rate.as_bps() as f64 / 8.0;
    (rate, (rate * BURST.as_secs_f64()).max(MIN_BURST))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_large_rate_delays_nothing() {
        let now = epoch();
        let mut pacer = Pacer::new(Bitrate::mbps(125), 500_000, Duration::from_millis(300), now);
        // A keyframe of 60 kB.
        assert!((0..50).all(|i| pacer.offer(item(0, i), 1_200, now) == Turn::Now));
        assert_eq!(pacer.poll_timeout(), None);
    }

    #[test]
    fn a_burst_leaves_at_the_rate_and_in_order() {
        let start = epoch();
        let mut pacer = Pacer::new(Bitrate::mbps(2), 500_000, Duration::from_millis(300), start);
        let passed = (0..50).filter(|&i| pacer.offer(item(0, i), 1_000, start) == Turn::Now).count() as u64;
        assert_eq!(passed, 6);
        let (mut next, mut last) = (passed, start);
        while let Some(at) = pacer.poll_timeout() {
            assert!(at >= last);
            while let Some(item) = pacer.poll(at) {
                assert_eq!(item.sequence, next);
                next += 1;
            }
            last = at;
        }
        assert_eq!(next, 50);
        // 44 kB at 250 kB/s.
        let took = last - start;
        assert!((Duration::from_millis(165)..Duration::from_millis(180)).contains(&took), "{took:?}");
    }

    #[test]
    fn what_waits_too_long_or_is_too_much_overflows() {
        let start = epoch();
        let mut pacer = Pacer::new(Bitrate::kbps(8), 20_000, Duration::from_millis(300), start);
        let last = (0..50).map(|i| pacer.offer(item(0, i), 1_000, start)).last();
        assert_eq!(last, Some(Turn::Overflow));
        assert_eq!(pacer.offer(item(0, 50), 10, start + Duration::from_millis(301)), Turn::Overflow);
        assert_eq!(pacer.remove(0), 20);
        assert_eq!(pacer.poll_timeout(), None);
    }
}
