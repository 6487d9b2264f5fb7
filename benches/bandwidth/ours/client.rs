//! What the client of ours does: transport feedback each 50 ms, and NACKs for holes.

use parlour_estimator::PacketResult;
use parlour_simnet::Micros;

use crate::leg::{Transmit, Wire};
use crate::media::MediaPacket;
use crate::ours::{OurLeg, OurWire};

/// Transport feedback each 50 ms.
const FEEDBACK: Micros = Micros::millis(50);
/// A hole is asked for after this long: reordering within a burst is shorter.
const NACK_AFTER: Micros = Micros::millis(6);
/// And again, at most this often, this many times.
const NACK_AGAIN: Micros = Micros::millis(30);
const NACK_TIMES: u8 = 10;

impl OurLeg {
    pub(super) fn receive_media(&mut self, seq: u64, packet: Option<MediaPacket>, bytes: u64) {
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

    pub(super) fn note_arrival(&mut self, seq: u64) {
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

    pub(super) fn note_holes(&mut self, packet: &MediaPacket) {
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

    pub(super) fn send_nacks(&mut self) {
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

    pub(super) fn send_feedback(&mut self) {
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

    pub(super) fn back(&mut self, wire: OurWire, bytes: u64) {
        self.stats.feedback_bytes += bytes;
        let [to, from] = self.addresses;
        self.out.push_back(Transmit { from, to, bytes, wire: Wire::Ours(Box::new(wire)) });
    }
}
