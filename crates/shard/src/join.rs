//! Arriving, coming back, and leaving.

use std::collections::BTreeMap;

use parlour_model::command::{DataChannel, Joined, ProfileUpdate, SyncState, Topology};
use parlour_model::session::{Actor, Departure, SessionCommand};
use parlour_model::{
    Event, Grants, Join, LeaveReason, ParticipantKey, ParticipantRecord, ParticipantSid, ParticipantState, Redacted,
    Refusal, Role,
};
use parlour_peer::ChannelId;
use parlour_session::{JoinRequest, Loss};

use crate::audience::Audience;
use crate::demux::PeerKey;
use crate::participant::{Announced, Line, Participant, Publishing, Receiving, Transport};
use crate::room::RoomContext;

/// Longest display name, in bytes.
const MAX_NAME: usize = 256;

/// Most metadata of one participant, in bytes.
const MAX_METADATA: usize = 64 * 1024;

/// Most attributes of one participant, and their bytes in all.
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE_BYTES: usize = 64 * 1024;

/// The attribute by which a client's page learns of a participant's role. Set by us; nobody's own to change.
pub const ROLE_ATTRIBUTE: &str = "parlour.role";

impl RoomContext<'_> {
    /// A new participant, if the session lets it in.
    pub(crate) fn join(&mut self, join: Join) -> Result<Joined, Refusal> {
        check_profile(&join.name.0, &join.metadata.0, &join.attributes.0)?;
        let key = ParticipantKey(self.names.next_participant());
        self.seat(key, &join)?;
        let grants = role_grants(join.role).narrowed_by(join.grants);
        let mut attributes = join.attributes.0;
        attributes.insert(ROLE_ATTRIBUTE.to_owned(), join.role.as_str().to_owned());
        let record = ParticipantRecord {
            sid: ParticipantSid::new(self.names.sid("PA")),
            identity: join.identity,
            role: join.role,
            name: join.name,
            metadata: join.metadata,
            attributes: Redacted(attributes),
            grants,
            state: ParticipantState::Joined,
            joined_at_ms: self.clock.unix_ms_at(self.now),
            version: 1,
            client: join.client,
            tracks: Vec::new(),
        };
        let participant = Participant {
            key,
            record,
            line: Line { signalling: true, media: true },
            transport: Transport::new(join.topology),
            publishing: Publishing::default(),
            receiving: Receiving::new(join.auto_subscribe),
            known: BTreeMap::new(),
            audience: Audience::default(),
            quality: None,
            awaits_media_since: Some(self.now),
            ghost: None,
        };
        self.remember_name(&participant.record.identity, &participant.record.name);
        self.room.participants.insert(key, Box::new(participant));
        self.room.media.add_participant(key, self.now);
        self.counters.joins += 1;
        let joined = self.first_message(key)?;
        let circle = self.circle(key);
        if let Some(participant) = self.participant(key) {
            participant.audience.begin(circle.into_iter());
        }
        Ok(joined)
    }

    /// Signalling is back: the client is told everything anew.
    pub(crate) fn resume(&mut self, key: ParticipantKey) -> Result<Joined, Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        participant.line.signalling = true;
        // Whatever was asked was asked on a connection that is gone. Clients with two connections drop their answer to an
        // offer that comes before they have said what they still have: it waits for `sync_state`.
        participant.receiving.asked = participant.transport.topology == Topology::Dual;
        participant.transport.open_offer = None;
        self.counters.resumes += 1;
        self.line_changed(key);
        let joined = self.first_message(key)?;
        let (circle, now) = (self.circle(key), self.now);
        if let Some(participant) = self.participant(key) {
            participant.audience.told_anew(circle.into_iter(), now);
        }
        Ok(joined)
    }

    fn first_message(&mut self, key: ParticipantKey) -> Result<Joined, Refusal> {
        let others = self.whole_roster(key);
        let participant = self.room.participants.get(&key).ok_or(Refusal::UnknownParticipant)?.record.clone();
        let session = self.record_for(key);
        Ok(Joined { session, participant, others })
    }

    /// A seat in the session, or its refusal.
    fn seat(&mut self, key: ParticipantKey, join: &Join) -> Result<(), Refusal> {
        let request = JoinRequest {
            key,
            identity: join.identity.clone(),
            role: join.role,
            grants: join.grants,
            encryption: join.encryption,
            entry: join.entry,
        };
        self.room.session.handle_join(request, self.now)?;
        Ok(())
    }

    /// Signalling broke; the participant may resume for a while.
    pub(crate) fn signal_lost(&mut self, key: ParticipantKey) {
        if let Some(participant) = self.participant(key) {
            participant.line.signalling = false;
            self.line_changed(key);
        }
    }

    /// Nothing is heard of its media, or it is heard again.
    pub(crate) fn media_heard(&mut self, key: ParticipantKey, heard: bool) {
        if let Some(participant) = self.participant(key) {
            participant.line.media = heard;
            self.line_changed(key);
        }
    }

    /// The session decides what a broken line means and how long its seat is kept.
    fn line_changed(&mut self, key: ParticipantKey) {
        let Some(line) = self.room.participants.get(&key).map(|one| one.line) else { return };
        match (line.signalling, line.media) {
            (true, true) => self.room.session.handle_back(key, self.now),
            (false, true) => self.room.session.handle_lost(key, Loss::Signalling, self.now),
            (_, false) => self.room.session.handle_lost(key, Loss::Everything, self.now),
        }
    }

    /// What a resuming client still has: its wishes count from now on.
    pub(crate) fn sync_state(&mut self, key: ParticipantKey, state: SyncState) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let wanted = !participant.receiving.auto_subscribe;
        if participant.transport.topology == Topology::Dual {
            participant.receiving.asked = false;
            participant.transport.open_offer = None;
            self.restart_subscribe_leg(key);
        }
        self.subscribe(key, &state.exceptions, wanted)
    }

    /// The participant leaves, or is lost: the session learns of it.
    pub(crate) fn depart(&mut self, key: ParticipantKey, reason: LeaveReason) {
        self.room.session.handle_left(key, departure_of(reason), self.now);
        // While it is here to be named.
        self.handle_session_events();
        self.dismiss(key, reason);
    }

    /// The participant is out: told why, its connections closed, its tracks gone for the others. The session knows.
    pub(crate) fn dismiss(&mut self, key: ParticipantKey, reason: LeaveReason) {
        self.tell(key, Event::Leave(reason));
        self.notify_all_unpublished(key);
        self.hang_up(key);
        self.forget(key);
    }

    /// The client is told no more and its connections are closed.
    pub(crate) fn hang_up(&mut self, key: ParticipantKey) {
        let Some(participant) = self.room.participants.get(&key).filter(|one| one.ghost.is_none()) else { return };
        for peer in participant.transport.peers() {
            if let Some(slot) = self.peers.touch(peer) {
                slot.peer.close(self.now);
            }
        }
        self.counters.leaves += 1;
    }

    /// Nothing of the participant is left.
    pub(crate) fn forget(&mut self, key: ParticipantKey) {
        if self.room.participants.remove(&key).is_none() {
            return;
        }
        self.room.publications.retain(|_, publication| publication.publisher != key);
        self.room.media.remove_participant(key, self.now);
        self.room.allowances.remove(&key);
        self.room.participants.values_mut().for_each(|one| one.audience.left(key));
        self.room.messages.retain(|(from, to), _| *from != key && *to != key);
        self.forget_stale_wishes();
    }

    /// Everyone is out, and the session with them.
    pub(crate) fn end(&mut self, reason: LeaveReason) {
        if reason == LeaveReason::SessionEnded {
            // Only an ended session refuses, and that is what is asked for.
            let _ = self.room.session.handle_command(Actor::Server, SessionCommand::End, self.now);
        }
        let everyone: Vec<_> = self.room.participants.keys().copied().collect();
        for key in everyone {
            self.depart(key, reason);
        }
    }

    /// Offers that waited too long for an announcement are answered without it, and the other way round.
    pub(crate) fn check_deadlines(&mut self) {
        let now = self.now;
        self.silence_ghosts();
        self.room.participants.values_mut().for_each(|one| one.audience.handle_timeout(now));
        let waited = |one: &Participant| one.publishing.waiting_offer.is_some_and(|offer| offer.until <= now);
        for key in self.those(waited) {
            self.answer_waiting_offer(key);
        }
        let is_late = |one: &Announced| one.offer_due.is_some_and(|due| due <= now);
        for key in self.those(|one| one.publishing.announced.iter().any(is_late)) {
            self.ask_for_unoffered(key);
        }
    }

    fn those(&self, condition: impl Fn(&Participant) -> bool) -> Vec<ParticipantKey> {
        self.room.participants.values().filter(|one| condition(one)).map(|one| one.key).collect()
    }

    /// Changes what others are told of someone.
    pub(crate) fn update_profile(&mut self, key: ParticipantKey, update: ProfileUpdate) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let record = &mut participant.record;
        let name = update.name.unwrap_or_else(|| record.name.clone());
        let metadata = update.metadata.unwrap_or_else(|| record.metadata.clone());
        let mut attributes = record.attributes.0.clone();
        for (attribute, value) in update.attributes.0 {
            if attribute == ROLE_ATTRIBUTE {
                return Err(Refusal::NotAllowed);
            }
            if value.is_empty() {
                attributes.remove(&attribute);
            } else {
                attributes.insert(attribute, value);
            }
        }
        check_profile(&name.0, &metadata.0, &attributes)?;
        record.name = name;
        record.metadata = metadata;
        record.attributes = Redacted(attributes);
        let (identity, name) = (record.identity.clone(), record.name.clone());
        participant.touch();
        self.remember_name(&identity, &name);
        Ok(())
    }

    /// Other grants, never more than the role's.
    pub(crate) fn set_grants(&mut self, key: ParticipantKey, grants: Grants) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let grants = role_grants(participant.record.role).narrowed_by(grants);
        participant.record.grants = grants;
        participant.touch();
        self.room.session.handle_grants(key, grants, self.now);
        self.enforce_tracks(key);
        Ok(())
    }

    /// A peer connection of `key` is up.
    pub(crate) fn connected(&mut self, key: ParticipantKey) {
        if let Some(participant) = self.participant(key) {
            participant.set_state(ParticipantState::Active);
            participant.line.media = true;
            self.line_changed(key);
            self.room.session.handle_media_up(key, self.now);
        }
    }

    /// A peer connection of `key` is gone. Its client learns that it must begin anew.
    pub(crate) fn peer_closed(&mut self, key: ParticipantKey, peer: PeerKey) {
        self.counters.peers_closed += 1;
        let Some(participant) = self.participant(key) else { return };
        participant.transport.peer_gone(peer);
        let reason = if participant.line.signalling { LeaveReason::MustRejoin } else { LeaveReason::ConnectionLost };
        self.depart(key, reason);
    }

    /// Which of the two channels an id is, by what it promises.
    pub(crate) fn channel_of(&self, key: ParticipantKey, peer: PeerKey, id: ChannelId) -> Option<DataChannel> {
        self.room.participants.get(&key)?.transport.channel(peer, id)
    }
}

/// What a role may do at most. Everyone in a therapy session may be seen and heard; the session's edges decide by whom.
fn role_grants(role: Role) -> Grants {
    match role {
        Role::Therapist | Role::Client | Role::Guest | Role::Service => Grants::ALL,
    }
}

fn departure_of(reason: LeaveReason) -> Departure {
    match reason {
        LeaveReason::ClientInitiated => Departure::Left,
        LeaveReason::DuplicateIdentity => Departure::Replaced,
        LeaveReason::Removed => Departure::Removed,
        LeaveReason::SessionEnded => Departure::SessionEnded,
        LeaveReason::ServerShutdown
        | LeaveReason::ConnectionLost
        | LeaveReason::MustRejoin
        | LeaveReason::ProtocolViolation => Departure::Lost,
    }
}

fn check_profile(name: &str, metadata: &str, attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let bytes: usize = attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
    let fits = name.len() <= MAX_NAME
        && metadata.len() <= MAX_METADATA
        && attributes.len() <= MAX_ATTRIBUTES
        && bytes <= MAX_ATTRIBUTE_BYTES;
    if fits { Ok(()) } else { Err(Refusal::Limit) }
}
