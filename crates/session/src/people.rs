//! Everyone the session knows: facts about persons and the connections they sit on. Facts only; what follows from
//! them is worked out in [`crate::place`].

use std::collections::BTreeMap;
use std::time::Instant;

use parlour_model::session::{Admission, ConsentText};
use parlour_model::{Encryption, Grants, Identity, ParticipantKey, Role};

/// People remembered by one session, seated or not. Above the twelve inside and twelve waiting it only has to hold
/// those who came and went; a stranger's way in is a token, so this is a bound on mistakes.
pub const MAX_PEOPLE: usize = 64;

/// How much is heard of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineState {
    /// All is well.
    Up,
    /// Signalling broke; media may still flow. May be resumed or replaced.
    SignalLost {
        /// When.
        since: Instant,
    },
    /// Nothing is heard any more.
    Lost {
        /// When the first sign of it was.
        since: Instant,
    },
}

/// One connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub key: ParticipantKey,
    pub grants: Grants,
    pub encryption: Encryption,
    pub state: LineState,
}

impl Line {
    /// Whether media can reach it.
    pub fn is_connected(&self) -> bool {
        !matches!(self.state, LineState::Lost { .. })
    }

    pub fn lost_since(&self) -> Option<Instant> {
        match self.state {
            LineState::Up => None,
            LineState::SignalLost { since } | LineState::Lost { since } => Some(since),
        }
    }
}

/// A connection that will take the seat over once its media is up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Successor {
    pub line: Line,
    pub until: Instant,
}

/// One person, by identity.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub role: Role,
    pub admission: Admission,
    pub held_by_therapist: bool,
    /// Came back after a restart of the server and was not resumed yet.
    pub held_by_restart: bool,
    pub consent: Option<ConsentText>,
    pub recording_agreed: bool,
    pub line: Option<Line>,
    pub successor: Option<Successor>,
    /// When this person left on purpose.
    pub left_at: Option<Instant>,
    pub hand_over_until: Option<Instant>,
    pub signalled_at: Option<Instant>,
    /// When this person left at once, until admitted again.
    pub quick_exit_at: Option<Instant>,
}

impl Person {
    pub fn new(role: Role, admission: Admission) -> Self {
        Self {
            role,
            admission,
            held_by_therapist: false,
            held_by_restart: false,
            consent: None,
            recording_agreed: false,
            line: None,
            successor: None,
            left_at: None,
            hand_over_until: None,
            signalled_at: None,
            quick_exit_at: None,
        }
    }

    pub fn is_therapist(&self) -> bool {
        self.role == Role::Therapist
    }

    pub fn is_admitted(&self) -> bool {
        self.admission == Admission::Admitted
    }

    pub fn is_connected(&self) -> bool {
        self.line.is_some_and(|line| line.is_connected())
    }

    /// Whether nothing would be lost by forgetting this person: nobody decided anything about them.
    fn is_forgettable(&self) -> bool {
        self.line.is_none() && self.admission == Admission::Waiting && !self.held_by_therapist
    }
}

/// Everyone remembered matters, so nobody more can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryFull;

/// Persons in order of identity, and whose each connection is.
#[derive(Clone, Debug, Default)]
pub(crate) struct People {
    persons: BTreeMap<Identity, Person>,
    keys: BTreeMap<ParticipantKey, Identity>,
}

impl People {
    pub fn iter(&self) -> impl Iterator<Item = (&Identity, &Person)> {
        self.persons.iter()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Person> {
        self.persons.values_mut()
    }

    pub fn person(&self, identity: &Identity) -> Option<&Person> {
        self.persons.get(identity)
    }

    pub fn person_mut(&mut self, identity: &Identity) -> Option<&mut Person> {
        self.persons.get_mut(identity)
    }

    /// Whose connection this is, be it the seat's or its successor's.
    pub fn identity_of(&self, key: ParticipantKey) -> Option<&Identity> {
        self.keys.get(&key)
    }

    /// The person on whose seat this connection is; a successor has no seat yet.
    pub fn seated(&self, key: ParticipantKey) -> Option<(&Identity, &Person)> {
        let identity = self.keys.get(&key)?;
        let person = self.persons.get(identity)?;
        person.line.is_some_and(|line| line.key == key).then_some((identity, person))
    }

    /// This connection, be it the seat's or its successor's.
    pub fn line(&self, key: ParticipantKey) -> Option<&Line> {
        let person = self.persons.get(self.keys.get(&key)?)?;
        let successor = person.successor.as_ref().map(|successor| &successor.line);
        person.line.as_ref().into_iter().chain(successor).find(|line| line.key == key)
    }

    /// Those with a seat, inside or waiting, and the connection they sit on.
    pub fn seats(&self) -> impl Iterator<Item = (&Identity, &Person, &Line)> {
        self.persons.iter().filter_map(|(identity, person)| Some((identity, person, person.line.as_ref()?)))
    }

    /// Makes room for one more and remembers them, at [`MAX_PEOPLE`] by forgetting someone about whom nothing was
    /// decided.
    pub fn remember(&mut self, identity: Identity, person: Person) -> Result<(), MemoryFull> {
        if self.persons.len() >= MAX_PEOPLE {
            let Some(oldest) = self.persons.iter().find(|(_, p)| p.is_forgettable()).map(|(i, _)| i.clone()) else {
                return Err(MemoryFull);
            };
            self.persons.remove(&oldest);
        }
        self.persons.insert(identity, person);
        Ok(())
    }

    /// Puts someone on a seat. The connection that was there is given back and is nobody's now.
    pub fn seat(&mut self, identity: &Identity, line: Line) -> Option<Line> {
        let person = self.persons.get_mut(identity)?;
        self.keys.insert(line.key, identity.clone());
        let before = person.line.replace(line);
        if let Some(before) = before {
            self.keys.remove(&before.key);
        }
        before
    }

    pub fn unseat(&mut self, identity: &Identity) -> Option<Line> {
        let line = self.persons.get_mut(identity)?.line.take()?;
        self.keys.remove(&line.key);
        Some(line)
    }

    pub fn set_successor(&mut self, identity: &Identity, successor: Successor) {
        if let Some(person) = self.persons.get_mut(identity) {
            self.keys.insert(successor.line.key, identity.clone());
            person.successor = Some(successor);
        }
    }

    pub fn drop_successor(&mut self, identity: &Identity) -> Option<Line> {
        let line = self.persons.get_mut(identity)?.successor.take()?.line;
        self.keys.remove(&line.key);
        Some(line)
    }

    pub fn contains_key(&self, key: ParticipantKey) -> bool {
        self.keys.contains_key(&key)
    }
}
