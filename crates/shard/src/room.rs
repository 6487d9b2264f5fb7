//! One session on its worker: its rules, its people, its media, joined. The parts of its life are told in the sibling
//! modules, as methods of [`RoomContext`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use parlour_model::command::SessionRecord;
use parlour_model::{
    Edge, Event, Identity, ParticipantKey, ParticipantRecord, ParticipantSid, PublicationKey, Redacted, SessionId,
    TrackSid,
};
use parlour_session::{Clock, Session};

use crate::allowance::Allowance;
use crate::config::ShardConfig;
use crate::counters::ShardCounters;
use crate::names::Names;
use crate::notices::Notices;
use crate::participant::Participant;
use crate::peers::Peers;
use crate::publication::Publication;
use crate::timers::{TimerOwner, Timers};

/// A room's number within its shard. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomKey(pub(crate) u32);

/// Who wanted the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The control plane: its end is final.
    Opened,
    /// The first who joined: its name may be used again.
    Joined,
}

/// One session on its worker.
pub(crate) struct Room {
    pub(crate) key: RoomKey,
    pub(crate) id: SessionId,
    pub(crate) sid: String,
    pub(crate) origin: Origin,
    pub(crate) metadata: Redacted<String>,
    pub(crate) created_at_ms: i64,
    pub(crate) session: Session,
    pub(crate) media: parlour_media::Room,
    /// Each on its own: a node of the map has room for eleven, and most rooms have two or three.
    pub(crate) participants: BTreeMap<ParticipantKey, Box<Participant>>,
    pub(crate) publications: BTreeMap<PublicationKey, Publication>,
    /// How people are shown, those who left too: for therapists' lists.
    pub(crate) names: BTreeMap<Identity, Redacted<String>>,
    /// What each has taken of what clients send at will.
    pub(crate) allowances: BTreeMap<ParticipantKey, Allowance>,
    /// Data messages that went from one seat to another.
    pub(crate) messages: BTreeMap<(ParticipantKey, ParticipantKey), u64>,
    /// When connection quality is looked at next.
    pub(crate) next_quality: Instant,
    /// What media was told it may forward.
    pub(crate) edges: BTreeSet<Edge>,
    /// Of the session's edges that media has.
    pub(crate) edges_version: u64,
    /// Edges of the session's were kept from media.
    pub(crate) withholds: bool,
    /// Packets or events may wait in `media`.
    pub(crate) queued: bool,
    /// The timer that is set for `media`.
    pub(crate) media_due: Option<Instant>,
    /// Bugs met in it that were nobody's in particular.
    pub(crate) faults: u32,
}

/// How often connection quality is judged. LiveKit's clients show it; faster would flicker.
pub(crate) const QUALITY_INTERVAL: Duration = Duration::from_secs(5);

impl Room {
    /// The room may have packets or events: it is looked at before this call into the shard ends. The only way into the
    /// queue, so that the mark and the queue cannot disagree.
    pub(crate) fn queue(&mut self, rooms: &mut Vec<RoomKey>) {
        if !self.queued {
            self.queued = true;
            rooms.push(self.key);
        }
    }

    /// The room's packets are out and it is taken off the queue: when does media want to be called next?
    pub(crate) fn all_is_out(&mut self, timers: &mut Timers) {
        self.queued = false;
        let due = self.media.poll_timeout();
        // Mostly as it was: then the timers, which are many, need not be searched.
        if let Some(deadline) = due.filter(|_| due != self.media_due) {
            self.media_due = due;
            timers.set(TimerOwner::Media(self.key), deadline);
        }
    }

    /// Everyone who is here, ghosts not.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values().map(|one| &**one).filter(|one| one.ghost.is_none())
    }

    pub(crate) fn by_sid(&self, sid: &ParticipantSid) -> Option<ParticipantKey> {
        // At most twelve people: a walk is faster than a table.
        self.present().find(|one| one.record.sid == *sid).map(|one| one.key)
    }

    pub(crate) fn by_identity(&self, identity: &Identity) -> Option<ParticipantKey> {
        let seat = self.session.seat(identity).filter(|key| self.participants.contains_key(key));
        seat.or_else(|| self.present().find(|one| one.record.identity == *identity).map(|one| one.key))
    }

    pub(crate) fn publication_by_sid(&self, sid: &TrackSid) -> Option<PublicationKey> {
        self.publications.values().find(|one| one.sid == *sid).map(|one| one.key)
    }

    pub(crate) fn record(&self) -> SessionRecord {
        let publishers = self.present().filter(|one| !one.record.tracks.is_empty()).count();
        SessionRecord {
            id: self.id.clone(),
            sid: self.sid.clone(),
            metadata: self.metadata.clone(),
            created_at_ms: self.created_at_ms,
            participants: self.present().count() as u32,
            publishers: publishers as u32,
            max_participants: self.session.policy().max_participants,
        }
    }

    /// Everyone the viewer may know of, as of now. It may name someone who just left by quick exit: the others go on
    /// seeing what a lost line looks like.
    pub(crate) fn visible_to(&self, viewer: ParticipantKey) -> Vec<ParticipantKey> {
        self.session.roster(viewer).filter(|key| *key != viewer).collect()
    }

    pub(crate) fn records(&self, keys: &[ParticipantKey]) -> Vec<ParticipantRecord> {
        keys.iter().filter_map(|key| self.participants.get(key)).map(|one| one.record.clone()).collect()
    }

    /// The earliest time at which something other than media is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.participants.values().flat_map(|one| one.deadlines());
        let quality = (!self.participants.is_empty()).then_some(self.next_quality);
        [self.session.poll_timeout(), quality].into_iter().flatten().chain(waiting).min()
    }
}

/// A room at work: the room with all of its shard that it may touch, at one moment.
pub(crate) struct RoomContext<'a> {
    pub(crate) room: &'a mut Room,
    pub(crate) peers: &'a mut Peers,
    pub(crate) names: &'a mut Names,
    pub(crate) events: &'a mut VecDeque<(ParticipantSid, Event)>,
    pub(crate) notices: &'a mut Notices,
    pub(crate) counters: &'a mut ShardCounters,
    pub(crate) config: &'a ShardConfig,
    pub(crate) clock: Clock,
    pub(crate) now: Instant,
}

impl RoomContext<'_> {
    pub(crate) fn participant(&mut self, key: ParticipantKey) -> Option<&mut Participant> {
        self.room.participants.get_mut(&key).map(|one| &mut **one)
    }

    /// Tells a participant something; a ghost has left.
    pub(crate) fn tell(&mut self, key: ParticipantKey, event: Event) {
        if let Some(participant) = self.room.participants.get(&key).filter(|one| one.ghost.is_none()) {
            self.events.push_back((participant.record.sid.clone(), event));
        }
    }
}
