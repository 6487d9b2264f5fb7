//! What is told outside of what a session tells: stable words and thin facts. Identities as the integrator gave them,
//! ids and times; no names, no texts.

use std::collections::{BTreeMap, HashMap};

use parlour_model::session::{MuteTarget, SessionEvent, SessionPhase, Space};
use parlour_model::view::FloorFacts;
use parlour_model::{Identity, Medium, ParticipantKey, ParticipantSid, SessionId, SessionNotice};
use serde_json::{Value, json};

/// Sessions whose beginning is remembered. Far more than run at once; when it is reached all are forgotten, and some
/// are said to begin once more.
const MAX_RUNNING: usize = 65_536;

/// An event's type and its facts as JSON.
pub(crate) type Told = (&'static str, String);

/// Stays remembered of one session; the oldest is forgotten first. Of those that are over, only the last ones are still
/// told of.
const MAX_STAYS: usize = 64;

/// Finds the words. Remembers which sessions run, so that the first thing to happen in one is preceded by its start, and
/// which stay a seat is, so that it can be told of one that is gone.
#[derive(Default)]
pub(crate) struct Vocabulary {
    openings: HashMap<SessionId, Opening>,
}

struct Opening {
    room: String,
    stays: BTreeMap<ParticipantKey, ParticipantSid>,
}

impl Vocabulary {
    /// What is told of this, in order.
    pub(crate) fn words(&mut self, notice: &SessionNotice) -> Vec<Told> {
        let mut told = Vec::new();
        if self.begins(notice) {
            told.push(("session.started", json!({ "room": notice.room }).to_string()));
        }
        let stay = self.stay(notice);
        if let SessionEvent::Ended(_) = notice.event {
            self.openings.remove(&notice.session);
        }
        if let Some((kind, mut facts)) = words(&notice.event) {
            facts["room"] = notice.room.as_str().into();
            if let Some(sid) = stay {
                facts["participant"] = sid.as_str().into();
            }
            told.push((kind, facts.to_string()));
        }
        told
    }

    fn stay(&mut self, notice: &SessionNotice) -> Option<ParticipantSid> {
        let (key, opening) = (seat(&notice.event)?, self.openings.get_mut(&notice.session)?);
        if let Some(sid) = &notice.participant {
            opening.stays.insert(key, sid.clone());
            if opening.stays.len() > MAX_STAYS {
                opening.stays.pop_first();
            }
        }
        opening.stays.get(&key).cloned()
    }

    fn begins(&mut self, notice: &SessionNotice) -> bool {
        if self.openings.get(&notice.session).is_some_and(|opening| opening.room == notice.room) {
            return false;
        }
        if self.openings.len() >= MAX_RUNNING {
            self.openings.clear();
        }
        let opening = Opening { room: notice.room.clone(), stays: BTreeMap::new() };
        self.openings.insert(notice.session.clone(), opening);
        true
    }
}

/// Which seat an event is about.
fn seat(event: &SessionEvent) -> Option<ParticipantKey> {
    match event {
        SessionEvent::Joined { key, .. }
        | SessionEvent::Moved { key, .. }
        | SessionEvent::Departed { key, .. }
        | SessionEvent::Mute { key, .. }
        | SessionEvent::TrackPublished { key, .. }
        | SessionEvent::TrackUnpublished { key, .. }
        | SessionEvent::HandedOver { to: key, .. } => Some(*key),
        _ => None,
    }
}

/// The word and facts of an event. `None`: it is not told, because it holds text or follows from another.
fn words(event: &SessionEvent) -> Option<(&'static str, Value)> {
    use SessionEvent as E;
    Some(match event {
        E::Phase(phase @ (SessionPhase::Open | SessionPhase::Live)) => ("session.phase", json!({ "phase": phase })),
        E::Phase(_) | E::Close { .. } | E::WaitingMessage(_) | E::HandOverOffered(_) | E::Unseen(_) => return None,
        E::Ended(reason) => ("session.ended", json!({ "reason": reason })),
        E::Joined { identity, role, space, .. } => {
            ("participant.joined", json!({ "identity": identity, "role": role, "place": place(*space) }))
        }
        E::AdmissionAsked(identity) => ("participant.waiting", who(identity)),
        E::Admitted(identity) => ("participant.admitted", who(identity)),
        E::Moved { identity, to, .. } => moved(identity, *to),
        E::LineLost(identity) => ("participant.line_lost", who(identity)),
        E::LineBack(identity) => ("participant.line_back", who(identity)),
        E::Departed { identity, how, .. } => ("participant.left", json!({ "identity": identity, "how": how })),
        E::Mute { identity, target, .. } => {
            ("participant.muted", json!({ "identity": identity, "target": muted(*target) }))
        }
        E::Held(identity) => ("participant.held", who(identity)),
        E::Resumed(identity) => ("participant.resumed", who(identity)),
        E::CheckInStarted { id, therapist, members } => {
            ("check_in.started", json!({ "check_in": id, "therapist": therapist, "members": members }))
        }
        E::CheckInEnded(id) => ("check_in.ended", json!({ "check_in": id })),
        E::FloorChanged(floor) => ("session.floor_changed", json!(FloorFacts::from(floor))),
        E::SameRoomChanged { a, b, how } => ("session.same_room", json!({ "a": a, "b": b, "how": how })),
        E::LockChanged(locked) => ("session.lock", json!({ "locked": locked })),
        E::EndsSoon { minutes_left } => ("session.ends_soon", json!({ "minutes_left": minutes_left })),
        E::EndMoved(at_ms) => ("session.end_moved", json!({ "ends_at_ms": at_ms })),
        E::TherapistLost => ("session.therapist_lost", json!({})),
        E::TherapistGone => ("session.therapist_gone", json!({})),
        E::Signal(identity) => ("participant.signal", who(identity)),
        E::QuickExit(identity) => ("participant.quick_exit", who(identity)),
        E::HandedOver { identity, .. } => ("participant.handed_over", who(identity)),
        E::ConsentAccepted { identity, text } => {
            ("consent.accepted", json!({ "identity": identity, "consent": text.id }))
        }
        E::RecordingAgreement { identity, agreed } => {
            ("consent.recording", json!({ "identity": identity, "agreed": agreed }))
        }
        E::PolicyChanged => ("session.policy_changed", json!({})),
        E::TrackPublished { identity, track, medium, .. } => ("track.published", of_track(identity, track, *medium)),
        E::TrackUnpublished { identity, track, medium, .. } => {
            ("track.unpublished", of_track(identity, track, *medium))
        }
    })
}

fn who(identity: &Identity) -> Value {
    json!({ "identity": identity })
}

fn moved(identity: &Identity, to: Space) -> (&'static str, Value) {
    let mut facts = json!({ "identity": identity, "place": place(to) });
    if let Space::CheckIn(id) = to {
        facts["check_in"] = json!(id);
    }
    ("participant.moved", facts)
}

fn of_track(identity: &Identity, track: &parlour_model::TrackSid, medium: Medium) -> Value {
    json!({ "identity": identity, "track": track, "medium": medium })
}

fn place(space: Space) -> &'static str {
    match space {
        Space::Main => "main",
        Space::CheckIn(_) => "check_in",
        Space::Hold(_) => "hold",
        Space::Waiting(_) => "waiting",
    }
}

