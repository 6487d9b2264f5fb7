//! Several clients behind one line under one control (bandwidth.md, idea 6).
//!
//! Each client has its own history, clock and delays; capacity, queue and losses are the line's. Rates add up, the queue
//! is the smallest that any of them saw at the same time. What the line carries is divided by weight and demand. Whether
//! they really share a line is checked all along: a queue that one sees and another does not is evidence against.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

use crate::brake::Brake;
use crate::control::{Control, Silence};
use crate::history::History;
use crate::observer::{Observation, Observer};
use crate::types::{
    Burst, Config, Counters, Estimate, PacketResult, Reason, ReceiverReport, SentPacket, State, TracePoint,
};

/// Clients of one line; a further one gets a line of its own.
pub const MAX_MEMBERS: usize = 8;
/// Messages taken in one feedback interval; more is a flood.
const MAX_MESSAGES_PER_INTERVAL: u32 = 8;
/// An observation of another member counts for this long.
const FRESH: u64 = 150_000;
/// A queue of this much is worth comparing.
const TELLING_QUEUE: f64 = 20_000.0;
/// What is compared are delays of about a fifth of a second: a frame of one makes a queue that is gone before the other
/// sends anything (a couple with a camera each was told apart within seconds).
const STANDING: f64 = 0.2;

/// Names a client of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u32);

#[derive(Clone, Debug)]
struct Member {
    id: MemberId,
    weight: f64,
    demand: f64,
    history: History,
    observer: Observer,
    last: Option<Observation>,
    /// Its delay, smoothed.
    standing: f64,
    brake: Brake,
    counters: Counters,
    agree: f64,
    differ: f64,
    feedback_at: Option<u64>,
    feedback_gap: f64,
    feedback_spread: f64,
    heard_at: u64,
    sent_at: Option<u64>,
    messages: (u64, u32),
    /// Bytes sent up to the newest packet that was acknowledged.
    acked: u32,
    silence: Silence,
}

/// One line and the clients behind it.
#[derive(Clone, Debug)]
pub struct Line {
    config: Config,
    epoch: Instant,
    /// When the last packet was sent, in both forms: packets leave in batches of one instant.
    sent: (Instant, u64),
    control: Control,
    members: Vec<Member>,
    next: u32,
}

impl Line {
    /// A line of which only the configuration is known.
    pub fn new(config: Config, now: Instant) -> Self {
        let control = Control::new(config);
        Self { config, epoch: now, sent: (now, 0), control, members: Vec::with_capacity(2), next: 0 }
    }

    /// A client comes; `None` when the line has [`MAX_MEMBERS`]. Its weight is relative to the others'.
    pub fn join(&mut self, weight: f64, now: Instant) -> Option<MemberId> {
        if self.members.len() >= MAX_MEMBERS {
            return None;
        }
        let id = MemberId(self.next);
        self.next += 1;
        self.members.push(Member {
            id,
            weight: if weight.is_finite() { weight.clamp(0.01, 100.0) } else { 1.0 },
            demand: f64::INFINITY,
            history: History::new(),
            observer: Observer::new(),
            last: None,
            standing: 0.0,
            brake: Brake::default(),
            counters: Counters::default(),
            agree: 0.0,
            differ: 0.0,
            feedback_at: None,
            feedback_gap: self.config.feedback_interval.as_micros() as f64,
            feedback_spread: 10_000.0,
            heard_at: self.micros(now),
            sent_at: None,
            messages: (0, 0),
            acked: 0,
            silence: Silence::No,
        });
        Some(id)
    }

    /// A client goes.
    pub fn leave(&mut self, id: MemberId) {
        self.members.retain(|member| member.id != id);
        self.update_demand();
    }

    /// A client turns out to be behind a line of its own: it takes along what is known of it, and its part of the capacity
    /// is where either goes on from.
    pub fn part(&mut self, id: MemberId) -> Option<(Self, MemberId)> {
        let share = self.share(id);
        let index = self.members.iter().position(|member| member.id == id)?;
        let initial = Bitrate::bps((self.control.capacity * share) as u64);
        let mut member = self.members.remove(index);
        (member.agree, member.differ) = (0.0, 0.0);
        let config = Config { initial, hint: None, ..self.config };
        let control = Control::new(config);
        let (epoch, sent, next) = (self.epoch, self.sent, self.next);
        let mut line = Self { config: self.config, epoch, sent, control, members: vec![member], next };
        line.update_demand();
        self.control.keep(1.0 - share);
        for member in &mut self.members {
            (member.agree, member.differ) = (0.0, 0.0);
        }
        self.update_demand();
        Some((line, id))
    }

