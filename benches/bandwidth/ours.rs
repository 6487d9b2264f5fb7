//! Our side: the estimator with a small pacer, a repair cache and a client that sends transport feedback and NACKs.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use parlour_estimator::{Burst, Line, MemberId, PacketKind, PacketResult, SentPacket, TracePoint};
use parlour_model::{Bitrate, DataSize};
use parlour_simnet::{Epoch, Micros, Random, SkewedClock};

use crate::leg::{Leg, LegStats, Transmit, Wire};
use crate::media::{AUDIO_WIRE, Budget, MediaPacket, OVERHEAD};

/// Transport feedback each 50 ms.
const FEEDBACK: Micros = Micros::millis(50);
/// A hole is asked for after this long: reordering within a burst is shorter.
const NACK_AFTER: Micros = Micros::millis(6);
/// And again, at most this often, this many times.
const NACK_AGAIN: Micros = Micros::millis(30);
const NACK_TIMES: u8 = 10;
/// A repair of a picture waits for its turn, and at the bottleneck, about so long.
const REPAIR_WAIT: Micros = Micros::millis(20);
/// Until one is known.
const ROUND_TRIP: Micros = Micros::millis(60);
/// Repair cache, as the server has it.
const CACHE: Micros = Micros::millis(1_000);
/// Stale audio is not repaired.
const STALE_AUDIO: Micros = Micros::millis(200);
/// Waiting video of more than this at the target rate loses frames nothing depends on; of more than the second, all.
const SHED: f64 = 0.18;
const FLUSH: f64 = 0.5;
/// A burst may run ahead of the target by this; a mean frame at 1.5 times the rate does by 11 ms.
const BURST_QUEUE: f64 = 0.014;
/// Full padding packet on the wire.
const PADDING: u64 = 1_100;

/// A datagram of ours.
#[derive(Clone, Debug)]
pub enum OurWire {
    Media { seq: u64, packet: Option<MediaPacket>, bytes: u64 },
    Feedback(Vec<PacketResult>),
    Nack(Vec<(u8, u32)>),
}

/// A line shared by the flows of one home.
pub type SharedLine = Rc<RefCell<Line>>;

struct Sender {
    seq: u64,
    /// When the newest packets were sent, for round trips; and the smallest of this second and the last.
    sent_at: VecDeque<(u64, Micros)>,
    round_trips: (Micros, [Micros; 2]),
    /// Repairs first, then pictures.
    repairs: VecDeque<MediaPacket>,
    video: VecDeque<MediaPacket>,
    cache: BTreeMap<(u8, u32), (MediaPacket, Micros)>,
    next_free: Micros,
    ahead: f64,
    ahead_at: Micros,
    probe: Option<(u32, f64, i64)>,
    last_probe: u32,
    key_needed: VecDeque<u8>,
    repair_bytes: VecDeque<(Micros, u64)>,
    /// Padding repeats these: the last full packets sent.
    recent: VecDeque<MediaPacket>,
}

#[derive(Default)]
struct Receiver {
    arrived: BTreeMap<u64, Duration>,
    /// Feedback covers numbers below this already.
    reported: u64,
    late: Vec<PacketResult>,
    highest: Option<u64>,
    next_feedback: Option<Micros>,
    seen: BTreeMap<(u8, u32), ()>,
    newest: BTreeMap<u8, u32>,
    missing: BTreeMap<(u8, u32), (Micros, u8)>,
}

/// Sender and receiver of ours.
pub struct OurLeg {
    epoch: Epoch,
    line: SharedLine,
    member: MemberId,
    addresses: [SocketAddr; 2],
    clock: SkewedClock,
    random: Random,
    feedback_loss: f64,
    audio_feedback: bool,
    sender: Sender,
    receiver: Receiver,
    out: VecDeque<Transmit>,
    received: VecDeque<MediaPacket>,
    now: Micros,
    stats: LegStats,
}

/// What the flow says of its path and client.
pub struct Traits {
    pub skew_ppm: i64,
    pub feedback_loss: f64,
    pub audio_feedback: bool,
}

