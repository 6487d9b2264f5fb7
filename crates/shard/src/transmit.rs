//! The way out: media writes into the outbox, the receiver's peer seals in place, and what peers say by themselves
//! (STUN, DTLS, SCTP) is copied in behind.

use std::collections::BTreeMap;
use std::time::Instant;

use parlour_media::TransmitKind;
use parlour_model::ParticipantKey;
use parlour_model::command::Leg;
use parlour_peer::{Peer, Route};

use crate::contain::Culprit;
use crate::counters::ShardDrop;
use crate::outbox::Outbox;
use crate::participant::Participant;
use crate::peers::Peers;
use crate::room::RoomKey;
use crate::shard::Shard;

impl Shard {
    /// Fills the outbox with what is ready. `true`: it is full and there is more; flush and call again.
    pub fn poll_transmit(&mut self, now: Instant, outbox: &mut Outbox) -> bool {
        self.culprit = None;
        self.settle(now);
        if !self.goodbyes.transmit(outbox) {
            return true;
        }
        while let Some(room) = self.dirty_rooms.last().copied() {
            if !self.transmit_room(room, now, outbox) {
                return true;
            }
        }
        while let Some(peer) = self.sending_peers.last().copied() {
            if !self.transmit_peer(peer, now, outbox) {
                return true;
            }
            self.sending_peers.pop();
        }
        false
    }

    /// `false`: the outbox is full. Otherwise the room, the last of the queue, is off it, and when it is due is set.
    fn transmit_room(&mut self, key: RoomKey, now: Instant, outbox: &mut Outbox) -> bool {
        self.culprit = Some(Culprit::room(key));
        let Some(room) = self.rooms.get_mut(key) else {
            self.dirty_rooms.pop();
            return true;
        };
        let mut way: Option<Way<'_>> = None;
        while outbox.has_room() {
            let Some(transmit) = room.media.poll_transmit(now, outbox.tail()) else {
                self.dirty_rooms.pop();
                room.all_is_out(&mut self.timers);
                return true;
            };
            // What is for one receiver comes in one run.
            if way.as_ref().is_none_or(|way| way.end != (transmit.to, transmit.leg)) {
                way = Way::to((transmit.to, transmit.leg), &room.participants, &mut self.peers);
            }
            let Some(Way { peer, route, .. }) = &mut way else {
                self.counters.drop(ShardDrop::NoRoute);
                continue;
            };
            let sealed = match transmit.kind {
                TransmitKind::Rtp => peer.seal_rtp(outbox.tail(), transmit.len),
                TransmitKind::Rtcp => peer.seal_rtcp(outbox.tail(), transmit.len),
            };
            match sealed {
                Ok(length) => {
                    self.counters.datagrams_out += 1;
                    self.counters.bytes_out += length as u64;
                    outbox.commit(route.local, route.remote, length);
                }
                Err(_) => self.counters.drop(ShardDrop::Seal),
            }
        }
        false
    }

    /// `false`: the outbox is full.
    fn transmit_peer(&mut self, key: crate::demux::PeerKey, now: Instant, outbox: &mut Outbox) -> bool {
        while outbox.has_room() {
            let Some(slot) = self.peers.get_mut(key) else { return true };
            self.culprit = Some(Culprit::participant(slot.room, slot.participant));
            let Some(transmit) = slot.peer.poll_transmit(now, &mut self.scratch) else {
                self.after_peer(key);
                return true;
            };
            if outbox.push(transmit.from, transmit.to, &self.scratch) {
                self.counters.datagrams_out += 1;
                self.counters.bytes_out += self.scratch.len() as u64;
            } else {
                self.counters.drop(ShardDrop::OutboxFull);
            }
        }
        false
    }
}

/// Where packets for one receiver go.
struct Way<'a> {
    end: (ParticipantKey, Leg),
    peer: &'a mut Peer,
    route: Route,
}

impl<'a> Way<'a> {
    fn to(
        end: (ParticipantKey, Leg),
        participants: &BTreeMap<ParticipantKey, Box<Participant>>,
        peers: &'a mut Peers,
    ) -> Option<Self> {
        let peer = &mut peers.get_mut(participants.get(&end.0)?.transport.peer(end.1)?)?.peer;
        let route = peer.route()?;
        Some(Self { end, peer, route })
    }
}
