//! Demand above the capacity that the media cannot try out by itself is tried with probes.
//!
//! The start is two probes back to back, slow then fast: on a line of 300 kbit/s they are a third of a second of queue,
//! once, and on one of 2.5 Mbit/s they show most of it with the first feedback.

use std::collections::VecDeque;

use parlour_model::{Bitrate, DataSize};

use super::{Control, Mode, UTILISATION};
use crate::train::Train;
use crate::types::{ProbePlan, Reason};

/// Duration of a probe and bounds of its size.
const SECONDS: f64 = 0.045;
const BYTES: (f64, f64) = (4_000.0, 15_000.0);
/// On a line so slow that this is long, no more than it carries in so many seconds, half of which stands as a queue when nothing
/// more is there: speech has to pass (100 kbit/s: a queue of 240 ms each two seconds, before). Less cannot be measured.
const SMALL_SECONDS: f64 = 0.12;
const SMALL_BYTES: f64 = 1_800.0;
/// Later, of the capacity: at twice its rate half of this is left as a queue when nothing more is there (B3-rfc at
/// 0.6 Mbit/s: 80 ms, each two seconds, before).
const LATER_SECONDS: f64 = 0.05;
/// The two of the start: rates, and bytes. 10 kB are 270 ms on 300 kbit/s; nothing is shown or heard yet.
const START: [(f64, f64); 2] = [(1_000_000.0, 3_500.0), (2_700_000.0, 6_500.0)];
/// The first with a hint: no more bytes than leave 40 ms on a line of a third of it (B2-high).
const HINT_BYTES: f64 = 7_500.0;
/// A hint is tried a little above itself, and is confirmed by this share of that: 7.5 kB are measured to a quarter.
const HINT_FACTOR: f64 = 1.1;
const HINT_CONFIRMED: f64 = 0.75;
/// Each further probe of the start, of the capacity.
const STEP: f64 = 3.0;
/// And later.
const LATER_STEP: f64 = 2.0;
/// Between probes that found nothing, doubled up to the last: 12 kB each 5 s are 1 % of 2 Mbit/s.
pub(super) const PAUSE: (u64, u64) = (1_000_000, 5_000_000);
/// Sooner while the line is known to have been faster (B3: 720p 3 s after).
const PAUSE_BELOW_BEST: u64 = 2_200_000;
/// A line that was faster before, used in full, and whose delay is under this share of the target for this long has got
/// faster: at once, but no more often than this, the rate times this is tried for so many seconds (B3 M1: 90 % of the line
/// 0.9 s after its return, 1.5 before).
const QUIET: f64 = 0.35;
const QUIET_FOR: u64 = 140_000;
const QUIET_PAUSE: u64 = 700_000;
const QUIET_STEP: f64 = 2.5;
const QUIET_SECONDS: f64 = 0.03;
/// A probe that found no more is a measurement too, of a line that media does not use in full: so much above what it showed,
/// as a mean of the last probes, is the bound for so long. Else the capacity creeps to a fourth above what is sent, and
/// what waits in the pacer goes to the bottleneck instead (B16-sweep M2: 5 changes a minute, 6.5 before; B3-rfc M2: queue
/// p95 19 ms, 26 before).
const SHOWN: f64 = 1.05;
const SHOWN_FOR: u64 = 10_000_000;
/// Less is sent than this share of the rate: not used in full.
const FULL: f64 = 0.95;
/// But more than this share of what a probe showed; else there is room for what the probe may have missed (B15 M1: with the
/// camera off, one probe after the other took a little of the capacity away).
const NEARLY_FULL: f64 = 0.75;
/// After a silence the line is probably what it was, if a probe shows this share of it.
const AS_BEFORE: f64 = 0.75;
/// A probe that found this much more is followed by the next at once.
const FOUND_MUCH: f64 = 1.2;
/// Jitter makes 10 % of a probe; less is no reason to correct a capacity measured under load.
const CLEARLY_MORE: f64 = 1.1;
/// An answer is awaited so long.
const PATIENCE: u64 = 800_000;
/// Demand must be unmet for so long before a rate that fits is tried: frames vary.
const UNTRIED: u64 = 400_000;

/// A probe on its way.
#[derive(Clone, Copy, Debug)]
struct Flying {
    id: u32,
    rate: f64,
    until: u64,
}

