//! How a session begins on a worker, and what it tells the control plane while it lasts.

use crate::id::{ParticipantSid, SessionId};
use crate::session::{Modality, Schedule, SessionEvent, SessionKind, SessionPolicy, SessionSnapshot};

/// What a session is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOpening {
    /// For whom.
    pub kind: SessionKind,
    /// In what.
    pub modality: Modality,
    /// When; without one it is open at once.
    pub schedule: Option<Schedule>,
    /// The rules. A snapshot's own stand in for these.
    pub policy: SessionPolicy,
    /// How it was when the process ended: everyone comes back held.
    pub snapshot: Option<SessionSnapshot>,
}

/// Something happened in a session. In order for each session; not for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionNotice {
    /// Which session.
    pub session: SessionId,
    /// This opening of it (`RM_…`).
    pub room: String,
    /// The stay of whom it is about, where that is a seat.
    pub participant: Option<ParticipantSid>,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What.
    pub event: SessionEvent,
}
