//! How a source's timestamps lie on its sender's wallclock, from sender reports (RFC 3550, 6.4.1). All sources of one
//! participant share that clock: with it layers are switched and lips kept in step.

use std::time::Instant;

/// One sender report: the same instant on both clocks, and when we heard of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderClock {
    /// 32.32 fixed-point seconds.
    pub ntp: u64,
    pub timestamp: u32,
    pub received: Instant,
}

impl SenderClock {
    /// Both clocks at `now`.
    pub fn at(&self, now: Instant, rate: u32) -> (u64, u32) {
        let elapsed = now.saturating_duration_since(self.received);
        let ntp = (elapsed.as_nanos() << 32) / 1_000_000_000;
        let ticks = elapsed.as_nanos() * u128::from(rate) / 1_000_000_000;
        // Both clocks wrap.
        (self.ntp.wrapping_add(ntp as u64), self.timestamp.wrapping_add(ticks as u32))
    }

    /// The wallclock at a timestamp, as 32.32 seconds.
    fn wallclock(&self, timestamp: u32, rate: u32) -> i128 {
        let ticks = i128::from(timestamp.wrapping_sub(self.timestamp) as i32);
        i128::from(self.ntp) + (ticks << 32) / i128::from(rate.max(1))
    }
}

/// How many ticks `later` is after `earlier`, each a timestamp with the clock of its source.
pub(crate) fn ticks_between(earlier: (&SenderClock, u32), later: (&SenderClock, u32), rate: u32) -> i64 {
    let seconds = later.0.wallclock(later.1, rate) - earlier.0.wallclock(earlier.1, rate);
    let ticks = (seconds * i128::from(rate) + (1 << 31)) >> 32;
    i64::try_from(ticks).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::epoch;

    #[test]
    fn timestamps_of_two_sources_meet_on_the_wallclock() {
        let received = epoch();
        let a = SenderClock { ntp: 100 << 32, timestamp: 5_000, received };
        // The other source's report came a second later.
        let b = SenderClock { ntp: 101 << 32, timestamp: u32::MAX - 10, received };
        // 9,000 ticks after a's report is 0.1 s; b's timestamp 90,000 - 9,000 before its report as well.
        let same = (u32::MAX - 10).wrapping_sub(81_000);
        assert_eq!(ticks_between((&a, 14_000), (&b, same), 90_000), 0);
        assert_eq!(ticks_between((&a, 14_000), (&b, same.wrapping_add(3_000)), 90_000), 3_000);
    }

    #[test]
    fn both_clocks_go_on_after_a_report() {
        let received = epoch();
        let clock = SenderClock { ntp: 7 << 32, timestamp: u32::MAX, received };
        assert_eq!(clock.at(received + Duration::from_millis(500), 48_000), ((7 << 32) + (1 << 31), 23_999));
    }
}
