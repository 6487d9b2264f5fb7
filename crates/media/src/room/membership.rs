//! Who is here, what they publish, and along which edges it goes. The control side of a room: rare, whole, and in
//! force when the call returns.

use std::collections::BTreeSet;
use std::time::Instant;

use parlour_model::{Edge, LayerSpec, MediaKind, Medium, ParticipantKey, PublicationKey};
use rand::Rng;

use crate::error::ForwardDrop;
use crate::ingress::TransportRecorder;
use crate::publication::Publication;
use crate::room::participant::Participant;
use crate::room::{MAX_EARLY, Room};
use crate::spec::{DownlinkSpec, IngressSection, UplinkSpec};

impl Room {
    pub(super) fn admit(&mut self, key: ParticipantKey, now: Instant) {
        if self.participants.find(key).is_some() {
            return;
        }
        let ssrc = self.rng.random_range(1..u32::MAX);
        let mut participant = Participant::new(key, ssrc, &self.config, now);
        // From the beginning the reports of a room do not fall together.
        participant.next_report = now + self.config.report_interval.mul_f64(self.rng.random_range(0.5..1.5));
        self.participants.insert(key, participant);
    }

    pub(super) fn dismiss(&mut self, key: ParticipantKey, now: Instant) {
        let Some(slot) = self.participants.find(key) else { return };
        self.speakers.remove(key, now);
        let owned: Vec<PublicationKey> =
            self.publications.iter().filter(|(_, p)| p.owner == slot).map(|(_, p)| p.key).collect();
        for publication in owned {
            self.unpublish(publication, now);
        }
        if let Some((_, gone)) = self.participants.remove(key)
            && let Some(estimation) = gone.downlink.estimation
        {
            self.lines.leave(estimation.place());
        }
        let mut heard = Vec::new();
        for (publication, state) in self.publications.iter_mut() {
            let before = state.audience.len();
            state.audience.retain(|&(receiver, _)| receiver != slot);
            if state.audience.len() != before {
                heard.push(publication);
            }
        }
        for publication in heard {
            self.tell_subscribed_layers(publication, now);
        }
    }

    pub(super) fn configure_uplink(&mut self, key: ParticipantKey, spec: &UplinkSpec, now: Instant) {
        let Some(owner) = self.participants.find(key) else { return };
        let kept: BTreeSet<PublicationKey> = spec.sections.iter().map(|section| section.publication).collect();
        let gone: Vec<PublicationKey> = self
            .publications
            .iter()
            .filter(|(_, publication)| publication.owner == owner && !kept.contains(&publication.key))
            .map(|(_, publication)| publication.key)
            .collect();
        for publication in gone {
            self.unpublish(publication, now);
        }
        let mut slots = Vec::with_capacity(spec.sections.len());
        for section in &spec.sections {
            slots.push(self.publish(owner, section, now));
        }
        self.uplinks.look(now);
        let interval = self.config.feedback_interval;
        let Some(participant) = self.participants.get_mut(owner) else { return };
        let uplink = &mut participant.uplink;
        uplink.extensions = spec.extensions;
        uplink.table.set_sections(&spec.extensions, &spec.sections, now);
        // A section that could not be taken points nowhere; its packets are of an unknown source.
        uplink.publications = slots.into_iter().map(|slot| slot.unwrap_or(u16::MAX)).collect();
        match (spec.transport_cc, &uplink.recorder) {
            (true, None) => uplink.recorder = Some(TransportRecorder::new(interval, now)),
            (false, Some(_)) => uplink.recorder = None,
            _ => {}
        }
    }

    fn publish(&mut self, owner: u16, section: &IngressSection, now: Instant) -> Option<u16> {
        let Some(slot) = self.publications.find(section.publication) else {
            let mut publication = Publication::new(section.clone(), owner, &self.config, now);
            publication.muted = self.early_mutes.remove(&section.publication);
            return self.publications.insert(section.publication, publication);
        };
        let publication = self.publications.get_mut(slot).filter(|publication| publication.owner == owner)?;
        let announced = std::mem::take(&mut publication.section.layers);
        publication.section = section.clone();
        if publication.section.layers.is_empty() {
            publication.section.layers = announced;
        }
        self.aim_audience(slot, now);
        Some(slot)
    }

    fn unpublish(&mut self, key: PublicationKey, now: Instant) {
        let Some(slot) = self.publications.find(key) else { return };
        let audience = self.publications.get(slot).map(|publication| publication.audience.clone()).unwrap_or_default();
        for (receiver, stream) in audience {
            let ssrc = self.stream_mut(receiver, stream).map(|stream| stream.spec.ssrc);
            self.unbind(receiver, stream);
            if let Some(ssrc) = ssrc {
                self.send_bye(receiver, ssrc);
            }
        }
        self.early_mutes.remove(&key);
        let Some((_, publication)) = self.publications.remove(key) else { return };
        if publication.medium() == Medium::Audio
            && let Some(owner) = self.participants.get(publication.owner)
        {
            self.speakers.remove(owner.key, now);
        }
    }