    /// How much this client counts beside the others.
    pub fn set_weight(&mut self, id: MemberId, weight: f64) {
        if let Some(member) = self.member_mut(id).filter(|_| weight.is_finite()) {
            member.weight = weight.clamp(0.01, 1_000.0);
        }
    }

    /// How many are here.
    pub fn members(&self) -> usize {
        self.members.len()
    }

    /// Whether this client shares the line: `Some` once their delays have told.
    pub fn is_shared(&self, id: MemberId) -> Option<bool> {
        let member = self.member(id)?;
        let told = member.agree + member.differ;
        (told >= 8.0).then_some(member.agree > member.differ)
    }

    /// How much this client's media could use, all included. Infinite until told.
    pub fn handle_demand(&mut self, id: MemberId, demand: Bitrate) {
        if let Some(member) = self.member_mut(id) {
            member.demand = demand.as_bps() as f64;
        }
        self.update_demand();
    }

    /// A packet was handed to the network.
    pub fn handle_sent(&mut self, id: MemberId, packet: &SentPacket) {
        if self.sent.0 != packet.at {
            self.sent = (packet.at, self.micros(packet.at));
        }
        let at = self.sent.1;
        if let Burst::Probe(probe) = packet.burst {
            self.control.probe_sent(at, probe, packet.size.as_bytes());
        }
        self.control.handle_sent(at, packet.size.as_bytes(), packet.kind);
        if let Some(member) = self.member_mut(id) {
            member.history.push(packet, at, &mut member.counters);
            member.sent_at = Some(at);
        }
    }

    /// A feedback message.
    pub fn handle_feedback(&mut self, id: MemberId, results: &[PacketResult], now: Instant) {
        let at = self.micros(now);
        let interval = self.config.feedback_interval.as_micros() as u64;
        let Some(index) = self.members.iter().position(|member| member.id == id) else { return };
        let member = &mut self.members[index];
        if at.saturating_sub(member.messages.0) >= interval {
            member.messages = (at, 0);
        }
        member.messages.1 += 1;
        if member.messages.1 > MAX_MESSAGES_PER_INTERVAL {
            member.counters.excess_messages += 1;
            return;
        }
        let seen = member.observer.observe(&mut member.history, results, at, &mut member.counters);
        let Some(seen) = seen else { return };
        member.note_feedback(at);
        member.silence = Silence::No;
        member.last = Some(seen);
        member.standing += STANDING * (seen.queue_low - member.standing);
        member.acked = member.history.total_before(seen.ahead);
        self.compare(index, &seen);
        self.note_others(index);
        let (combined, others) = self.combine(index, &seen);
        self.control.observe(&combined, &mut self.members[index].observer.trains);
        if self.control.take_longer_path() {
            self.members[index].observer.lengthen(at);
        }
        let bound = self.members[index].brake.bound();
        if let Some(bound) = bound {
            self.control.brake(bound + others);
        }
    }

    /// A receiver report.
    pub fn handle_receiver_report(&mut self, id: MemberId, report: ReceiverReport, _now: Instant) {
        if let Some(member) = self.member_mut(id) {
            member.brake.handle_loss(report.fraction_lost);
            if let Some(rtt) = report.rtt {
                member.brake.handle_rtt(rtt);
            }
        }
    }

    /// A STUN round trip: the line is alive both ways.
    pub fn handle_stun_rtt(&mut self, id: MemberId, rtt: Duration, now: Instant) {
        if let Some(member) = self.member_mut(id) {
            member.brake.handle_rtt(rtt);
        }
        self.handle_heard(id, now);
    }

