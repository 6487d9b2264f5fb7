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

impl RoomContext<'_> {
    /// A channel opened; those with other labels are not ours to write to.
    pub(crate) fn channel_opened(&mut self, key: ParticipantKey, peer: PeerKey, id: ChannelId, label: &str) {
        let channel = match label {
            RELIABLE => DataChannel::Reliable,
            LOSSY => DataChannel::Lossy,
            _ => return,
        };
        if let Some(participant) = self.participant(key) {
            participant.transport.channel_opened(channel, peer, id);
        }
    }

    pub(crate) fn channel_closed(&mut self, key: ParticipantKey, peer: PeerKey, id: ChannelId) {
        if let Some(participant) = self.participant(key) {
            participant.transport.channel_closed(peer, id);
        }
    }

    /// A message came in. Which channel it came on decides how it goes on.
    pub(crate) fn message_received(&mut self, key: ParticipantKey, channel: DataChannel, payload: Bytes) {
        let allowed = self.room.participants.get(&key).is_some_and(|one| one.record.grants.data);
        if allowed {
            self.tell(key, Event::DataReceived { channel, payload });
        } else {
            self.counters.data_dropped += 1;
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
            .map(|one| (one.key, one.transport.outgoing(data.channel)))
            .collect();
        for (receiver, channel) in receivers {
            let edge = |publisher| Edge { publisher, receiver, medium: Medium::Data };
            let allowed = from.is_none_or(|publisher| self.room.session.edges().contains(&edge(publisher)));
            let sent = allowed && channel.is_some_and(|(peer, id)| self.send_message(peer, id, &data.payload));
            if sent {
                self.counters.data_out += 1;
                if let Some(from) = from {
                    *self.room.messages.entry((from, receiver)).or_default() += 1;
                }
            } else {
                self.counters.data_dropped += 1;
            }
        }
    }

    fn send_message(&mut self, peer: PeerKey, channel: ChannelId, payload: &Bytes) -> bool {
        self.peers.touch(peer).is_some_and(|slot| slot.peer.send_channel(channel, payload, true).is_ok())
    }
}
