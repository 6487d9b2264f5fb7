//! What one receiver's line carries: the estimator, fed with what is sent and with what feedback says of it, and what
//! follows for speed and probes. Which layers the budget buys is decided elsewhere (docs/allocation.md).

use std::time::{Duration, Instant};

use parlour_estimator::{
    Burst, Config, Estimate, PacketKind, PacketResult, ProbePlan, ReceiverReport, SentPacket, Speed, State, TracePoint,
};
use parlour_model::{Bitrate, DataSize};

use crate::config::MediaConfig;
use crate::egress::lines::{Home, Lines, Place};
use crate::egress::start::Start;
use crate::wire::{BELOW_RTP, PAYLOAD_SHARE};

/// Of the capacity, what is asked for when nothing has to drain: the estimator's own share.
const LASTING_SHARE: f64 = 0.975;

/// A target this far below the capacity is more than a queue that drains: the line got slower, and the estimator has yet to
/// be sure by how much. Layers follow, to what is delivered, which is the target and what the drain takes; not before it
/// lasts: a radio that stood still for 150 ms looks the same until what waited has come, and a layer down and up again costs
/// two keyframes. Video waits meanwhile, as it leaves no faster than the target.
const FALLEN: f64 = 0.7;
const DELIVERED: f64 = 1.3;
const FALLEN_FOR: Duration = Duration::from_millis(200);

/// A line that carries this many times what is sent on it needs no pacing: a frame is through before the next begins, and
/// speech behind it waits for less than a frame's time.
const UNPACED: f64 = 2.0;

/// A client that agreed to send feedback and sends none for this long will not.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// What such a client is sent: enough for a fair picture, not too much for most lines.
const UNANSWERED: Bitrate = Bitrate::kbps(1_500);

/// Layers are chosen anew when the budget has moved by this share since they were chosen last.
const TELLING_CHANGE: f64 = 0.04;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Estimation {
    place: Place,
    answer: Answer,
    probe: Option<Probe>,
    last_probe: u32,
    /// The budget that layers were chosen with.
    told: Bitrate,
    /// Since when the target is that of a line that got slower.
    fallen: Option<Instant>,
    results: Vec<PacketResult>,
    config: Config,
    /// What a test said of the line, until the first picture is sent.
    start: Option<Start>,
    pictured: bool,
    demand: Option<(Bitrate, f64)>,
}

/// Whether the client sends the feedback that it agreed to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing was sent that it could be about.
    NotDue,
    /// It should come until then.
    Awaited(Instant),
    /// It did not.
    Overdue,
    /// It does.
    Comes,
}

/// A probe under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    id: u32,
    rate: Bitrate,
    left: u64,
    next: Instant,
}

/// A packet as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Its transport-wide number.
    pub number: u64,
    /// Bytes.
    pub len: usize,
    pub kind: PacketKind,
    /// Another for each frame of a stream.
    pub frame: u32,
}

/// What the line allows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    /// For payloads, audio included.
    pub budget: Bitrate,
    /// How fast video may leave.
    pub speed: Speed,
    /// Layers should be chosen anew.
    pub telling: bool,
}

impl Estimation {
    pub fn new(lines: &mut Lines, home: Option<Home>, config: &MediaConfig, now: Instant) -> Self {
        let config = line_config(config);
        Self {
            place: lines.join(home, config, now),
            answer: Answer::NotDue,
            probe: None,
            last_probe: 0,
            told: config.initial,
            fallen: None,
            results: Vec::new(),
            config,
            start: None,
            pictured: false,
            demand: None,
        }
    }

    /// A test found something of the line; of no use once a picture was sent.
    pub fn hint(&mut self, lines: &mut Lines, start: Start, now: Instant) {
        self.start = Some(start).filter(|_| !self.pictured);
        self.begin(lines, now);
    }

    /// The line begins now, with what a test said of it, if it is nobody else's and nothing is known of it yet.
    fn begin(&mut self, lines: &mut Lines, now: Instant) {
        let Some(start) = self.start else { return };
        let is_new = self.estimate(lines).is_some_and(|estimate| estimate.state == State::Start);
        let wanted = self.demand.map(|(demand, _)| demand.scaled(1.0 / PAYLOAD_SHARE));
        if !is_new || !lines.renew(&mut self.place, start.apply(self.config, wanted, now), now) {
            self.start = None;
            return;
        }
        (self.probe, self.last_probe) = (None, 0);
        if let Some((demand, weight)) = self.demand {
            self.handle_demand(lines, demand, weight);
        }
    }

