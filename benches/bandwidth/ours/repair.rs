//! The cache that repairs come from, and how long a round trip takes.

use parlour_estimator::{Burst, PacketKind, PacketResult};
use parlour_simnet::Micros;

use crate::media::MediaPacket;
use crate::ours::{OurLeg, STALE_AUDIO};

/// A repair of a picture waits for its turn, and at the bottleneck, about so long.
const REPAIR_WAIT: Micros = Micros::millis(20);
/// Repair cache, as the server has it.
const CACHE: Micros = Micros::millis(1_000);

impl OurLeg {
    pub(super) fn remember(&mut self, packet: MediaPacket) {
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

    /// The time from sending to feedback, at least; what is asked for again sooner may still be on its way.
    pub(super) fn note_round_trip(&mut self, results: &[PacketResult]) {
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

    pub(super) fn repair(&mut self, wanted: &[(u8, u32)]) {
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

    pub(super) fn repair_rate(&self) -> f64 {
        self.sender.repair_bytes.iter().map(|&(_, bytes)| bytes).sum::<u64>() as f64 * 8.0
    }
}
