//! What a therapist does, and what nobody else may: hold, check-in, floor, same room, mute, signal.

use std::collections::BTreeSet;

use parlour_model::session::{
    Actor, CheckInId, CheckInReceipt, Departure, Floor, MuteTarget, SameRoom, SessionCommand, SessionEvent,
    SessionPolicy, SessionReply, Space,
};
use parlour_model::{Edge, Identity, Medium};
use parlour_session::{CommandRefusal, Loss};

use crate::stage::{A, B, C, Input, S, Stage, T, Who};

fn couple() -> Stage {
    Stage::live(SessionPolicy::default(), &[A, B])
}

fn check_in(stage: &mut Stage, by: Who, with: &[Who]) -> CheckInReceipt {
    let with = with.iter().map(|who| who.identity()).collect();
    match stage.ok(by, SessionCommand::StartCheckIn { therapist: None, with }) {
        SessionReply::Receipt(receipt) => receipt,
        SessionReply::Done => panic!("a check-in has a receipt"),
    }
}

fn hears(stage: &Stage, from: Who, to: Who) -> bool {
    let edge = Edge { publisher: stage.key(from), receiver: stage.key(to), medium: Medium::Audio };
    stage.session.edges().contains(&edge)
}

fn sees(stage: &Stage, from: Who, to: Who) -> bool {
    let edge = Edge { publisher: stage.key(from), receiver: stage.key(to), medium: Medium::Camera };
    stage.session.edges().contains(&edge)
}

#[test]
fn who_is_held_is_alone_until_resumed_also_after_coming_back() {
    let mut stage = couple();
    stage.ok(T, SessionCommand::Hold(B.identity()));
    assert!(stage.told.contains(&SessionEvent::Held(B.identity())));
    stage.ok(T, SessionCommand::Hold(B.identity()));
    assert!(stage.is_alone(B) && stage.reaches(A, T));
    assert_eq!(stage.told.iter().filter(|event| **event == SessionEvent::Held(B.identity())).count(), 1);
    stage.apply(&Input::Left { who: B, how: Departure::Left });
    stage.join(B);
    assert!(stage.is_alone(B), "leaving does not end a hold");
    stage.ok(T, SessionCommand::Resume(B.identity()));
    assert!(stage.reaches(A, B));
}

#[test]
fn who_is_resumed_while_away_comes_back_to_the_others_and_only_the_held_are_told() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B, C]);
    stage.ok(T, SessionCommand::Hold(B.identity()));
    stage.apply(&Input::Left { who: B, how: Departure::Lost });
    stage.ok(T, SessionCommand::Resume(B.identity()));
    stage.join(B);
    assert!(stage.reaches(A, B));
    stage.ok(T, SessionCommand::Hold(C.identity()));
    stage.ok(T, SessionCommand::ResumeAll);
    let resumed: Vec<_> =
        stage.told.iter().filter(|event| matches!(event, SessionEvent::Resumed(_))).cloned().collect();
    assert_eq!(resumed, [SessionEvent::Resumed(B.identity()), SessionEvent::Resumed(C.identity())]);
}

#[test]
fn a_check_in_seals_and_its_receipt_names_every_edge_cut() {
    let mut stage = couple();
    let (before, b) = (stage.session.edges().clone(), stage.key(B));
    let receipt = check_in(&mut stage, T, &[A]);
    assert!(stage.is_alone(B) && stage.reaches(A, T) && stage.reaches(T, A));
    assert!(matches!(stage.space(B), Space::Hold(_)));
    let of_b: BTreeSet<Edge> = before.into_iter().filter(|e| e.publisher == b || e.receiver == b).collect();
    assert_eq!(receipt.cut.iter().map(|cut| cut.edge).collect::<BTreeSet<_>>(), of_b);
    assert_eq!(receipt.id, CheckInId(1), "people count from one");
    assert_eq!(receipt.members, [A.identity(), T.identity()].into());
    assert_eq!(receipt.held, [B.identity()].into());
    assert_eq!(check_in(&mut stage, T, &[A]), receipt, "asked again, answered the same");

    stage.ok(T, SessionCommand::EndCheckIn(receipt.id));
    assert!(stage.reaches(A, B) && stage.reaches(B, T));
    stage.ok(T, SessionCommand::EndCheckIn(receipt.id));
    for never in [CheckInId(0), CheckInId(2), CheckInId(77)] {
        assert_eq!(stage.command(T, SessionCommand::EndCheckIn(never)), Err(CommandRefusal::UnknownCheckIn));
    }
}

