//! How far a session is, where people are in it, and who is heard.

use serde::{Deserialize, Serialize};

use crate::id::{Identity, ParticipantKey};
use crate::media::Medium;

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPhase {
    /// Its time has not come.
    Scheduled,
    /// People may arrive and wait.
    Open,
    /// A therapist is present.
    Live,
    /// Over, for good.
    Ended,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// A therapist or a server key said so.
    Command,
    /// The planned end and the time granted after it are over.
    Schedule,
    /// Nobody was there for too long.
    Idle,
    /// It ran for `max_minutes`.
    MaxDuration,
}

/// A check-in's number within its session. Never reused in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CheckInId(pub u32);

/// Where participants are together: two people may know of each other exactly when their spaces are equal.
/// `Waiting` and `Hold` carry their only inhabitant, so they equal nobody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// The session's room.
    Main,
    /// A sealed conversation.
    CheckIn(CheckInId),
    /// Admitted, and alone for the moment.
    Hold(ParticipantKey),
    /// Not admitted (or the text not yet accepted).
    Waiting(ParticipantKey),
}

impl Space {
    /// Whether more than one person can be here.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Main | Self::CheckIn(_))
    }
}

/// Who is heard by clients, guests and services. Therapists hear everyone in their space at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floor {
    /// Everyone.
    #[default]
    Open,
    /// Therapists only: cool-down.
    TherapistOnly,
    /// Therapists and this person.
    OneVoice(Identity),
}

/// How two people who sit in one room on two devices are kept from echoing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SameRoom {
    /// They are apart: as usual.
    Apart,
    /// No audio between them.
    Audio,
    /// Neither audio nor video between them.
    AudioAndVideo,
}

/// What a therapist mutes on someone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MuteTarget {
    /// Microphone and screen sound.
    Audio,
    /// Camera and screen picture.
    Video,
}

impl MuteTarget {
    /// Whether a publication of this medium is meant.
    pub fn covers(self, medium: Medium) -> bool {
        match self {
            Self::Audio => matches!(medium, Medium::Audio | Medium::ScreenAudio),
            Self::Video => matches!(medium, Medium::Camera | Medium::ScreenVideo),
        }
    }
}
