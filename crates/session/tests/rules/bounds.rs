//! Where a rule begins and where it ends: full rooms, exact times, what is asked twice.

use parlour_model::session::{
    Actor, Admission, Departure, Schedule, SessionCommand, SessionEvent, SessionPhase, SessionPolicy, SessionReply,
};
use parlour_model::{Encryption, Grants, LeaveReason, ParticipantKey};
use parlour_session::{CommandRefusal, Entry, JoinRequest, SessionOptions};

use crate::stage::{A, B, C, Input, START_MS, Stage, T, Who};

const MINUTE: i64 = 60_000;

fn admission(stage: &Stage, who: Who) -> Admission {
    stage.session.people().find(|person| person.identity == who.identity()).unwrap().admission
}

#[test]
fn nobody_is_admitted_into_a_full_session_until_somebody_goes() {
    let policy = SessionPolicy { max_participants: 3, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A, B]);
    stage.join(C);
    assert_eq!(stage.command(T, SessionCommand::Admit(C.identity())), Err(CommandRefusal::Full));
    assert!(stage.is_alone(C) && admission(&stage, C) == Admission::Waiting);
    stage.apply(&Input::Left { who: B, how: Departure::Left });
    stage.ok(T, SessionCommand::Admit(C.identity()));
    assert!(stage.reaches(C, A));
}

#[test]
fn who_left_is_admitted_anew_after_two_minutes_and_not_at_two() {
    for (seconds, expected) in [(120, Admission::Admitted), (121, Admission::Waiting)] {
        let mut stage = Stage::live(SessionPolicy::default(), &[A]);
        stage.apply(&Input::Left { who: A, how: Departure::Left });
        stage.wait(seconds);
        stage.join(A);
        assert_eq!(admission(&stage, A), expected, "after {seconds} s");
    }
}

#[test]
fn an_end_moves_up_to_the_last_there_can_be_and_not_to_where_it_is() {
    let schedule = Schedule { starts_at_ms: START_MS, planned_minutes: 50, opens_minutes_before: 15 };
    let policy = SessionPolicy { end_after_schedule_minutes: Some(0), max_minutes: 90, ..SessionPolicy::default() };
    let mut stage = Stage::new(SessionOptions { schedule: Some(schedule), policy, ..SessionOptions::default() });
    stage.join(T);
    stage.ok(T, SessionCommand::ExtendUntil(START_MS + 50 * MINUTE));
    assert!(!stage.told.iter().any(|event| matches!(event, SessionEvent::EndMoved(_))), "it ends then anyway");
    stage.ok(T, SessionCommand::ExtendUntil(START_MS + 90 * MINUTE));
    assert_eq!(stage.session.ends_at_ms().0, START_MS + 90 * MINUTE);
}

#[test]
fn an_ended_session_is_ended_again_by_a_server_and_by_nobody_else() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    let key = stage.key(T);
    stage.ok(T, SessionCommand::End);
    assert_eq!(stage.session.phase(), SessionPhase::Ended);
    let now = stage.now;
    let mut end = |by| stage.session.handle_command(by, SessionCommand::End, now);
    assert_eq!(end(Actor::Server), Ok(SessionReply::Done));
    assert_eq!(end(Actor::Participant(key)), Err(CommandRefusal::Ended));
}

#[test]
fn an_end_ends_what_a_quick_exit_left_to_be_seen() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let key = stage.key(A);
    stage.ok(A, SessionCommand::QuickExit);
    assert!(stage.session.is_ghost(key));
    stage.ok(T, SessionCommand::End);
    assert!(!stage.session.is_ghost(key));
}

#[test]
fn a_receipt_is_counted_once() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let start = SessionCommand::StartCheckIn { therapist: None, with: [A.identity()].into() };
    let SessionReply::Receipt(receipt) = stage.ok(T, start.clone()) else { panic!("a check-in has a receipt") };
    let mut counted = |packets| stage.session.count_cut(receipt.id, |_| packets).cloned().unwrap();
    let first = counted(7);
    assert!(!first.cut.is_empty() && first.cut.iter().all(|cut| cut.packets == 7));
    assert_eq!(counted(9), first);
    assert_eq!(stage.ok(T, start), SessionReply::Receipt(first), "asked again, answered the same");
}