/// Probes: to be sent, sent, and when the next is due.
#[derive(Clone, Debug)]
pub(super) struct Probing {
    plan: Option<ProbePlan>,
    sent: u64,
    until: u64,
    /// At most two: the start's.
    flying: VecDeque<Flying>,
    /// Of the start: the second, once the first is sent.
    second: Option<(f64, f64)>,
    pub(super) after: u64,
    /// Since when there has been no delay at full rate, and when that was acted on last.
    quiet_since: Option<u64>,
    quiet_tried: u64,
    pause: u64,
    ids: u32,
    /// Probes that were never begun.
    pub(super) unsent: usize,
}

impl Probing {
    pub(super) fn new(hint: Option<f64>) -> Self {
        let mut probing = Self {
            plan: None,
            sent: 0,
            until: 0,
            flying: VecDeque::with_capacity(2),
            second: None,
            after: 0,
            quiet_since: None,
            quiet_tried: 0,
            pause: PAUSE.0,
            ids: 0,
            unsent: 0,
        };
        match hint {
            None => {
                probing.plan(0, START[0].0, START[0].1);
                probing.second = Some(START[1]);
            }
            Some(hint) => {
                let rate = hint * HINT_FACTOR;
                probing.plan(0, rate, (rate / 8.0 * SECONDS).clamp(START[0].1, HINT_BYTES));
                probing.second = Some(START[1]).filter(|&(second, _)| second > 2.0 * rate);
            }
        }
        probing
    }

    pub(super) fn current(&self) -> Option<ProbePlan> {
        self.plan
    }

    pub(super) fn cancel(&mut self) {
        self.plan = None;
        self.second = None;
        self.flying.clear();
        self.after = 0;
    }

    fn plan(&mut self, now: u64, rate: f64, bytes: f64) {
        self.ids += 1;
        self.plan =
            Some(ProbePlan { id: self.ids, rate: Bitrate::bps(rate as u64), size: DataSize::bytes(bytes as u64) });
        self.sent = 0;
        self.until = now + PATIENCE;
    }

    /// The pacer sent a packet of this probe.
    fn handle_sent(&mut self, now: u64, id: u32, bytes: u64) {
        let Some(plan) = self.plan.filter(|plan| plan.id == id) else { return };
        if self.sent == 0 {
            self.flying.truncate(1);
            self.flying.push_back(Flying { id, rate: plan.rate.as_bps() as f64, until: now + PATIENCE });
        }
        self.sent += bytes;
        if self.sent >= plan.size.as_bytes() {
            self.plan = None;
            if let Some((rate, bytes)) = self.second.take() {
                self.plan(now, rate, bytes);
            }
        }
    }

    /// A probe came back: how fast it was sent.
    fn take(&mut self, id: u32) -> Option<f64> {
        let position = self.flying.iter().position(|flying| flying.id == id)?;
        if self.plan.is_some_and(|plan| plan.id == id) {
            self.plan = None;
        }
        self.flying.remove(position).map(|flying| flying.rate)
    }

    /// Whether something is still under way; what is overdue is given up.
    fn is_busy(&mut self, now: u64) -> bool {
        let overdue = self.plan.is_some() && self.sent == 0 && now > self.until;
        self.unsent += usize::from(overdue);
        if overdue || self.flying.iter().any(|flying| now > flying.until) {
            self.cancel();
            self.after = now + self.pause;
        }
        self.plan.is_some() || !self.flying.is_empty()
    }
}

impl Control {
    pub(crate) fn probe(&self) -> Option<ProbePlan> {
        self.probing.current().filter(|_| !self.is_silent())
    }

    /// How many probes were not begun by whom they were planned for.
    pub(crate) fn probes_unsent(&self) -> usize {
        self.probing.unsent
    }

    pub(crate) fn probe_sent(&mut self, now: u64, id: u32, bytes: u64) {
        self.probing.handle_sent(now, id, bytes);
    }

