//! Observations into capacity and rate.
//!
//! The law, in the order in which it is applied to each observation:
//!
//! 1. A queue above the bound: the capacity is the rate at which waiting packets were delivered, and the rate goes below
//!    it by what empties the queue in `DRAIN_TIME`.
//! 2. A queue that does not empty though this sender gave way: others fill it. Then a share is kept and the delay is
//!    suffered (`Compete`).
//! 3. No queue, and frames sent at `BURST_FACTOR` times the rate arrive faster than the capacity: it is larger.
//! 4. At full rate: the capacity follows the low quantile of the delay towards `QUEUE_TARGET`.
//! 5. Losses, by [`crate::loss`].
//!
//! Demand above the capacity that the media cannot try out by itself is tried with probes.

use crate::loss::{LossJudge, Verdict};
use crate::observer::Observation;
use crate::train::{Train, Trains};
use crate::types::{Config, ProbePlan, Reason, State};

use parlour_model::{Bitrate, DataSize};

/// Sent on average, of the capacity. The rest is what the variation of frame sizes needs (bandwidth.md, idea 1).
const UTILISATION: f64 = 0.98;
/// Delay above the smallest aimed at when the line is full: jitter of 5 ms without reordering stands at 8 to 12 ms on a
/// full line (B1, seed 1: 8 ms here gave 86 % of use with 7.5 ms of true queue at p95, 16 ms gave 97 % with 42 ms), one frame burst of 10 kB leaves 11 ms.
const QUEUE_TARGET: f64 = 14_000.0;
/// And this much more for each microsecond by which the low quantile moves from message to message.
const JITTER_FACTOR: f64 = 1.5;
/// Above target and noise by this much, the queue is a standing one.
const QUEUE_MARGIN: f64 = 20_000.0;
/// Time in which a queue is emptied once its cause is known: B3 wants 0.8 s with a loop of 0.15 s.
const DRAIN_TIME: f64 = 500_000.0;
/// The rate while draining is never below this share of the capacity, so that audio and the loop go on.
const DRAIN_FLOOR: f64 = 0.3;
/// After a mere stall, the queue is emptied this gently (B8: no drop above 15 % on one stall).
const STALL_DRAIN_FLOOR: f64 = 0.87;
/// A delivery rate of at least this share of the capacity says that the capacity did not fall.
const STALL_SHARE: f64 = 0.88;
/// Growth and decline of the capacity per second at full rate, at most.
const GROW_PER_SECOND: f64 = 0.05;
const SHRINK_PER_SECOND: f64 = 0.12;
/// Growth at the start, for this long, and after the line was faster.
const GROW_EAGERLY: f64 = 0.5;
const EAGER: u64 = 3_000_000;
/// Frames leave at this multiple of the rate (bandwidth.md, idea 2).
const BURST_FACTOR: f64 = 1.5;
/// And at this one when the line was faster a minute ago.
const RECOVERY_FACTOR: f64 = 2.0;
/// What bursts show is taken with this caution.
const BURST_CAUTION: f64 = 0.92;
/// And only when it is so much more that jitter cannot be the cause.
const BURST_CLEAR: f64 = 1.15;
/// One step up by bursts.
const BURST_STEP: f64 = 1.5;
/// What one probe shows is taken with this caution. None: jitter of 5 ms on 50 ms of probe is 10 % either way, and the
/// delay corrects what is too much at once (B1, seed 1: 0.95 cost 0.9 s of rise).
const PROBE_CAUTION: f64 = 1.0;
/// Duration of a probe and bounds of its size.
const PROBE_SECONDS: f64 = 0.045;
const PROBE_BYTES: (f64, f64) = (4_500.0, 15_000.0);
/// First probe of a line of which nothing is known: 4.5 kB are 120 ms on 300 kbit/s.
const FIRST_PROBE: f64 = 1_000_000.0;
/// Each further probe of the start.
const PROBE_STEP: f64 = 3.0;
/// Between probes that found nothing, doubled up to the last: 12 kB each 5 s are 1 % of 2 Mbit/s.
const PROBE_PAUSE: (u64, u64) = (1_000_000, 5_000_000);
/// The longest pause while the line is known to have been faster (B3: 720p 3 s after).
const PROBE_PAUSE_BELOW_BEST: u64 = 1_800_000;
/// A delivery rate measured for so long beside a standing queue is the capacity.
const COMMIT_SECONDS: f64 = 0.25;
/// A drain that does not work for so long is not ours to make.
const FUTILE_DRAIN: u64 = 1_000_000;
/// Gentleness after a stall ends when the queue is still there.
const PATIENT_DRAIN: u64 = 500_000;
/// After a silence as long as this the line may be another one.
const LONG_SILENCE: u64 = 700_000;
/// Share kept beside competing traffic, of what the line had (B9: 35 to 60 %).
const COMPETE_SHARE: f64 = 0.48;
/// A queue without a single loss for so long is no TCP's (R-5.2: two of us kept each other at it for ever).
const COMPETE_DOUBT: u64 = 5_000_000;
/// Loss at which even that is too much.
const COMPETE_LOSS: f64 = 0.08;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Steady,
    Drain(Draining),
    Compete(Competing),
}