#[test]
fn whoever_comes_during_a_check_in_is_kept_out_too() {
    let mut stage = couple();
    check_in(&mut stage, T, &[A]);
    stage.join(C);
    stage.ok(T, SessionCommand::Admit(C.identity()));
    assert!(stage.is_alone(C));
    stage.join(S);
    assert!(!stage.reaches(S, T) && !stage.reaches(T, S), "nor does a second therapist hear it");
}

#[test]
fn if_the_therapist_drops_the_one_inside_is_held_and_not_joined_with_the_other() {
    for loss in [Input::Lost { who: T, loss: Loss::Everything }, Input::Left { who: T, how: Departure::Left }] {
        let mut stage = couple();
        check_in(&mut stage, T, &[A]);
        stage.apply(&loss);
        assert!(stage.is_alone(A) && stage.is_alone(B));
        stage.apply(&Input::Back { who: T });
        stage.join(T);
        assert!(stage.reaches(A, T) && stage.is_alone(B), "and back in the check-in after");
    }
}

#[test]
fn a_check_in_without_its_therapist_is_not_joined_even_where_none_is_required() {
    let policy = SessionPolicy { require_therapist: false, ..SessionPolicy::default() };
    let mut stage = Stage::live(policy, &[A, B, C]);
    check_in(&mut stage, T, &[A, B]);
    stage.apply(&Input::Lost { who: T, loss: Loss::Everything });
    assert!([A, B, C].into_iter().all(|who| stage.is_alone(who)));
}

#[test]
fn a_hold_from_before_a_check_in_is_there_again_after_it() {
    let mut stage = couple();
    stage.ok(T, SessionCommand::Hold(A.identity()));
    let receipt = check_in(&mut stage, T, &[A]);
    assert!(stage.reaches(T, A));
    stage.ok(T, SessionCommand::EndCheckIn(receipt.id));
    assert!(stage.is_alone(A) && stage.reaches(B, T));
}

#[test]
fn holding_someone_in_a_check_in_takes_them_out_of_it() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B, C]);
    check_in(&mut stage, T, &[A, B]);
    stage.ok(T, SessionCommand::Hold(B.identity()));
    assert!(stage.is_alone(B) && stage.reaches(A, T));
    stage.ok(T, SessionCommand::Resume(B.identity()));
    assert!(!stage.reaches(A, B) && !stage.reaches(T, B), "resumed to the main space, not through the seal");
}

#[test]
fn two_therapists_hold_two_check_ins_and_neither_hears_the_other() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B]);
    stage.join(S);
    let first = check_in(&mut stage, T, &[A]);
    let second = check_in(&mut stage, S, &[B]);
    assert!(stage.reaches(T, A) && stage.reaches(S, B));
    for (one, other) in [(T, S), (T, B), (A, S), (A, B)] {
        assert!(!stage.reaches(one, other) && !stage.reaches(other, one));
    }
    let busy = SessionCommand::StartCheckIn { therapist: None, with: [A.identity()].into() };
    assert_eq!(stage.command(S, busy), Err(CommandRefusal::InCheckIn));
    stage.ok(T, SessionCommand::EndCheckIn(first.id));
    assert!(stage.reaches(A, T) && !stage.reaches(T, B));
    stage.ok(T, SessionCommand::EndCheckIn(second.id));
    assert!(stage.reaches(A, B));
}