    /// The client is at this home now.
    pub fn move_to(&mut self, lines: &mut Lines, home: Option<Home>, config: &MediaConfig, now: Instant) {
        // It may be the only one on a line that its new home knows nothing of: what was found out is kept.
        let parted = lines.part(self.place);
        let config = Config {
            initial: lines.get(parted).map_or(config.initial_budget, |line| line.estimate(parted.member).capacity),
            ..line_config(config)
        };
        lines.leave(parted);
        self.place = lines.join(home, config, now);
        (self.probe, self.last_probe) = (None, 0);
        self.begin(lines, now);
    }

    /// The client shares no line.
    pub fn part(&mut self, lines: &mut Lines) {
        self.place = lines.part(self.place);
        (self.probe, self.last_probe) = (None, 0);
    }

    pub fn place(&self) -> Place {
        self.place
    }

    /// Whether it says nothing of its line though it agreed to.
    pub fn is_mute(&self) -> bool {
        self.answer == Answer::Overdue
    }

    /// What all layers that are wanted would take, and how much they count beside those of others on the line.
    pub fn handle_demand(&mut self, lines: &mut Lines, demand: Bitrate, weight: f64) {
        self.demand = Some((demand, weight));
        if let Some(line) = lines.get_mut(self.place) {
            line.set_weight(self.place.member, weight);
            line.handle_demand(self.place.member, demand.scaled(1.0 / PAYLOAD_SHARE));
        }
    }

    /// A packet was written; whether a probe ends with it.
    pub fn handle_sent(&mut self, lines: &mut Lines, written: Written, now: Instant) -> bool {
        let Written { number, len, kind, frame } = written;
        if kind == PacketKind::Video && !self.pictured {
            // The guess is to be verified from here on.
            self.begin(lines, now);
            (self.start, self.pictured) = (None, true);
        }
        let size = (len + BELOW_RTP) as u64;
        let burst = match (&mut self.probe, kind) {
            (Some(probe), PacketKind::Video | PacketKind::Padding | PacketKind::Retransmission) => {
                probe.left = probe.left.saturating_sub(size);
                Burst::Probe(probe.id)
            }
            (None, PacketKind::Video) => Burst::Frame(frame),
            _ => Burst::None,
        };
        let ends_probe = self.probe.take_if(|probe| probe.left == 0).is_some();
        let packet = SentPacket { seq: number, size: DataSize::bytes(size), at: now, kind, burst };
        if let Some(line) = lines.get_mut(self.place) {
            line.handle_sent(self.place.member, &packet);
        }
        if self.answer == Answer::NotDue {
            self.answer = Answer::Awaited(now + ANSWER_TIME);
        }
        ends_probe
    }

    /// Transport-wide feedback; `newest` is the last number given out.
    pub fn handle_feedback(
        &mut self,
        lines: &mut Lines,
        newest: u64,
        arrivals: impl Iterator<Item = (u16, Option<i64>)>,
        now: Instant,
    ) {
        self.results.clear();
        self.results.extend(arrivals.filter_map(|(number, arrival)| {
            let seq = newest.checked_sub(u64::from((newest as u16).wrapping_sub(number)))?;
            // Before zero on the receiver's clock is possible by its wrap only, and then for one message.
            let arrival = arrival.map(|micros| Duration::from_micros(micros.max(0).unsigned_abs()));
            Some(PacketResult { seq, arrival })
        }));
        if let Some(line) = lines.get_mut(self.place) {
            line.handle_feedback(self.place.member, &self.results, now);
        }
        self.answer = Answer::Comes;
    }

    /// What the last feedback said, in order of numbers.
    pub fn results(&self) -> &[PacketResult] {
        &self.results
    }

    /// A report block of a stream that carries most of what is sent.
    pub fn handle_report(&mut self, lines: &mut Lines, fraction_lost: f64, rtt: Option<Duration>, now: Instant) {
        if let Some(line) = lines.get_mut(self.place) {
            line.handle_receiver_report(self.place.member, ReceiverReport { fraction_lost, rtt }, now);
        }
    }

    /// Anything came from the client.
    pub fn handle_heard(&mut self, lines: &mut Lines, now: Instant) {
        if let Some(line) = lines.get_mut(self.place) {
            line.handle_heard(self.place.member, now);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.answer, Answer::Awaited(until) if until <= now) {
            self.answer = Answer::Overdue;
        }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let probe = self.probe.map(|probe| probe.next);
        let answer = if let Answer::Awaited(until) = self.answer { Some(until) } else { None };
        [probe, answer].into_iter().flatten().min()
    }

