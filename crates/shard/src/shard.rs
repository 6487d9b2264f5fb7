//! The shard: datagrams find their peer, peers' media finds its room, time finds whoever waits for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parlour_model::session::SessionPhase;
use parlour_model::{Event, LeaveReason, ParticipantSid, SessionNotice};
use parlour_peer::{CloseReason, Incoming, PeerEvent};
use parlour_session::Clock;

use crate::config::ShardConfig;
use crate::contain::Culprit;
use crate::counters::{ShardCounters, ShardDrop};
use crate::demux::{DatagramKind, PeerKey, stun_local_ufrag};
use crate::goodbye::Goodbyes;
use crate::names::Names;
use crate::notices::Notices;
use crate::peers::Peers;
use crate::room::{RoomContext, RoomKey};
use crate::rooms::Rooms;
use crate::timers::{TimerOwner, Timers};
use crate::totals::Totals;

/// The peers and rooms of one worker.
pub struct Shard {
    pub(crate) config: Arc<ShardConfig>,
    pub(crate) clock: Clock,
    pub(crate) names: Names,
    pub(crate) peers: Peers,
    pub(crate) rooms: Rooms,
    pub(crate) timers: Timers,
    events: VecDeque<(ParticipantSid, Event)>,
    notices: Notices,
    pub(crate) counters: ShardCounters,
    /// Of media and peers that are gone.
    pub(crate) retired: Totals,
    pub(crate) draining: bool,
    /// Rooms whose media may have packets to send.
    pub(crate) dirty_rooms: Vec<RoomKey>,
    /// Peers that may have datagrams of their own to send.
    pub(crate) sending_peers: Vec<PeerKey>,
    /// What peers that are gone still have to say.
    pub(crate) goodbyes: Goodbyes,
    /// Where peers write datagrams of their own.
    pub(crate) scratch: Vec<u8>,
    /// Whom the work in hand is for: if it panics, they go.
    pub(crate) culprit: Option<Culprit>,
}

impl Shard {
    /// A shard without rooms. `seed` comes from a good generator: ICE passwords depend on it.
    pub fn new(config: Arc<ShardConfig>, seed: [u8; 32], clock: Clock) -> Self {
        Self {
            peers: Peers::new(config.peer.clone()),
            config,
            goodbyes: Goodbyes::default(),
            clock,
            names: Names::new(seed),
            rooms: Rooms::default(),
            timers: Timers::default(),
            events: VecDeque::new(),
            notices: Notices::default(),
            counters: ShardCounters::default(),
            retired: Totals::default(),
            draining: false,
            dirty_rooms: Vec::new(),
            sending_peers: Vec::new(),
            scratch: Vec::with_capacity(2_048),
            culprit: None,
        }
    }

