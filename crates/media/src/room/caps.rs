//! What publishers are asked to send at most (REMB, draft-alvestrand-rmcat-remb, beside transport feedback): no more than
//! the lines of those who receive it can take. Which layers at all is told apart (dynacast).

use std::time::Instant;

use parlour_model::command::Leg;
use parlour_model::{Bitrate, MediaKind};

use crate::egress::stream::Binding;
use crate::ingress::home_uplink::SPEECH;
use crate::publication::Publication;
use crate::room::Room;
use crate::room::layers::AUDIO_RATE;
use crate::wire::PAYLOAD_SHARE;

impl Room {
    /// The highest layer of a publication that anyone else is granted, and the most that the line of one of them has for it.
    pub(super) fn room_of_others(&self, publication: &Publication, receiver: u16) -> Option<(u8, Bitrate)> {
        let others = publication.audience.iter().filter(|&&(other, _)| other != receiver);
        others.filter_map(|&way| self.binding_of(way)?.room).max()
    }

    fn binding_of(&self, (receiver, stream): (u16, u16)) -> Option<&Binding> {
        self.participants.get(receiver)?.downlink.streams.get(usize::from(stream))?.binding.as_ref()
    }

    /// Follows with a publication's top layer what the lines of those who are granted it have for it.
    pub(super) fn bend(&mut self, slot: u16, now: Instant) {
        let Some(publication) = self.publications.get(slot) else { return };
        let granted = publication.audience.iter().filter_map(|&way| self.binding_of(way)?.room);
        let granted: Vec<(u8, Bitrate)> = granted.collect();
        let Some(top) = granted.iter().map(|&(layer, _)| layer).max() else { return };
        let rooms: Vec<Bitrate> = granted.iter().filter(|&&(layer, _)| layer == top).map(|&(_, room)| room).collect();
        let owner = publication.owner;
        if self.publications.get_mut(slot).is_some_and(|publication| publication.bend(top, &rooms, now)) {
            self.cap_publisher(owner, now);
        }
    }

    /// Once a second: who does not do as it is asked is asked no more, and who is bound is told again.
    pub(super) fn look_after_caps(&mut self, now: Instant) {
        for (_, publication) in self.publications.iter_mut() {
            publication.judge_obedience(now);
        }
        for slot in self.participants.indices() {
            self.cap_publisher(slot, now);
        }
    }

    /// Tells a publisher its bound, if that is news or was not said lately.
    pub(super) fn cap_publisher(&mut self, slot: u16, now: Instant) {
        let (sent, bound) = self.sent_by(slot);
        let part = self.participants.get(slot).and_then(|participant| participant.uplink.part);
        let cap = part.map_or(bound.then_some(sent), |part| Some(part.min(sent)));
        let ssrcs = self.bound_sources(slot);
        let Some(participant) = self.participants.get_mut(slot).filter(|_| !ssrcs.is_empty()) else { return };
        if let Some(bound) = participant.uplink.told.poll(cap, now) {
            self.send_remb(slot, bound, &ssrcs);
        }
    }

    /// What is wanted of a publisher in all, on the wire, speech included; and whether that is less than it would send.
    pub(super) fn sent_by(&self, slot: u16) -> (Bitrate, bool) {
        let (mut sum, mut bound) = (Bitrate::ZERO, false);
        for (_, publication) in self.publications.iter().filter(|(_, one)| one.owner == slot && !one.muted) {
            if publication.codec().kind() == MediaKind::Audio {
                sum += publication.measured_rate(0).unwrap_or(AUDIO_RATE).clamp(SPEECH, AUDIO_RATE);
                continue;
            }
            for layer in publication.layers().into_iter().filter(|layer| publication.dynacast.is_told(layer.0)) {
                let asked = publication.elastic.asked(layer.0);
                bound |= asked.is_some();
                let whole = publication.whole_rate(layer);
                sum +=
                    asked.unwrap_or_else(|| publication.measured_rate(layer.0).map_or(whole, |rate| rate.max(whole)));
            }
        }
        (sum.scaled(1.0 / PAYLOAD_SHARE), bound)
    }

    /// The streams of a publisher that a bound is for, of those that began.
    fn bound_sources(&self, slot: u16) -> Vec<u32> {
        let owned = self.publications.iter().filter(|(_, one)| one.owner == slot && one.section.remb);
        owned.flat_map(|(_, one)| one.encodings.iter().flatten().map(|one| one.ssrc)).collect()
    }

    fn send_remb(&mut self, slot: u16, bound: Bitrate, ssrcs: &[u32]) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let ours = participant.ssrc;
        let outcome = participant.rtcp.on(Leg::Publish).push(|writer| writer.remb(ours, bound.as_bps(), ssrcs));
        self.counters.bounds_out += 1;
        self.counters.rtcp_overflow += u64::from(outcome.is_err());
        self.mark_ready(slot);
    }
}