impl OurLeg {
    pub fn new(
        epoch: Epoch,
        line: SharedLine,
        member: MemberId,
        addresses: [SocketAddr; 2],
        traits: &Traits,
        random: Random,
    ) -> Self {
        Self {
            epoch,
            line,
            member,
            addresses,
            clock: SkewedClock { offset: Micros(7_777_777), skew_ppm: traits.skew_ppm },
            random,
            feedback_loss: traits.feedback_loss,
            audio_feedback: traits.audio_feedback,
            sender: Sender {
                seq: 0,
                sent_at: VecDeque::new(),
                round_trips: (Micros::ZERO, [ROUND_TRIP; 2]),
                repairs: VecDeque::new(),
                video: VecDeque::new(),
                cache: BTreeMap::new(),
                next_free: Micros::ZERO,
                ahead: 0.0,
                ahead_at: Micros::ZERO,
                probe: None,
                last_probe: 0,
                key_needed: VecDeque::new(),
                repair_bytes: VecDeque::new(),
                recent: VecDeque::new(),
            },
            receiver: Receiver::default(),
            out: VecDeque::new(),
            received: VecDeque::new(),
            now: Micros::ZERO,
            stats: LegStats::default(),
        }
    }

    fn send(&mut self, packet: Option<MediaPacket>, bytes: u64, kind: PacketKind, burst: Burst) {
        // A section that did not negotiate transport feedback is not numbered.
        let numbered = self.audio_feedback || kind != PacketKind::Audio;
        let seq = if numbered { self.sender.seq } else { u64::MAX };
        if numbered {
            let at = self.epoch.instant(self.now);
            let sent = SentPacket { seq, size: DataSize::bytes(bytes), at, kind, burst };
            self.line.borrow_mut().handle_sent(self.member, &sent);
            self.sender.sent_at.push_back((seq, self.now));
            self.sender.sent_at.truncate(2_000);
            self.sender.seq += 1;
        }
        self.stats.sent_bytes += bytes;
        self.stats.sent_packets += 1;
        let wire = Wire::Ours(Box::new(OurWire::Media { seq, packet, bytes }));
        self.out.push_back(Transmit { from: self.addresses[0], to: self.addresses[1], bytes, wire });
    }

    fn pump(&mut self) {
        self.take_probe_plan();
        let estimate = self.line.borrow().estimate(self.member);
        let pacing = estimate.pacing_rate.as_bps() as f64;
        if pacing <= 0.0 {
            return;
        }
        self.shed(estimate.target.as_bps() as f64);
        while self.sender.next_free <= self.now {
            if self.sender.probe.is_some() {
                self.send_of_probe();
                continue;
            }
            let repair = self.sender.repairs.pop_front();
            let kind = if repair.is_some() { PacketKind::Retransmission } else { PacketKind::Video };
            let Some(packet) = repair.or_else(|| self.sender.video.pop_front()) else { return };
            let burst = match kind {
                PacketKind::Video => Burst::Frame(packet.frame * 4 + u32::from(packet.stream)),
                _ => Burst::None,
            };
            self.remember(packet);
            self.send(Some(packet), packet.wire(), kind, burst);
            let target = estimate.target.as_bps() as f64;
            let ahead = self.run_ahead(packet.wire(), target);
            self.occupy(packet.wire(), if ahead > BURST_QUEUE { pacing.min(target * 1.02) } else { pacing });
        }
    }

    /// How far sending is ahead of the target rate, seconds: the queue that a burst leaves at the bottleneck.
    fn run_ahead(&mut self, bytes: u64, target: f64) -> f64 {
        let elapsed = (self.now - self.sender.ahead_at).as_seconds();
        self.sender.ahead_at = self.now;
        self.sender.ahead = (self.sender.ahead - elapsed).max(0.0) + bytes as f64 * 8.0 / target.max(1e4);
        self.sender.ahead
    }

    fn occupy(&mut self, bytes: u64, rate: f64) {
        // Up to 2 ms late by timer, not by more: what was not used is not made up for.
        let start = self.sender.next_free.max(self.now - Micros(2_000));
        self.sender.next_free = start + Micros((bytes as f64 * 8e6 / rate) as u64);
    }

