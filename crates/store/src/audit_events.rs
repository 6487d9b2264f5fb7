//! Which of a session's events are written into the audit log, and how. Words of ours and pseudonyms only: nothing a
//! person typed but a time, no identity, no text.

use parlour_model::session::{Departure, EndReason, Floor, MuteTarget, SameRoom, SessionEvent, Space};
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
        let (action, whom, detail) = words(event, key)?;
        let subject = whom.map_or_else(Subject::none, |identity| Subject::person(key, identity));
        Some(Self { at_ms, action, session: Some(session.clone()), actor: actor.clone(), subject, detail })
    }

    /// Why a session ended, as the log says it.
    pub fn word_of_end(reason: EndReason) -> &'static str {
        of_end(reason)
    }
}

/// What was done, to whom, and the further words.
fn words<'a>(event: &'a SessionEvent, key: &PseudonymKey) -> Option<(Action, Option<&'a Identity>, String)> {
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
        SessionEvent::SameRoomChanged { a, b, how } => {
            (Action::SameRoomChanged, Some(a), format!("{} with {}", of_same_room(*how), key.pseudonym(b)))
        }
        SessionEvent::LockChanged(locked) => {
            (Action::LockChanged, None, if *locked { "locked" } else { "unlocked" }.to_owned())
        }
        SessionEvent::EndMoved(at_ms) => (Action::EndMoved, None, at_ms.to_string()),
        SessionEvent::Mute { identity, target, .. } => (Action::Muted, Some(identity), of_mute(*target).to_owned()),
        SessionEvent::HandOverOffered(identity) => (Action::HandOverOffered, Some(identity), String::new()),
        SessionEvent::HandedOver { identity, .. } => (Action::HandedOver, Some(identity), String::new()),
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
        | SessionEvent::WaitingMessage(_)
        | SessionEvent::EndsSoon { .. }
        | SessionEvent::TherapistLost
        | SessionEvent::TherapistGone
        // Between a person and the therapists.
        | SessionEvent::Signal(_)
        // `Departed` says it.
        | SessionEvent::QuickExit(_)
        | SessionEvent::Unseen(_)
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

fn of_same_room(how: SameRoom) -> &'static str {
    match how {
        SameRoom::Apart => "apart",
        SameRoom::Audio => "audio",
        SameRoom::AudioAndVideo => "audio_and_video",
    }
}

fn of_mute(target: MuteTarget) -> &'static str {
    match target {
        MuteTarget::Audio => "audio",
        MuteTarget::Video => "video",
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
