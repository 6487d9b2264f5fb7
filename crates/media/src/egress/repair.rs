//! How much may be repeated to one receiver. A receiver on a bad line asks often and for much; what it is given must not
//! become the next cause of loss, nor a way to make us send.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

use crate::egress::history::Sent;
use crate::tick::Tick;

/// A packet that was repeated this often and did not arrive will not.
const MAX_TRIES: u8 = 8;

/// Before the first round trip is measured.
const DEFAULT_RTT: Duration = Duration::from_millis(60);

/// The least spacing between two repetitions of one packet.
const MIN_SPACING: Duration = Duration::from_millis(5);

/// However small the budget, this much may be repeated: audio on a bad line.
const MIN_RATE: Bitrate = Bitrate::kbps(64);

/// Unused allowance is kept for this long: a burst of loss is asked for at once.
const WINDOW: Duration = Duration::from_millis(500);

/// See the head of this file. A bucket of bytes that fills at a share of the receiver's budget.
#[derive(Debug)]
pub(crate) struct RepairBudget {
    rate: Bitrate,
    available: f64,
    filled: Instant,
}

impl RepairBudget {
    pub fn new(rate: Bitrate, now: Instant) -> Self {
        let rate = rate.max(MIN_RATE);
        Self { rate, available: rate.over(WINDOW).as_bytes() as f64, filled: now }
    }

    pub fn set_rate(&mut self, rate: Bitrate, now: Instant) {
        self.fill(now);
        self.rate = rate.max(MIN_RATE);
    }

    /// Takes `bytes` if they are there.
    pub fn take(&mut self, bytes: usize, now: Instant) -> bool {
        self.take_above(0.0, bytes, now)
    }

    /// Takes `bytes` for what nobody asked for: half of the allowance stays for what they will.
    pub fn take_spare(&mut self, bytes: usize, now: Instant) -> bool {
        self.take_above(self.rate.over(WINDOW).as_bytes() as f64 / 2.0, bytes, now)
    }

    /// Takes `bytes` if so much is left after it.
    fn take_above(&mut self, least: f64, bytes: usize, now: Instant) -> bool {
        self.fill(now);
        let left = self.available - bytes as f64;
        let enough = left >= least;
        if enough {
            self.available = left;
        }
        enough
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        let rate = self.rate.as_bps() as f64 / 8.0;
        self.available = (self.available + rate * elapsed).min(rate * WINDOW.as_secs_f64());
        self.filled = self.filled.max(now);
    }
}

/// Whether a packet may be repeated now, as far as its own past says: at most every half round trip, since what was
/// repeated last may still be on its way, and not for ever.
pub(crate) fn may_repeat(sent: &Sent, rtt: Option<Duration>, now: Tick) -> bool {
    let spacing = (rtt.unwrap_or(DEFAULT_RTT) / 2).max(MIN_SPACING);
    sent.tries == 0 || sent.tries < MAX_TRIES && now.since(sent.repeated) >= spacing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    #[test]
    fn a_storm_gets_no_more_than_the_rate_and_one_window() {
        let start = epoch();
        let mut budget = RepairBudget::new(Bitrate::mbps(1), start);
        let granted = (0..10_000u64).filter(|i| budget.take(1_000, start + Duration::from_micros(i * 100))).count();
        // One second at 125 kB/s and half a second saved.
        assert!((180..=188).contains(&granted), "{granted}");
    }

    #[test]
    fn what_nobody_asked_for_leaves_half_to_those_who_will_ask() {
        let start = epoch();
        let mut budget = RepairBudget::new(Bitrate::mbps(1), start);
        let unasked = (0..1_000).filter(|_| budget.take_spare(1_000, start)).count();
        let asked = (0..1_000).filter(|_| budget.take(1_000, start)).count();
        assert_eq!((unasked, asked), (31, 31));
    }
}