    pub(super) fn configure_downlink(&mut self, key: ParticipantKey, spec: &DownlinkSpec, now: Instant) {
        let Some(slot) = self.participants.find(key) else { return };
        if let Some(participant) = self.participants.get_mut(slot) {
            let home = participant.home;
            participant.downlink.configure(spec, (&mut self.lines, home), &self.config, now);
        }
    }

    pub(super) fn replace_edges(&mut self, edges: &BTreeSet<Edge>, now: Instant) {
        if self.edges == *edges {
            return;
        }
        self.edges.clone_from(edges);
        let receivers: Vec<u16> = self.participants.indices().collect();
        for &receiver in &receivers {
            self.apply_edges(receiver);
        }
        for receiver in receivers {
            self.aim(receiver, now);
        }
    }

    fn apply_edges(&mut self, receiver: u16) {
        let Some(participant) = self.participants.get(receiver) else { return };
        let key = participant.key;
        let bound = participant.downlink.streams.iter().zip(0u16..);
        let bound: Vec<(u16, u16, bool)> = bound
            .filter_map(|(stream, index)| stream.binding.map(|binding| (index, binding.publication, binding.open)))
            .collect();
        for (stream, publication, was_open) in bound {
            let Some(fresh) = self.binding(publication, key).filter(|fresh| fresh.open != was_open) else { continue };
            let open = fresh.open;
            if let Some(binding) = self.stream_mut(receiver, stream).and_then(|stream| stream.binding.as_mut()) {
                (binding.open, binding.floors) = (open, fresh.floors);
            }
            if !open {
                self.interrupt(receiver, stream, ForwardDrop::EdgeCut);
            }
        }
    }

    pub(super) fn forget_sent_by(&mut self, key: ParticipantKey) {
        let Some(owner) = self.participants.find(key) else { return };
        for slot in self.publications.indices().collect::<Vec<_>>() {
            let Some(publication) = self.publications.get_mut(slot).filter(|one| one.owner == owner) else { continue };
            publication.encodings.iter_mut().flatten().for_each(|encoding| encoding.cache.forget());
            for (receiver, stream) in publication.audience.clone() {
                let Some(participant) = self.participants.get_mut(receiver) else { continue };
                let discarded = participant.downlink.discard(stream);
                self.counters.count_forward_drops(ForwardDrop::EdgeCut, discarded);
            }
        }
    }

    /// Throws away what waits on a stream and forgets what could be repeated of it.
    pub(super) fn interrupt(&mut self, receiver: u16, stream: u16, reason: ForwardDrop) {
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let flushed = participant.downlink.flush(stream);
        self.counters.count_forward_drops(reason, flushed);
        if let Some(state) = self.stream_mut(receiver, stream) {
            state.history.clear();
        }
    }

    pub(super) fn mute(&mut self, publication: PublicationKey, muted: bool, now: Instant) {
        let Some(slot) = self.publications.find(publication) else {
            return self.mute_early(publication, muted);
        };
        let Some(state) = self.publications.get_mut(slot).filter(|state| state.muted != muted) else { return };
        state.muted = muted;
        let (owner, is_voice) = (state.owner, state.medium() == Medium::Audio);
        let floors = state.next_numbers();
        for (receiver, stream) in state.audience.clone() {
            if muted {
                self.interrupt(receiver, stream, ForwardDrop::EdgeCut);
            } else if let Some(binding) = self.stream_mut(receiver, stream).and_then(|stream| stream.binding.as_mut()) {
                binding.floors = floors;
            }
        }
        if muted
            && is_voice
            && let Some(owner) = self.participants.get(owner)
        {
            self.speakers.remove(owner.key, now);
        }
        self.aim_audience(slot, now);
    }

    /// The track begins muted: that is told before the answer that brings it.
    fn mute_early(&mut self, publication: PublicationKey, muted: bool) {
        if !muted {
            self.early_mutes.remove(&publication);
        } else if self.early_mutes.len() < MAX_EARLY {
            self.early_mutes.insert(publication);
        } else {
            self.counters.events_dropped += 1;
        }
    }

    pub(super) fn announce_layers(&mut self, publication: PublicationKey, layers: &[LayerSpec], now: Instant) {
        let Some(slot) = self.publications.find(publication) else { return };
        if let Some(state) = self.publications.get_mut(slot).filter(|state| state.codec().kind() == MediaKind::Video) {
            state.section.layers = layers.to_vec();
        }
        self.aim_audience(slot, now);
    }
}
