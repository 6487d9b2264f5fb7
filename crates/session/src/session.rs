//! The session itself: its parts, and how they are settled after each input. What can be read of it is in
//! [`crate::view`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_model::session::{Modality, Schedule, SessionEvent, SessionKind, SessionPhase, SessionPolicy, Space};
use parlour_model::{Edge, ParticipantKey, Redacted, SessionId};

use crate::clock::Clock;
use crate::edges::Rules;
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
    /// Within 20 s of a machine's end its person is gone for the others: noticing the silence takes 5 s of them, and
    /// telling needs a little.
    pub const RESUME_WINDOW: Duration = Duration::from_secs(14);
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
    pub(crate) derived: Derived,
    pub(crate) events: EventQueue,
}

/// The way in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    pub locked: bool,
    pub message: Option<Redacted<String>>,
}

/// What follows from the facts; worked out after each input and never changed otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct Derived {
    pub spaces: BTreeMap<ParticipantKey, Space>,
    pub edges: BTreeSet<Edge>,
    pub edges_version: u64,
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

    pub(crate) fn tell(&mut self, event: SessionEvent) {
        self.events.push(event);
    }

    /// The rules as they are now.
    pub fn policy(&self) -> &SessionPolicy {
        &self.options.policy
    }

    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            people: &self.people,
            check_ins: &self.check_ins,
            ghosts: &self.ghosts,
            lead: self.lead,
            policy: &self.options.policy,
        }
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
        let (spaces, ghost_spaces) = (self.facts().spaces(), self.facts().ghost_spaces());
        self.ghosts.place(ghost_spaces);
        let before = std::mem::replace(&mut self.derived.spaces, spaces);
        let mut events = Vec::new();
        for (identity, person, line) in self.people.seats() {
            let Some(to) = self.derived.spaces.get(&line.key).copied() else { continue };
            let (key, identity, role) = (line.key, identity.clone(), person.role);
            // Back among the others: as when a lost line comes in anew. In the waiting room it would show.
            if to.is_shared() {
                self.ghosts.forget(&identity);
            }
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