    fn remember(&mut self, packet: MediaPacket) {
        self.sender.cache.insert((packet.stream, packet.number), (packet, self.now));
        // A second of 4 Mbit/s, per stream.
        if let Some(old) = packet.number.checked_sub(500) {
            self.sender.cache.remove(&(packet.stream, old));
        }
        if packet.payload > 800 {
            self.sender.recent.push_back(packet);
            if self.sender.recent.len() > 30 {
                self.sender.recent.pop_front();
            }
        }
    }

    fn take_probe_plan(&mut self) {
        if let Some(plan) = self.line.borrow().estimate(self.member).probe
            && plan.id != self.sender.last_probe
        {
            self.sender.last_probe = plan.id;
            self.sender.probe = Some((plan.id, plan.rate.as_bps() as f64, plan.size.as_bytes() as i64));
            self.sender.next_free = self.now;
        }
    }

    /// Media that waits goes first; then repeats of what was sent last, then nothing but bytes.
    fn send_of_probe(&mut self) {
        let Some((id, rate, left)) = self.sender.probe else { return };
        let burst = Burst::Probe(id);
        let bytes = if let Some(packet) = self.sender.video.pop_front() {
            self.remember(packet);
            self.send(Some(packet), packet.wire(), PacketKind::Video, burst);
            packet.wire()
        } else if let Some(packet) = self.sender.recent.pop_front() {
            self.send(Some(packet), packet.wire(), PacketKind::Retransmission, burst);
            packet.wire()
        } else {
            let bytes = PADDING.min(left.max(300) as u64);
            self.send(None, bytes, PacketKind::Padding, burst);
            bytes
        };
        let left = left - bytes as i64;
        self.sender.probe = (left > 0).then_some((id, rate, left));
        self.occupy(bytes, rate);
    }

    fn shed(&mut self, target: f64) {
        let waiting = |video: &VecDeque<MediaPacket>| video.iter().map(MediaPacket::wire).sum::<u64>() as f64 * 8.0;
        for temporal in [2, 1] {
            if waiting(&self.sender.video) > SHED * target {
                // A frame that has begun is finished: the front one.
                let begun = self.sender.video.front().map(|packet| packet.frame);
                self.sender.video.retain(|packet| packet.temporal != temporal || Some(packet.frame) == begun);
            }
        }
        if waiting(&self.sender.video) > FLUSH * target {
            let streams: BTreeMap<u8, ()> = self.sender.video.iter().map(|packet| (packet.stream, ())).collect();
            // A keyframe in the queue is the next decodable point: what waits before it goes.
            let keyframe = self.sender.video.iter().rposition(|packet| packet.key && packet.index == 0);
            match keyframe {
                Some(position) => drop(self.sender.video.drain(..position)),
                None => {
                    self.sender.video.clear();
                    self.sender.key_needed.extend(streams.into_keys());
                }
            }
        }
    }

    fn receive_media(&mut self, seq: u64, packet: Option<MediaPacket>, bytes: u64) {
        self.stats.arrived_bytes += bytes;
        self.stats.arrived_packets += 1;
        if seq != u64::MAX {
            self.note_arrival(seq);
        }
        let fresh = packet.filter(|packet| self.receiver.seen.insert((packet.stream, packet.number), ()).is_none());
        let Some(packet) = fresh else {
            self.stats.useless_bytes += bytes;
            return;
        };
        while self.receiver.seen.len() > 4_000 {
            self.receiver.seen.pop_first();
        }
        self.note_holes(&packet);
        self.received.push_back(packet);
    }

    fn note_arrival(&mut self, seq: u64) {
        // The wire format counts quarters of a millisecond.
        let shown = Micros(self.clock.read(self.now).0 / 250 * 250);
        if seq < self.receiver.reported {
            self.receiver.late.push(PacketResult { seq, arrival: Some(shown.into()) });
        } else {
            self.receiver.arrived.insert(seq, shown.into());
        }
        self.receiver.highest = self.receiver.highest.max(Some(seq));
        self.receiver.next_feedback.get_or_insert(self.now + FEEDBACK);
    }

