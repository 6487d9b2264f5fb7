//! One participant as its shard holds it: a struct of parts. What others are told of it is [`ParticipantRecord`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use parlour_model::command::{DataChannel, Leg, Topology, TrackSettings};
use parlour_model::event::ConnectionQuality;
use parlour_model::{
    Identity, ParticipantKey, ParticipantRecord, ParticipantState, PublicationKey, TrackCid, TrackRecord, TrackSid,
};
use parlour_peer::ChannelId;

use crate::audience::Audience;
use crate::data::EarlyMessages;
use crate::demux::PeerKey;
use crate::ghost::Ghost;
use crate::sections::SendSections;

/// One participant.
pub(crate) struct Participant {
    pub(crate) key: ParticipantKey,
    pub(crate) record: ParticipantRecord,
    pub(crate) line: Line,
    pub(crate) transport: Transport,
    pub(crate) publishing: Publishing,
    pub(crate) receiving: Receiving,
    /// Whom its client knows of, and in which version. What it is told next is the difference to whom it may know of.
    pub(crate) known: BTreeMap<ParticipantKey, Known>,
    /// Since when its client knows of them.
    pub(crate) audience: Audience,
    pub(crate) quality: Option<ConnectionQuality>,
    /// Since when it waits for the first packet of anybody's media.
    pub(crate) awaits_media_since: Option<Instant>,
    /// Left by quick exit; others still see a lost line.
    pub(crate) ghost: Option<Ghost>,
}

/// What a client was last told of someone.
pub(crate) struct Known {
    pub(crate) version: u32,
    /// To be told when they go.
    pub(crate) last: Box<ParticipantRecord>,
}

/// What is heard of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// A WebSocket is there.
    pub(crate) signalling: bool,
    /// Packets come in; assumed until the first connection is up.
    pub(crate) media: bool,
}

/// Peer connections and their data channels.
pub(crate) struct Transport {
    pub(crate) topology: Topology,
    pub(crate) publish: Option<PeerKey>,
    pub(crate) subscribe: Option<PeerKey>,
    outgoing: BTreeMap<DataChannel, (PeerKey, ChannelId)>,
    incoming: BTreeMap<(PeerKey, ChannelId), DataChannel>,
    /// What waits for the reliable channel to open.
    pub(crate) early: EarlyMessages,
    /// Our offer of the subscribe leg that waits for its answer.
    pub(crate) open_offer: Option<u32>,
    pub(crate) next_offer: u32,
    /// ICE of the subscribe leg was restarted, and the client has not been told.
    pub(crate) restarted: bool,
}

