//! What a viewer sees of a session, and above all what they do not.

use parlour_model::session::{
    ConsentText, Departure, Floor, RecordingPolicy, SameRoom, Schedule, SessionCommand, SessionPolicy,
};
use parlour_model::view::{LineFacts, MomentFacts, Place, TherapistState, Viewer};
use parlour_model::{Redacted, Role, SessionView};
use parlour_session::{Loss, SessionOptions};

use crate::stage::{A, B, C, Input, START_MS, Stage, T, Who};

fn view(stage: &Stage, who: Who) -> SessionView {
    view_as(stage, who, who.role())
}

fn view_as(stage: &Stage, who: Who, role: Role) -> SessionView {
    stage.session.view(&Viewer::Person { identity: who.identity(), role }, |_| Redacted::default())
}

/// T, A and B; T and A in a check-in, B held for it. Nothing but the seal holds B.
fn sealed() -> Stage {
    let policy = SessionPolicy { require_therapist: false, end_after_schedule_minutes: Some(10), ..Default::default() };
    let schedule = Schedule { starts_at_ms: START_MS, planned_minutes: 50, opens_minutes_before: 5 };
    let mut stage = Stage::new(SessionOptions { policy, schedule: Some(schedule), ..SessionOptions::default() });
    stage.join(T);
    for who in [A, B] {
        stage.join(who);
        stage.ok(T, SessionCommand::Admit(who.identity()));
    }
    stage.ok(T, SessionCommand::StartCheckIn { therapist: None, with: [A.identity()].into() });
    stage
}

#[test]
fn the_view_of_who_is_held_does_not_change_by_what_happens_across_the_seal() {
    let mut stage = sealed();
    let before = view(&stage, B);
    assert_eq!(before.me.as_ref().map(|me| me.place), Some(Place::Hold));
    let same = |stage: &Stage, what: &str| assert_eq!(view(stage, B), before, "{what}");
    let (a, b, how) = (A.identity(), B.identity(), SameRoom::Audio);
    stage.ok(T, SessionCommand::SetSameRoom { a, b, how });
    same(&stage, "the therapist says they sit in one room");
    stage.ok(T, SessionCommand::ExtendUntil(START_MS + 100 * 60_000));
    same(&stage, "the therapist extends");
    stage.ok(T, SessionCommand::SetFloor(Floor::TherapistOnly));
    same(&stage, "the therapist changes the floor");
    stage.ok(T, SessionCommand::SetLock(true));
    same(&stage, "the therapist locks");
    stage.ok(A, SessionCommand::Signal);
    same(&stage, "a gives a sign");
    stage.apply(&Input::Lost { who: A, loss: Loss::Everything });
    same(&stage, "a drops");
    stage.apply(&Input::Lost { who: T, loss: Loss::Everything });
    same(&stage, "the therapist drops");
    stage.apply(&Input::Back { who: T });
    same(&stage, "the therapist is back");
    stage.apply(&Input::Left { who: A, how: Departure::QuickExit });
    same(&stage, "a leaves at once");
}

#[test]
fn lists_are_for_therapists_and_a_token_raises_nobody() {
    let stage = sealed();
    let of_therapist = view(&stage, T);
    let people = of_therapist.people.as_ref().map(|people| people.iter().map(|one| (one.place, one.line)).collect());
    let up = LineFacts::Up;
    assert_eq!(people, Some(vec![(Place::CheckIn, up), (Place::CheckIn, up), (Place::Hold, up)]));
    assert_eq!(of_therapist.check_ins.map(|check_ins| check_ins.len()), Some(1));
    assert_eq!((of_therapist.session.locked, of_therapist.therapist), (Some(false), Some(TherapistState::Present)));
    for client in [view(&stage, A), view(&stage, B), view(&stage, C), view_as(&stage, B, Role::Therapist)] {
        assert!(client.people.is_none() && client.check_ins.is_none() && client.signals.is_none());
        assert!(client.quick_exits.is_none() && client.session.locked.is_none());
    }
    assert_eq!(view_as(&stage, B, Role::Therapist).me.map(|me| me.role), Some(Role::Client));
}