/// A queue that is being emptied. While it stands, what is delivered is the capacity: the longer, the surer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Draining {
    since: u64,
    /// Capacity at the start.
    before: f64,
    /// Newest arrival at the start, and bytes that arrived since.
    from_arrival: u64,
    bytes: f64,
    /// Measured so far; the first guess is the busy rate of the message that showed the queue.
    measured: f64,
    /// The capacity did not fall: something stood still for a moment.
    stall: bool,
    /// The queue at the start.
    queue: f64,
}

/// Beside traffic that keeps the queue full.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Competing {
    /// What the line had before.
    entered: f64,
    rate: f64,
    calm_since: Option<u64>,
    /// Loss-based traffic loses; a queue that stands without any loss is of our own kind.
    lost_at: u64,
}

/// What the control wants done.
#[derive(Clone, Debug)]
pub(crate) struct Control {
    config: Config,
    pub(crate) capacity: f64,
    pub(crate) rate: f64,
    pub(crate) reason: Reason,
    pub(crate) confidence: f64,
    mode: Mode,
    starting: bool,
    silence: Silence,
    silent_since: u64,
    loss: LossJudge,
    loss_trial: Option<f64>,
    /// Capacity found by losses: bursts do not show it. Grows slowly.
    loss_limit: Option<f64>,
    /// Largest capacity of the last minute, decaying.
    best: f64,
    /// Delay that jitter makes at full rate, learnt from drains that were not needed.
    allowance: f64,
    last: u64,
    limited: bool,
    queue: f64,
    pub(crate) demand: f64,
    probe: Option<ProbePlan>,
    probe_sent: bool,
    probe_deadline: u64,
    probe_after: u64,
    probe_pause: u64,
    probes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Silence {
    No,
    Hold,
    Silent,
}

impl Control {
    pub(crate) fn new(config: Config) -> Self {
        let initial = config.initial.max(config.floor).min(config.ceiling).as_bps() as f64;
        let mut control = Self {
            config,
            capacity: initial,
            rate: initial,
            reason: Reason::Initial,
            confidence: 0.0,
            mode: Mode::Steady,
            starting: true,
            silence: Silence::No,
            silent_since: 0,
            loss: LossJudge::new(),
            loss_trial: None,
            loss_limit: None,
            best: initial,
            allowance: 0.0,
            last: 0,
            limited: true,
            queue: 0.0,
            demand: 0.0,
            probe: None,
            probe_sent: false,
            probe_deadline: 0,
            probe_after: 0,
            probe_pause: PROBE_PAUSE.0,
            probes: 0,
        };
        let first = config.hint.map_or(FIRST_PROBE, |hint| hint.as_bps() as f64 * 1.1);
        control.plan_probe(0, first);
        control
    }

    pub(crate) fn state(&self) -> State {
        match (self.silence, self.mode) {
            (Silence::Silent, _) => State::Silent,
            (Silence::Hold, _) => State::Hold,
            (_, Mode::Drain(_)) => State::Drain,
            (_, Mode::Compete(_)) => State::Compete,
            (_, Mode::Steady) if self.starting => State::Start,
            (_, Mode::Steady) => State::Steady,
        }
    }

    pub(crate) fn pacing_rate(&self) -> f64 {
        match (self.silence, self.mode) {
            (Silence::No, Mode::Drain(_)) => self.rate * 1.05,
            (Silence::No, _) if self.capacity < self.best * 0.85 && self.queue < QUEUE_TARGET * 2.0 => {
                self.rate * RECOVERY_FACTOR
            }
            (Silence::No, _) => self.rate * BURST_FACTOR,
            _ => 0.0,
        }
    }

    pub(crate) fn probe(&self) -> Option<ProbePlan> {
        self.probe.filter(|_| self.silence == Silence::No)
    }