#[test]
fn after_a_restart_those_are_called_held_whom_it_holds() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    stage.join(B);
    stage.apply(&Input::Restart);
    let held: Vec<_> = stage.session.people().filter(|person| person.held).map(|person| person.identity).collect();
    assert_eq!(held, [A.identity()], "neither who waits nor who leads");
}

#[test]
fn a_pair_is_kept_in_one_order_whoever_is_named_first() {
    for (a, b) in [(A, B), (B, A)] {
        let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
        let how = parlour_model::session::SameRoom::Audio;
        stage.ok(T, SessionCommand::SetSameRoom { a: a.identity(), b: b.identity(), how });
        assert_eq!(stage.session.snapshot().same_room, [(A.identity(), B.identity(), how)]);
    }
}

#[test]
fn who_left_at_once_seems_to_wait_like_the_others_when_no_therapist_comes_back() {
    let policy = SessionPolicy { therapist_grace_seconds: 5, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A, B]);
    let key = stage.key(A);
    stage.apply(&Input::Left { who: T, how: Departure::Left });
    stage.ok(A, SessionCommand::QuickExit);
    stage.wait(5);
    stage.join(T);
    stage.ok(T, SessionCommand::Admit(B.identity()));
    assert!(stage.reaches(B, T) && stage.session.is_ghost(key), "the test must look while it is to be seen");
    assert!(!stage.session.roster(stage.key(B)).any(|other| other == key), "a lost line would wait to be admitted");
}

#[test]
fn the_end_of_a_quick_exits_trace_is_waited_for() {
    let mut stage = Stage::live(SessionPolicy { waiting_room: false, ..SessionPolicy::default() }, &[A, B]);
    let key = stage.key(A);
    stage.ok(A, SessionCommand::QuickExit);
    assert_eq!(stage.session.poll_timeout(), Some(stage.now + SessionOptions::RESUME_WINDOW));
    stage.wait(SessionOptions::RESUME_WINDOW.as_secs());
    assert!(!stage.session.is_ghost(key) && stage.told.contains(&SessionEvent::Unseen(A.identity())));
}

#[test]
fn a_device_that_was_to_take_a_seat_over_is_told_why_there_is_none() {
    for (command, expected) in
        [(SessionCommand::End, LeaveReason::SessionEnded), (SessionCommand::Remove(A.identity()), LeaveReason::Removed)]
    {
        let mut stage = Stage::live(SessionPolicy::default(), &[A]);
        stage.ok(A, SessionCommand::OfferHandOver);
        let key = ParticipantKey(99);
        let (identity, role) = (A.identity(), A.role());
        let (grants, encryption, entry) = (Grants::ALL, Encryption::Gcm, Entry::HandOver);
        let request = JoinRequest { key, identity, role, grants, encryption, entry };
        stage.session.handle_join(request, stage.now).unwrap();
        stage.ok(T, command);
        assert!(stage.told.contains(&SessionEvent::Close { key, reason: expected }), "{expected:?}");
    }
}

#[test]
fn a_session_opens_once_and_when_its_time_has_come() {
    let schedule = Schedule { starts_at_ms: START_MS + 60 * MINUTE, planned_minutes: 50, opens_minutes_before: 15 };
    let mut stage = Stage::new(SessionOptions { schedule: Some(schedule), ..SessionOptions::default() });
    let phases = |stage: &Stage| stage.told.iter().filter(|event| matches!(event, SessionEvent::Phase(_))).count();
    stage.wait(45 * 60 - 1);
    stage.session.handle_timeout(stage.now);
    assert_eq!((stage.session.phase(), phases(&stage)), (SessionPhase::Scheduled, 0));
    stage.wait(1);
    assert_eq!((stage.session.phase(), phases(&stage)), (SessionPhase::Open, 1));
    stage.join(T);
    assert_eq!((stage.session.phase(), phases(&stage)), (SessionPhase::Live, 2));
    stage.wait(60);
    stage.session.handle_timeout(stage.now);
    while let Some(event) = stage.session.poll_event() {
        stage.told.push(event);
    }
    assert_eq!((stage.session.phase(), phases(&stage)), (SessionPhase::Live, 2), "time alone changes nothing");
}