#[test]
fn who_waits_reads_the_message_and_not_when_others_came() {
    let mut stage = sealed();
    stage.ok(T, SessionCommand::SetWaitingMessage(Some(Redacted("soon".to_owned()))));
    stage.join(C);
    let waiting = view(&stage, C);
    assert_eq!(waiting.me.as_ref().map(|me| me.place), Some(Place::Waiting));
    assert_eq!(waiting.waiting_message, Some(Redacted("soon".to_owned())));
    assert!(waiting.floor.is_none() && waiting.session.ends_at_ms.is_none() && waiting.same_room.is_empty());
    assert_eq!(waiting.therapist, Some(TherapistState::Present));
    assert_eq!(view(&stage, A).waiting_message, None, "who is inside does not wait");
    assert!(view(&stage, A).floor.is_some() && view(&stage, A).session.ends_at_ms.is_some());
}

#[test]
fn therapists_see_who_gave_a_sign_who_left_at_once_and_who_is_held() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B, C]);
    stage.wait(7);
    stage.ok(A, SessionCommand::Signal);
    stage.ok(T, SessionCommand::Hold(C.identity()));
    stage.ok(B, SessionCommand::QuickExit);
    let seen = view(&stage, T);
    let at = |moments: Option<Vec<MomentFacts>>| -> Vec<_> {
        moments.unwrap().into_iter().map(|moment| (moment.identity, moment.at_ms)).collect()
    };
    assert_eq!(at(seen.signals), [(A.identity(), START_MS + 7_000)]);
    assert_eq!(at(seen.quick_exits), [(B.identity(), START_MS + 7_000)]);
    let held = |stage: &Stage| -> Vec<_> {
        view(stage, T).people.unwrap().into_iter().filter(|one| one.held).map(|one| one.identity).collect()
    };
    assert_eq!(held(&stage), [C.identity()]);
    stage.apply(&Input::Restart);
    assert_eq!(held(&stage), [A.identity(), C.identity()], "and since a restart");
}

#[test]
fn therapists_see_whether_one_of_them_leads() {
    let lead = |stage: &Stage| {
        let view = stage.session.view(&Viewer::Server, |_| Redacted::default());
        view.therapist.unwrap()
    };
    let policy = SessionPolicy { waiting_room: false, require_therapist: false, ..SessionPolicy::default() };
    let mut stage = Stage::with_policy(policy);
    stage.join(A);
    assert_eq!(lead(&stage), TherapistState::Away, "somebody is there, and no therapist");
    stage.join(T);
    assert_eq!(lead(&stage), TherapistState::Present);
    stage.apply(&Input::Lost { who: T, loss: Loss::Everything });
    assert_eq!(lead(&stage), TherapistState::Lost, "the seat is kept");
    stage.apply(&Input::Left { who: T, how: Departure::Left });
    assert_eq!(lead(&stage), TherapistState::Away);
}

#[test]
fn everyone_sees_what_they_themselves_agreed_to() {
    let text = ConsentText { id: "v1".into(), sha256: [7; 32] };
    let recording = RecordingPolicy::ByServiceWithConsent;
    let policy = SessionPolicy { consent: Some(text.clone()), recording, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A, B]);
    let agreed = |stage: &Stage, who| {
        let view = view(stage, who);
        (view.consent.unwrap().accepted, view.recording_agreement)
    };
    assert_eq!(
        (agreed(&stage, A), agreed(&stage, C)),
        ((false, Some(false)), (false, None)),
        "a stranger is not asked"
    );
    stage.ok(A, SessionCommand::AcceptConsent(text));
    stage.ok(A, SessionCommand::AgreeToRecording(true));
    assert_eq!((agreed(&stage, A), agreed(&stage, B)), ((true, Some(true)), (false, Some(false))));
}

#[test]
fn who_sits_together_is_seen_by_the_two_and_by_who_leads() {
    let mut stage = sealed();
    let pairs = |stage: &Stage| [T, A, B, C].map(|who| view(stage, who).same_room.len());
    let (a, b, how) = (A.identity(), B.identity(), SameRoom::Audio);
    stage.ok(T, SessionCommand::SetSameRoom { a, b, how });
    assert_eq!(pairs(&stage), [1, 0, 0, 0], "across the seal nobody knows of the other");
    let check_in = view(&stage, T).check_ins.and_then(|check_ins| check_ins.first().map(|one| one.id));
    stage.ok(T, SessionCommand::EndCheckIn(check_in.unwrap()));
    stage.join(C);
    stage.ok(T, SessionCommand::Admit(C.identity()));
    assert_eq!(pairs(&stage), [1, 1, 1, 0]);
    let told = view(&stage, B).same_room;
    assert_eq!(told.iter().map(|pair| (&pair.a, &pair.b, pair.how)).next(), Some((&A.identity(), &B.identity(), how)));
    assert_eq!([A, B, C].map(|who| view(&stage, who).therapist), [Some(TherapistState::Present); 3]);
}
