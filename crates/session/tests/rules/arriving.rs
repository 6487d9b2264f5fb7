//! Coming in: schedule, waiting room, duplicates, hand-over, lock, limits, consent, encryption, recorders.

use std::time::Duration;

use parlour_model::session::{
    Admission, ConsentText, Departure, DuplicatePolicy, E2eePolicy, RecordingPolicy, Schedule, SessionCommand,
    SessionEvent, SessionPhase, SessionPolicy, Space,
};
use parlour_model::{Encryption, Grants, MediaKind, ParticipantKey, Role, TrackSource};
use parlour_session::{Entry, JoinRefusal, JoinRequest, Loss, SessionOptions, TrackRefusal};

use crate::stage::{A, B, C, Input, R, S, START_MS, Stage, T, Who, consent_text};

const MINUTE: i64 = 60_000;

fn request(key: u32, who: Who) -> JoinRequest {
    JoinRequest {
        key: ParticipantKey(key),
        identity: who.identity(),
        role: who.role(),
        grants: Grants::ALL,
        encryption: Encryption::Gcm,
        entry: Entry::Ordinary,
    }
}

fn in_an_hour() -> SessionOptions {
    let schedule = Schedule { starts_at_ms: START_MS + 60 * MINUTE, planned_minutes: 50, opens_minutes_before: 15 };
    SessionOptions { schedule: Some(schedule), ..SessionOptions::default() }
}

#[test]
fn a_planned_session_opens_on_time() {
    let mut stage = Stage::new(in_an_hour());
    assert_eq!(stage.session.phase(), SessionPhase::Scheduled);
    let early = stage.session.handle_join(request(1, A), stage.now);
    assert_eq!(early, Err(JoinRefusal::NotOpenYet { opens_at_ms: START_MS + 45 * MINUTE }));
    stage.wait(45 * 60);
    assert_eq!(stage.session.phase(), SessionPhase::Open);
    stage.join(A);
    assert!(matches!(stage.space(A), Space::Waiting(_)));
}

#[test]
fn a_therapist_may_be_early_and_opens_the_session() {
    let mut stage = Stage::new(in_an_hour());
    stage.join(T);
    assert_eq!(stage.session.phase(), SessionPhase::Live);
    stage.join(A);
    assert!(matches!(stage.space(A), Space::Waiting(_)));
}

#[test]
fn who_waits_knows_of_nobody_until_admitted() {
    let mut stage = Stage::with_policy(SessionPolicy::default());
    stage.join(A);
    stage.join(B);
    stage.join(T);
    assert!([A, B, T].into_iter().all(|who| stage.is_alone(who)));
    assert!(stage.told.contains(&SessionEvent::AdmissionAsked(A.identity())));
    stage.ok(T, SessionCommand::Admit(A.identity()));
    assert!(stage.reaches(A, T) && stage.reaches(T, A));
    assert!(stage.is_alone(B), "one admission admits one");
}

#[test]
fn who_is_denied_stays_out_until_admitted_after_all() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.join(B);
    stage.ok(T, SessionCommand::Deny(B.identity()));
    assert_eq!(stage.session.seat(&B.identity()), None);
    assert_eq!(stage.session.handle_join(request(90, B), stage.now), Err(JoinRefusal::Denied));
    stage.ok(T, SessionCommand::Admit(B.identity()));
    stage.join(B);
    assert!(stage.reaches(A, B));
}

#[test]
fn who_is_removed_stays_out() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    stage.ok(T, SessionCommand::Remove(B.identity()));
    assert_eq!(stage.session.handle_join(request(90, B), stage.now), Err(JoinRefusal::Removed));
    assert!(stage.command(T, SessionCommand::Remove(T.identity())).is_err(), "leaving is not removing");
}

#[test]
fn who_is_returned_waits_and_is_admitted_again() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    stage.ok(T, SessionCommand::ReturnToWaiting(A.identity()));
    assert!(matches!(stage.space(A), Space::Waiting(_)) && stage.is_alone(A));
    stage.ok(T, SessionCommand::Admit(A.identity()));
    assert!(stage.reaches(A, B));
}

