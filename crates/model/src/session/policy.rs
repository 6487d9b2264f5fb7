//! Who a session is for and by which rules it is held.

use serde::{Deserialize, Serialize};

/// Who the session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// One client.
    Individual,
    /// Two partners.
    Couple,
    /// Relatives.
    Family,
    /// Clients who need not know each other.
    #[default]
    Group,
}

/// What the session is held in. It bounds the media that have edges at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Everything.
    #[default]
    Video,
    /// Sound and data.
    Audio,
    /// Data only.
    Text,
}

/// When the session is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// Milliseconds since the Unix epoch.
    pub starts_at_ms: i64,
    /// Minutes from start to planned end.
    pub planned_minutes: u32,
    /// How many minutes before the start people may arrive.
    pub opens_minutes_before: u32,
}

/// What a second connection of a present identity meets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicatePolicy {
    /// The one that is there stays.
    #[default]
    RejectNew,
    /// The new one takes the seat.
    Replace,
}

/// Whether a recorder may be in the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingPolicy {
    /// No service participant at all: whatever receives media could record it.
    #[default]
    Never,
    /// A listed service, admitted by a therapist, receives media while everyone present agrees.
    ByServiceWithConsent,
}

/// Whether clients must encrypt end to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum E2eePolicy {
    /// They may.
    #[default]
    Optional,
    /// They must.
    Required,
}

/// A versioned text that clients and guests accept before media.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConsentText {
    /// The integrator's name of this version.
    pub id: String,
    /// SHA-256 of the text shown.
    pub sha256: [u8; 32],
}

/// The rules of one session. Where it is read, a key that is missing takes its default: an integrator names only what
/// differs, and what an older version kept stays readable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// Clients and guests wait until a therapist admits them.
    pub waiting_room: bool,
    /// Without a therapist in the space, nothing passes between the others.
    pub require_therapist: bool,
    /// How long the room holds after the last therapist dropped, before everyone waits.
    pub therapist_grace_seconds: u32,
    /// A second connection of one identity.
    pub duplicate_identity: DuplicatePolicy,
    /// Seats inside, the therapist's included; at most [`SessionPolicy::HARD_MAX_PARTICIPANTS`].
    pub max_participants: u32,
    /// Minutes after the planned end at which the session ends by itself.
    pub end_after_schedule_minutes: Option<u32>,
    /// Minutes with nobody there after which it ends.
    pub idle_end_minutes: u32,
    /// Minutes from the first arrival after which it ends in any case.
    pub max_minutes: u32,
    /// Recorders.
    pub recording: RecordingPolicy,
    /// End-to-end encryption.
    pub e2ee: E2eePolicy,
    /// Text to accept before media.
    pub consent: Option<ConsentText>,
    /// The session runs only on nodes of this region.
    pub region: Option<String>,
}

impl SessionPolicy {
    /// No session has more seats.
    pub const HARD_MAX_PARTICIPANTS: u32 = 12;

    /// For ad-hoc rooms in development: nobody waits, and a reload takes its own seat over.
    pub fn open_development() -> Self {
        Self { waiting_room: false, duplicate_identity: DuplicatePolicy::Replace, ..Self::default() }
    }
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            waiting_room: true,
            require_therapist: true,
            therapist_grace_seconds: 120,
            duplicate_identity: DuplicatePolicy::RejectNew,
            max_participants: 6,
            end_after_schedule_minutes: None,
            idle_end_minutes: 15,
            max_minutes: 240,
            recording: RecordingPolicy::Never,
            e2ee: E2eePolicy::Optional,
            consent: None,
            region: None,
        }
    }
}
