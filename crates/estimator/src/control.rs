//! Observations into capacity and rate.
//!
//! The law, in the order in which it is applied to each observation; each part has its file:
//!
//! 1. Losses without a queue are judged by their response ([`crate::loss`]).
//! 2. [`drain`]: a queue above the bound. The capacity is the rate at which waiting packets were delivered, and the rate
//!    goes below it by what empties the queue as it is by now.
//! 3. [`compete`]: a queue that does not shrink though this sender gave way. Others fill it; a share is kept.
//! 4. [`steer`]: no standing queue. The capacity follows the delay and the dispersion of frames, the rate follows the
//!    capacity and damps the delay.
//! 5. [`path`]: a queue that does not move at all though far less is sent. It is none: the path is longer.
//! 6. [`probing`]: demand above the capacity that the media cannot try out by itself is tried with probes.

mod compete;
mod drain;
mod path;
mod probing;
mod steer;

use self::compete::Competing;
use self::drain::Draining;
use self::path::Flat;
use self::probing::Probing;
use crate::loss::{LossJudge, Verdict};
use crate::observer::Observation;
use crate::train::Trains;
use crate::types::{Config, PacketKind, Reason, State};

/// Sent on average, of the capacity. The rest is what the variation of frame sizes needs (bandwidth.md, idea 1).
const UTILISATION: f64 = 0.98;
/// Delay above the smallest aimed at when the line is full: jitter of 5 ms without reordering stands at 8 to 12 ms on a
/// full line (B1: 11 ms here gave 95.8 % of use with 17 ms of true queue at p95, 17 ms gave 96.9 % with 29 ms).
const QUEUE_TARGET: f64 = 15_500.0;
/// And this much more for each microsecond by which the low quantile moves from message to message.
const JITTER_FACTOR: f64 = 1.5;
/// Above target and noise by this much, the queue is a standing one.
const QUEUE_MARGIN: f64 = 20_000.0;
/// Packets that come ever later at less than this share of what was sent and thought are a line that fell: it is acted on
/// at once, and video is held (this share is left of it) until the next message tells more.
const PLUNGED: f64 = 0.65;
const PLUNGED_PACING: f64 = 0.05;
/// Under this share of the best lately, the line was faster before.
const FASTER_BEFORE: f64 = 0.85;
/// Frames leave at this multiple of the rate (bandwidth.md, idea 2).
const BURST_FACTOR: f64 = 1.5;
/// And at this one when the line was faster a minute ago.
const RECOVERY_FACTOR: f64 = 2.0;
/// Media that sent less than this share of the rate, in the last quarter second and in this time, did not try it out.
const LIMITED_BELOW: f64 = 0.85;
const TRIED_SECONDS: f64 = 1.2;
/// A hint is sent at before it is verified, with this caution, and no longer than this; but before the first feedback no
/// more than so many bytes: of a hint of three times the truth they leave 130 ms of queue (B2-high).
const HINT_SHARE: f64 = 0.95;
const HINT_PATIENCE: u64 = 500_000;
const HINT_WINDOW: u64 = 36_000;
/// A bound found by losses is raised by this when losses turn out to be the medium's.
const LIMIT_STEP: f64 = 1.25;
/// After a silence as long as this the line may be another one.
const LONG_SILENCE: u64 = 700_000;
/// Then so much of its capacity is taken for granted until a probe has come back (B12 M1: at 0.7, 90 % after 0.44 s).
const AFTER_SILENCE: f64 = 0.85;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Steady,
    Drain(Draining),
    Compete(Competing),
}