#[test]
fn the_message_to_the_waiting_room_is_told_once_and_kept_for_who_comes_later() {
    let mut stage = Stage::live(SessionPolicy::default(), &[]);
    let message = Some("ten minutes late".to_owned().into());
    stage.ok(T, SessionCommand::SetWaitingMessage(message.clone()));
    stage.ok(T, SessionCommand::SetWaitingMessage(message.clone()));
    assert_eq!(stage.session.waiting_message(), message.as_ref());
    assert_eq!(stage.told.iter().filter(|event| matches!(event, SessionEvent::WaitingMessage(_))).count(), 1);
    let long = |length| SessionCommand::SetWaitingMessage(Some("\u{e9}".repeat(length).into()));
    assert!(stage.command(T, long(1_001)).is_err());
    stage.ok(T, long(1_000));
}

#[test]
fn a_reload_needs_no_new_admission_but_an_old_link_does() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    stage.wait(100);
    stage.join(A);
    assert!(stage.reaches(T, A));
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    stage.wait(121);
    stage.join(A);
    assert!(matches!(stage.space(A), Space::Waiting(_)));
}

#[test]
fn nobody_walks_in_by_what_a_quick_exit_leaves_open() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    stage.apply(&Input::Left { who: A, how: Departure::QuickExit });
    stage.join(A);
    assert!(matches!(stage.space(A), Space::Waiting(_)));
}

#[test]
fn a_second_connection_is_decided_by_policy() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    assert_eq!(stage.session.handle_join(request(90, A), stage.now), Err(JoinRefusal::DuplicateIdentity));

    let replace = SessionPolicy { duplicate_identity: DuplicatePolicy::Replace, ..SessionPolicy::default() };
    let mut stage = Stage::live(replace, &[A]);
    let old = stage.key(A);
    let seat = stage.session.handle_join(request(90, A), stage.now).unwrap();
    assert_eq!((seat.replaced, seat.space), (Some(old), Space::Main));
    assert_eq!(stage.session.space(old), None);
}

#[test]
fn a_lost_line_does_not_bar_its_owner() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    let old = stage.key(A);
    stage.apply(&Input::Lost { who: A, loss: Loss::Signalling });
    assert!(stage.reaches(A, T), "media goes on while only signalling is away");
    stage.join(A);
    assert!(stage.key(A) != old && stage.reaches(A, T));
}

#[test]
fn a_role_is_not_raised_by_coming_again() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    let raised = JoinRequest { role: Role::Therapist, ..request(90, A) };
    assert_eq!(stage.session.handle_join(raised, stage.now), Err(JoinRefusal::RoleMismatch));
}

#[test]
fn a_hand_over_needs_an_offer_and_keeps_the_old_device_until_the_new_one_is_up() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let hand_over = JoinRequest { entry: Entry::HandOver, ..request(90, A) };
    assert_eq!(stage.session.handle_join(hand_over, stage.now), Err(JoinRefusal::NoHandOver));

    stage.ok(A, SessionCommand::OfferHandOver);
    let old = stage.key(A);
    stage.apply(&Input::Join { who: A, encryption: Encryption::Gcm, entry: Entry::HandOver });
    assert_eq!(stage.key(A), old);
    stage.apply(&Input::MediaUp { who: A });
    assert_ne!(stage.key(A), old);
    assert!(stage.reaches(A, B) && stage.session.space(old).is_none());
}

#[test]
fn a_device_that_never_comes_up_does_not_get_the_seat() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    let old = stage.key(A);
    stage.ok(A, SessionCommand::OfferHandOver);
    stage.apply(&Input::Join { who: A, encryption: Encryption::Gcm, entry: Entry::HandOver });
    let new = stage.oracle.facts[&A].successor.unwrap();
    stage.wait(31);
    stage.session.handle_media_up(new, stage.now);
    assert_eq!(stage.key(A), old);
}

#[test]
fn an_offer_to_hand_over_lapses() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.ok(A, SessionCommand::OfferHandOver);
    stage.wait(120);
    let hand_over = JoinRequest { entry: Entry::HandOver, ..request(90, A) };
    assert_eq!(stage.session.handle_join(hand_over, stage.now), Err(JoinRefusal::NoHandOver));
}