#[test]
fn a_check_in_needs_a_therapist_and_people_who_are_there() {
    let mut stage = couple();
    stage.join(C);
    let start = |therapist, with: &[Who]| SessionCommand::StartCheckIn {
        therapist,
        with: with.iter().map(|who| who.identity()).collect(),
    };
    assert_eq!(stage.command(A, start(None, &[B])), Err(CommandRefusal::NotAllowed));
    assert_eq!(stage.command(T, start(None, &[])), Err(CommandRefusal::Invalid));
    assert_eq!(stage.command(T, start(None, &[C])), Err(CommandRefusal::NotPresent), "C waits");
    assert_eq!(stage.command(T, start(None, &[S])), Err(CommandRefusal::UnknownParticipant));
    assert_eq!(stage.command(T, start(Some(A.identity()), &[B])), Err(CommandRefusal::NotAllowed));
}

#[test]
fn a_server_key_names_the_therapist_or_means_the_only_one() {
    let start = |therapist: Option<Who>| SessionCommand::StartCheckIn {
        therapist: therapist.map(Who::identity),
        with: [A.identity()].into(),
    };
    let by_server = |stage: &mut Stage, therapist| {
        let reply = stage.session.handle_command(Actor::Server, start(therapist), stage.now);
        reply.map(|_| stage.session.space(stage.key(A)))
    };
    let inside = Ok(Some(Space::CheckIn(CheckInId(1))));
    assert_eq!(by_server(&mut couple(), None), inside);
    assert_eq!(by_server(&mut couple(), Some(T)), inside);
    assert_eq!(by_server(&mut couple(), Some(B)), Err(CommandRefusal::NoTherapist));
    let mut two = couple();
    two.join(S);
    assert_eq!(by_server(&mut two, None), Err(CommandRefusal::NoTherapist), "which of the two?");
    assert_eq!(by_server(&mut two, Some(S)), inside);
    let own =
        two.command(T, SessionCommand::StartCheckIn { therapist: Some(T.identity()), with: [B.identity()].into() });
    assert!(own.is_ok(), "a therapist may name themselves");
}

#[test]
fn the_floor_decides_whom_clients_hear_and_therapists_hear_all() {
    let mut stage = couple();
    stage.ok(T, SessionCommand::SetFloor(Floor::TherapistOnly));
    assert!(!hears(&stage, A, B) && hears(&stage, A, T) && hears(&stage, T, A) && sees(&stage, A, B));
    stage.ok(T, SessionCommand::SetFloor(Floor::OneVoice(A.identity())));
    assert!(hears(&stage, A, B) && !hears(&stage, B, A) && hears(&stage, B, T));
    stage.ok(T, SessionCommand::SetFloor(Floor::Open));
    assert!(hears(&stage, B, A));
}

#[test]
fn two_in_one_room_do_not_hear_each_other_and_say_so_themselves() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B, C]);
    let set = |how| SessionCommand::SetSameRoom { a: B.identity(), b: A.identity(), how };
    stage.ok(A, set(SameRoom::Audio));
    assert!(!hears(&stage, A, B) && !hears(&stage, B, A) && sees(&stage, A, B) && hears(&stage, A, T));
    stage.ok(B, set(SameRoom::AudioAndVideo));
    assert!(!sees(&stage, A, B) && sees(&stage, A, C));
    assert_eq!(stage.command(C, set(SameRoom::Apart)), Err(CommandRefusal::NotAllowed));
    stage.ok(T, set(SameRoom::Apart));
    assert!(hears(&stage, A, B) && sees(&stage, B, A));
}

#[test]
fn a_mute_names_the_seat_and_only_a_therapist_asks_for_it() {
    let mut stage = couple();
    let mute = SessionCommand::Mute { identity: A.identity(), target: MuteTarget::Audio };
    assert_eq!(stage.command(B, mute.clone()), Err(CommandRefusal::NotAllowed));
    stage.ok(T, mute);
    let key = stage.key(A);
    assert!(stage.told.contains(&SessionEvent::Mute { key, identity: A.identity(), target: MuteTarget::Audio }));
}

#[test]
fn a_signal_changes_nothing_for_anybody_and_is_told_once_in_five_seconds() {
    let mut stage = couple();
    check_in(&mut stage, T, &[A]);
    let (edges, told) = (stage.session.edges().clone(), stage.told.len());
    stage.ok(B, SessionCommand::Signal);
    stage.ok(B, SessionCommand::Signal);
    assert_eq!(stage.told[told..], [SessionEvent::Signal(B.identity())]);
    assert_eq!(*stage.session.edges(), edges);
    stage.wait(5);
    stage.ok(B, SessionCommand::Signal);
    assert_eq!(stage.told.iter().filter(|event| matches!(event, SessionEvent::Signal(_))).count(), 2);
}

