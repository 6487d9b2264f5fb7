//! Time: grace, warnings, extension, ends; and coming back from a restart.

use parlour_model::session::{
    CheckInId, Departure, EndReason, Schedule, SessionCommand, SessionEvent, SessionPhase, SessionPolicy, SessionReply,
    Space,
};
use parlour_session::{Clock, CommandRefusal, JoinRefusal, Loss, Session, SessionOptions};

use crate::stage::{A, B, Input, START_MS, Stage, T, Who};

const MINUTE: i64 = 60_000;

/// Starts now, planned for 50 minutes, ends 10 minutes after.
fn planned(policy: SessionPolicy) -> Stage {
    let schedule = Schedule { starts_at_ms: START_MS, planned_minutes: 50, opens_minutes_before: 15 };
    let policy = SessionPolicy { end_after_schedule_minutes: Some(10), waiting_room: false, ..policy };
    Stage::new(SessionOptions { schedule: Some(schedule), policy, ..SessionOptions::default() })
}

fn ended(stage: &Stage) -> Option<EndReason> {
    stage.told.iter().find_map(|event| if let SessionEvent::Ended(reason) = event { Some(*reason) } else { None })
}

fn warnings(stage: &Stage) -> Vec<u32> {
    let left = |event: &_| if let SessionEvent::EndsSoon { minutes_left } = event { Some(*minutes_left) } else { None };
    stage.told.iter().filter_map(left).collect()
}

#[test]
fn without_a_therapist_the_room_holds_then_waits() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    stage.apply(&Input::Lost { who: T, loss: Loss::Everything });
    assert!(stage.is_alone(A) && matches!(stage.space(A), Space::Hold(_)));
    assert!(stage.told.contains(&SessionEvent::TherapistLost));
    stage.wait(119);
    assert!(matches!(stage.space(A), Space::Hold(_)));
    stage.wait(1);
    assert!(matches!(stage.space(A), Space::Waiting(_)) && matches!(stage.space(B), Space::Waiting(_)));
    assert_eq!(stage.session.phase(), SessionPhase::Open);
    stage.join(T);
    assert!(stage.is_alone(A), "admitted anew");
    stage.ok(T, SessionCommand::Admit(A.identity()));
    assert!(stage.reaches(A, T) && stage.is_alone(B));
}

#[test]
fn a_therapist_back_within_the_grace_finds_all_as_it_was() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let edges = stage.session.edges().clone();
    stage.apply(&Input::Lost { who: T, loss: Loss::Everything });
    stage.wait(10);
    stage.apply(&Input::Back { who: T });
    assert_eq!(*stage.session.edges(), edges);
    stage.wait(600);
    assert!(stage.reaches(A, B), "the grace that ended is not counted on");
}

#[test]
fn where_no_therapist_is_required_clients_stay_together() {
    let policy = SessionPolicy { require_therapist: false, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A, B]);
    stage.apply(&Input::Left { who: T, how: Departure::Left });
    assert!(stage.reaches(A, B));
}

#[test]
fn the_end_is_warned_of_at_ten_and_five_minutes() {
    let mut stage = planned(SessionPolicy::default());
    stage.join(T);
    stage.wait(49 * 60 + 59);
    assert_eq!(warnings(&stage), []);
    stage.wait(1);
    assert_eq!(warnings(&stage), [10]);
    stage.wait(5 * 60);
    assert_eq!(warnings(&stage), [10, 5]);
    stage.wait(5 * 60);
    assert_eq!((warnings(&stage), ended(&stage)), (vec![10, 5], Some(EndReason::Schedule)));
}

#[test]
fn a_therapist_moves_the_end_later_only_and_not_past_the_limit() {
    let mut stage = planned(SessionPolicy { max_minutes: 90, ..SessionPolicy::default() });
    stage.join(T);
    stage.wait(55 * 60);
    assert_eq!(warnings(&stage), [10, 5]);
    stage.ok(T, SessionCommand::ExtendUntil(START_MS + 80 * MINUTE));
    stage.ok(T, SessionCommand::ExtendUntil(START_MS + 70 * MINUTE));
    assert_eq!(stage.session.ends_at_ms(), (START_MS + 80 * MINUTE, EndReason::Schedule));
    let beyond = stage.command(T, SessionCommand::ExtendUntil(START_MS + 91 * MINUTE));
    assert_eq!(beyond, Err(CommandRefusal::Limit));
    stage.wait(15 * 60);
    assert_eq!(warnings(&stage), [10, 5, 10], "a new end is warned of anew");
    stage.wait(10 * 60);
    assert_eq!(ended(&stage), Some(EndReason::Schedule));
}