    /// The pacer sent a packet of this probe.
    pub(crate) fn probe_started(&mut self, now: u64, id: u32) {
        if !self.probe_sent && self.probe.is_some_and(|plan| plan.id == id) {
            self.probe_sent = true;
            self.probe_deadline = now + 800_000;
        }
    }

    /// Something new about the line.
    pub(crate) fn observe(&mut self, seen: &Observation, trains: &mut Trains, others: f64) {
        let elapsed = seen.now.saturating_sub(self.last).min(200_000) as f64 / 1e6;
        self.last = seen.now;
        if self.silence != Silence::No {
            self.come_back(seen.now);
            trains.clear();
        }
        let share = f64::from(seen.lost) / f64::from((seen.lost + seen.received).max(1));
        self.limited = seen.sent / (1.0 - share).max(0.1) < 0.8 * self.rate;
        self.queue = seen.queue_low;
        let target = QUEUE_TARGET + (JITTER_FACTOR * seen.noise).min(25_000.0) + self.allowance;
        let high = target + QUEUE_MARGIN;
        // Loss beside a standing queue is the queue's; loss of what was not at full rate shows no bound.
        if self.mode == Mode::Steady && seen.queue_low < high && (!self.limited || self.loss_trial.is_some()) {
            self.judge_losses(seen);
        } else {
            self.loss.give_up();
            self.loss_trial = None;
        }
        match self.mode {
            Mode::Compete(competing) => self.compete(seen, target, elapsed, competing),
            Mode::Steady if seen.queue_low > high => self.begin_drain(seen, target),
            Mode::Steady => self.steer(seen, trains, others, target, elapsed),
            Mode::Drain(draining) => self.drain(seen, others, target, high, draining),
        }
        if self.mode != Mode::Steady {
            trains.clear();
        }
        while let Some(train) = trains.take_probe() {
            self.judge_probe(seen.now, &train, others);
        }
        self.bound();
        self.consider_probe(seen.now, target);
    }

    fn bound(&mut self) {
        let (floor, ceiling) = (self.config.floor.as_bps() as f64, self.config.ceiling.as_bps() as f64);
        self.capacity = self.capacity.clamp(floor, ceiling);
        self.rate = self.rate.clamp(floor, ceiling);
        if let Some(trial) = self.loss_trial {
            self.rate = self.rate.min(trial).max(floor);
        }
        // The memory of a faster line halves in a minute and a half.
        self.best = (self.best * 0.9996).max(self.capacity);
    }

    fn begin_drain(&mut self, seen: &Observation, target: f64) {
        let measured = seen.busy_rate.unwrap_or(seen.delivered);
        // Without enough packets to measure, a queue says only that it is too much.
        let measured = if measured > 0.0 { measured } else { self.capacity * 0.85 };
        let draining = Draining {
            since: seen.now,
            before: self.capacity,
            from_arrival: seen.last_arrival,
            bytes: 0.0,
            measured: measured.min(self.capacity),
            stall: measured >= STALL_SHARE * self.capacity,
            queue: seen.queue_low,
        };
        self.confidence = 1.0;
        self.starting = false;
        self.mode = Mode::Drain(draining);
        self.set_drain_rate(seen, target, &draining);
    }

    fn set_drain_rate(&mut self, seen: &Observation, target: f64, draining: &Draining) {
        let excess = (seen.queue_low - target * 0.7).max(0.0);
        let floor = if draining.stall { STALL_DRAIN_FLOOR } else { DRAIN_FLOOR };
        self.rate = draining.measured.min(self.capacity) * UTILISATION * (1.0 - excess / DRAIN_TIME).max(floor);
    }

    fn drain(&mut self, seen: &Observation, others: f64, target: f64, high: f64, mut draining: Draining) {
        let lasted = seen.now.saturating_sub(draining.since);
        draining.from_arrival += seen.stalled;
        let time = seen.last_arrival.saturating_sub(draining.from_arrival) as f64 / 1e6;
        draining.bytes += seen.received_bytes + seen.lost_bytes;
        let stands = seen.queue_low > target;
        if stands && time > 0.08 {
            draining.measured = (draining.bytes * 8.0 / time + others).min(draining.before);
            draining.stall = draining.measured >= STALL_SHARE * draining.before && lasted < PATIENT_DRAIN;
        }
        if !stands || time > COMMIT_SECONDS {
            self.commit(&draining);
        }
        if !stands {
            self.mode = Mode::Steady;
            self.rate = self.capacity * UTILISATION;
            return;
        }
        let gave_way = seen.sent < 0.8 * draining.measured.min(draining.before);
        if lasted > FUTILE_DRAIN && seen.queue_low > high.max(0.8 * draining.queue) && gave_way {
            let rate = (self.best * COMPETE_SHARE).max(self.capacity * 0.5);
            let entered = self.best;
            self.mode = Mode::Compete(Competing { entered, rate, calm_since: None, lost_at: seen.now });
            self.reason = Reason::Competition;
            self.rate = rate;
            return;
        }
        self.mode = Mode::Drain(draining);
        self.set_drain_rate(seen, target, &draining);
    }

