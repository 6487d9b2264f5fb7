//! Without a standing queue: the capacity follows the delay, the rate follows the capacity and damps the delay.

use super::{Control, UTILISATION};
use crate::observer::Observation;
use crate::train::Trains;
use crate::types::Reason;

/// Growth and decline of the capacity per second at full rate, at most.
const GROW_PER_SECOND: f64 = 0.1;
const SHRINK_PER_SECOND: f64 = 0.1;
/// Growth at the start, for this long, and after the line was faster.
const GROW_EAGERLY: f64 = 1.0;
const EAGER: u64 = 3_000_000;
const BELOW_BEST: f64 = 0.93;
/// And only where so much of the rate is sent: a short queue says nothing of what was not tried.
const TRIED: f64 = 0.93;
/// What bursts show is taken with this caution.
const BURST_CAUTION: f64 = 0.92;
/// And only when it is so much more that jitter cannot be the cause.
const BURST_CLEAR: f64 = 1.15;
/// One step up by bursts.
const BURST_STEP: f64 = 1.5;
/// The rate differs from the capacity by what takes the queue to the target in this time. The queue integrates
/// the rate and the capacity integrates the queue: without this term they swing (B7, seed 2: 2.33 to 2.76 Mbit/s).
const DAMPING_SECONDS: f64 = 0.4;
const DAMPING: (f64, f64) = (-0.12, 0.04);
/// Growth of a bound found by losses, per second: when nobody leans on it, and when media does, from the second on in
/// which it was found and doubled after this long.
/// One that interference may have made (B5-heavy: bursts of a second and more) is out of the way in seconds; a policer
/// says so again, then surely.
const RETRY_DOUBTFUL: f64 = 0.2;
const RETRY_UNUSED: f64 = 0.03;
const RETRY: f64 = 0.005;
const RETRY_SECONDS: f64 = 4.0;
/// Weight of a new message in the smoothed delay.
const SMOOTHING: f64 = 0.5;

impl Control {
    pub(super) fn steer(&mut self, seen: &Observation, trains: &mut Trains, target: f64, elapsed: f64) {
        self.allowance *= 1.0 - 0.05 * elapsed;
        self.smooth += SMOOTHING * (seen.queue_low - self.smooth);
        // A bound found by losses is tried again little by little; sooner when nobody leans on it.
        if let Some(limit) = &mut self.loss_limit {
            let age = seen.now.saturating_sub(limit.since) as f64 / 1e6;
            let growth = match (limit.doubtful, self.limited) {
                (true, _) => RETRY_DOUBTFUL,
                (false, true) => RETRY_UNUSED,
                (false, false) => RETRY * (1.0 + age / RETRY_SECONDS),
            };
            limit.rate *= 1.0 + growth * elapsed;
        }
        self.grow_by_bursts(seen, trains, target);
        if !self.limited {
            let error = ((target - self.smooth) / target).clamp(-1.0, 1.0);
            let eager = seen.now < EAGER || self.capacity < BELOW_BEST * self.best;
            let eager = eager && self.tried.max(seen.sent) > TRIED * self.rate;
            let grow = if eager { GROW_EAGERLY } else { GROW_PER_SECOND };
            let gain = if error > 0.0 { grow } else { SHRINK_PER_SECOND };
            let mut capacity = self.capacity * (1.0 + gain * error * elapsed);
            if let Some(limit) = self.loss_limit {
                capacity = capacity.min(limit.rate);
            }
            if let Some(shown) = self.shown(seen.now).filter(|_| !self.is_full()) {
                capacity = capacity.min(shown.max(self.capacity));
            }
            // What was not sent was not tried.
            self.capacity = capacity.min((seen.sent * 1.25).max(self.capacity));
            self.confidence = (self.confidence + elapsed).min(1.0);
        } else {
            self.confidence = (self.confidence - 0.05 * elapsed).max(0.2);
        }
        if self.hinted.is_some() {
            return;
        }
        let damping = (target - self.smooth) / 1e6 / DAMPING_SECONDS;
        self.rate = self.capacity * UTILISATION * (1.0 + damping.clamp(DAMPING.0, DAMPING.1));
    }

    fn grow_by_bursts(&mut self, seen: &Observation, trains: &mut Trains, target: f64) {
        let (count, bytes, sent, arrived) = trains.summary();
        if count < 5 || bytes < 18_000.0 || sent < 1.15 * self.capacity || seen.queue_low > target {
            return;
        }
        if arrived > BURST_CLEAR * self.capacity
            && self.loss_limit.is_none_or(|limit| limit.rate > 1.05 * self.capacity)
        {
            self.capacity = (arrived * BURST_CAUTION).min(self.capacity * BURST_STEP).max(self.capacity);
            if let Some(limit) = self.loss_limit {
                self.capacity = self.capacity.min(limit.rate);
            }
            self.reason = Reason::Burst;
            trains.clear();
        }
    }
}