    fn note_holes(&mut self, packet: &MediaPacket) {
        let key = (packet.stream, packet.number);
        self.receiver.missing.remove(&key);
        let newest = self.receiver.newest.entry(packet.stream).or_insert(packet.number);
        let from = *newest + 1;
        *newest = (*newest).max(packet.number);
        for number in from..packet.number {
            // A larger hole is not asked for: a keyframe is cheaper.
            if packet.number - number < 150 {
                self.receiver.missing.insert((packet.stream, number), (self.now + NACK_AFTER, 0));
            }
        }
    }

    fn send_nacks(&mut self) {
        let now = self.now;
        let mut wanted = Vec::new();
        self.receiver.missing.retain(|key, (due, times)| {
            if *due <= now {
                *times += 1;
                *due = now + NACK_AGAIN;
                wanted.push(*key);
            }
            *times <= NACK_TIMES
        });
        if !wanted.is_empty() {
            let bytes = 28 + 12 + 20 + 4 * wanted.len().div_ceil(8) as u64;
            self.back(OurWire::Nack(wanted), bytes);
        }
    }

    fn send_feedback(&mut self) {
        if self.receiver.next_feedback.is_none_or(|due| due > self.now) {
            return;
        }
        self.receiver.next_feedback = None;
        let Some(highest) = self.receiver.highest else { return };
        let mut results = std::mem::take(&mut self.receiver.late);
        for seq in self.receiver.reported..=highest {
            results.push(PacketResult { seq, arrival: self.receiver.arrived.remove(&seq) });
        }
        self.receiver.reported = highest + 1;
        let bytes = 28 + 8 + 12 + 20 + 2 * results.len() as u64 + 2 * results.len().div_ceil(7) as u64;
        if self.random.chance(self.feedback_loss) {
            return;
        }
        self.back(OurWire::Feedback(results), bytes);
    }

    fn back(&mut self, wire: OurWire, bytes: u64) {
        self.stats.feedback_bytes += bytes;
        let [to, from] = self.addresses;
        self.out.push_back(Transmit { from, to, bytes, wire: Wire::Ours(Box::new(wire)) });
    }

    /// The time from sending to feedback, at least; what is asked for again sooner may still be on its way.
    fn note_round_trip(&mut self, results: &[PacketResult]) {
        let newest = results.iter().rev().find(|result| result.arrival.is_some()).map(|result| result.seq);
        while self.sender.sent_at.front().is_some_and(|&(seq, _)| newest.is_some_and(|newest| seq < newest)) {
            self.sender.sent_at.pop_front();
        }
        let Some(&(seq, at)) = self.sender.sent_at.front() else { return };
        if newest != Some(seq) {
            return;
        }
        let (since, smallest) = &mut self.sender.round_trips;
        if self.now - *since > Micros::millis(1_000) {
            *since = self.now;
            *smallest = [self.now - at, smallest[0]];
        }
        smallest[0] = smallest[0].min(self.now - at);
    }

    fn repair(&mut self, wanted: &[(u8, u32)]) {
        let [this, last] = self.sender.round_trips.1;
        let round_trip = this.min(last);
        for key in wanted {
            let Some((packet, sent)) = self.sender.cache.get_mut(key) else { continue };
            let age = self.now - packet.made;
            let too_old = age > CACHE || packet.is_audio() && age > STALE_AUDIO;
            let patience = if packet.is_audio() { round_trip } else { round_trip + REPAIR_WAIT };
            if too_old || self.now - *sent < patience {
                continue;
            }
            *sent = self.now;
            let packet = *packet;
            self.sender.repair_bytes.push_back((self.now, packet.wire()));
            if packet.is_audio() {
                self.send(Some(packet), packet.wire(), PacketKind::Audio, Burst::None);
            } else {
                self.sender.repairs.push_back(packet);
            }
        }
    }

    fn repair_rate(&self) -> f64 {
        self.sender.repair_bytes.iter().map(|&(_, bytes)| bytes).sum::<u64>() as f64 * 8.0
    }
}