/// A capacity found by losses.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    rate: f64,
    since: u64,
    /// Found while hardly anything got through.
    doubtful: bool,
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
    loss_limit: Option<Limit>,
    /// Largest capacity of the last minute, decaying.
    best: f64,
    /// Delay that jitter makes at full rate, learnt from drains that were not needed.
    allowance: f64,
    last: u64,
    limited: bool,
    /// The rate sent, smoothed: frames vary.
    tried: f64,
    limited_since: Option<u64>,
    queue: f64,
    /// The delay, smoothed.
    smooth: f64,
    pub(crate) demand: f64,
    probing: Probing,
    /// The most that probes showed lately, and when; only of a line that media does not fill.
    shown: Option<(f64, u64)>,
    /// The capacity before a silence, until a probe tells whether it is the same line.
    remembered: Option<f64>,
    /// A hint that was not verified so far.
    hinted: Option<f64>,
    /// Bytes sent meanwhile.
    hint_sent: u64,
    /// What is sent beside the pacer: speech.
    unpaced: f64,
    audio_from: u64,
    audio_bytes: f64,
    /// A delay that does not move though less is sent.
    flat: Option<Flat>,
    longer_path: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Silence {
    No,
    Hold,
    Silent,
}

impl Control {
    pub(crate) fn new(config: Config) -> Self {
        let hint = config.hint.map(|hint| hint.min(config.ceiling).max(config.floor).as_bps() as f64);
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
            tried: 0.0,
            limited_since: None,
            queue: 0.0,
            smooth: 0.0,
            demand: 0.0,
            probing: Probing::new(hint),
            shown: None,
            remembered: None,
            hinted: hint,
            hint_sent: 0,
            unpaced: 0.0,
            audio_from: 0,
            audio_bytes: 0.0,
            flat: None,
            longer_path: false,
        };
        if let Some(hint) = hint {
            control.rate = hint * HINT_SHARE;
        }
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

    pub(crate) fn is_silent(&self) -> bool {
        self.silence != Silence::No
    }

    pub(crate) fn pacing_rate(&self) -> f64 {
        if self.hinted.is_some() {
            let initial = self.config.initial.as_bps() as f64;
            return if self.hint_sent < HINT_WINDOW { self.rate } else { initial };
        }
        match (self.silence, self.mode) {
            (Silence::No, Mode::Drain(draining)) if draining.just_plunged(self.last) => self.rate * PLUNGED_PACING,
            (Silence::No, Mode::Drain(_)) => (self.rate - self.unpaced).max(0.3 * self.rate) * 1.05,
            (Silence::No, _) if self.may_recover() => self.rate * RECOVERY_FACTOR,
            (Silence::No, _) => self.rate * BURST_FACTOR,
            _ => 0.0,
        }
    }

    /// Whether the line was faster and may be so again, for all that is known.
    fn may_recover(&self) -> bool {
        self.was_faster() && self.queue < QUEUE_TARGET * 2.0 && self.shown(self.last).is_none()
    }

    /// A packet was sent; speech goes beside the pacer.
    pub(crate) fn handle_sent(&mut self, now: u64, bytes: u64, kind: PacketKind) {
        self.hint_sent += bytes;
        if kind != PacketKind::Audio {
            return;
        }
        self.audio_bytes += bytes as f64;
        let elapsed = now.saturating_sub(self.audio_from) as f64 / 1e6;
        if elapsed >= 0.5 {
            self.unpaced = self.audio_bytes * 8.0 / elapsed;
            (self.audio_from, self.audio_bytes) = (now, 0.0);
        }
    }

