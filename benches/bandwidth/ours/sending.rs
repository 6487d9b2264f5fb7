//! How ours sends: repairs, then pictures, at the pace of the estimate; probes; what is thrown away when a queue is too long.

use std::collections::{BTreeMap, VecDeque};

use parlour_estimator::{Burst, PacketKind, SentPacket, Speed};
use parlour_model::{Bitrate, DataSize};
use parlour_simnet::Micros;

use crate::leg::{Transmit, Wire};
use crate::media::MediaPacket;
use crate::ours::{OurLeg, OurWire};

/// Waiting video of more than this at the target rate loses frames nothing depends on; of more than the second, all.
const SHED: f64 = 0.18;
const FLUSH: f64 = 0.5;
/// Full padding packet on the wire.
const PADDING: u64 = 1_100;

impl OurLeg {
    pub(super) fn send(&mut self, packet: Option<MediaPacket>, bytes: u64, kind: PacketKind, burst: Burst) {
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
        let at = self.epoch.instant(self.now);
        match kind {
            PacketKind::Audio => self.sender.pace.sent_beside(bytes, at),
            _ => self.sender.pace.sent(bytes, at),
        }
        self.stats.sent_bytes += bytes;
        self.stats.sent_packets += 1;
        let wire = Wire::Ours(Box::new(OurWire::Media { seq, packet, bytes }));
        self.out.push_back(Transmit { from: self.addresses[0], to: self.addresses[1], bytes, wire });
    }

    pub(super) fn pump(&mut self) {
        self.take_probe_plan();
        let estimate = self.line.borrow().estimate(self.member);
        if estimate.pacing_rate == Bitrate::ZERO {
            return;
        }
        self.shed(estimate.target.as_bps() as f64);
        let at = self.epoch.instant(self.now);
        loop {
            let speed = match self.sender.probe {
                Some((_, rate, _)) => Speed::Probe { rate: Bitrate::bps(rate as u64), mean: estimate.target },
                None => Speed::Paced { burst: estimate.pacing_rate, mean: estimate.target },
            };
            self.sender.pace.set_speed(speed, at);
            if self.turn() > self.now {
                return;
            }
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
        }
    }

    /// When the next packet that waits may leave.
    pub(super) fn turn(&self) -> Micros {
        let next = self.sender.repairs.front().or(self.sender.video.front());
        let turn = self.sender.pace.next(next.map_or(0, MediaPacket::wire));
        turn.map_or(Micros::NEVER, |at| self.epoch.micros(at))
    }

    pub(super) fn take_probe_plan(&mut self) {
        if let Some(plan) = self.line.borrow().estimate(self.member).probe
            && plan.id != self.sender.last_probe
        {
            self.sender.last_probe = plan.id;
            self.sender.probe = Some((plan.id, plan.rate.as_bps() as f64, plan.size.as_bytes() as i64));
        }
    }

    /// Media that waits goes first; then repeats of what was sent last, then nothing but bytes.
    pub(super) fn send_of_probe(&mut self) {
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
    }

    pub(super) fn shed(&mut self, target: f64) {
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
}