    /// What follows from the estimate, for a receiver that is being sent `spent`, and of whose pictures some wait or none.
    pub fn allowance(&mut self, lines: &Lines, spent: Bitrate, waiting: bool, now: Instant) -> Allowance {
        let Some(estimate) = self.estimate(lines) else {
            return Allowance { budget: UNANSWERED, speed: Speed::Free, telling: false };
        };
        let is_low = estimate.target < estimate.capacity.scaled(FALLEN);
        self.fallen = is_low.then(|| self.fallen.unwrap_or(now));
        let fell = self.fallen.is_some_and(|since| now.saturating_duration_since(since) >= FALLEN_FOR);
        let line = if self.is_mute() { UNANSWERED } else { lasting(&estimate, fell) };
        let speed = self.speed(lines, spent, waiting);
        let budget = line.scaled(PAYLOAD_SHARE);
        let moved = budget.as_bps().abs_diff(self.told.as_bps()) as f64;
        let telling = moved > self.told.as_bps() as f64 * TELLING_CHANGE;
        if telling {
            self.told = budget;
        }
        Allowance { budget, speed, telling }
    }

    /// How fast video may leave.
    pub fn speed(&self, lines: &Lines, spent: Bitrate, waiting: bool) -> Speed {
        let Some(estimate) = self.estimate(lines).filter(|_| !self.is_mute()) else { return Speed::Free };
        let (burst, mean) = (estimate.pacing_rate, estimate.target);
        if let Some(probe) = self.probe {
            return Speed::Probe { rate: probe.rate.max(burst), mean };
        }
        // What waits is often of a picture larger than what is sent from now on: all at once it would be the queue that it
        // waited for.
        let narrow = waiting || estimate.capacity < spent.scaled(UNPACED / PAYLOAD_SHARE);
        match burst {
            Bitrate::ZERO => Speed::Held,
            _ if narrow => Speed::Paced { burst, mean },
            _ => Speed::Free,
        }
    }

    /// Something is to be found out that was not begun yet.
    pub fn wants_probe(&self, lines: &Lines) -> bool {
        self.probe_plan(lines).is_some()
    }

    /// Begins what is to be found out; there is something to fill it with.
    pub fn begin_probe(&mut self, lines: &Lines, now: Instant) {
        let Some(plan) = self.probe_plan(lines) else { return };
        self.last_probe = plan.id;
        self.probe = Some(Probe { id: plan.id, rate: plan.rate, left: plan.size.as_bytes(), next: now });
    }

    /// Whether something should be repeated now to fill a probe that media does not fill.
    pub fn wants_filling(&self, now: Instant) -> bool {
        self.probe.is_some_and(|probe| probe.next <= now)
    }

    /// A packet of `len` bytes fills the probe; the next waits for its turn.
    pub fn fill(&mut self, len: usize) {
        if let Some(probe) = &mut self.probe {
            let seconds = (len + BELOW_RTP) as f64 * 8.0 / (probe.rate.as_bps() as f64).max(1.0);
            probe.next += Duration::from_secs_f64(seconds.min(1.0));
        }
    }

    fn probe_plan(&self, lines: &Lines) -> Option<ProbePlan> {
        self.estimate(lines)?.probe.filter(|plan| plan.id != self.last_probe)
    }

    fn estimate(&self, lines: &Lines) -> Option<Estimate> {
        lines.get(self.place).map(|line| line.estimate(self.place.member))
    }

    pub fn trace(&self, lines: &Lines, now: Instant) -> Option<TracePoint> {
        lines.get(self.place).map(|line| line.trace(self.place.member, now))
    }

    /// There is nothing to fill it with.
    pub fn give_up_probe(&mut self) {
        self.probe = None;
    }
}

/// What is assumed of a line.
fn line_config(config: &MediaConfig) -> Config {
    Config { initial: config.initial_budget, ceiling: config.budget, ..Config::default() }
}

/// What layers are chosen for: not for a queue that is gone in a moment.
fn lasting(estimate: &Estimate, fell: bool) -> Bitrate {
    let steady = estimate.capacity.scaled(LASTING_SHARE).max(estimate.target);
    if fell { steady.min(estimate.target.scaled(DELIVERED)) } else { steady }
}
