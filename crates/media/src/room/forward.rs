//! The way of a packet through the room: from its publication to each receiver that has an edge and a use for it.

use std::time::Instant;

use parlour_model::MediaKind;

use crate::egress::downlink::Downlink;
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::rewriter::Rewritten;
use crate::egress::stream::Verdict;
use crate::error::ForwardDrop;
use crate::event::MediaEvent;
use crate::inbound::{Frame, Inbound};
use crate::publication::Encoding;
use crate::room::Room;
use crate::room::wake::Wake;

/// A packet that lies in its publication's cache and what forwarding needs to know of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub publication: u16,
    pub packet: Inbound,
    /// Redundant audio of which no primary block could be found: only for those who take it as it is.
    pub sealed_red: bool,
}

/// One way from a publication to a receiver.
#[derive(Clone, Copy, Debug)]
struct Way {
    receiver: u16,
    stream: u16,
    kind: MediaKind,
}

/// What came of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It went out, or not, as it should.
    Done,
    /// It went out as the first of its layer.
    Began,
    /// It, and what depends on it, did not go out.
    NeedsKeyframe,
}

/// A keyframe with what follows it in half a second is not longer.
const MAX_CATCH_UP: u64 = 512;

impl Room {
    /// Forwards a packet to everyone it is for.
    pub(super) fn fan_out(&mut self, arrival: &Arrival) {
        let Some(publication) = self.publications.get(arrival.publication) else { return };
        if publication.muted {
            return;
        }
        let kind = publication.codec().kind();
        let mut awaited = false;
        for index in 0..publication.audience.len() {
            // The audience is as it was: nothing below changes it.
            let publication = self.publications.get(arrival.publication);
            let Some(&(receiver, stream)) = publication.and_then(|publication| publication.audience.get(index)) else {
                break;
            };
            awaited |= self.forward(arrival, Way { receiver, stream, kind });
        }
        if awaited {
            self.request_keyframe(arrival.publication, arrival.packet.layer, arrival.packet.arrived);
        }
    }

    /// Forwards a packet one way, and what it had to wait for; whether a keyframe of its layer is needed now.
    fn forward(&mut self, arrival: &Arrival, way: Way) -> bool {
        let needed = match self.forward_one(arrival, way) {
            Step::Began => self.catch_up(arrival, way),
            Step::Done => false,
            Step::NeedsKeyframe => true,
        };
        needed && !self.is_held(way.receiver)
    }

    /// Whether nothing is heard of a receiver's line.
    pub(super) fn is_held(&self, receiver: u16) -> bool {
        self.participants.get(receiver).is_some_and(|participant| participant.downlink.held)
    }

    /// The beginning of a keyframe was lost and came back: the rest of it, and what came since, lies in the cache.
    fn catch_up(&mut self, arrival: &Arrival, way: Way) -> bool {
        let Some(publication) = self.publications.get(arrival.publication) else { return false };
        let codec = publication.codec();
        let newest = publication.encoding(arrival.packet.layer).map_or(0, Encoding::newest);
        let first = arrival.packet.sequence + 1;
        let last = newest.min(first + MAX_CATCH_UP);
        for sequence in first..=last {
            let encoding = self.publications.get(arrival.publication).and_then(|p| p.encoding(arrival.packet.layer));
            let Some((kept, _, payload)) = encoding.and_then(|encoding| encoding.cache.get(sequence)) else { continue };
            let packet = Inbound {
                sequence,
                timestamp: kept.timestamp,
                size: payload.len(),
                frame: Frame::read(codec, payload),
                ..arrival.packet
            };
            if self.forward_one(&Arrival { packet, ..*arrival }, way) == Step::NeedsKeyframe {
                return true;
            }
        }
        false
    }

    fn forward_one(&mut self, arrival: &Arrival, way: Way) -> Step {
        let Some(publication) = self.publications.get(arrival.publication) else { return Step::Done };
        let Some(participant) = self.participants.get_mut(way.receiver) else { return Step::Done };
        let Some(stream) = participant.downlink.streams.get_mut(usize::from(way.stream)) else { return Step::Done };
        let mut packet = arrival.packet;
        if arrival.sealed_red && stream.spec.red.is_none() {
            self.counters.count_forward_drop(ForwardDrop::Unwrap);
            packet.size = 0;
        }
        let source = publication.source(packet.layer);
        let rate = publication.codec().clock_rate();
        let align = |newest, timestamp| publication.ticks_since(newest, timestamp, packet.layer, packet.timestamp);
        match stream.forward(source, &packet, rate, align) {
            Verdict::Closed => Step::Done,
            Verdict::Drop(reason) => {
                self.counters.count_forward_drop(reason);
                if reason == ForwardDrop::AwaitsKeyframe { Step::NeedsKeyframe } else { Step::Done }
            }
            Verdict::Send(out) => self.send(arrival, way, out),
            Verdict::Switch(out) => {
                self.note_switch(way, packet.arrived);
                match self.send(arrival, way, out) {
                    Step::Done => Step::Began,
                    lost => lost,
                }
            }
        }
    }

    /// Sends a packet on its way.
    fn send(&mut self, arrival: &Arrival, way: Way, out: Rewritten) -> Step {
        let Some(participant) = self.participants.get_mut(way.receiver) else { return Step::Done };
        let item = Outgoing {
            stream: way.stream,
            publication: arrival.publication,
            layer: arrival.packet.layer,
            form: if out.filler { Form::Filler } else { Form::Media },
            incoming: arrival.packet.sequence,
            sequence: out.sequence,
            timestamp: out.timestamp,
            picture: out.picture,
        };
        let size = Downlink::wire_size(arrival.packet.size);
        let outcome = participant.downlink.dispatch(item, way.kind, size, arrival.packet.arrived);
        self.wake.no_later_than(participant.downlink.poll_turn());
        if participant.downlink.is_ready() && !participant.marked {
            self.mark_ready(way.receiver);
        }
        match outcome {
            Ok(()) => Step::Done,
            Err(loss) => {
                self.counters.count_forward_drops(loss.reason, loss.packets);
                if way.kind == MediaKind::Video { Step::NeedsKeyframe } else { Step::Done }
            }
        }
    }

    /// A stream begins, or begins again: its first packet is told, its first report should come soon.
    fn note_switch(&mut self, way: Way, now: Instant) {
        let Some(participant) = self.participants.get_mut(way.receiver) else { return };
        participant.report_soon(now);
        self.wake = Wake::Unknown;
        let receiver = participant.key;
        let Some(stream) = participant.downlink.streams.get_mut(usize::from(way.stream)) else { return };
        let Some(binding) = &mut stream.binding else { return };
        if binding.began {
            self.counters.layer_switches += 1;
            return;
        }
        binding.began = true;
        let event = MediaEvent::FirstPacket { receiver, publication: binding.key };
        self.events.push(event, &mut self.counters);
    }
}
