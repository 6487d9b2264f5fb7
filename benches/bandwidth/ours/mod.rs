//! Our side: the estimator with a small pacer, a repair cache and a client that sends transport feedback and NACKs.

mod client;
mod repair;
mod sending;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use parlour_estimator::{Burst, Line, MemberId, Pace, PacketKind, PacketResult, Speed, TracePoint};
use parlour_model::Bitrate;
use parlour_simnet::{Epoch, Micros, Random, SkewedClock};

use crate::leg::{Leg, LegStats, Transmit, Wire};
use crate::media::{AUDIO_WIRE, Budget, MediaPacket, OVERHEAD};

/// Until one is known.
const ROUND_TRIP: Micros = Micros::millis(60);
/// Stale audio is not repaired.
const STALE_AUDIO: Micros = Micros::millis(200);

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
    pace: Pace,
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
                pace: Pace::new(Speed::Held, epoch.instant(Micros::ZERO)),
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
        let pacer = if waiting { self.turn().max(self.now + Micros(1)) } else { Micros::NEVER };
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
