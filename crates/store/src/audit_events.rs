//! Which of a session's events are written into the audit log, and how. Words of ours and pseudonyms only: nothing a
//! person typed, no identity, no text.

use parlour_model::session::{Departure, EndReason, Floor, SessionEvent, Space};
use parlour_model::{Identity, SessionId};

use crate::audit::{Action, AuditRecord, Subject};
use crate::hash::{PseudonymKey, hex};

impl AuditRecord {
    /// The record of an event, if it is one for the log. `actor` is who asked for what led to it; [`Subject::system`]
    /// if nobody did.
    pub fn of_event(
        event: &SessionEvent,
        session: &SessionId,
        actor: &Subject,
        key: &PseudonymKey,
        at_ms: i64,
    ) -> Option<Self> {
        let (action, whom, detail) = words(event)?;
        let subject = whom.map_or_else(Subject::none, |identity| Subject::person(key, identity));
        Some(Self { at_ms, action, session: Some(session.clone()), actor: actor.clone(), subject, detail })
    }

    /// Why a session ended, as the log says it.
    pub fn word_of_end(reason: EndReason) -> &'static str {
        of_end(reason)
    }
}

/// What was done, to whom, and the further words.
fn words(event: &SessionEvent) -> Option<(Action, Option<&Identity>, String)> {
    Some(match event {
        SessionEvent::Joined { identity, role, space, .. } => {
            (Action::Joined, Some(identity), format!("{} {}", role.as_str(), of_space(*space)))
        }
        SessionEvent::Admitted(identity) => (Action::Admitted, Some(identity), String::new()),
        SessionEvent::Held(identity) => (Action::Held, Some(identity), String::new()),
        SessionEvent::Resumed(identity) => (Action::Resumed, Some(identity), String::new()),
        SessionEvent::Moved { identity, from, to, .. } => {
            (Action::Moved, Some(identity), format!("{} -> {}", of_space(*from), of_space(*to)))
        }
        SessionEvent::Departed { identity, how, .. } => {
            let (action, word) = of_departure(*how);
            (action, Some(identity), word.to_owned())
        }
        SessionEvent::CheckInStarted { id, therapist, .. } => {
            (Action::CheckInStarted, Some(therapist), format!("check_in {}", id.0))
        }
        SessionEvent::CheckInEnded(id) => (Action::CheckInEnded, None, format!("check_in {}", id.0)),
        SessionEvent::FloorChanged(Floor::Open) => (Action::FloorChanged, None, "open".to_owned()),
        SessionEvent::FloorChanged(Floor::TherapistOnly) => (Action::FloorChanged, None, "therapist_only".to_owned()),
        SessionEvent::FloorChanged(Floor::OneVoice(identity)) => {
            (Action::FloorChanged, Some(identity), "one_voice".to_owned())
        }
        // The text's name is the integrator's to choose; its hash says which it was.
        SessionEvent::ConsentAccepted { identity, text } => {
            (Action::ConsentAccepted, Some(identity), format!("sha256 {}", hex(&text.sha256)))
        }
        SessionEvent::RecordingAgreement { identity, agreed } => {
            (Action::RecordingAgreement, Some(identity), if *agreed { "agreed" } else { "withdrawn" }.to_owned())
        }
        SessionEvent::PolicyChanged => (Action::PolicyChanged, None, String::new()),
        SessionEvent::Ended(reason) => (Action::SessionEnded, None, of_end(*reason).to_owned()),
        SessionEvent::Phase(_)
        | SessionEvent::AdmissionAsked(_)
        | SessionEvent::LineLost(_)
        | SessionEvent::LineBack(_)
        | SessionEvent::Close { .. }
        | SessionEvent::Mute { .. }
        | SessionEvent::WaitingMessage(_)
        | SessionEvent::SameRoomChanged { .. }
        | SessionEvent::LockChanged(_)
        | SessionEvent::EndsSoon { .. }
        | SessionEvent::EndMoved(_)
        | SessionEvent::TherapistLost
        | SessionEvent::TherapistGone
        // Between a person and the therapists.
        | SessionEvent::Signal(_)
        // `Departed` says it.
        | SessionEvent::QuickExit(_)
        | SessionEvent::Unseen(_)
        | SessionEvent::HandOverOffered(_)
        | SessionEvent::HandedOver { .. }
        | SessionEvent::TrackPublished { .. }
        | SessionEvent::TrackUnpublished { .. } => return None,
    })
}

fn of_space(space: Space) -> String {
    match space {
        Space::Main => "main".to_owned(),
        Space::CheckIn(id) => format!("check_in {}", id.0),
        Space::Hold(_) => "hold".to_owned(),
        Space::Waiting(_) => "waiting".to_owned(),
    }
}

fn of_departure(how: Departure) -> (Action, &'static str) {
    match how {
        Departure::Left => (Action::Left, "left"),
        Departure::Lost => (Action::Left, "lost"),
        Departure::QuickExit => (Action::Left, "quick_exit"),
        Departure::Replaced => (Action::Left, "replaced"),
        Departure::HandedOver => (Action::Left, "handed_over"),
        Departure::SessionEnded => (Action::Left, "session_ended"),
        Departure::Removed => (Action::Removed, "removed"),
        Departure::Denied => (Action::Denied, "denied"),
    }
}

fn of_end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Command => "command",
        EndReason::Schedule => "schedule",
        EndReason::Idle => "idle",
        EndReason::MaxDuration => "max_duration",
    }
}