    fn commit(&mut self, draining: &Draining) {
        if draining.stall {
            self.allowance = (self.allowance + 700.0).min(12_000.0);
            // Some of the excess was ours.
            self.capacity = self.capacity.min(draining.before * 0.99);
            return;
        }
        self.capacity = draining.measured.max(0.15 * draining.before).min(draining.before);
        self.reason = Reason::Queue;
    }

    fn compete(&mut self, seen: &Observation, target: f64, elapsed: f64, mut competing: Competing) {
        let loss = f64::from(seen.lost) / f64::from((seen.lost + seen.received).max(1));
        if seen.lost > 0 {
            competing.lost_at = seen.now;
        }
        competing.rate = if loss > COMPETE_LOSS {
            competing.rate * (1.0 - 0.6 * elapsed)
        } else {
            (competing.rate * (1.0 + 0.05 * elapsed)).min(COMPETE_SHARE * competing.entered)
        };
        let calm = seen.queue_low < target;
        competing.calm_since = if calm { competing.calm_since.or(Some(seen.now)) } else { None };
        let over = competing.calm_since.is_some_and(|since| seen.now.saturating_sub(since) > 150_000);
        // Loss that giving way does not end: nobody competes, the line is that slow.
        let alone = competing.rate < 0.3 * competing.entered;
        let doubtful = seen.now.saturating_sub(competing.lost_at) > COMPETE_DOUBT;
        self.rate = competing.rate;
        self.capacity = competing.rate / UTILISATION;
        self.mode = Mode::Compete(competing);
        if over || alone || doubtful {
            self.mode = Mode::Steady;
            self.loss_limit = None;
            self.probe_after = 0;
            self.best = if alone { competing.rate } else { competing.entered };
        }
    }

    fn steer(&mut self, seen: &Observation, trains: &mut Trains, others: f64, target: f64, elapsed: f64) {
        self.allowance *= 1.0 - 0.05 * elapsed;
        // A bound found by losses is tried again little by little; sooner when nobody leans on it.
        let growth = if self.limited { 0.03 } else { 0.005 };
        self.loss_limit = self.loss_limit.map(|limit| limit * (1.0 + growth * elapsed));
        self.grow_by_bursts(seen, trains, others, target);
        if !self.limited {
            let error = ((target - seen.queue_low) / target).clamp(-1.0, 1.0);
            let eager = seen.now < EAGER || self.capacity < 0.9 * self.best;
            let grow = if eager { GROW_EAGERLY } else { GROW_PER_SECOND };
            let gain = if error > 0.0 { grow } else { SHRINK_PER_SECOND };
            let mut capacity = self.capacity * (1.0 + gain * error * elapsed);
            if let Some(limit) = self.loss_limit {
                capacity = capacity.min(limit);
            }
            // What was not sent was not tried.
            self.capacity = capacity.min((seen.sent * 1.25).max(self.capacity));
            self.confidence = (self.confidence + elapsed).min(1.0);
        } else {
            self.confidence = (self.confidence - 0.05 * elapsed).max(0.2);
        }
        self.rate = self.capacity * UTILISATION;
    }

    fn grow_by_bursts(&mut self, seen: &Observation, trains: &mut Trains, others: f64, target: f64) {
        let (count, bytes, sent, arrived) = trains.summary();
        let (sent, arrived) = (sent + others, arrived + others);
        if count < 5 || bytes < 18_000.0 || sent < 1.15 * self.capacity || seen.queue_low > target {
            return;
        }
        if arrived > BURST_CLEAR * self.capacity && self.loss_limit.is_none_or(|limit| limit > 1.05 * self.capacity) {
            self.capacity = (arrived * BURST_CAUTION).min(self.capacity * BURST_STEP).max(self.capacity);
            if let Some(limit) = self.loss_limit {
                self.capacity = self.capacity.min(limit);
            }
            self.reason = Reason::Burst;
            trains.clear();
        }
    }

