//! Coming in: who gets a seat, and where.

use std::time::{Duration, Instant};

use parlour_model::session::{
    Admission, Departure, DuplicatePolicy, E2eePolicy, RecordingPolicy, SessionEvent, SessionPhase, SessionPolicy,
    Space,
};
use parlour_model::{Encryption, Entry, Grants, Identity, LeaveReason, ParticipantKey, Role};

use crate::error::{CommandRefusal, JoinRefusal};
use crate::people::{Line, LineState, Person, Successor};
use crate::session::Session;

/// Seats in the waiting room. As many again as the largest session has inside.
pub(crate) const MAX_WAITING: usize = 12;

/// Whoever left on purpose and comes back within this (a reload, a wrong tap) need not be admitted anew. Later, a link
/// left open on a shared device must not lead inside.
const RETURN_WINDOW: Duration = Duration::from_secs(120);

/// How long a device that takes a seat over may take to get its media up.
const TAKE_OVER_TIME: Duration = Duration::from_secs(30);

/// A request to come in, already authenticated.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// The connection's number; never used before.
    pub key: ParticipantKey,
    /// Who.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// What this connection may do.
    pub grants: Grants,
    /// How its client says it encrypts its frames.
    pub encryption: Encryption,
    /// Ordinary, or a hand-over.
    pub entry: Entry,
}

/// A place in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Where.
    pub space: Space,
    /// The connection that had the seat until now. It is already out; its [`SessionEvent::Close`] follows.
    pub replaced: Option<ParticipantKey>,
    /// The connection that keeps the seat until this one's media is up ([`Session::handle_media_up`]).
    pub taking_over: Option<ParticipantKey>,
}

/// What becomes of a connection that was there before.
enum Way {
    Free,
    Replaces,
    TakesOver(ParticipantKey),
}

impl Session {
    /// Someone comes in.
    pub fn handle_join(&mut self, request: JoinRequest, now: Instant) -> Result<Seat, JoinRefusal> {
        self.check_door(&request, now)?;
        let way = self.way_in(&request, now)?;
        let admission = self.admission_of(&request, now);
        self.check_lock(&request.identity, admission)?;
        let line =
            Line { key: request.key, grants: request.grants, encryption: request.encryption, state: LineState::Up };
        if let Way::TakesOver(from) = way {
            return Ok(self.begin_take_over(&request.identity, line, from, now));
        }
        self.check_capacity(&request.identity, request.role, admission)?;
        self.remember(&request, admission)?;
        let replaced = matches!(way, Way::Replaces).then(|| self.replace_connections(&request.identity)).flatten();
        self.people.seat(&request.identity, line);
        self.begin(now);
        self.settle(now);
        if admission == Admission::Waiting {
            self.tell(SessionEvent::AdmissionAsked(request.identity));
        }
        let space = self.space(request.key).unwrap_or(Space::Waiting(request.key));
        Ok(Seat { space, replaced, taking_over: None })
    }

    /// This connection's media is up. Where it takes a seat over, it does so now.
    pub fn handle_media_up(&mut self, key: ParticipantKey, now: Instant) {
        let Some(identity) = self.people.identity_of(key).cloned() else { return };
        let is_successor = |p: &Person| p.successor.is_some_and(|successor| successor.line.key == key);
        if self.people.person(&identity).is_some_and(is_successor) {
            self.complete_take_over(&identity);
            self.settle(now);
        }
    }

    /// The grants of a connection changed.
    pub fn handle_grants(&mut self, key: ParticipantKey, grants: Grants, now: Instant) {
        let Some(identity) = self.people.identity_of(key).cloned() else { return };
        let Some(person) = self.people.person_mut(&identity) else { return };
        let successor = person.successor.as_mut().map(|successor| &mut successor.line);
        for line in person.line.as_mut().into_iter().chain(successor).filter(|line| line.key == key) {
            line.grants = grants;
        }
        self.settle(now);
    }

    fn check_door(&self, request: &JoinRequest, now: Instant) -> Result<(), JoinRefusal> {
        let policy = self.policy();
        if self.phase == SessionPhase::Ended {
            return Err(JoinRefusal::Ended);
        }
        if self.people.contains_key(request.key) {
            return Err(JoinRefusal::KeyInUse);
        }
        if policy.region.is_some() && policy.region != self.options.node_region {
            return Err(JoinRefusal::WrongRegion);
        }
        // A therapist may be early and opens the session by that.
        if self.phase == SessionPhase::Scheduled && request.role != Role::Therapist {
            let opens_at_ms = self.timeline.opens_at_ms().unwrap_or_else(|| self.clock.unix_ms_at(now));
            return Err(JoinRefusal::NotOpenYet { opens_at_ms });
        }
        if policy.e2ee == E2eePolicy::Required && request.encryption == Encryption::None {
            return Err(JoinRefusal::EncryptionRequired);
        }
        if policy.recording == RecordingPolicy::Never && request.role == Role::Service {
            return Err(JoinRefusal::ServiceNotAllowed);
        }
        Ok(())
    }

    /// A lock keeps out everyone but those who were inside and would be again, as after a drop.
    fn check_lock(&self, identity: &Identity, admission: Admission) -> Result<(), JoinRefusal> {
        let was_inside = self.people.person(identity).is_some_and(Person::is_admitted);
        if self.door.locked && !(was_inside && admission == Admission::Admitted) {
            return Err(JoinRefusal::Locked);
        }
        Ok(())
    }

