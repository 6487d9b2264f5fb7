//! The words of a therapy session: its kind, its policy, what may be asked of it, what it tells.
//!
//! Behaviour is in `parlour-session`. The snapshot is what a store keeps of a running session; everything in
//! it is opaque identities and choices, never names, media or chat.

mod command;
mod event;
mod policy;
mod snapshot;
mod state;

pub use command::{Actor, CheckInReceipt, CutEdge, HAND_OVER_SECONDS, SessionCommand, SessionReply};
pub use event::{Departure, SessionEvent};
pub use policy::{
    ConsentText, DuplicatePolicy, E2eePolicy, Modality, RecordingPolicy, Schedule, SessionKind, SessionPolicy,
};
pub use snapshot::{Admission, PersonSnapshot, SessionSnapshot};
pub use state::{CheckInId, EndReason, Floor, MuteTarget, SameRoom, SessionPhase, Space};
