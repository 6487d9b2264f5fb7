//! The session itself: its parts, how they are settled after each input, and what can be read of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_model::session::{
    Admission, CheckInReceipt, E2eePolicy, EndReason, Floor, Modality, Schedule, SessionEvent, SessionKind,
    SessionPhase, SessionPolicy, Space,
};
use parlour_model::{Edge, Encryption, Identity, MediaKind, ParticipantKey, Redacted, Role, SessionId, TrackSource};

use crate::clock::Clock;
use crate::edges::{Rules, carries, may_send};
use crate::error::TrackRefusal;
use crate::event_queue::EventQueue;
use crate::people::People;
use crate::place::{Facts, Lead};
use crate::presence::Ghosts;
use crate::seal::CheckIns;
use crate::timeline::Timeline;
use crate::voice::Voice;

/// What a session is made with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// For whom.
    pub kind: SessionKind,
    /// Bounds the media that have edges.
    pub modality: Modality,
    /// When; without one the session is open at once.
    pub schedule: Option<Schedule>,
    /// The rules.
    pub policy: SessionPolicy,
    /// Shown to participants when media fails; never logged.
    pub backup_plan: Redacted<String>,
    /// The integrator's, opaque.
    pub external_id: Option<String>,
    /// Where this node is, to be compared with the policy's region.
    pub node_region: Option<String>,
    /// How long a seat is kept for a line that was lost. It is also how long a quick exit looks like one.
    pub resume_window: Duration,
}

impl SessionOptions {
    /// Within 20 s of a tab's end its person is gone for the others; detecting the loss takes up to 5 s of them.
    pub const RESUME_WINDOW: Duration = Duration::from_secs(15);
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            kind: SessionKind::default(),
            modality: Modality::default(),
            schedule: None,
            policy: SessionPolicy::default(),
            backup_plan: Redacted::default(),
            external_id: None,
            node_region: None,
            resume_window: Self::RESUME_WINDOW,
        }
    }
}

/// One therapy session.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) options: SessionOptions,
    pub(crate) clock: Clock,
    pub(crate) phase: SessionPhase,
    pub(crate) people: People,
    pub(crate) check_ins: CheckIns,
    pub(crate) voice: Voice,
    pub(crate) door: Door,
    pub(crate) timeline: Timeline,
    pub(crate) lead: Lead,
    pub(crate) ghosts: Ghosts,
    derived: Derived,
    events: EventQueue,
}

/// The way in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    pub locked: bool,
    pub message: Option<Redacted<String>>,
}

/// What follows from the facts; worked out after each input and never changed otherwise.
#[derive(Clone, Debug, Default)]
struct Derived {
    spaces: BTreeMap<ParticipantKey, Space>,
    edges: BTreeSet<Edge>,
    edges_version: u64,
}

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
    /// A session nobody has come to yet.
    pub fn new(id: SessionId, options: SessionOptions, clock: Clock) -> Self {
        let timeline = Timeline::new(options.schedule, clock.unix_ms);
        let opens_later = timeline.opens_at_ms().is_some_and(|at| at > clock.unix_ms);
        Self {
            id,
            options,
            clock,
            phase: if opens_later { SessionPhase::Scheduled } else { SessionPhase::Open },
            people: People::default(),
            check_ins: CheckIns::default(),
            voice: Voice::default(),
            door: Door::default(),
            timeline,
            lead: Lead::Absent,
            ghosts: Ghosts::default(),
            derived: Derived::default(),
            events: EventQueue::default(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// What it was made with; the policy as it is now.
    pub fn options(&self) -> &SessionOptions {
        &self.options
    }

    /// The rules as they are now.
    pub fn policy(&self) -> &SessionPolicy {
        &self.options.policy
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

    /// Whether a track may be published. Its edges decide who receives it; this decides whether it exists.
    pub fn check_track(
        &self,
        key: ParticipantKey,
        source: TrackSource,
        kind: MediaKind,
        encryption: Encryption,
    ) -> Result<(), TrackRefusal> {
        let (_, person) = self.people.seated(key).ok_or(TrackRefusal::UnknownSeat)?;
        let medium = source.medium(kind);
        if !carries(self.options.modality, medium) {
            return Err(TrackRefusal::Modality);
        }
        if !person.line.is_some_and(|line| may_send(line.grants, medium)) {
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

    pub(crate) fn tell(&mut self, event: SessionEvent) {
        self.events.push(event);
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts { people: &self.people, check_ins: &self.check_ins, lead: self.lead, policy: &self.options.policy }
    }

    /// Works out what follows from the facts. Called once at the end of every input.
    pub(crate) fn settle(&mut self, now: Instant) {
        self.settle_lead(now);
        self.settle_spaces();
        self.settle_edges();
        self.timeline.empty_since = match (self.people.seats().next(), self.timeline.empty_since) {
            (Some(_), _) => None,
            (None, since) => since.or(Some(now)),
        };
    }

    fn settle_lead(&mut self, now: Instant) {
        let led = self.people.seats().any(|(_, p, line)| p.is_therapist() && p.is_admitted() && line.is_connected());
        self.lead = match self.lead {
            _ if self.phase == SessionPhase::Ended => Lead::Absent,
            _ if led => Lead::Present,
            Lead::Present if self.policy().require_therapist => {
                self.tell(SessionEvent::TherapistLost);
                self.grace_from(now)
            }
            Lead::Present => Lead::Absent,
            lead => lead,
        };
        match (self.lead, self.phase) {
            (Lead::Present, SessionPhase::Scheduled | SessionPhase::Open) => self.enter(SessionPhase::Live),
            (Lead::Absent, SessionPhase::Live) => self.enter(SessionPhase::Open),
            _ => {}
        }
    }

    fn grace_from(&self, now: Instant) -> Lead {
        let grace = Duration::from_secs(u64::from(self.policy().therapist_grace_seconds));
        Lead::Grace { until: now.checked_add(grace).unwrap_or(now) }
    }

    /// After a restart in the middle of a session: its therapist is expected back.
    pub(crate) fn hold_for_therapist(&mut self, now: Instant) {
        self.phase = SessionPhase::Live;
        self.lead = self.grace_from(now);
    }

    pub(crate) fn enter(&mut self, phase: SessionPhase) {
        if self.phase != phase {
            self.phase = phase;
            self.tell(SessionEvent::Phase(phase));
        }
    }

    fn settle_spaces(&mut self) {
        let spaces = self.facts().spaces();
        let before = std::mem::replace(&mut self.derived.spaces, spaces);
        let mut events = Vec::new();
        for (identity, person, line) in self.people.seats() {
            let Some(to) = self.derived.spaces.get(&line.key).copied() else { continue };
            let (key, identity, role) = (line.key, identity.clone(), person.role);
            match before.get(&key).copied() {
                None => events.push(SessionEvent::Joined { key, identity, role, space: to }),
                Some(from) if from != to => events.push(SessionEvent::Moved { key, identity, from, to }),
                Some(_) => {}
            }
        }
        for event in events {
            self.tell(event);
        }
    }

    fn settle_edges(&mut self) {
        let rules = Rules {
            people: &self.people,
            spaces: &self.derived.spaces,
            voice: &self.voice,
            modality: self.options.modality,
            policy: &self.options.policy,
        };
        let edges = rules.edges();
        if edges != self.derived.edges {
            self.derived.edges = edges;
            self.derived.edges_version += 1;
        }
    }
}