    fn way_in(&self, request: &JoinRequest, now: Instant) -> Result<Way, JoinRefusal> {
        let Some(person) = self.people.person(&request.identity) else {
            return if request.entry == Entry::HandOver { Err(JoinRefusal::NoHandOver) } else { Ok(Way::Free) };
        };
        if person.role != request.role {
            return Err(JoinRefusal::RoleMismatch);
        }
        match person.admission {
            Admission::Denied => return Err(JoinRefusal::Denied),
            Admission::Removed => return Err(JoinRefusal::Removed),
            Admission::Waiting | Admission::Admitted => {}
        }
        match (request.entry, person.line) {
            (Entry::HandOver, Some(line)) if person.hand_over_until.is_some_and(|until| now < until) => {
                Ok(Way::TakesOver(line.key))
            }
            (Entry::HandOver, _) => Err(JoinRefusal::NoHandOver),
            (Entry::Ordinary, None) => Ok(Way::Free),
            (Entry::Ordinary, Some(line)) if line.state != LineState::Up => Ok(Way::Replaces),
            (Entry::Ordinary, Some(_)) if self.policy().duplicate_identity == DuplicatePolicy::Replace => {
                Ok(Way::Replaces)
            }
            (Entry::Ordinary, Some(_)) => Err(JoinRefusal::DuplicateIdentity),
        }
    }

    /// Whether this person is let in at once. A standing decision stands; new people wait if the policy says so, and
    /// services always do: they never join by themselves.
    fn admission_of(&self, request: &JoinRequest, now: Instant) -> Admission {
        let must_wait = match request.role {
            Role::Therapist => false,
            Role::Client | Role::Guest => self.policy().waiting_room,
            Role::Service => true,
        };
        match self.people.person(&request.identity) {
            Some(person) => {
                let stale = person.left_at.is_some_and(|left| now.saturating_duration_since(left) > RETURN_WINDOW);
                if stale && must_wait { Admission::Waiting } else { person.admission }
            }
            None if must_wait => Admission::Waiting,
            None => Admission::Admitted,
        }
    }

    fn check_capacity(&self, identity: &Identity, role: Role, admission: Admission) -> Result<(), JoinRefusal> {
        if self.people.person(identity).is_some_and(|person| person.line.is_some()) {
            return Ok(()); // a seat changes hands
        }
        if admission == Admission::Admitted {
            return if self.has_room_inside(role) { Ok(()) } else { Err(JoinRefusal::Full) };
        }
        let waiting = self.people.seats().filter(|(_, person, _)| !person.is_admitted()).count();
        if waiting < MAX_WAITING { Ok(()) } else { Err(JoinRefusal::Full) }
    }

    /// One seat is kept free for a therapist where nothing happens without one.
    fn has_room_inside(&self, role: Role) -> bool {
        let policy = self.policy();
        let inside = self.people.seats().filter(|(_, person, _)| person.is_admitted()).count();
        let therapist_seated = self.people.seats().any(|(_, person, _)| person.is_therapist());
        let kept = usize::from(policy.require_therapist && role != Role::Therapist && !therapist_seated);
        let max = policy.max_participants.min(SessionPolicy::HARD_MAX_PARTICIPANTS);
        inside + kept < usize::try_from(max).unwrap_or(usize::MAX)
    }

    pub(crate) fn check_room_inside(&self, role: Role) -> Result<(), CommandRefusal> {
        if self.has_room_inside(role) { Ok(()) } else { Err(CommandRefusal::Full) }
    }

    fn remember(&mut self, request: &JoinRequest, admission: Admission) -> Result<(), JoinRefusal> {
        if self.people.person(&request.identity).is_none() {
            let person = Person::new(request.role, admission);
            self.people.remember(request.identity.clone(), person).map_err(|_| JoinRefusal::TooManyPeople)?;
        }
        if let Some(person) = self.people.person_mut(&request.identity) {
            person.admission = admission;
            person.left_at = None;
        }
        Ok(())
    }

    fn begin(&mut self, now: Instant) {
        if self.timeline.begun_at_ms.is_none() {
            self.timeline.begun_at_ms = Some(self.clock.unix_ms_at(now));
        }
    }

    /// The seat goes to another connection of the same person: the old ones are out.
    fn replace_connections(&mut self, identity: &Identity) -> Option<ParticipantKey> {
        let successor = self.people.drop_successor(identity).map(|line| line.key);
        let replaced = self.people.unseat(identity).map(|line| line.key);
        for key in successor.into_iter().chain(replaced) {
            self.tell(SessionEvent::Departed { key, identity: identity.clone(), how: Departure::Replaced });
            self.tell(SessionEvent::Close { key, reason: LeaveReason::DuplicateIdentity });
        }
        replaced
    }

    fn begin_take_over(&mut self, identity: &Identity, line: Line, from: ParticipantKey, now: Instant) -> Seat {
        if let Some(earlier) = self.people.drop_successor(identity) {
            self.tell(SessionEvent::Close { key: earlier.key, reason: LeaveReason::DuplicateIdentity });
        }
        let until = now.checked_add(TAKE_OVER_TIME).unwrap_or(now);
        self.people.set_successor(identity, Successor { line, until });
        let space = self.space(line.key).unwrap_or(Space::Waiting(line.key));
        Seat { space, replaced: None, taking_over: Some(from) }
    }

    /// The new connection sits down and the old one is out, in one change of edges.
    pub(crate) fn complete_take_over(&mut self, identity: &Identity) {
        let Some(line) = self.people.drop_successor(identity) else { return };
        if let Some(person) = self.people.person_mut(identity) {
            person.hand_over_until = None;
        }
        let Some(before) = self.people.seat(identity, line) else { return };
        let (from, to) = (before.key, line.key);
        self.tell(SessionEvent::HandedOver { identity: identity.clone(), from, to });
        self.tell(SessionEvent::Departed { key: from, identity: identity.clone(), how: Departure::HandedOver });
        self.tell(SessionEvent::Close { key: from, reason: LeaveReason::DuplicateIdentity });
    }
}