impl Leg for OurLeg {
    fn write(&mut self, now: Micros, packet: MediaPacket) {
        self.now = now;
        if packet.is_audio() {
            self.sender.cache.insert((0, packet.number), (packet, now));
            self.sender.cache.remove(&(0, packet.number.saturating_sub(100)));
            self.send(Some(packet), packet.wire(), PacketKind::Audio, Burst::None);
        } else {
            self.sender.video.push_back(packet);
        }
        self.pump();
    }

    fn handle(&mut self, now: Micros, _from: SocketAddr, to: SocketAddr, wire: Wire) {
        self.now = now;
        let Wire::Ours(wire) = wire else { return };
        let at = self.epoch.instant(now);
        if to == self.addresses[0] {
            self.line.borrow_mut().handle_heard(self.member, at);
        }
        match *wire {
            OurWire::Media { seq, packet, bytes } => self.receive_media(seq, packet, bytes),
            OurWire::Feedback(results) => {
                self.note_round_trip(&results);
                self.line.borrow_mut().handle_feedback(self.member, &results, at);
            }
            OurWire::Nack(wanted) => self.repair(&wanted),
        }
        self.send_nacks();
        self.pump();
    }

    fn handle_timeout(&mut self, now: Micros) {
        self.now = now;
        self.line.borrow_mut().handle_timeout(self.epoch.instant(now));
        while self.sender.repair_bytes.front().is_some_and(|&(at, _)| at + Micros::millis(1_000) < now) {
            self.sender.repair_bytes.pop_front();
        }
        if !self.takes_video() && !self.sender.video.is_empty() {
            let oldest = self.sender.video.front().map_or(now, |packet| packet.made);
            if now - oldest > Micros::millis(150) {
                let streams: BTreeMap<u8, ()> = self.sender.video.drain(..).map(|packet| (packet.stream, ())).collect();
                self.sender.repairs.clear();
                self.sender.key_needed.extend(streams.into_keys());
            }
        }
        self.send_feedback();
        self.send_nacks();
        self.pump();
    }

    fn poll_timeout(&self) -> Micros {
        let estimator = self.line.borrow().poll_timeout().map_or(Micros::NEVER, |at| self.epoch.micros(at) + Micros(1));
        let waiting = self.sender.probe.is_some() || !self.sender.video.is_empty() || !self.sender.repairs.is_empty();
        let pacer = if waiting { self.sender.next_free.max(self.now + Micros(1)) } else { Micros::NEVER };
        let pacer = if self.takes_video() { pacer } else { Micros::NEVER };
        let nack = self.receiver.missing.values().map(|&(due, _)| due).min().unwrap_or(Micros::NEVER);
        let feedback = self.receiver.next_feedback.unwrap_or(Micros::NEVER);
        estimator.min(pacer).min(nack).min(feedback)
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    fn poll_received(&mut self) -> Option<MediaPacket> {
        self.received.pop_front()
    }

    fn poll_key_needed(&mut self) -> Option<u8> {
        self.sender.key_needed.pop_front()
    }

    fn budget(&self) -> Budget {
        let estimate = self.line.borrow().estimate(self.member);
        let repairs = self.repair_rate();
        let now = estimate.target.as_bps() as f64 - repairs;
        // The share of the target in the capacity when nothing drains is the estimator's own.
        let lasting = estimate.capacity.as_bps() as f64 * 0.975 - repairs;
        Budget { now: now.max(0.0), lasting: lasting.max(AUDIO_WIRE) }
    }

    fn set_demand(&mut self, _now: Micros, demand: f64) {
        self.line.borrow_mut().handle_demand(self.member, Bitrate::bps(demand as u64));
    }

    fn takes_video(&self) -> bool {
        self.line.borrow().estimate(self.member).pacing_rate > Bitrate::ZERO
    }

    fn stats(&self) -> LegStats {
        self.stats
    }

    fn is_shared(&self) -> bool {
        let line = self.line.borrow();
        line.members() > 1 && line.is_shared(self.member) == Some(true)
    }

    fn leave(&mut self) {
        self.line.borrow_mut().leave(self.member);
    }

    fn trace(&self, now: Micros) -> Option<TracePoint> {
        Some(self.line.borrow().trace(self.member, self.epoch.instant(now)))
    }
}

const _: () = assert!(OVERHEAD > 28);
