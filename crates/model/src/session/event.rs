//! What a session tells, and to whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::event::LeaveReason;
use crate::id::{Identity, ParticipantKey, TrackSid};
use crate::media::Medium;
use crate::participant::Role;
use crate::redacted::Redacted;
use crate::session::{CheckInId, ConsentText, EndReason, Floor, MuteTarget, SameRoom, SessionPhase, Space};

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