#[test]
fn nothing_runs_for_longer_than_the_limit() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A]);
    let unplanned = stage.command(T, SessionCommand::ExtendUntil(START_MS + MINUTE));
    assert_eq!(unplanned, Err(CommandRefusal::Invalid));
    stage.wait(240 * 60);
    assert_eq!((warnings(&stage), ended(&stage)), (vec![10, 5], Some(EndReason::MaxDuration)));
}

#[test]
fn an_empty_session_ends_and_a_waiting_client_keeps_it() {
    let mut stage = Stage::live(SessionPolicy::default(), &[]);
    stage.join(A);
    stage.apply(&Input::Left { who: T, how: Departure::Left });
    stage.wait(3_600);
    assert_eq!(ended(&stage), None);
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    stage.wait(15 * 60 - 1);
    assert_eq!(ended(&stage), None);
    stage.wait(1);
    assert_eq!(ended(&stage), Some(EndReason::Idle));
}

#[test]
fn coming_and_going_before_the_start_does_not_end_a_planned_session() {
    let schedule = Schedule { starts_at_ms: START_MS + 60 * MINUTE, planned_minutes: 50, opens_minutes_before: 60 };
    let mut stage = Stage::new(SessionOptions { schedule: Some(schedule), ..SessionOptions::default() });
    stage.join(A);
    stage.apply(&Input::Left { who: A, how: Departure::Left });
    stage.wait(74 * 60);
    assert_eq!(ended(&stage), None);
    stage.wait(60);
    assert_eq!(ended(&stage), Some(EndReason::Idle));
}

#[test]
fn a_planned_session_nobody_came_to_ends_after_its_time() {
    let mut stage = planned(SessionPolicy { end_after_schedule_minutes: None, ..SessionPolicy::default() });
    stage.wait(59 * 60);
    assert_eq!(ended(&stage), None);
    stage.wait(6 * 60);
    assert!(ended(&stage).is_some());
}

#[test]
fn an_ended_session_forwards_nothing_and_takes_nobody() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let with = [A.identity()].into();
    stage.ok(T, SessionCommand::StartCheckIn { therapist: None, with });
    stage.ok(T, SessionCommand::End);
    assert_eq!(stage.session.check_ins().count(), 0);
    assert!(stage.session.edges().is_empty() && stage.session.poll_timeout().is_none());
    assert_eq!(ended(&stage), Some(EndReason::Command));
    let closes = stage.told.iter().filter(|event| matches!(event, SessionEvent::Close { .. })).count();
    assert_eq!(closes, 3);
    stage.join(A);
    assert_eq!(stage.session.seat(&A.identity()), None);
    let command = SessionCommand::Hold(A.identity());
    let late = stage.session.handle_command(parlour_model::session::Actor::Server, command, stage.now);
    assert_eq!(late, Err(CommandRefusal::Ended));
    let refusal = parlour_model::Refusal::from(JoinRefusal::Ended);
    assert_eq!(refusal, parlour_model::Refusal::Ended, "with its own error");
}

#[test]
fn after_a_restart_everyone_comes_back_held_until_resumed() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    let check_in = |who: Who| SessionCommand::StartCheckIn { therapist: None, with: [who.identity()].into() };
    stage.ok(T, check_in(B));
    stage.ok(T, SessionCommand::EndCheckIn(CheckInId(1)));
    stage.ok(T, check_in(A));
    stage.apply(&Input::Restart);
    assert_eq!(stage.session.phase(), SessionPhase::Live);
    for who in [A, B, T] {
        stage.join(who);
    }
    assert!(stage.is_alone(A) && stage.is_alone(B));
    stage.ok(T, SessionCommand::Resume(A.identity()));
    assert!(stage.reaches(A, T) && stage.is_alone(B));
    stage.ok(T, SessionCommand::ResumeAll);
    assert!(stage.reaches(A, B));
    let reply = stage.ok(T, check_in(B));
    assert!(matches!(reply, SessionReply::Receipt(receipt) if receipt.id == CheckInId(3)), "no number comes twice");
}

#[test]
fn after_a_restart_the_rules_are_those_of_the_session_and_not_of_the_server() {
    let policy = SessionPolicy { max_participants: 3, ..SessionPolicy::default() };
    let stage = Stage::live(policy.clone(), &[A]);
    let clock = Clock { now: stage.now, unix_ms: START_MS };
    let session = Session::restore("s".into(), SessionOptions::default(), stage.session.snapshot(), clock);
    assert_eq!(*session.policy(), policy);
}
