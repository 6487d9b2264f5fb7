//! Which publication feeds which stream of a receiver. A stream outlives what is bound to it: its numbers go on with the
//! next.

use std::time::Instant;

use parlour_model::{Edge, ParticipantKey, PublicationKey};
use rand::Rng;

use crate::egress::downlink::MAX_STREAMS;
use crate::egress::selector::Selector;
use crate::egress::stream::{Binding, Stream};
use crate::error::ForwardDrop;
use crate::room::Room;
use crate::spec::SubscriptionSpec;

impl Room {
    pub(super) fn bind(&mut self, spec: SubscriptionSpec, now: Instant) {
        let (Some(receiver), Some(slot)) =
            (self.participants.find(spec.receiver), self.publications.find(spec.publication))
        else {
            self.counters.subscriptions_refused += 1;
            return;
        };
        let (first, repair_first) = (self.rng.random_range(0..0x7fff), self.rng.random());
        let Some(mut binding) = self.binding(slot, spec.receiver) else { return };
        // A publication that moves to another section is shown as before.
        let before = self.stream_of(receiver, spec.publication).and_then(|stream| self.stream_mut(receiver, stream));
        binding.settings = before.and_then(|stream| stream.binding).map_or(binding.settings, |old| old.settings);
        self.release_publication(receiver, slot, spec.ssrc);
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let streams = &mut participant.downlink.streams;
        let index = match streams.iter().position(|stream| stream.spec.ssrc == spec.ssrc) {
            Some(index) => index,
            None if streams.len() >= MAX_STREAMS => {
                // The place of one that carries nothing any more. Its source is not used again; if it were, SRTP seals no
                // index twice.
                let Some(free) = streams.iter().position(|stream| stream.binding.is_none()) else {
                    self.counters.subscriptions_refused += 1;
                    return;
                };
                streams[free] = Stream::new(spec.clone(), first, repair_first);
                free
            }
            None => {
                if streams.len() == streams.capacity() {
                    // A stream is large; most have a microphone and a camera each to receive.
                    streams.reserve_exact(2);
                }
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
            state.set_spec(spec);
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
            state.set_spec(spec.clone());
        }
        same
    }

    pub(super) fn binding(&self, publication: u16, receiver: ParticipantKey) -> Option<Binding> {
        let state = self.publications.get(publication)?;
        let publisher = self.participants.get(state.owner)?.key;
        let edge = Edge { publisher, receiver, medium: state.medium() };
        Some(Binding {
            key: state.key,
            publication,
            kind: state.codec().kind(),
            open: self.edges.contains(&edge),
            floors: state.next_numbers(),
            settings: Default::default(),
            selector: Selector::default(),
            began: false,
            held_back: false,
            wanted: None,
            room: None,
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
    pub(super) fn unbind(&mut self, receiver: u16, stream: u16) {
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
