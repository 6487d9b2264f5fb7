//! The words that cross a boundary between Parlour's crates.
//!
//! Ids, units, roles, grants, tracks, commands and events: data without behaviour. Nothing here performs I/O, reads a
//! clock or holds a rule of the product.

pub mod command;
pub mod event;
pub mod id;
pub mod media;
pub mod opening;
pub mod participant;
pub mod redacted;
pub mod session;
pub mod unit;
pub mod view;

pub use command::{Command, Entry, Join, Refusal, Reply, Resume};
pub use event::{Event, LeaveReason};
pub use id::{Identity, ParticipantKey, ParticipantSid, PublicationKey, SessionId, TrackCid, TrackSid};
pub use media::{
    Codec, Edge, Encryption, Layer, LayerSpec, MediaKind, Medium, Quality, TrackRequest, TrackSource, VideoSize,
};
pub use opening::{SessionNotice, SessionOpening};
pub use participant::{Grants, ParticipantRecord, ParticipantState, Role, TrackRecord};
pub use redacted::Redacted;
pub use unit::{Bitrate, DataSize};
pub use view::{SessionView, Viewer};
