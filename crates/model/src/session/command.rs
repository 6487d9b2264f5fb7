//! What may be asked of a session, in whose name, and what it answers.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::id::{Identity, ParticipantKey};
use crate::media::{Edge, Medium};
use crate::redacted::Redacted;
use crate::session::{CheckInId, ConsentText, Floor, MuteTarget, SameRoom, SessionPolicy};

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