    /// Something new about the line.
    pub(crate) fn observe(&mut self, seen: &Observation, trains: &mut Trains) {
        let elapsed = seen.now.saturating_sub(self.last).min(200_000) as f64 / 1e6;
        self.last = seen.now;
        if self.silence != Silence::No {
            self.come_back(seen.now);
            trains.clear();
        }
        let share = f64::from(seen.lost) / f64::from((seen.lost + seen.received).max(1));
        let tried = seen.sent / (1.0 - share).max(0.1);
        self.tried += (elapsed / TRIED_SECONDS).min(1.0) * (tried - self.tried);
        self.limited = tried.max(self.tried) < LIMITED_BELOW * self.rate;
        if self.mode != Mode::Steady || seen.now > HINT_PATIENCE {
            self.hinted = None;
        }
        self.limited_since = if self.limited { self.limited_since.or(Some(seen.now)) } else { None };
        self.queue = seen.queue_low;
        let target = QUEUE_TARGET + (JITTER_FACTOR * seen.noise).min(40_000.0) + self.allowance;
        let high = target + QUEUE_MARGIN;
        // Loss beside a standing queue is the queue's; loss of what was not at full rate shows no bound.
        if self.mode == Mode::Steady && seen.queue_low < high && (!self.limited || self.loss_trial.is_some()) {
            self.judge_losses(seen);
        } else {
            self.loss.give_up();
            self.loss_trial = None;
        }
        self.look_for_longer_path(seen, target, elapsed);
        match self.mode {
            Mode::Compete(competing) => self.compete(seen, target, elapsed, competing),
            Mode::Steady if seen.queue_low > high || self.plunges(seen) => self.begin_drain(seen, target),
            Mode::Steady => self.steer(seen, trains, target, elapsed),
            Mode::Drain(draining) => self.drain(seen, target, elapsed, draining),
        }
        if self.mode != Mode::Steady {
            trains.clear();
        }
        while let Some(train) = trains.take_probe() {
            self.judge_probe(seen.now, &train);
        }
        self.bound();
        self.consider_probe(seen.now, target);
    }

    /// Whether the line carried clearly more before.
    fn was_faster(&self) -> bool {
        self.capacity < self.best * FASTER_BEFORE
    }

    /// Whether the line fell, by the newest few packets.
    fn plunges(&self, seen: &Observation) -> bool {
        let bound = PLUNGED * self.capacity.min(seen.sent);
        self.hinted.is_none() && !seen.paused && seen.plunge.is_some_and(|rate| rate < bound)
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

    fn judge_losses(&mut self, seen: &Observation) {
        match self.loss.judge(seen, self.capacity) {
            Verdict::Nothing => {}
            Verdict::Try(rate) => self.loss_trial = Some(rate),
            Verdict::Medium => {
                self.loss_trial = None;
                // A verdict may be wrong; a bound that was is soon out of the way.
                if let Some(limit) = &mut self.loss_limit {
                    limit.rate *= LIMIT_STEP;
                }
            }
            Verdict::Collapse(rate) => {
                self.loss_trial = None;
                self.capacity = self.capacity.min(rate);
                self.rate = self.capacity * UTILISATION;
                self.reason = Reason::Loss;
                let limit = Limit { rate: self.capacity, since: seen.now, doubtful: true };
                self.loss_limit = self.loss_limit.or(Some(limit));
            }
            Verdict::Congestion(rate) => {
                self.loss_trial = None;
                self.capacity = self.capacity.min(rate);
                self.rate = self.capacity * UTILISATION;
                self.loss_limit = Some(Limit { rate: self.capacity, since: seen.now, doubtful: false });
                self.reason = Reason::Loss;
            }
        }
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
            (self.remembered, self.shown) = (Some(self.capacity), None);
            self.capacity *= AFTER_SILENCE;
            self.rate = self.capacity * UTILISATION;
            self.mode = Mode::Steady;
            self.reason = Reason::Return;
            self.confidence = 0.3;
            self.probing.cancel();
        }
        self.silence = Silence::No;
    }

    /// The line is only this share of what it was taken for.
    pub(crate) fn keep(&mut self, share: f64) {
        self.capacity *= share;
        self.rate = self.capacity * UTILISATION;
        self.best *= share;
        self.mode = Mode::Steady;
        self.probing.cancel();
        self.bound();
    }

    pub(crate) fn brake(&mut self, bound: f64) {
        if self.capacity > bound {
            self.capacity = bound.max(self.config.floor.as_bps() as f64);
            self.rate = self.rate.min(self.capacity);
            self.reason = Reason::Brake;
        }
    }
}
