//! Messages of data channels. What a client sends is told to its own signalling, which knows the format; it comes back
//! stamped, as a command, and goes to whoever the session's data edges allow.

use bytes::Bytes;
use parlour_model::command::{DataChannel, OutgoingData};
use parlour_model::{Edge, Event, Medium, ParticipantKey};
use parlour_peer::ChannelId;

use crate::demux::PeerKey;
use crate::room::RoomContext;

/// Labels that LiveKit's clients give their two channels.
const RELIABLE: &str = "_reliable";
const LOSSY: &str = "_lossy";

/// Reliable messages kept for someone whose channel is not open yet: a minute's chat, far less than a stream.
const EARLY_MESSAGES: usize = 64;

/// Their bytes at most.
const EARLY_BYTES: usize = 256 * 1024;

/// Reliable messages to someone who was let in a moment ago, until the channel opens: to the others they are here.
#[derive(Default)]
pub(crate) struct EarlyMessages(Vec<(Option<ParticipantKey>, Bytes)>);

impl EarlyMessages {
    /// False: there is no room.
    fn keep(&mut self, from: Option<ParticipantKey>, payload: &Bytes) -> bool {
        let bytes: usize = self.0.iter().map(|(_, kept)| kept.len()).sum();
        let has_room = self.0.len() < EARLY_MESSAGES && bytes + payload.len() <= EARLY_BYTES;
        if has_room {
            self.0.push((from, payload.clone()));
        }
        has_room
    }
}

impl RoomContext<'_> {
    /// A channel opened; those with other labels are not ours to write to.
    pub(crate) fn channel_opened(&mut self, key: ParticipantKey, peer: PeerKey, id: ChannelId, label: &str) {
        let channel = match label {
            RELIABLE => DataChannel::Reliable,
            LOSSY => DataChannel::Lossy,
            _ => return,
        };
        let Some(participant) = self.participant(key) else { return };
        participant.transport.channel_opened(channel, peer, id);
        if participant.transport.outgoing(DataChannel::Reliable).is_some() {
            let early = std::mem::take(&mut participant.transport.early);
            for (from, payload) in early.0 {
                self.send_along_edge(from, key, DataChannel::Reliable, &payload);
            }
        }
    }

    pub(crate) fn channel_closed(&mut self, key: ParticipantKey, peer: PeerKey, id: ChannelId) {
        if let Some(participant) = self.participant(key) {
            participant.transport.channel_closed(peer, id);
        }
    }

    /// A message came in. Which channel it came on decides how it goes on.
    pub(crate) fn message_received(&mut self, key: ParticipantKey, channel: DataChannel, payload: Bytes) {
        let now = self.now;
        let allowed = self.participant(key).filter(|one| one.record.grants.data);
        let mark = allowed.map(|one| one.audience.mark(one.line.signalling, now));
        match mark.filter(|_| self.affords_message(key)) {
            Some(mark) => self.tell(key, Event::DataReceived { channel, payload, mark }),
            None => self.counters.data_dropped += 1,
        }
    }

    /// A stamped message goes to those it is for: from a participant along its data edges, from the server to all.
    pub(crate) fn send_data(&mut self, from: Option<ParticipantKey>, data: &OutgoingData) {
        let receivers: Vec<_> = self
            .room
            .participants
            .values()
            .filter(|one| Some(one.key) != from)
            .filter(|one| data.destinations.is_empty() || data.destinations.contains(&one.record.identity))
            .map(|one| one.key)
            .collect();
        for receiver in receivers {
            if self.is_meant_for(from, receiver, data) {
                self.send_along_edge(from, receiver, data.channel, &data.payload);
            } else {
                self.counters.data_withheld += 1;
            }
        }
    }

    /// Not if the sender's client may have sent it before it knew of the receiver. Whoever has no edge gets it in no case.
    fn is_meant_for(&self, from: Option<ParticipantKey>, receiver: ParticipantKey, data: &OutgoingData) -> bool {
        let Some(from) = from else { return true };
        if !self.has_data_edge(from, receiver) {
            return true;
        }
        let sender = self.room.participants.get(&from);
        sender.is_some_and(|sender| sender.audience.means(receiver, data.mark, !data.destinations.is_empty()))
    }

    fn has_data_edge(&self, publisher: ParticipantKey, receiver: ParticipantKey) -> bool {
        self.room.session.edges().contains(&Edge { publisher, receiver, medium: Medium::Data })
    }

    /// To one, if the session's edges allow it now.
    fn send_along_edge(
        &mut self,
        from: Option<ParticipantKey>,
        receiver: ParticipantKey,
        channel: DataChannel,
        payload: &Bytes,
    ) {
        let allowed = from.is_none_or(|publisher| self.has_data_edge(publisher, receiver));
        let Some(participant) = self.participant(receiver).filter(|_| allowed) else {
            self.counters.data_dropped += 1;
            return;
        };
        let passed = match participant.transport.outgoing(channel) {
            Some((peer, id)) => self.send_message(peer, id, payload),
            None if channel == DataChannel::Reliable && participant.transport.early.keep(from, payload) => return,
            None => false,
        };
        if passed {
            self.counters.data_out += 1;
            if let Some(from) = from {
                *self.room.messages.entry((from, receiver)).or_default() += 1;
            }
        } else {
            self.counters.data_dropped += 1;
        }
    }

    fn send_message(&mut self, peer: PeerKey, channel: ChannelId, payload: &Bytes) -> bool {
        self.peers.touch(peer).is_some_and(|slot| slot.peer.send_channel(channel, payload, true).is_ok())
    }
}
