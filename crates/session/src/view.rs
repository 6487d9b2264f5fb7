//! What can be read of a session: its edges and rosters, for forwarding and signalling; its people and settings, for
//! therapists and the API.

use std::collections::BTreeSet;

use parlour_model::session::{
    Admission, CheckInReceipt, E2eePolicy, EndReason, Floor, SessionEvent, SessionPhase, Space,
};
use parlour_model::{Edge, Encryption, Identity, MediaKind, ParticipantKey, Redacted, Role, SessionId, TrackSource};

use crate::edges::{carries, may_send};
use crate::error::TrackRefusal;
use crate::session::{Session, SessionOptions};

/// What can be told of a person to therapists and the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonView {
    /// Who.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// Whether let in.
    pub admission: Admission,
    /// The seat, if connected or being waited for, and where it is.
    pub seat: Option<(ParticipantKey, Space)>,
    /// Nothing is heard of the seat.
    pub line_lost: bool,
    /// A therapist or a restart holds this person.
    pub held: bool,
    /// The session's text is accepted (or none is asked).
    pub consented: bool,
    /// Agreed to a recording service.
    pub recording_agreed: bool,
}

impl Session {
    /// Its name.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What it was made with; the policy as it is now.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// How far it is.
    pub fn phase(&self) -> SessionPhase {
        self.phase
    }

    /// Everything that may be forwarded; nothing else may.
    pub fn edges(&self) -> &BTreeSet<Edge> {
        &self.derived.edges
    }

    /// Grows whenever [`Session::edges`] changes.
    pub fn edges_version(&self) -> u64 {
        self.derived.edges_version
    }

    /// Where a seat is. A device that takes a seat over is already told where it will be.
    pub fn space(&self, key: ParticipantKey) -> Option<Space> {
        if let Some(space) = self.derived.spaces.get(&key) {
            return Some(*space);
        }
        let person = self.people.person(self.people.identity_of(key)?)?;
        Some(match *self.derived.spaces.get(&person.line?.key)? {
            Space::Hold(_) => Space::Hold(key),
            Space::Waiting(_) => Space::Waiting(key),
            shared => shared,
        })
    }

    /// Whom this person may know of, in order of key. Those whose line is lost stay in it while their seat is kept, and
    /// so do, for other clients, those who left by quick exit: send participant updates from the difference of two
    /// rosters and from nothing else.
    pub fn roster(&self, viewer: ParticipantKey) -> impl Iterator<Item = ParticipantKey> {
        let space = self.space(viewer).filter(|space| space.is_shared());
        let own = self.people.identity_of(viewer).and_then(|identity| self.people.person(identity));
        let own_seat = own.and_then(|person| person.line).map(|line| line.key);
        let mut roster: BTreeSet<ParticipantKey> = self
            .derived
            .spaces
            .iter()
            .filter(|(key, other)| Some(**other) == space && **key != viewer && Some(**key) != own_seat)
            .map(|(key, _)| *key)
            .collect();
        if let (Some(space), false) = (space, own.is_none_or(|person| person.is_therapist())) {
            roster.extend(self.ghosts.seen_in(space));
        }
        roster.into_iter()
    }

    /// Whether this person may know of the other, as of now.
    pub(crate) fn sees(&self, own: &Identity, other: &Identity) -> bool {
        let seat = self.seat(own);
        seat.is_some_and(|seat| self.roster(seat).any(|key| self.who_was(key) == Some(other)))
    }

    /// Everyone known, seated or not, in order of identity: for therapists and the API.
    pub fn people(&self) -> impl Iterator<Item = PersonView> {
        let facts = self.facts();
        self.people.iter().map(move |(identity, person)| PersonView {
            identity: identity.clone(),
            role: person.role,
            admission: person.admission,
            seat: person.line.and_then(|line| Some((line.key, *self.derived.spaces.get(&line.key)?))),
            line_lost: person.line.is_some_and(|line| line.lost_since().is_some()),
            held: person.held_by_therapist || person.held_by_restart,
            consented: facts.has_consented(person),
            recording_agreed: person.recording_agreed,
        })
    }

    /// Whose connection this is.
    pub fn identity(&self, key: ParticipantKey) -> Option<&Identity> {
        self.people.identity_of(key)
    }

    /// Whose connection this is, or was before a quick exit that others still take for a lost line.
    pub(crate) fn who_was(&self, key: ParticipantKey) -> Option<&Identity> {
        self.identity(key).or_else(|| self.ghosts.identity_of(key))
    }

    /// Whether others still see this seat, though its person left by quick exit.
    pub fn is_ghost(&self, key: ParticipantKey) -> bool {
        self.ghosts.identity_of(key).is_some()
    }

    /// Whether this person was ever here and is not forgotten.
    pub fn knows(&self, identity: &Identity) -> bool {
        self.people.person(identity).is_some()
    }

    /// On which connection this person sits.
    pub fn seat(&self, identity: &Identity) -> Option<ParticipantKey> {
        Some(self.people.person(identity)?.line?.key)
    }

    /// Who is heard.
    pub fn floor(&self) -> &Floor {
        &self.voice.floor
    }

    /// Whether nobody new comes in.
    pub fn is_locked(&self) -> bool {
        self.door.locked
    }

    /// What those who wait are shown.
    pub fn waiting_message(&self) -> Option<&Redacted<String>> {
        self.door.message.as_ref()
    }

    /// The running check-ins as they were answered when they began, and who is inside now.
    pub fn check_ins(&self) -> impl Iterator<Item = (&CheckInReceipt, &BTreeSet<Identity>)> {
        self.check_ins.iter().map(|(_, check_in)| (&check_in.receipt, &check_in.members))
    }

    /// When it ends as things stand, milliseconds since the Unix epoch, and why it will.
    pub fn ends_at_ms(&self) -> (i64, EndReason) {
        self.timeline.end(self.policy())
    }

    /// Whether a track may be published, also by a device that is about to take a seat over. Its edges decide who receives it; this decides whether it exists.
    pub fn check_track(
        &self,
        key: ParticipantKey,
        source: TrackSource,
        kind: MediaKind,
        encryption: Encryption,
    ) -> Result<(), TrackRefusal> {
        let line = self.people.line(key).ok_or(TrackRefusal::UnknownSeat)?;
        let medium = source.medium(kind);
        if !carries(self.options.modality, medium) {
            return Err(TrackRefusal::Modality);
        }
        if !may_send(line.grants, medium) {
            return Err(TrackRefusal::NotAllowed);
        }
        if self.policy().e2ee == E2eePolicy::Required && encryption == Encryption::None {
            return Err(TrackRefusal::EncryptionRequired);
        }
        Ok(())
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop()
    }

    /// Events given up because nobody read them; not zero is a bug of the caller.
    pub fn dropped_events(&self) -> u64 {
        self.events.dropped()
    }
}