#[test]
fn a_lock_keeps_out_whoever_was_not_admitted() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.ok(T, SessionCommand::SetLock(true));
    for who in [B, S] {
        assert_eq!(stage.session.handle_join(request(90, who), stage.now), Err(JoinRefusal::Locked));
    }
    stage.apply(&Input::Left { who: A, how: Departure::Lost });
    stage.join(A);
    assert!(stage.reaches(A, T), "a lock does not shut out who was inside");
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    stage.wait(121);
    assert_eq!(stage.session.handle_join(request(91, A), stage.now), Err(JoinRefusal::Locked), "nor does it wait");
}

#[test]
fn one_seat_is_kept_for_a_therapist() {
    let policy = SessionPolicy { waiting_room: false, max_participants: 2, ..SessionPolicy::default() };
    let mut stage = Stage::with_policy(policy);
    stage.join(A);
    assert_eq!(stage.session.handle_join(request(90, B), stage.now), Err(JoinRefusal::Full));
    stage.join(T);
    assert!(stage.reaches(A, T));
    assert_eq!(stage.session.handle_join(request(91, S), stage.now), Err(JoinRefusal::Full));
}

#[test]
fn no_policy_gets_a_session_past_twelve_and_no_crowd_into_its_waiting_room() {
    let policy = SessionPolicy { max_participants: 500, waiting_room: false, ..SessionPolicy::default() };
    let mut stage = Stage::with_policy(policy);
    stage.join(T);
    let join = |stage: &mut Stage, number: u32, role| {
        let identity = format!("crowd{number}").into();
        let request = JoinRequest { identity, role, ..request(100 + number, A) };
        stage.session.handle_join(request, stage.now)
    };
    let inside = (0..30).filter(|number| join(&mut stage, *number, Role::Client).is_ok()).count();
    assert_eq!(inside, 11);

    let mut stage = Stage::with_policy(SessionPolicy::default());
    let waiting = (0..30).filter(|number| join(&mut stage, *number, Role::Client).is_ok()).count();
    assert_eq!(waiting, 12);
}

#[test]
fn people_who_came_and_went_undecided_are_forgotten_and_the_others_not() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.ok(T, SessionCommand::Remove(A.identity()));
    for number in 0..200 {
        let request = JoinRequest { identity: format!("passer{number}").into(), ..request(100 + number, B) };
        stage.session.handle_join(request, stage.now).unwrap();
        stage.session.handle_left(ParticipantKey(100 + number), Departure::Left, stage.now);
    }
    assert_eq!(stage.session.people().count(), parlour_session::MAX_PEOPLE);
    assert_eq!(stage.session.handle_join(request(90, A), stage.now), Err(JoinRefusal::Removed));
}

#[test]
fn nothing_passes_before_the_text_is_accepted_in_this_version() {
    let policy = SessionPolicy { consent: Some(consent_text(2)), ..SessionPolicy::default() };
    let mut stage = Stage::live(policy.clone(), &[A, B]);
    assert!(stage.is_alone(A) && stage.is_alone(B));
    assert!(stage.command(A, SessionCommand::AcceptConsent(consent_text(1))).is_err());
    stage.ok(A, SessionCommand::AcceptConsent(consent_text(2)));
    assert!(stage.reaches(A, T) && stage.is_alone(B));
    let told = SessionEvent::ConsentAccepted { identity: A.identity(), text: consent_text(2) };
    assert!(stage.told.contains(&told));

    let newer = ConsentText { id: "v3".into(), ..consent_text(2) };
    let command = SessionCommand::SetPolicy(Box::new(SessionPolicy { consent: Some(newer), ..policy }));
    stage.apply(&Input::Command { by: None, command });
    assert!(stage.is_alone(A), "a new version is a new question");
}