    fn judge_losses(&mut self, seen: &Observation) {
        let (received, lost) = (f64::from(seen.received), f64::from(seen.lost));
        match self.loss.judge(seen.now, received, lost, seen.delivered, seen.loop_delay) {
            Verdict::Nothing => {}
            Verdict::Try(rate) => self.loss_trial = Some(rate),
            Verdict::Medium => {
                self.loss_trial = None;
                self.loss_limit = None;
            }
            Verdict::Congestion(rate) => {
                self.loss_trial = None;
                self.capacity = self.capacity.min(rate);
                self.rate = self.capacity * UTILISATION;
                self.loss_limit = Some(self.capacity);
                self.reason = Reason::Loss;
            }
        }
    }

    fn judge_probe(&mut self, now: u64, train: &Train, others: f64) {
        let current = self.probe.is_some() && train.probe == self.probe.map(|plan| plan.id);
        if !current {
            return;
        }
        let planned = self.probe.take().map_or(0.0, |plan| plan.rate.as_bps() as f64);
        let found = train.arrival_rate() + others;
        let unsaturated = found > 0.85 * planned;
        let caution = if unsaturated { 1.0 } else { PROBE_CAUTION };
        let limit = self.loss_limit.unwrap_or(f64::INFINITY);
        if found * caution > self.capacity && self.mode == Mode::Steady {
            self.capacity = (found * caution).min(limit);
            self.rate = self.capacity * UTILISATION;
            self.reason = Reason::Probe;
            self.confidence = self.confidence.max(0.6);
            self.probe_pause = PROBE_PAUSE.0;
        } else {
            self.probe_pause = (self.probe_pause * 2).min(PROBE_PAUSE.1);
        }
        self.starting &= unsaturated;
        let below_best = self.capacity < 0.8 * self.best;
        let longest = if below_best { PROBE_PAUSE_BELOW_BEST } else { PROBE_PAUSE.1 };
        self.probe_after = if unsaturated { now } else { now + self.probe_pause.min(longest) };
    }

    fn consider_probe(&mut self, now: u64, target: f64) {
        if self.probe.is_some() {
            if self.probe_sent && now > self.probe_deadline {
                self.probe = None;
                self.starting = false;
                self.probe_after = now + self.probe_pause;
            }
            return;
        }
        let wanted = self.demand / UTILISATION;
        // Frames this small make no bursts to read.
        let small = self.capacity * 0.033 / 8.0 < 5_000.0;
        let tried = self.limited || self.starting || small || self.capacity < 0.7 * self.best;
        let worth = wanted > 1.02 * self.capacity && tried;
        let free = self.mode == Mode::Steady && self.queue < target && self.loss_trial.is_none();
        let limit = self.loss_limit.unwrap_or(f64::INFINITY);
        if worth && free && now >= self.probe_after && limit > 1.1 * self.capacity {
            let step = if self.starting { PROBE_STEP } else { 2.0 };
            self.plan_probe(now, (self.capacity * step).min(wanted * 1.25));
        }
    }

    fn plan_probe(&mut self, now: u64, rate: f64) {
        let bytes = (rate / 8.0 * PROBE_SECONDS).clamp(PROBE_BYTES.0, PROBE_BYTES.1);
        self.probes += 1;
        self.probe =
            Some(ProbePlan { id: self.probes, rate: Bitrate::bps(rate as u64), size: DataSize::bytes(bytes as u64) });
        self.probe_sent = false;
        self.probe_deadline = now + 800_000;
    }

    /// Feedback of every client of the line is overdue.
    pub(crate) fn fall_silent(&mut self, silence: Silence, now: u64) {
        if self.silence == Silence::No {
            self.silent_since = now;
        }
        self.silence = silence;
    }

    fn come_back(&mut self, now: u64) {
        if self.silence == Silence::Silent && now.saturating_sub(self.silent_since) > LONG_SILENCE {
            self.capacity *= 0.7;
            self.rate = self.capacity * UTILISATION;
            self.mode = Mode::Steady;
            self.reason = Reason::Return;
            self.confidence = 0.3;
            self.probe = None;
            self.probe_after = 0;
        }
        self.silence = Silence::No;
    }

    pub(crate) fn brake(&mut self, bound: f64) {
        if self.capacity > bound {
            self.capacity = bound.max(self.config.floor.as_bps() as f64);
            self.rate = self.rate.min(self.capacity);
            self.reason = Reason::Brake;
        }
    }
}
