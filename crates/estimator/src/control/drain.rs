//! A queue above the bound: below the capacity for as long as emptying it takes, and no longer.
//!
//! While a queue stands, what is delivered is the capacity: the longer, the surer. How much still waits is not what the
//! last message saw but what [`Observation::queue_now`] computes from what is on its way; without that, the rate stayed
//! low for a round trip after the queue was gone (B10-short: half of what short transfers left unused).

use super::{Competing, Control, Mode, UTILISATION};
use crate::observer::Observation;
use crate::types::Reason;

/// Time in which a queue is emptied once its cause is known: B3 wants 0.8 s with a loop of 0.15 s.
const DRAIN_TIME: f64 = 700_000.0;
/// Of that is left, at least: the tail of a queue is to end as well (B3-rfc M2: 50 ms stood for 1.5 s before).
const LEAST_TIME: f64 = 250_000.0;
/// After a plunge it is surely this sender's own, and grows with all that is on its way: sooner, and to less of the rate
/// (B3 M1: drained in 0.4 s, 2.0 before; B3-rfc M1: 0.5 % of audio late, 0.9 before).
const STEEP_TIME: f64 = 400_000.0;
const STEEP_FLOOR: f64 = 0.15;
/// A few packets may show less of a line than there is, but not less than this share; what was measured for so long may.
const LEAST_LEFT: f64 = 0.15;
const SURE_SECONDS: f64 = 1.0;
/// The queue is emptied to this share of the target.
const DRAIN_TO: f64 = 0.9;
/// The rate while draining is never below this share of the capacity, so that audio and the loop go on.
const DRAIN_FLOOR: f64 = 0.3;
/// After a mere stall, the queue is emptied this gently (B8: no drop above 15 % on one stall).
const STALL_DRAIN_FLOOR: f64 = 0.87;
/// A delivery rate of at least this share of the capacity says that the capacity did not fall.
const STALL_SHARE: f64 = 0.88;
/// A gap of so much in a drain is a stall of its own, microseconds; at `BUSY` packets come in 13 ms.
const ANOTHER_STALL: u64 = 80_000;
/// At this rate packets come closer together than what counts as a stall.
const BUSY: f64 = 700_000.0;
/// A delivery rate measured for less says nothing. Clients of one line each have a clock of their own, so there it is the sum
/// of what each measured over the last quarter second.
const ENOUGH_SECONDS: f64 = 0.08;
const SHARED_SECONDS: f64 = 0.2;
/// A delivery rate measured for so long beside a standing queue is the capacity.
const COMMIT_SECONDS: f64 = 0.25;
/// A queue that should have shrunk by so much since this sender gave way, microseconds, and shrank by less than a third
/// of that, is kept full by others.
const FUTILE: f64 = 250_000.0;
const FUTILE_SHARE: f64 = 0.3;
/// A queue of less does not overflow, as a rule; losses beside it are the medium's (B5-heavy: a burst of losses during
/// a drain was taken for a line that is gone).
const OVERFLOW: f64 = 100_000.0;
/// Gentleness after a stall ends when the queue is still there.
const PATIENT_DRAIN: u64 = 500_000;
/// Beside competing traffic this share of what the line had is kept (B9: 35 to 60 %).
pub(super) const COMPETE_SHARE: f64 = 0.48;

/// A queue that is being emptied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Draining {
    since: u64,
    /// Capacity at the start.
    before: f64,
    /// Newest arrival at the start, and bytes that arrived since.
    from_arrival: u64,
    bytes: f64,
    /// Measured so far; the first guess is the busy rate of the message that showed the queue.
    measured: f64,
    /// What was served while the queue was seen first: after a stall more than the capacity that was thought.
    line: f64,
    /// The line fell from one message to the next.
    steep: bool,
    /// The capacity did not fall: something stood still for a moment.
    stall: bool,
    /// The largest queue so far, and by how much it should have shrunk since packets of the lower rate arrive.
    peak: f64,
    given: f64,
}

impl Draining {
    /// Whether this message told of the line's fall.
    pub(super) fn just_plunged(&self, now: u64) -> bool {
        self.steep && self.since == now
    }
}