    /// Takes one datagram that came in at our address `to`: a run of one.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        let stride = datagram.len();
        self.handle_run(now, from, to, datagram, stride);
    }

    /// Takes datagrams that came together from one address, end to end, of `stride` bytes each but the last. Media is
    /// opened in place, and whose it is is looked up once for all of it: a frame's packets come together.
    pub fn handle_run(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, run: &mut [u8], stride: usize) {
        let stride = stride.max(1);
        // A datagram may have no bytes.
        self.counters.datagrams_in += run.len().div_ceil(stride).max(1) as u64;
        self.counters.bytes_in += run.len() as u64;
        if run.is_empty() {
            return self.counters.drop(ShardDrop::UnknownProtocol);
        }
        let mut rest = run;
        while !rest.is_empty() {
            self.culprit = None;
            let media = rest.chunks(stride).take_while(|one| DatagramKind::of(one) == DatagramKind::Media).count();
            let (these, others) = rest.split_at_mut(rest.len().min(media.max(1) * stride));
            if media > 0 {
                self.handle_media(now, from, these, stride);
            } else {
                self.handle_other(now, from, to, these);
            }
            rest = others;
        }
    }

    fn handle_other(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        match DatagramKind::of(datagram) {
            DatagramKind::Stun => self.handle_stun(now, from, to, datagram),
            DatagramKind::Dtls => match self.peers.at(from) {
                Some(peer) => {
                    self.handle_handshake(now, peer, from, to, datagram);
                }
                None => self.counters.drop(ShardDrop::UnknownAddress),
            },
            DatagramKind::Unknown | DatagramKind::Media => self.counters.drop(ShardDrop::UnknownProtocol),
        }
    }

    fn handle_media(&mut self, now: Instant, from: SocketAddr, run: &mut [u8], stride: usize) {
        let datagrams = run.chunks_mut(stride);
        let Some(peer) = self.peers.at(from) else {
            return datagrams.for_each(|_| self.counters.drop(ShardDrop::UnknownAddress));
        };
        let Some(slot) = self.peers.get_mut(peer) else { return };
        let participant = slot.participant;
        self.culprit = Some(Culprit::participant(slot.room, participant));
        let mut room = self.rooms.get_mut(slot.room);
        for datagram in datagrams {
            let Ok(incoming) = slot.peer.handle_media(now, datagram) else { continue };
            let Some(room) = &mut room else {
                self.counters.drop(ShardDrop::NoRoom);
                continue;
            };
            // What is refused is counted by reason where it is refused.
            match incoming {
                Incoming::Rtp(packet) => {
                    let _ = room.media.handle_rtp(now, participant, packet);
                }
                Incoming::Rtcp(packet) => {
                    let leg = room.participants.get(&participant).map(|one| one.transport.leg_of(peer));
                    let Some(leg) = leg else { continue };
                    let _ = room.media.handle_rtcp(now, participant, leg, packet);
                }
                Incoming::None => continue,
            }
            room.queue(&mut self.dirty_rooms);
        }
    }

    /// Checks carry the name of their peer; an address may be shared (two clients behind one relay) or new.
    fn handle_stun(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        let Some(ufrag) = stun_local_ufrag(datagram) else {
            return self.counters.drop(ShardDrop::UnknownUfrag);
        };
        match self.peers.of_ufrag(ufrag) {
            Some(peer) => {
                if self.handle_handshake(now, peer, from, to, datagram) {
                    self.peers.learn(from, peer);
                }
            }
            None => self.counters.drop(ShardDrop::UnknownUfrag),
        }
    }

    /// `true` if the peer found the datagram authentic or at least in place.
    fn handle_handshake(
        &mut self,
        now: Instant,
        peer: PeerKey,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &mut [u8],
    ) -> bool {
        let Some(slot) = self.peers.touch(peer) else { return false };
        self.culprit = Some(Culprit::participant(slot.room, slot.participant));
        slot.peer.handle_datagram(now, from, to, datagram).is_ok()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(owner) = self.timers.pop_due(now) {
            match owner {
                TimerOwner::Peer(key) => {
                    if let Some(slot) = self.peers.touch(key) {
                        self.culprit = Some(Culprit::participant(slot.room, slot.participant));
                        slot.peer.handle_timeout(now);
                    }
                }
                TimerOwner::Media(key) => {
                    if let Some(room) = self.rooms.get_mut(key) {
                        self.culprit = Some(Culprit::room(key));
                        room.media_due = None;
                        room.media.handle_timeout(now);
                        room.queue(&mut self.dirty_rooms);
                    }
                }
                TimerOwner::Room(key) => self.room_timeout(key, now),
            }
        }
    }

    fn room_timeout(&mut self, key: RoomKey, now: Instant) {
        self.culprit = Some(Culprit::room(key));
        self.in_room(key, now, |context| {
            context.room.session.handle_timeout(now);
            context.check_deadlines();
            context.check_quality();
        });
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next thing a participant is told. Participants of a panic are told nothing more.
    pub fn poll_event(&mut self) -> Option<(ParticipantSid, Event)> {
        self.events.pop_front()
    }

    /// The next thing a session tells the control plane, in order for each session.
    pub fn poll_session_event(&mut self) -> Option<SessionNotice> {
        self.notices.pop()
    }

    /// What was counted by the shard itself; [`Self::snapshot`] has all.
    pub fn counters(&self) -> &ShardCounters {
        &self.counters
    }

    /// Times to first media since the last call, one for each participant that got it.
    pub fn take_first_media(&mut self) -> Vec<std::time::Duration> {
        std::mem::take(&mut self.counters.first_media)
    }

    /// No new participants from now on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Every participant is told that the server stops, and is out.
    pub fn shut_down(&mut self, now: Instant) {
        self.draining = true;
        for key in self.rooms.keys() {
            self.in_room(key, now, |context| context.end(LeaveReason::ServerShutdown));
        }
    }

    /// Looks at everything that was touched since the last call: what peers tell, what media tells, when they are due.
    pub(crate) fn settle(&mut self, now: Instant) {
        let mut peers = Vec::new();
        self.peers.take_dirty(&mut peers);
        for key in &peers {
            self.handle_peer_events(*key, now);
        }
        self.sending_peers.append(&mut peers);
        // Peers that acted in rooms while their events were handled.
        self.peers.take_dirty(&mut self.sending_peers);
        for index in 0..self.dirty_rooms.len() {
            let key = self.dirty_rooms[index];
            self.culprit = Some(Culprit::room(key));
            if let Some(event) = self.rooms.get_mut(key).and_then(|room| room.media.poll_event()) {
                self.in_room(key, now, |context| context.handle_media_event(event));
            }
        }
    }

    /// The peer's datagrams are out: when does it want to be called next?
    pub(crate) fn after_peer(&mut self, key: PeerKey) {
        if let Some(deadline) = self.peers.get_mut(key).and_then(|slot| slot.peer.poll_timeout()) {
            self.timers.set(TimerOwner::Peer(key), deadline);
        }
    }

    fn handle_peer_events(&mut self, key: PeerKey, now: Instant) {
        while let Some(slot) = self.peers.get_mut(key) {
            let (room, participant) = (slot.room, slot.participant);
            self.culprit = Some(Culprit::participant(room, participant));
            let Some(event) = slot.peer.poll_event() else { return };
            match event {
                PeerEvent::RouteChanged(route) => {
                    self.peers.learn(route.remote, key);
                    self.in_room(room, now, |context| context.route_changed(participant, key, route.remote));
                }
                PeerEvent::UfragRetired(ufrag) => self.peers.ufrag_retired(key, &ufrag),
                PeerEvent::ConsentLost => {
                    self.counters.consent_lost += 1;
                    self.in_room(room, now, |context| context.media_heard(participant, false));
                }
                PeerEvent::ConsentBack => {
                    self.in_room(room, now, |context| context.media_heard(participant, true));
                }
                PeerEvent::Closed(reason) => self.peer_closed(key, reason, now),
                PeerEvent::Connected { dtls, srtp } => {
                    self.counters.connected(dtls, srtp);
                    self.in_room(room, now, |context| context.connected(participant));
                }
                PeerEvent::ChannelOpened { id, label, .. } => {
                    self.in_room(room, now, |context| context.channel_opened(participant, key, id, &label));
                }
                PeerEvent::ChannelMessage { id, payload, .. } => {
                    self.in_settled_room(room, now, |context| {
                        if let Some(channel) = context.channel_of(participant, key, id) {
                            context.message_received(participant, channel, payload);
                        }
                    });
                }
                PeerEvent::ChannelClosed(id) => {
                    self.in_room(room, now, |context| context.channel_closed(participant, key, id));
                }
            }
        }
    }

    /// A closed peer may still have its goodbye to send; it goes out here, then the peer is gone.
    fn peer_closed(&mut self, key: PeerKey, reason: CloseReason, now: Instant) {
        let Some(mut slot) = self.peers.remove(key) else { return };
        self.timers.remove(TimerOwner::Peer(key));
        while let Some(transmit) = slot.peer.poll_transmit(now, &mut self.scratch) {
            self.goodbyes.queue(transmit.from, transmit.to, &self.scratch);
        }
        self.retired.add_peer(slot.peer.counters());
        if reason != CloseReason::Local {
            self.in_room(slot.room, now, |context| context.peer_closed(slot.participant, key));
        }
    }

    /// Works in a room, then brings everybody in it up to date.
    pub(crate) fn in_room<T>(
        &mut self,
        key: RoomKey,
        now: Instant,
        work: impl FnOnce(&mut RoomContext<'_>) -> T,
    ) -> Option<T> {
        let result = self.in_settled_room(key, now, |context| {
            let result = work(context);
            context.bring_up_to_date();
            result
        })?;
        let room = self.rooms.get_mut(key)?;
        if room.session.phase() == SessionPhase::Ended && room.participants.is_empty() {
            self.close_room(key);
            return Some(result);
        }
        room.queue(&mut self.dirty_rooms);
        if let Some(deadline) = room.poll_timeout() {
            self.timers.set(TimerOwner::Room(key), deadline);
        }
        Some(result)
    }

    /// Works in a room on what changes nothing of what anybody may know or get: messages, of which there may be
    /// thousands a second.
    pub(crate) fn in_settled_room<T>(
        &mut self,
        key: RoomKey,
        now: Instant,
        work: impl FnOnce(&mut RoomContext<'_>) -> T,
    ) -> Option<T> {
        let mut context = RoomContext {
            room: self.rooms.get_mut(key)?,
            peers: &mut self.peers,
            names: &mut self.names,
            events: &mut self.events,
            notices: &mut self.notices,
            counters: &mut self.counters,
            config: &self.config,
            clock: self.clock,
            now,
        };
        Some(work(&mut context))
    }

    /// The room is gone at once, with all that was in it.
    pub(crate) fn close_room(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.remove(key) else { return };
        self.timers.remove(TimerOwner::Room(key));
        self.timers.remove(TimerOwner::Media(key));
        self.retired.add_media(room.media.counters());
        for participant in room.participants.values() {
            self.events.push_back((participant.record.sid.clone(), Event::Leave(LeaveReason::MustRejoin)));
            for peer in participant.transport.peers() {
                if let Some(slot) = self.peers.remove(peer) {
                    self.retired.add_peer(slot.peer.counters());
                }
                self.timers.remove(TimerOwner::Peer(peer));
            }
        }
    }
}