#[test]
fn a_quick_exit_is_told_to_therapists_and_looks_lost_to_the_partner() {
    let mut stage = couple();
    let (a, b, t) = (stage.key(A), stage.key(B), stage.key(T));
    stage.apply(&Input::Left { who: A, how: Departure::QuickExit });
    assert!(stage.told.contains(&SessionEvent::QuickExit(A.identity())));
    assert!(stage.session.roster(b).any(|key| key == a) && !stage.session.roster(t).any(|key| key == a));
    assert!(!stage.session.edges().iter().any(|edge| edge.publisher == a || edge.receiver == a));
    assert!(!stage.told.contains(&SessionEvent::Unseen(A.identity())));
    stage.wait(15);
    assert!(!stage.session.roster(b).any(|key| key == a));
    assert!(stage.told.contains(&SessionEvent::Unseen(A.identity())), "whoever shows views must look again");
}

#[test]
fn who_is_back_in_the_waiting_room_after_a_quick_exit_still_looks_lost_to_the_partner() {
    let mut stage = couple();
    let (a, b) = (stage.key(A), stage.key(B));
    stage.ok(A, SessionCommand::QuickExit);
    stage.wait(3);
    stage.join(A);
    assert!(matches!(stage.space(A), Space::Waiting(_)), "a link left open does not lead inside");
    assert!(stage.session.roster(b).any(|key| key == a));
    stage.ok(T, SessionCommand::Admit(A.identity()));
    assert!(!stage.session.roster(b).any(|key| key == a) && stage.reaches(A, B));
}

#[test]
fn an_answer_about_a_shared_room_tells_nothing_of_who_is_out_of_sight() {
    let mut stage = couple();
    let with =
        |other: &Identity| SessionCommand::SetSameRoom { a: B.identity(), b: other.clone(), how: SameRoom::Audio };
    stage.ok(T, SessionCommand::Hold(B.identity()));
    let refused = Err(CommandRefusal::NotPresent);
    assert_eq!(stage.command(B, with(&A.identity())), refused, "whether A is inside is news");
    stage.ok(T, SessionCommand::Remove(A.identity()));
    assert_eq!(stage.command(B, with(&A.identity())), refused);
    assert_eq!(stage.command(B, with(&Identity::from("nobody"))), refused);

    let mut stage = couple();
    stage.ok(A, SessionCommand::QuickExit);
    stage.ok(B, with(&A.identity()));
    stage.wait(15);
    assert_eq!(stage.command(B, with(&A.identity())), refused, "as when a lost line is given up");
}

#[test]
fn those_resumed_during_a_check_in_are_not_together_without_a_therapist() {
    let mut stage = Stage::live(SessionPolicy::default(), &[A, B, C]);
    check_in(&mut stage, T, &[A]);
    for who in [B, C] {
        stage.ok(T, SessionCommand::Resume(who.identity()));
    }
    assert!(stage.is_alone(B) && stage.is_alone(C), "the therapist leads the check-in, not the main space");
    stage.join(S);
    assert!(stage.reaches(B, C) && stage.reaches(S, B) && !stage.reaches(B, T));
}

#[test]
fn clients_command_nobody() {
    let mut stage = couple();
    let b = B.identity();
    for command in [
        SessionCommand::Admit(b.clone()),
        SessionCommand::Hold(b.clone()),
        SessionCommand::Remove(b.clone()),
        SessionCommand::SetFloor(Floor::OneVoice(A.identity())),
        SessionCommand::SetLock(true),
        SessionCommand::ExtendUntil(i64::MAX),
        SessionCommand::SetWaitingMessage(None),
        SessionCommand::SetPolicy(Box::default()),
        SessionCommand::End,
    ] {
        assert_eq!(stage.command(A, command), Err(CommandRefusal::NotAllowed));
    }
}
