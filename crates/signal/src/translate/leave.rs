//! Why someone is out, and what the client should do about it.

use livekit_protocol as proto;
use livekit_protocol::DisconnectReason as Reason;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message;
use parlour_model::LeaveReason;

use crate::config::StopAdvice;

/// The goodbye for a reason.
pub(crate) fn message(reason: LeaveReason, on_stop: StopAdvice) -> Message {
    let (told, action) = match reason {
        LeaveReason::ClientInitiated => (Reason::ClientInitiated, Action::Disconnect),
        LeaveReason::DuplicateIdentity => (Reason::DuplicateIdentity, Action::Disconnect),
        LeaveReason::ServerShutdown => match on_stop {
            StopAdvice::Disconnect => (Reason::ServerShutdown, Action::Disconnect),
            StopAdvice::Reconnect => (Reason::ServerShutdown, Action::Reconnect),
        },
        LeaveReason::Removed => (Reason::ParticipantRemoved, Action::Disconnect),
        LeaveReason::SessionEnded => (Reason::RoomDeleted, Action::Disconnect),
        // It hears us, so its signalling works: media was lost. A new join brings it back.
        LeaveReason::ConnectionLost => (Reason::MediaFailure, Action::Reconnect),
        LeaveReason::MustRejoin => (Reason::StateMismatch, Action::Reconnect),
        LeaveReason::ProtocolViolation => (Reason::UnknownReason, Action::Disconnect),
    };
    request(told, action)
}

/// A goodbye. Clients before protocol 13 read `can_reconnect`, the others `action`.
pub(crate) fn request(reason: Reason, action: Action) -> Message {
    Message::Leave(proto::LeaveRequest {
        can_reconnect: action == Action::Reconnect,
        reason: reason.into(),
        action: action.into(),
        regions: None,
    })
}

/// The goodbye to a client that asks to resume what is not here.
pub(crate) fn cannot_resume() -> Message {
    request(Reason::StateMismatch, Action::Reconnect)
}