#[test]
fn where_encryption_is_required_nothing_goes_without() {
    let policy = SessionPolicy { e2ee: E2eePolicy::Required, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A]);
    let plain = JoinRequest { encryption: Encryption::None, ..request(90, B) };
    assert_eq!(stage.session.handle_join(plain, stage.now), Err(JoinRefusal::EncryptionRequired));
    let track = |encryption| stage.session.check_track(stage.key(A), TrackSource::Camera, MediaKind::Video, encryption);
    assert_eq!(track(Encryption::None), Err(TrackRefusal::EncryptionRequired));
    assert_eq!(track(Encryption::Gcm), Ok(()));
}

#[test]
fn who_came_unencrypted_is_cut_off_when_encryption_becomes_required() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.apply(&Input::Join { who: B, encryption: Encryption::None, entry: Entry::Ordinary });
    stage.ok(T, SessionCommand::Admit(B.identity()));
    assert!(stage.reaches(A, B) && stage.reaches(B, A));
    let policy = Box::new(SessionPolicy { e2ee: E2eePolicy::Required, ..SessionPolicy::default() });
    stage.apply(&Input::Command { by: None, command: SessionCommand::SetPolicy(policy) });
    assert!(!stage.reaches(A, B) && !stage.reaches(B, A) && stage.reaches(A, T));
}

#[test]
fn a_recorder_is_listed_admitted_and_hears_only_while_all_agree() {
    let mut never = Stage::live(SessionPolicy::default(), &[A]);
    let never = never.session.handle_join(request(90, R), never.now);
    assert_eq!(never, Err(JoinRefusal::ServiceNotAllowed));

    let policy = SessionPolicy {
        waiting_room: false,
        recording: RecordingPolicy::ByServiceWithConsent,
        ..SessionPolicy::default()
    };
    let mut stage = Stage::live(policy, &[A]);
    stage.join(R);
    assert!(matches!(stage.space(R), Space::Waiting(_)), "a service never joins by itself");
    stage.ok(T, SessionCommand::Admit(R.identity()));
    assert!(stage.is_alone(R));
    stage.ok(T, SessionCommand::AgreeToRecording(true));
    assert!(stage.is_alone(R));
    stage.ok(A, SessionCommand::AgreeToRecording(true));
    assert!(stage.reaches(A, R));
    assert!(stage.session.roster(stage.key(A)).any(|key| key == stage.key(R)), "it is listed");
    stage.join(B);
    assert!(stage.is_alone(R), "someone is there who was not asked");
    stage.ok(B, SessionCommand::AgreeToRecording(true));
    assert!(stage.reaches(B, R));
    stage.ok(A, SessionCommand::AgreeToRecording(false));
    assert!(stage.is_alone(R));
}

#[test]
fn a_session_of_a_region_runs_nowhere_else() {
    let policy = SessionPolicy { region: Some("eu".into()), ..SessionPolicy::default() };
    for (node, expected) in [(None, false), (Some("us"), false), (Some("eu"), true)] {
        let options = SessionOptions {
            policy: policy.clone(),
            node_region: node.map(str::to_owned),
            ..SessionOptions::default()
        };
        let mut stage = Stage::new(options);
        assert_eq!(stage.session.handle_join(request(1, T), stage.now).is_ok(), expected);
    }
}

#[test]
fn grants_narrow_what_a_seat_sends_and_receives() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.apply(&Input::Grants { who: A, grants: Grants { subscribe: false, ..Grants::ALL } });
    assert!(stage.reaches(A, T) && !stage.reaches(T, A));
    let key = stage.key(A);
    stage.apply(&Input::Grants { who: A, grants: Grants { camera: false, ..Grants::ALL } });
    let camera = stage.session.check_track(key, TrackSource::Camera, MediaKind::Video, Encryption::Gcm);
    assert_eq!(camera, Err(TrackRefusal::NotAllowed));
}

#[test]
fn who_waits_is_still_waiting_after_a_minute_of_lost_line() {
    let mut stage = Stage::live(SessionPolicy::default(), &[]);
    stage.join(C);
    stage.apply(&Input::Lost { who: C, loss: Loss::Everything });
    stage.apply(&Input::Wait { seconds: Duration::from_secs(60).as_secs() });
    stage.join(C);
    let view = stage.session.people().find(|person| person.identity == C.identity()).unwrap();
    assert_eq!(view.admission, Admission::Waiting);
}
