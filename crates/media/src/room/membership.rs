//! Who is here, what they publish and receive, and along which edges. The control side of a room: rare, whole, and in
//! force when the call returns.

use std::collections::BTreeSet;
use std::time::Instant;

use parlour_model::{Edge, LayerSpec, MediaKind, Medium, ParticipantKey, PublicationKey};
use rand::Rng;

use crate::egress::downlink::MAX_STREAMS;
use crate::egress::selector::Selector;
use crate::egress::stream::{Binding, Stream};
use crate::error::ForwardDrop;
use crate::ingress::TransportRecorder;
use crate::publication::Publication;
use crate::room::Room;
use crate::room::participant::Participant;
use crate::spec::{DownlinkSpec, IngressSection, SubscriptionSpec, UplinkSpec};

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
        self.participants.remove(key);
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
            let publication = Publication::new(section.clone(), owner, &self.config, now);
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
            self.unbind(receiver, stream);
        }
        let Some((_, publication)) = self.publications.remove(key) else { return };
        if publication.medium() == Medium::Audio
            && let Some(owner) = self.participants.get(publication.owner)
        {
            self.speakers.remove(owner.key, now);
        }
    }

    pub(super) fn configure_downlink(&mut self, key: ParticipantKey, spec: &DownlinkSpec) {
        let Some(slot) = self.participants.find(key) else { return };
        if let Some(participant) = self.participants.get_mut(slot) {
            participant.downlink.configure(spec);
        }
    }

    pub(super) fn bind(&mut self, spec: SubscriptionSpec, now: Instant) {
        let (Some(receiver), Some(slot)) =
            (self.participants.find(spec.receiver), self.publications.find(spec.publication))
        else {
            self.counters.subscriptions_refused += 1;
            return;
        };
        let (first, repair_first) = (self.rng.random_range(0..0x7fff), self.rng.random());
        let binding = self.binding(slot, spec.receiver);
        let Some(binding) = binding else { return };
        self.release_publication(receiver, slot, spec.ssrc);
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let streams = &mut participant.downlink.streams;
        let index = match streams.iter().position(|stream| stream.spec.ssrc == spec.ssrc) {
            Some(index) => index,
            None if streams.len() >= MAX_STREAMS => {
                self.counters.subscriptions_refused += 1;
                return;
            }
            None => {
                streams.push(Stream::new(spec.clone(), first, repair_first));
                streams.len() - 1
            }
        };
        // Below the bound above.
        let stream = index as u16;
        if self.renew(receiver, stream, slot, &spec) {
            return self.aim(receiver, now);
        }
        self.unbind(receiver, stream);
        if let Some(state) = self.stream_mut(receiver, stream) {
            state.spec = spec;
            state.binding = Some(binding);
        }
        if let Some(publication) = self.publications.get_mut(slot) {
            publication.audience.push((receiver, stream));
        }
        self.aim(receiver, now);
    }

    /// The very same subscription again, perhaps with other payload types: it goes on. Whether it was that.
    fn renew(&mut self, receiver: u16, stream: u16, publication: u16, spec: &SubscriptionSpec) -> bool {
        let Some(state) = self.stream_mut(receiver, stream) else { return false };
        let same = state.binding.is_some_and(|binding| binding.publication == publication);
        if same {
            state.spec = spec.clone();
        }
        same
    }

    fn binding(&self, publication: u16, receiver: ParticipantKey) -> Option<Binding> {
        let state = self.publications.get(publication)?;
        let publisher = self.participants.get(state.owner)?.key;
        let edge = Edge { publisher, receiver, medium: state.medium() };
        Some(Binding {
            key: state.key,
            publication,
            kind: state.codec().kind(),
            open: self.edges.contains(&edge),
            settings: Default::default(),
            selector: Selector::default(),
            began: false,
            held_back: false,
            wanted: None,
        })
    }

    /// A receiver gets a publication on one stream only: takes it from any other.
    fn release_publication(&mut self, receiver: u16, publication: u16, ssrc: u32) {
        let Some(participant) = self.participants.get(receiver) else { return };
        let others = participant.downlink.streams.iter().enumerate().filter(|(_, stream)| {
            stream.spec.ssrc != ssrc && stream.binding.is_some_and(|binding| binding.publication == publication)
        });
        let others: Vec<u16> = others.map(|(index, _)| index as u16).collect();
        for stream in others {
            self.unbind(receiver, stream);
        }
    }

    pub(super) fn release(&mut self, receiver: ParticipantKey, publication: PublicationKey, now: Instant) {
        let Some(slot) = self.participants.find(receiver) else { return };
        let Some(stream) = self.stream_of(slot, publication) else { return };
        let ssrc = self.stream_mut(slot, stream).map(|stream| stream.spec.ssrc);
        self.unbind(slot, stream);
        if let Some(ssrc) = ssrc {
            self.send_bye(slot, ssrc);
        }
        if let Some(publication) = self.publications.find(publication) {
            self.tell_subscribed_layers(publication, now);
        }
        // What it took is free for the others.
        self.aim(slot, now);
    }

    /// Takes a stream from its publication. Nothing of it is sent or repeated from now on; its numbers go on.
    fn unbind(&mut self, receiver: u16, stream: u16) {
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let flushed = participant.downlink.flush(stream);
        self.counters.count_forward_drops(ForwardDrop::EdgeCut, flushed);
        let Some(state) = self.stream_mut(receiver, stream) else { return };
        state.history.clear();
        let Some(binding) = state.binding.take() else { return };
        if let Some(publication) = self.publications.get_mut(binding.publication) {
            publication.audience.retain(|&way| way != (receiver, stream));
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
            let open = self.binding(publication, key).is_some_and(|binding| binding.open);
            if open == was_open {
                continue;
            }
            if let Some(binding) = self.stream_mut(receiver, stream).and_then(|stream| stream.binding.as_mut()) {
                binding.open = open;
            }
            if !open {
                self.interrupt(receiver, stream, ForwardDrop::EdgeCut);
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
        let Some(slot) = self.publications.find(publication) else { return };
        let Some(state) = self.publications.get_mut(slot).filter(|state| state.muted != muted) else { return };
        state.muted = muted;
        let (owner, is_voice) = (state.owner, state.medium() == Medium::Audio);
        for (receiver, stream) in state.audience.clone() {
            if muted {
                self.interrupt(receiver, stream, ForwardDrop::EdgeCut);
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

    pub(super) fn announce_layers(&mut self, publication: PublicationKey, layers: &[LayerSpec], now: Instant) {
        let Some(slot) = self.publications.find(publication) else { return };
        if let Some(state) = self.publications.get_mut(slot).filter(|state| state.codec().kind() == MediaKind::Video) {
            state.section.layers = layers.to_vec();
        }
        self.aim_audience(slot, now);
    }

    /// The stream on which a receiver gets a publication.
    pub(super) fn stream_of(&self, receiver: u16, publication: PublicationKey) -> Option<u16> {
        let streams = &self.participants.get(receiver)?.downlink.streams;
        let bound = |stream: &Stream| stream.binding.is_some_and(|binding| binding.key == publication);
        streams.iter().position(bound).map(|index| index as u16)
    }

    pub(super) fn stream_mut(&mut self, receiver: u16, stream: u16) -> Option<&mut Stream> {
        self.participants.get_mut(receiver)?.downlink.streams.get_mut(usize::from(stream))
    }
}