impl Control {
    pub(super) fn begin_drain(&mut self, seen: &Observation, target: f64) {
        let measured = seen.busy_rate.unwrap_or(seen.delivered);
        // Without enough packets to measure, a queue says only that it is too much.
        let measured = if measured > 0.0 { measured } else { self.capacity * 0.85 };
        let steep = self.plunges(seen);
        let measured = match seen.plunge {
            Some(rate) if steep => measured.min(rate.max(LEAST_LEFT * self.capacity)),
            _ => measured,
        };
        let draining = Draining {
            since: seen.now,
            before: self.capacity,
            from_arrival: seen.last_arrival,
            bytes: 0.0,
            measured: measured.min(self.capacity),
            line: measured,
            steep,
            stall: !steep && (measured >= STALL_SHARE * self.capacity || seen.paused && self.capacity > BUSY),
            peak: seen.queue_low,
            given: 0.0,
        };
        self.confidence = 1.0;
        self.starting = false;
        self.remembered = None;
        self.mode = Mode::Drain(draining);
        self.set_drain_rate(seen, target, &draining);
    }

    fn set_drain_rate(&mut self, seen: &Observation, target: f64, draining: &Draining) {
        let rate = draining.measured.min(self.capacity);
        let line = if draining.stall { draining.line.max(rate) } else { rate };
        let excess = (seen.queue_now(line) - target * DRAIN_TO).max(0.0);
        let (time, floor) = match (draining.stall, draining.steep) {
            (true, _) => (DRAIN_TIME, STALL_DRAIN_FLOOR),
            (_, true) => (STEEP_TIME, STEEP_FLOOR),
            (_, false) => (DRAIN_TIME, DRAIN_FLOOR),
        };
        let lasted = seen.now.saturating_sub(draining.since) as f64;
        let left = if draining.stall { time } else { (time - lasted).max(LEAST_TIME) };
        self.rate = rate * UTILISATION * (1.0 - excess / left).max(floor);
    }

    pub(super) fn drain(&mut self, seen: &Observation, target: f64, elapsed: f64, mut draining: Draining) {
        draining.from_arrival += seen.stalled;
        // What a full queue dropped was not served; what the medium lost was.
        let overflows = seen.queue_low > OVERFLOW && seen.queue_low > 0.7 * draining.peak;
        let lost = if overflows { seen.received_bytes * self.loss.medium() } else { seen.lost_bytes };
        draining.bytes += seen.received_bytes + lost;
        if seen.stalled > ANOTHER_STALL && draining.before > BUSY {
            // It stood still again: what is measured begins anew.
            draining =
                Draining { from_arrival: seen.last_arrival, bytes: 0.0, stall: true, since: seen.now, ..draining };
            draining.measured = draining.before;
            draining.line = draining.line.max(draining.before);
        }
        let lasted = seen.now.saturating_sub(draining.since);
        let (time, rate, enough) = if seen.shared {
            (lasted as f64 / 1e6, seen.delivered, SHARED_SECONDS)
        } else {
            let time = seen.last_arrival.saturating_sub(draining.from_arrival) as f64 / 1e6;
            (time, draining.bytes * 8.0 / time, ENOUGH_SECONDS)
        };
        let stands = seen.queue_low > target;
        if stands && time > enough {
            draining.measured = rate.min(draining.before);
            draining.stall = draining.measured >= STALL_SHARE * draining.before && lasted < PATIENT_DRAIN;
        }
        if !stands || time > COMMIT_SECONDS {
            self.commit(&draining, time);
        }
        if !stands {
            self.mode = Mode::Steady;
            self.rate = self.capacity * UTILISATION;
            self.smooth = seen.queue_low;
            return;
        }
        if self.is_futile(seen, elapsed, &mut draining) {
            let rate = (self.best * COMPETE_SHARE).max(self.capacity * 0.5);
            self.mode = Mode::Compete(Competing::new(self.best, rate, seen.now));
            self.reason = Reason::Competition;
            self.rate = rate;
            return;
        }
        self.mode = Mode::Drain(draining);
        self.set_drain_rate(seen, target, &draining);
    }

    /// Whether the queue stays though this sender gave way.
    fn is_futile(&self, seen: &Observation, elapsed: f64, draining: &mut Draining) -> bool {
        let rate = draining.measured.max(1.0);
        let giving = 1.0 - seen.sent / rate;
        if giving < 0.15 {
            draining.peak = draining.peak.max(seen.queue_low);
            return false;
        }
        draining.given += giving * elapsed * 1e6;
        draining.given > FUTILE && seen.queue_low > draining.peak - FUTILE_SHARE * draining.given
    }

    fn commit(&mut self, draining: &Draining, time: f64) {
        if draining.stall {
            self.allowance = (self.allowance + 700.0).min(12_000.0);
            // Some of the excess was ours.
            self.capacity = self.capacity.min(draining.before * 0.99);
            return;
        }
        let least = if time > SURE_SECONDS { 0.0 } else { LEAST_LEFT * draining.before };
        self.capacity = draining.measured.max(least).min(draining.before);
        self.reason = Reason::Queue;
    }
}
