//! The words of a therapy session: its kind, its policy, what may be asked of it, what it tells.
//!
//! Behaviour is in `parlour-session`. The snapshot at the end is what a store keeps of a running session; everything in
//! it is opaque identities and choices, never names, media or chat.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::LeaveReason;
use crate::id::{Identity, ParticipantKey, TrackSid};
use crate::media::{Edge, Medium};
use crate::participant::Role;
use crate::redacted::Redacted;

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

/// In whose name a command comes. A server key has the rights of a therapist and of the integrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A seat in the session; its role decides.
    Participant(ParticipantKey),
    /// The control API with a server key.
    Server,
}

/// What may be asked of a session. Every command is idempotent; people are named by identity, since a person keeps
/// standing while connections come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionCommand {
    /// Therapist: lets someone in who waits (or was denied or removed).
    Admit(Identity),
    /// Therapist: sends someone away who waits.
    Deny(Identity),
    /// Therapist: back to the waiting room.
    ReturnToWaiting(Identity),
    /// Therapist: the message shown to those who wait, now and later; `None` takes it away.
    SetWaitingMessage(Option<Redacted<String>>),
    /// Therapist: alone, until resumed.
    Hold(Identity),
    /// Therapist: back from hold.
    Resume(Identity),
    /// Therapist: back from hold, everyone whom a therapist or a restart of the server holds. Seals stay.
    ResumeAll,
    /// Therapist: a sealed conversation with these people; other clients, guests and services are held.
    StartCheckIn {
        /// Who leads it: the asking therapist if `None`. A server key must name one when several are present.
        therapist: Option<Identity>,
        /// With whom (further therapists too).
        with: BTreeSet<Identity>,
    },
    /// Therapist: ends it; its people go back to where they were.
    EndCheckIn(CheckInId),
    /// Therapist: asks for a mute. Only its owner can undo it.
    Mute {
        /// Whom.
        identity: Identity,
        /// What.
        target: MuteTarget,
    },
    /// Therapist: who is heard.
    SetFloor(Floor),
    /// Therapist, or one of the two: whether they sit in one room.
    SetSameRoom {
        /// One.
        a: Identity,
        /// The other.
        b: Identity,
        /// How.
        how: SameRoom,
    },
    /// Therapist: nobody new comes in (true), or people may again (false).
    SetLock(bool),
    /// Therapist: the session ends by itself not before this time (milliseconds since the Unix epoch).
    ExtendUntil(i64),
    /// Therapist: out, and not to come back unless admitted again.
    Remove(Identity),
    /// Therapist: ends the session for all.
    End,
    /// Anyone inside: a private sign to the therapists.
    Signal,
    /// Anyone seated: another device of the same person may take the seat within [`HAND_OVER_SECONDS`].
    OfferHandOver,
    /// Anyone seated: out at once. Other clients see what a lost line looks like; therapists see the truth.
    QuickExit,
    /// Oneself: accepts the session's text, exactly this version.
    AcceptConsent(ConsentText),
    /// Oneself: agrees to a recording service being present, or no longer does.
    AgreeToRecording(bool),
    /// Server key: other rules from now on.
    SetPolicy(Box<SessionPolicy>),
}

/// How long an offered hand-over can be taken up.
pub const HAND_OVER_SECONDS: u64 = 120;

/// What a command comes back with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionReply {
    /// It is so.
    Done,
    /// A seal is in force.
    Receipt(CheckInReceipt),
}

/// Proof of a seal. The shard adds the last packet count of each edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckInReceipt {
    /// Of the check-in.
    pub id: CheckInId,
    /// When its edges were cut, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who is inside, the leading therapist included.
    pub members: BTreeSet<Identity>,
    /// Who was held for it.
    pub held: BTreeSet<Identity>,
    /// Every edge that was and is no more, in order.
    pub cut: Vec<CutEdge>,
}

/// An edge that a seal cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CutEdge {
    /// Between which seats.
    #[serde(skip)]
    pub edge: Edge,
    /// Who sent.
    pub publisher: Identity,
    /// Who received.
    pub receiver: Identity,
    /// What.
    pub medium: Medium,
    /// Packets (for data, messages) that had gone along it when it was cut.
    pub packets: u64,
}

/// How someone left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// Said so.
    Left,
    /// The line was gone for longer than the seat is kept.
    Lost,
    /// At once, and without a trace for the other clients.
    QuickExit,
    /// A therapist or server key sent them out.
    Removed,
    /// A therapist did not let them in.
    Denied,
    /// The same person came in with another connection.
    Replaced,
    /// Moved to another device.
    HandedOver,
    /// The session ended.
    SessionEnded,
}

