//! A path that got longer (another route, another access point) looks like a queue, and giving way does not empty it.
//!
//! A queue moves: one's own shrinks, one that others fill swings. What stays the same to a few milliseconds while this
//! sender gives way by far more than that is the path (20 ms longer: full use after 6 s; else a third of it after 40 s).

use super::{Control, Mode};
use crate::observer::Observation;

/// Stays the same within this, microseconds, or the noise, for at least so long.
const SAME: f64 = 3_000.0;
const LASTS: u64 = 1_000_000;
/// Given way by this multiple of it: 0.6 s at half the rate.
const GIVEN: f64 = 100.0;
/// No path gets longer by more at once; a queue does.
const LONGEST: f64 = 150_000.0;

/// A delay above the target that stays the same.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flat {
    since: u64,
    /// Its bounds so far.
    low: f64,
    high: f64,
    /// The rate that was thought to fit when it began.
    rate: f64,
    /// How much shorter a queue would be for what was not sent since, microseconds.
    given: f64,
}

impl Control {
    pub(super) fn look_for_longer_path(&mut self, seen: &Observation, target: f64, elapsed: f64) {
        let queue = seen.queue_low;
        if queue <= target || queue > LONGEST || seen.lost > 0 {
            self.flat = None;
            return;
        }
        let rate = seen.delivered.max(self.capacity);
        let new = Flat { since: seen.now, low: queue, high: queue, rate, given: 0.0 };
        let mut flat = self.flat.unwrap_or(new);
        (flat.low, flat.high) = (flat.low.min(queue), flat.high.max(queue));
        let same = SAME.max(seen.noise);
        if flat.high - flat.low > same {
            self.flat = Some(new);
            return;
        }
        flat.given += (1.0 - seen.sent / flat.rate.max(1.0)).max(0.0) * elapsed * 1e6;
        self.flat = Some(flat);
        if seen.now.saturating_sub(flat.since) > LASTS && flat.given > GIVEN * same {
            self.flat = None;
            self.longer_path = true;
            self.capacity = flat.rate;
            self.mode = Mode::Steady;
            (self.queue, self.smooth) = (0.0, 0.0);
        }
    }

    /// Whether the path turned out to be longer; once.
    pub(crate) fn take_longer_path(&mut self) -> bool {
        std::mem::take(&mut self.longer_path)
    }
}
