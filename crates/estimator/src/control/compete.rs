//! Beside traffic that keeps the queue full whatever we do: a share is kept and the delay is suffered.

use super::drain::COMPETE_SHARE;
use super::{Control, Mode, UTILISATION};
use crate::observer::Observation;

/// A queue without a single loss for so long is no TCP's (R-5.2: two of us kept each other at it for ever).
const DOUBT: u64 = 5_000_000;
/// Loss at which even the share is too much.
const TOO_MUCH_LOSS: f64 = 0.08;
/// The queue must be gone for so long: a TCP flow that halves leaves it for less.
const CALM: u64 = 150_000;

/// Beside traffic that keeps the queue full.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Competing {
    /// What the line had before.
    entered: f64,
    rate: f64,
    calm_since: Option<u64>,
    /// Loss-based traffic loses; a queue that stands without any loss is of our own kind.
    lost_at: u64,
}

impl Competing {
    pub(super) fn new(entered: f64, rate: f64, now: u64) -> Self {
        Self { entered, rate, calm_since: None, lost_at: now }
    }
}

impl Control {
    pub(super) fn compete(&mut self, seen: &Observation, target: f64, elapsed: f64, mut competing: Competing) {
        let loss = f64::from(seen.lost) / f64::from((seen.lost + seen.received).max(1));
        if seen.lost > 0 {
            competing.lost_at = seen.now;
        }
        competing.rate = if loss > TOO_MUCH_LOSS {
            competing.rate * (1.0 - 0.6 * elapsed)
        } else {
            (competing.rate * (1.0 + 0.05 * elapsed)).min(COMPETE_SHARE * competing.entered)
        };
        let calm = seen.queue_low < target;
        competing.calm_since = if calm { competing.calm_since.or(Some(seen.now)) } else { None };
        let over = competing.calm_since.is_some_and(|since| seen.now.saturating_sub(since) > CALM);
        // Loss that giving way does not end: nobody competes, the line is that slow.
        let alone = competing.rate < 0.3 * competing.entered;
        let doubtful = seen.now.saturating_sub(competing.lost_at) > DOUBT;
        self.rate = competing.rate;
        self.capacity = competing.rate / UTILISATION;
        self.mode = Mode::Compete(competing);
        if over || alone || doubtful {
            self.mode = Mode::Steady;
            self.smooth = seen.queue_low;
            self.loss_limit = None;
            self.probing.after = 0;
            self.best = if alone { competing.rate } else { competing.entered };
        }
    }
}