    /// Anything at all came from this client: its uplink is alive, so missing feedback is lost feedback.
    pub fn handle_heard(&mut self, id: MemberId, now: Instant) {
        let at = self.micros(now);
        if let Some(member) = self.member_mut(id) {
            member.heard_at = at;
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let at = self.micros(now);
        for member in &mut self.members {
            member.silence = match member.silence_deadlines() {
                Some((_, silent)) if at >= silent => Silence::Silent,
                Some((hold, _)) if at >= hold => member.silence.max(Silence::Hold),
                _ => member.silence,
            };
        }
        // One client that went quiet says nothing of the line; all of them do.
        let least = self.members.iter().map(|member| member.silence).min();
        if let Some(silence) = least.filter(|&silence| silence > Silence::No) {
            self.control.fall_silent(silence, at);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = self.members.iter().filter_map(|member| {
            let (hold, silent) = member.silence_deadlines()?;
            match member.silence {
                Silence::No => Some(hold),
                Silence::Hold => Some(silent),
                Silence::Silent => None,
            }
        });
        due.min().map(|at| self.epoch + Duration::from_micros(at))
    }

    /// This client's part.
    pub fn estimate(&self, id: MemberId) -> Estimate {
        let share = self.share(id);
        let scale = |bps: f64| Bitrate::bps((bps * share).max(0.0) as u64);
        let silence = self.member(id).map_or(Silence::No, |member| member.silence);
        let pacing = if silence == Silence::No { self.control.pacing_rate() } else { 0.0 };
        Estimate {
            capacity: scale(self.control.capacity),
            target: scale(self.control.rate),
            confidence: self.control.confidence,
            pacing_rate: scale(pacing),
            probe: self.control.probe().filter(|_| self.prober() == Some(id)),
            state: match silence {
                Silence::No => self.control.state(),
                Silence::Hold => State::Hold,
                Silence::Silent => State::Silent,
            },
            reason: self.control.reason,
        }
    }

    /// A line of the trace.
    pub fn trace(&self, id: MemberId, now: Instant) -> TracePoint {
        let member = self.member(id);
        let seen = member.and_then(|member| member.last).unwrap_or_default();
        let burst_rate = member.map_or(0.0, |member| match member.observer.trains.summary() {
            (0, ..) => 0.0,
            (_, _, _, arrived) => arrived,
        });
        TracePoint {
            at: Duration::from_micros(self.micros(now)),
            estimate: self.estimate(id),
            delivered: Bitrate::bps(seen.delivered as u64),
            sent: Bitrate::bps(seen.sent as u64),
            queue: Duration::from_micros(seen.queue_low as u64),
            loss: member.map_or(0.0, |member| member.observer.loss_share()),
            burst_rate: Bitrate::bps(burst_rate as u64),
        }
    }

    /// What was refused of this client.
    pub fn counters(&self, id: MemberId) -> Counters {
        self.member(id).map_or_else(Counters::default, |member| member.counters)
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_micros() as u64
    }

    fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    fn member_mut(&mut self, id: MemberId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// Who sends the probes: one whose media could use what they find; another such when a probe was not begun, as there may
    /// be nothing to fill it with.
    fn prober(&self) -> Option<MemberId> {
        let mut heard = self.members.iter().filter(|member| member.silence == Silence::No);
        let wants = |member: &&Member| member.demand > self.share(member.id) * self.control.rate;
        let willing = heard.clone().filter(wants).count();
        let turn = self.control.probes_unsent() % willing.max(1);
        heard.clone().filter(wants).nth(turn).or_else(|| heard.next()).map(|member| member.id)
    }

    fn update_demand(&mut self) {
        self.control.demand = self.members.iter().map(|member| member.demand.min(1e9)).sum();
    }

    /// Weighted max-min: who wants less than its share leaves the rest to the others.
    fn share(&self, id: MemberId) -> f64 {
        if let [only] = &*self.members {
            return if only.id == id { 1.0 } else { 0.0 };
        }
        let rate = self.control.rate.max(1.0);
        let mut open: Vec<&Member> = self.members.iter().collect();
        let mut left = rate;
        loop {
            let weights: f64 = open.iter().map(|member| member.weight).sum();
            let Some(small) = open.iter().position(|m| m.demand < left * m.weight / weights) else {
                let mine = open.iter().find(|member| member.id == id);
                return mine.map_or(0.0, |member| left * member.weight / weights / rate);
            };
            let member = open.swap_remove(small);
            if member.id == id {
                // Nobody else may want what it leaves; then it may as well have its weight's part.
                let floor = member.demand / rate;
                return if open.is_empty() { (left / rate).max(floor) } else { floor };
            }
            left -= member.demand;
        }
    }

    fn compare(&mut self, index: usize, seen: &Observation) {
        let (mut agree, mut differ) = (0.0, 0.0);
        let Some(mine) = self.members.get(index).map(|member| member.standing) else { return };
        for (other_index, other) in self.members.iter().enumerate() {
            let is_fresh = other.last.is_some_and(|last| last.now + FRESH > seen.now);
            if other_index == index || !is_fresh || mine.max(other.standing) < TELLING_QUEUE {
                continue;
            }
            let ratio = (mine.min(other.standing) + 5_000.0) / (mine.max(other.standing) + 5_000.0);
            if ratio > 0.5 { agree += 1.0 } else { differ += 0.5 }
        }
        let member = &mut self.members[index];
        member.agree += agree;
        member.differ += differ;
        // A minute's evidence is enough; a line may change.
        if member.agree + member.differ > 200.0 {
            member.agree *= 0.5;
            member.differ *= 0.5;
        }
    }

    /// Tells the bursts of one member what the others sent beside them.
    fn note_others(&mut self, index: usize) {
        let (before, rest) = self.members.split_at_mut(index);
        let Some((member, after)) = rest.split_first_mut() else { return };
        let others = || before.iter().chain(&*after);
        member.observer.trains.note_others(|from, to| others().map(|other| other.history.sent_between(from, to)).sum());
    }

    /// The line as all members see it, and what the others of `index` deliver.
    fn combine(&self, index: usize, seen: &Observation) -> (Observation, f64) {
        let mut all = Observation { shared: self.members.len() > 1, ..*seen };
        let mut others = 0.0;
        for (other_index, other) in self.members.iter().enumerate() {
            let Some(last) = other.last.filter(|last| last.now + FRESH > seen.now) else { continue };
            if other_index == index {
                continue;
            }
            others += last.delivered;
            all.delivered += last.delivered;
            all.sent += last.sent;
            // Of the other's packets on their way, those of the same time.
            let age = (last.loop_delay + seen.now.saturating_sub(last.now)).max(1) as f64;
            let ahead = f64::from(other.history.sent_since(other.acked));
            all.ahead += ahead * (seen.loop_delay as f64 / age).min(1.0);
            all.plunge = all.plunge.map(|rate| rate + last.delivered);
            all.busy_rate = all.busy_rate.map(|busy| busy + last.busy_rate.unwrap_or(last.delivered));
            if last.queue_low < all.queue_low {
                all.queue_low = all.queue_low.min(last.queue_low.max(all.queue_low * 0.5));
            }
        }
        (all, others)
    }
}

impl Member {
    fn note_feedback(&mut self, at: u64) {
        if let Some(last) = self.feedback_at {
            let gap = at.saturating_sub(last).min(2_000_000) as f64;
            self.feedback_spread += 0.1 * ((gap - self.feedback_gap).abs() - self.feedback_spread);
            self.feedback_gap += 0.1 * (gap - self.feedback_gap);
        }
        self.feedback_at = Some(at);
        self.heard_at = self.heard_at.max(at);
    }

    /// When missing feedback means "hold video" and when "audio only". Nothing is overdue before the first feedback, or
    /// when nothing was sent that it could be about.
    fn silence_deadlines(&self) -> Option<(u64, u64)> {
        let last = self.feedback_at?;
        let sent = self.sent_at?;
        if self.history.in_flight == 0 || sent < last {
            return None;
        }
        let gap = self.feedback_gap + 4.0 * self.feedback_spread;
        // Heard otherwise since: the feedback was lost, not the line. Half a second of that is too much all the same.
        let grace = if self.heard_at > last { 500_000 } else { 0 };
        Some((last + (1.5 * gap) as u64 + 40_000 + grace, last + (3.0 * gap) as u64 + 200_000 + 2 * grace))
    }
}

/// Reasons that a trace prints.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Initial => "initial",
            Self::Probe => "probe",
            Self::Burst => "burst",
            Self::LowDelay => "low-delay",
            Self::Queue => "queue",
            Self::Loss => "loss",
            Self::Competition => "competition",
            Self::Return => "return",
            Self::Brake => "brake",
        })
    }
}