impl Transport {
    pub(crate) fn new(topology: Topology) -> Self {
        Self {
            topology,
            publish: None,
            subscribe: None,
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            early: EarlyMessages::default(),
            open_offer: None,
            next_offer: 1,
            restarted: false,
        }
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerKey> + use<> {
        self.publish.into_iter().chain(self.subscribe)
    }

    pub(crate) fn peer(&self, leg: Leg) -> Option<PeerKey> {
        match (leg, self.topology) {
            (Leg::Publish, _) | (Leg::Subscribe, Topology::Single) => self.publish,
            (Leg::Subscribe, Topology::Dual) => self.subscribe,
        }
    }

    /// A client that receives on a connection of its own takes itself for connected when that one is: it is offered at
    /// once, though there may be nothing to send yet.
    pub(crate) fn owes_offer(&self) -> bool {
        self.topology == Topology::Dual && (self.subscribe.is_none() || self.restarted)
    }

    pub(crate) fn leg_of(&self, peer: PeerKey) -> Leg {
        if self.subscribe == Some(peer) { Leg::Subscribe } else { Leg::Publish }
    }

    /// The leg on which the client receives.
    pub(crate) fn receiving_leg(&self) -> Leg {
        match self.topology {
            Topology::Single => Leg::Publish,
            Topology::Dual => Leg::Subscribe,
        }
    }

    /// Where messages to this client go.
    pub(crate) fn outgoing(&self, channel: DataChannel) -> Option<(PeerKey, ChannelId)> {
        self.outgoing.get(&channel).copied()
    }

    /// A channel opened; in [`Topology::Dual`] the client listens on the subscribe leg only.
    pub(crate) fn channel_opened(&mut self, channel: DataChannel, peer: PeerKey, id: ChannelId) {
        self.incoming.insert((peer, id), channel);
        if self.leg_of(peer) == self.receiving_leg() {
            self.outgoing.insert(channel, (peer, id));
        }
    }

    /// What a channel of this id promises, on whichever leg.
    pub(crate) fn channel(&self, peer: PeerKey, id: ChannelId) -> Option<DataChannel> {
        self.incoming.get(&(peer, id)).copied()
    }

    pub(crate) fn channel_closed(&mut self, peer: PeerKey, id: ChannelId) {
        self.outgoing.retain(|_, open| *open != (peer, id));
        self.incoming.remove(&(peer, id));
    }

    pub(crate) fn peer_gone(&mut self, peer: PeerKey) {
        self.outgoing.retain(|_, (owner, _)| *owner != peer);
        self.incoming.retain(|(owner, _), _| *owner != peer);
        if self.publish == Some(peer) {
            self.publish = None;
        }
        if self.subscribe == Some(peer) {
            self.subscribe = None;
            self.open_offer = None;
        }
    }
}

/// What the participant sends.
#[derive(Default)]
pub(crate) struct Publishing {
    /// Announced, not yet in an answered offer.
    pub(crate) announced: Vec<Announced>,
    pub(crate) published: Vec<PublicationKey>,
    pub(crate) permission: Permission,
    /// An offer that carries a track not yet announced waits for the announcement.
    pub(crate) waiting_offer: Option<WaitingOffer>,
}

/// A track on its way.
pub(crate) struct Announced {
    pub(crate) record: TrackRecord,
    pub(crate) publication: PublicationKey,
    /// When an offer that carries it is asked for, once.
    pub(crate) offer_due: Option<Instant>,
}

/// An offer already applied, to be answered by then at the latest.
#[derive(Clone, Copy)]
pub(crate) struct WaitingOffer {
    pub(crate) offer_id: u32,
    pub(crate) until: Instant,
}

/// Whom a publisher lets receive.
#[derive(Clone, Debug, Default)]
pub(crate) enum Permission {
    #[default]
    Everyone,
    /// These; an empty list of tracks means all of them.
    Only(BTreeMap<Identity, Vec<TrackSid>>),
}

impl Permission {
    pub(crate) fn allows(&self, receiver: &Identity, track: &TrackSid) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(allowed) => {
                allowed.get(receiver).is_some_and(|tracks| tracks.is_empty() || tracks.contains(track))
            }
        }
    }
}

/// What the participant receives.
pub(crate) struct Receiving {
    pub(crate) auto_subscribe: bool,
    /// Differs from `auto_subscribe` for these.
    pub(crate) exceptions: BTreeSet<TrackSid>,
    pub(crate) settings: BTreeMap<TrackSid, TrackSettings>,
    pub(crate) sections: SendSections,
    /// Publications that have or wait for a section.
    pub(crate) wanted: BTreeSet<PublicationKey>,
    /// Publications that media forwards.
    pub(crate) subscribed: BTreeSet<PublicationKey>,
    /// The client was asked for an offer that has not come.
    pub(crate) asked: bool,
}

impl Receiving {
    pub(crate) fn new(auto_subscribe: bool) -> Self {
        Self {
            auto_subscribe,
            exceptions: BTreeSet::new(),
            settings: BTreeMap::new(),
            sections: SendSections::default(),
            wanted: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            asked: false,
        }
    }

    pub(crate) fn wants(&self, track: &TrackSid) -> bool {
        self.auto_subscribe != self.exceptions.contains(track)
    }
}

impl Participant {
    /// When something of this participant is due.
    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let ghost = self.ghost.as_ref().and_then(|ghost| ghost.silent_from);
        let unoffered = self.publishing.announced.iter().filter_map(|one| one.offer_due);
        let waiting_offer = self.publishing.waiting_offer.map(|offer| offer.until);
        waiting_offer.into_iter().chain(ghost).chain(unoffered).chain(self.audience.poll_timeout())
    }

    /// Something that others are told of has changed.
    pub(crate) fn touch(&mut self) {
        self.record.version = self.record.version.saturating_add(1);
    }

    pub(crate) fn set_state(&mut self, state: ParticipantState) {
        if self.record.state != state {
            self.record.state = state;
            self.touch();
        }
    }

    pub(crate) fn announced_by_cid(&self, cid: &TrackCid) -> Option<usize> {
        self.publishing.announced.iter().position(|one| one.record.cid == *cid)
    }

    pub(crate) fn track(&self, sid: &TrackSid) -> Option<&TrackRecord> {
        self.record.tracks.iter().find(|track| track.sid == *sid)
    }

    pub(crate) fn track_mut(&mut self, sid: &TrackSid) -> Option<&mut TrackRecord> {
        self.record.tracks.iter_mut().find(|track| track.sid == *sid)
    }
}
