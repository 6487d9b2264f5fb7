//! What a store keeps of a running session.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::Identity;
use crate::participant::Role;
use crate::session::{ConsentText, Floor, SameRoom, SessionPhase, SessionPolicy};

/// What outlives the process of a running session. Everyone named in it comes back held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSnapshot {
    /// How far it was.
    pub phase: SessionPhase,
    /// Its rules.
    pub policy: SessionPolicy,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// First arrival, if there was one.
    pub begun_at_ms: Option<i64>,
    /// Granted by a therapist.
    pub extended_until_ms: Option<i64>,
    /// Nobody new.
    pub locked: bool,
    /// Who is heard.
    pub floor: Floor,
    /// Pairs in one room, each with the smaller identity first.
    pub same_room: Vec<(Identity, Identity, SameRoom)>,
    /// The next check-in's number.
    pub next_check_in: u32,
    /// Everyone who was ever seen and not forgotten.
    pub people: BTreeMap<Identity, PersonSnapshot>,
}

/// Of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSnapshot {
    /// As what.
    pub role: Role,
    /// Whether let in.
    pub admission: Admission,
    /// Held by a therapist.
    pub held: bool,
    /// Text accepted.
    pub consent: Option<ConsentText>,
    /// Agreed to a recording service.
    pub recording_agreed: bool,
}

/// Whether someone may be inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admission {
    /// Not yet.
    Waiting,
    /// Yes.
    Admitted,
    /// A therapist said no.
    Denied,
    /// Was sent out.
    Removed,
}