    pub(super) fn judge_probe(&mut self, now: u64, train: &Train) {
        let Some(planned) = train.probe.and_then(|id| self.probing.take(id)) else { return };
        let mut found = train.line_rate();
        let unsaturated = train.arrival_rate() > 0.85 * planned;
        if let Some(hint) = self.hinted.take()
            && found > HINT_CONFIRMED * planned
        {
            found = found.max(hint);
        }
        if let Some(before) = self.remembered.take()
            && found > AS_BEFORE * planned.min(before)
        {
            found = found.max(UTILISATION * before);
        }
        let limit = self.loss_limit.map_or(f64::INFINITY, |limit| limit.rate);
        let before = self.capacity;
        let measured = self.confidence > 0.9 && !self.starting;
        let clear = if measured { CLEARLY_MORE } else { 1.0 };
        if found > clear * before && self.mode == Mode::Steady {
            self.capacity = found.min(limit);
            self.rate = self.capacity * UTILISATION;
            self.reason = Reason::Probe;
            self.confidence = self.confidence.max(0.6);
            self.probing.pause = PAUSE.0;
            self.shown = None;
        } else {
            self.probing.pause = (self.probing.pause * 2).min(PAUSE.1);
            let nearly_full = !self.is_full() && self.tried > NEARLY_FULL * found;
            if !unsaturated && !self.starting && self.mode == Mode::Steady && nearly_full {
                self.take_as_bound(now, found);
            }
        }
        let much = found > FOUND_MUCH * before;
        self.starting &= unsaturated || much;
        let below_best = self.capacity < 0.8 * self.best;
        let longest = if below_best { PAUSE_BELOW_BEST } else { PAUSE.1 };
        let pause = if unsaturated || much { 0 } else { self.probing.pause.min(longest) };
        self.probing.after = now + pause;
    }

    /// Whether media uses the rate.
    pub(super) fn is_full(&self) -> bool {
        self.tried > FULL * self.rate
    }

    /// What the last probes showed to be the most, if they are fresh.
    pub(super) fn shown(&self, now: u64) -> Option<f64> {
        self.shown.filter(|&(_, at)| now < at + SHOWN_FOR).map(|(rate, _)| rate)
    }

    fn take_as_bound(&mut self, now: u64, found: f64) {
        let found = SHOWN * found;
        self.shown = Some((self.shown(now).map_or(found, |before| 0.5 * (before + found)), now));
        // What is sent without a queue fits, whatever jitter made of a probe.
        self.capacity = self.capacity.min(found.max(self.tried / FULL));
        self.rate = self.rate.min(self.capacity * UTILISATION);
    }

    /// Whether the line got faster by the look of its delay.
    fn is_quiet(&mut self, now: u64, target: f64) -> bool {
        let quiet = self.mode == Mode::Steady
            && !self.limited
            && self.was_faster()
            && self.smooth.max(self.queue) < QUIET * target;
        self.probing.quiet_since = if quiet { self.probing.quiet_since.or(Some(now)) } else { None };
        let lasts = self.probing.quiet_since.is_some_and(|since| now.saturating_sub(since) >= QUIET_FOR);
        lasts && now > self.probing.quiet_tried + QUIET_PAUSE
    }

    /// The size of a later probe that would have so many bits.
    fn probe_bytes(&self, bits: f64) -> f64 {
        let least = (self.capacity * SMALL_SECONDS / 8.0).clamp(SMALL_BYTES, BYTES.0);
        (bits / 8.0).clamp(least, BYTES.1)
    }

    pub(super) fn consider_probe(&mut self, now: u64, target: f64) {
        let quiet = self.is_quiet(now, target);
        if self.probing.is_busy(now) {
            return;
        }
        let wanted = self.demand / UTILISATION;
        // Frames this small make no bursts to read.
        let small = self.capacity * 0.033 / 8.0 < 5_000.0;
        let untried = self.limited_since.is_some_and(|since| now.saturating_sub(since) > UNTRIED);
        let empty = self.smooth < 0.5 * target;
        // On a line that is nearly full they would stand in the queue.
        let small = small && (empty || self.is_full());
        let tried = untried || self.starting || small || (self.capacity < 0.9 * self.best && empty);
        let worth = wanted > 1.02 * self.capacity && tried;
        let free = self.mode == Mode::Steady && self.queue < target && self.loss_trial.is_none();
        let limit = self.loss_limit.map_or(f64::INFINITY, |limit| limit.rate);
        if !free || limit <= 1.1 * self.capacity {
            return;
        }
        if quiet && wanted > 1.02 * self.capacity {
            self.probing.quiet_tried = now;
            let rate = (self.capacity * QUIET_STEP).min(wanted * 1.25);
            self.probing.plan(now, rate, self.probe_bytes(rate * QUIET_SECONDS));
        } else if worth && now >= self.probing.after {
            let step = if self.starting { STEP } else { LATER_STEP };
            let rate = (self.capacity * step).min(wanted * 1.25);
            let bytes = if self.starting { rate * SECONDS } else { self.capacity * LATER_SECONDS };
            self.probing.plan(now, rate, self.probe_bytes(bytes));
        }
    }
}