/// What a session tells the shard, the API, webhooks and the audit log, in order. Which clients learn of it is said
/// at each; where nothing is said, therapists and the API only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// A new phase; everyone may know.
    Phase(SessionPhase),
    /// It is over; everyone may know. Follows after every seat's [`SessionEvent::Close`].
    Ended(EndReason),
    /// Someone has a seat now (perhaps in the waiting room).
    Joined {
        /// Seat.
        key: ParticipantKey,
        /// Who.
        identity: Identity,
        /// As what.
        role: Role,
        /// Where.
        space: Space,
    },
    /// Someone asks to be admitted.
    AdmissionAsked(Identity),
    /// Someone was let in.
    Admitted(Identity),
    /// Someone's place changed. The person itself is told; others see it as a change of their roster.
    Moved {
        /// Seat.
        key: ParticipantKey,
        /// Who.
        identity: Identity,
        /// From where.
        from: Space,
        /// To where.
        to: Space,
    },
    /// Nothing is heard of this seat any more; it is kept for a while.
    LineLost(Identity),
    /// It is back.
    LineBack(Identity),
    /// A seat is gone. To other clients a quick exit shows, later, as a lost line: by their roster only.
    Departed {
        /// Seat.
        key: ParticipantKey,
        /// Who.
        identity: Identity,
        /// How. The truth, therefore not for other clients.
        how: Departure,
    },
    /// The shard must end this connection and tell it why.
    Close {
        /// Seat.
        key: ParticipantKey,
        /// What its client is told.
        reason: LeaveReason,
    },
    /// The shard must mute this person's tracks as if their owner had, and tell the owner.
    Mute {
        /// Seat.
        key: ParticipantKey,
        /// Whose.
        identity: Identity,
        /// Which.
        target: MuteTarget,
    },
    /// Those who wait see this now.
    WaitingMessage(Option<Redacted<String>>),
    /// A therapist holds someone.
    Held(Identity),
    /// And no longer does.
    Resumed(Identity),
    /// A seal is in force.
    CheckInStarted {
        /// Which.
        id: CheckInId,
        /// Who leads it.
        therapist: Identity,
        /// Who is inside.
        members: BTreeSet<Identity>,
    },
    /// A seal was lifted.
    CheckInEnded(CheckInId),
    /// Who is heard changed; everyone inside may know.
    FloorChanged(Floor),
    /// Two people sit in one room, or no longer; the two may know.
    SameRoomChanged {
        /// One.
        a: Identity,
        /// The other.
        b: Identity,
        /// How.
        how: SameRoom,
    },
    /// Locked or not.
    LockChanged(bool),
    /// So many minutes are left; everyone inside may know.
    EndsSoon {
        /// Ten or five.
        minutes_left: u32,
    },
    /// The end by schedule is at another time now (milliseconds since the Unix epoch); everyone inside may know.
    EndMoved(i64),
    /// The last therapist dropped. The room holds; everyone inside may know.
    TherapistLost,
    /// None came back in time: everyone waits.
    TherapistGone,
    /// Private: to be shown to therapists and to nobody else.
    Signal(Identity),
    /// Someone left at once. Private: to therapists and the audit log only.
    QuickExit(Identity),
    /// Whoever left at once is seen by the other clients no more, as a lost line would be. Views may have changed.
    Unseen(Identity),
    /// Another device may take this seat.
    HandOverOffered(Identity),
    /// The seat moved from one connection to the other.
    HandedOver {
        /// Who.
        identity: Identity,
        /// The connection that leaves.
        from: ParticipantKey,
        /// The one that stays.
        to: ParticipantKey,
    },
    /// Which version someone accepted.
    ConsentAccepted {
        /// Who.
        identity: Identity,
        /// What.
        text: ConsentText,
    },
    /// Someone agrees to a recording service, or no longer does.
    RecordingAgreement {
        /// Who.
        identity: Identity,
        /// Yes or no.
        agreed: bool,
    },
    /// New rules.
    PolicyChanged,
    /// Someone publishes a track. Told by the shard.
    TrackPublished {
        /// Seat.
        key: ParticipantKey,
        /// Who.
        identity: Identity,
        /// Which.
        track: TrackSid,
        /// What.
        medium: Medium,
    },
    /// And no longer does.
    TrackUnpublished {
        /// Seat.
        key: ParticipantKey,
        /// Who.
        identity: Identity,
        /// Which.
        track: TrackSid,
        /// What.
        medium: Medium,
    },
}

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