fn muted(target: MuteTarget) -> &'static str {
    match target {
        MuteTarget::Audio => "audio",
        MuteTarget::Video => "video",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use parlour_model::session::{Departure, EndReason};
    use parlour_model::{Redacted, Role};

    use super::*;

    fn notice(room: &str, event: SessionEvent) -> SessionNotice {
        SessionNotice { session: "s".into(), room: room.into(), participant: None, at_ms: 0, event }
    }

    fn kinds(told: Vec<Told>) -> Vec<&'static str> {
        told.into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn the_first_thing_to_happen_is_preceded_by_the_start_and_a_new_room_starts_anew() {
        let mut vocabulary = Vocabulary::default();
        let locked = || SessionEvent::LockChanged(true);
        assert_eq!(kinds(vocabulary.words(&notice("RM_1", locked()))), ["session.started", "session.lock"]);
        assert_eq!(kinds(vocabulary.words(&notice("RM_1", locked()))), ["session.lock"]);
        assert_eq!(kinds(vocabulary.words(&notice("RM_2", locked()))), ["session.started", "session.lock"]);
        let ended = notice("RM_2", SessionEvent::Ended(EndReason::Idle));
        assert_eq!(vocabulary.words(&ended), [("session.ended", r#"{"reason":"idle","room":"RM_2"}"#.to_owned())]);
        assert!(vocabulary.openings.is_empty());
    }

    #[test]
    fn no_text_is_told() {
        let mut vocabulary = Vocabulary::default();
        let message = SessionEvent::WaitingMessage(Some(Redacted("soon".to_owned())));
        assert_eq!(kinds(vocabulary.words(&notice("RM_1", message))), ["session.started"]);
    }

    #[test]
    fn who_came_is_told_with_role_place_and_stay() {
        let mut vocabulary = Vocabulary::default();
        let key = ParticipantKey(1);
        let joined =
            SessionEvent::Joined { key, identity: "ada".into(), role: Role::Client, space: Space::Waiting(key) };
        let told = vocabulary.words(&SessionNotice { participant: Some("PA_1".into()), ..notice("RM_1", joined) });
        let facts: Value = serde_json::from_str(&told[1].1).unwrap();
        assert_eq!(
            facts,
            json!({ "identity": "ada", "role": "client", "place": "waiting", "participant": "PA_1", "room": "RM_1" })
        );
        // Who is gone has no stay any more, and is told of by the one there was.
        let departed = SessionEvent::Departed { key, identity: "ada".into(), how: Departure::Left };
        let told = vocabulary.words(&notice("RM_1", departed));
        assert!(told[0].1.contains("\"participant\":\"PA_1\""), "{told:?}");
    }
}
