//! Why the session says no. All of these are refusals: the asker's doing, and nothing has changed.

use parlour_model::Refusal;
use thiserror::Error;

/// Why someone may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum JoinRefusal {
    /// It is over.
    #[error("the session has ended")]
    Ended,
    /// Its time has not come.
    #[error("the session is not open yet")]
    NotOpenYet {
        /// Milliseconds since the Unix epoch.
        opens_at_ms: i64,
    },
    /// This node is not in the session's region.
    #[error("the session may not run in this region")]
    WrongRegion,
    /// End-to-end encryption is required and the client does not offer it.
    #[error("end-to-end encryption is required")]
    EncryptionRequired,
    /// The policy has no room for services.
    #[error("services may not join this session")]
    ServiceNotAllowed,
    /// This identity is known in another role.
    #[error("this identity has another role in the session")]
    RoleMismatch,
    /// A therapist did not let this person in.
    #[error("not admitted")]
    Denied,
    /// This person was sent out.
    #[error("removed from the session")]
    Removed,
    /// A therapist locked it.
    #[error("the session is locked")]
    Locked,
    /// No seat left, inside or in the waiting room.
    #[error("the session is full")]
    Full,
    /// This identity is here already.
    #[error("this identity is already in the session")]
    DuplicateIdentity,
    /// No hand-over was offered by the live device, or its time is over.
    #[error("no hand-over was offered")]
    NoHandOver,
    /// The session remembers as many people as it can.
    #[error("too many people")]
    TooManyPeople,
    /// The key is in use: a bug of the caller.
    #[error("internal error")]
    KeyInUse,
}

impl From<JoinRefusal> for Refusal {
    fn from(refusal: JoinRefusal) -> Self {
        match refusal {
            JoinRefusal::Ended => Self::Ended,
            JoinRefusal::NotOpenYet { .. } => Self::NotOpenYet,
            JoinRefusal::WrongRegion => Self::WrongRegion,
            JoinRefusal::Denied => Self::Denied,
            JoinRefusal::NoHandOver => Self::NoHandOver,
            JoinRefusal::ServiceNotAllowed | JoinRefusal::RoleMismatch => Self::NotAllowed,
            JoinRefusal::EncryptionRequired => Self::EncryptionRequired,
            JoinRefusal::Removed => Self::Removed,
            JoinRefusal::Locked => Self::Locked,
            JoinRefusal::Full => Self::Full,
            JoinRefusal::DuplicateIdentity => Self::DuplicateIdentity,
            JoinRefusal::TooManyPeople => Self::Limit,
            JoinRefusal::KeyInUse => Self::Internal,
        }
    }
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum CommandRefusal {
    /// It is over.
    #[error("the session has ended")]
    Ended,
    /// Nobody sits there.
    #[error("no such seat")]
    UnknownActor,
    /// The role does not allow it.
    #[error("not allowed")]
    NotAllowed,
    /// Nobody of this identity is known here.
    #[error("no such participant")]
    UnknownParticipant,
    /// The person is not inside.
    #[error("the participant is not present")]
    NotPresent,
    /// The person is inside already.
    #[error("the participant does not wait")]
    NotWaiting,
    /// No seat left inside.
    #[error("the session is full")]
    Full,
    /// There never was such a check-in.
    #[error("no such check-in")]
    UnknownCheckIn,
    /// One of these people is in another check-in.
    #[error("a participant is in another check-in")]
    InCheckIn,
    /// No therapist is there to lead it, or it is not clear which.
    #[error("no therapist to lead the check-in")]
    NoTherapist,
    /// Contradicts itself or the session.
    #[error("the request is not valid")]
    Invalid,
    /// Not the text that the session asks for now, word for word.
    #[error("another text is to be accepted")]
    OtherText,
    /// Beyond a limit of the session.
    #[error("a limit was reached")]
    Limit,
}

impl From<CommandRefusal> for Refusal {
    fn from(refusal: CommandRefusal) -> Self {
        match refusal {
            CommandRefusal::Ended => Self::Ended,
            CommandRefusal::UnknownActor | CommandRefusal::UnknownParticipant => Self::UnknownParticipant,
            CommandRefusal::NotAllowed => Self::NotAllowed,
            CommandRefusal::Full => Self::Full,
            CommandRefusal::NotPresent => Self::NotPresent,
            CommandRefusal::NotWaiting => Self::NotWaiting,
            CommandRefusal::UnknownCheckIn => Self::UnknownCheckIn,
            CommandRefusal::InCheckIn => Self::InCheckIn,
            CommandRefusal::NoTherapist => Self::NoTherapist,
            CommandRefusal::Invalid => Self::Invalid,
            CommandRefusal::OtherText => Self::OtherText,
            CommandRefusal::Limit => Self::Limit,
        }
    }
}

/// Why a track may not be published at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TrackRefusal {
    /// Nobody sits there.
    #[error("no such seat")]
    UnknownSeat,
    /// The session is not held in this medium.
    #[error("the session does not carry this medium")]
    Modality,
    /// The seat's grants do not allow it.
    #[error("not allowed")]
    NotAllowed,
    /// Its frames must be encrypted end to end and are not.
    #[error("end-to-end encryption is required")]
    EncryptionRequired,
}

impl From<TrackRefusal> for Refusal {
    fn from(refusal: TrackRefusal) -> Self {
        match refusal {
            TrackRefusal::UnknownSeat => Self::UnknownParticipant,
            TrackRefusal::Modality | TrackRefusal::NotAllowed => Self::NotAllowed,
            TrackRefusal::EncryptionRequired => Self::EncryptionRequired,
        }
    }
}
