//! A server that comes back: rooms from their snapshots hold everyone until the therapist resumes them.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_model::session::{Floor, SessionCommand, SessionPhase, SessionPolicy};
use parlour_model::view::Place;
use parlour_model::{Command, Identity, Refusal, Reply};

use crate::stage::{
    SETTLED, SILENCE, WHILE, ask, by, couple, flows, open, open_door, packets, rule, seat, session, snapshot, view_of,
    world,
};

/// The same session on another worker, from what the first one left.
fn restarted(policy: SessionPolicy, before: impl FnOnce(&mut World)) -> (World, [BotId; 3]) {
    let (mut first, ..) = couple(41, policy.clone());
    before(&mut first);
    let kept = snapshot(&mut first);
    let mut second = world(42, SessionPolicy::default());
    let reply = open(&mut second, policy, Some(kept));
    assert!(matches!(reply, Reply::Done), "{reply:?}");
    let ann = seat(&mut second, "ann", Role::Client);
    let ben = seat(&mut second, "ben", Role::Client);
    second.run_for(WHILE);
    let therapist = seat(&mut second, "therapist", Role::Therapist);
    (second, [therapist, ann, ben])
}

fn alone(world: &World, bots: &[BotId]) {
    for bot in bots {
        assert!(world.bot(*bot).others.is_empty(), "held people know of nobody");
        assert!(bots.iter().all(|other| packets(world, *bot, *other) == 0), "held people get nothing");
    }
}

#[test]
fn everyone_comes_back_held_until_the_therapist_resumes() {
    let (mut world, [therapist, ann, ben]) = restarted(open_door(), |_| ());
    world.run_for(WHILE);
    alone(&world, &[ann, ben]);
    assert!(world.bot(therapist).others.is_empty());
    assert_eq!(view_of(&mut world, "ann", Role::Client).me.unwrap().place, Place::Hold);
    ask(&mut world, by("therapist"), SessionCommand::ResumeAll).unwrap();
    let all = [therapist, ann, ben];
    let together = |world: &World| all.iter().all(|a| all.iter().all(|b| a == b || flows(world, *a, *b)));
    assert!(world.run_until(SETTLED, together), "the call goes on");
}

#[test]
fn what_was_decided_before_holds_after() {
    let (mut world, [therapist, ann, ben]) = restarted(SessionPolicy::default(), |world| {
        rule(world, SessionCommand::Hold(Identity::from("ben")));
        rule(world, SessionCommand::SetFloor(Floor::TherapistOnly));
        rule(world, SessionCommand::SetLock(true));
    });
    ask(&mut world, by("therapist"), SessionCommand::Resume(Identity::from("ann"))).unwrap();
    assert!(world.run_until(SETTLED, |world| flows(world, therapist, ann) && flows(world, ann, therapist)));
    world.run_for(SILENCE);
    assert!(world.bot(ben).others.is_empty() && packets(&world, ann, ben) == 0, "ben is held still");
    let view = view_of(&mut world, "therapist", Role::Therapist);
    assert_eq!((view.session.locked, view.session.phase), (Some(true), SessionPhase::Live));
    let stranger = world.join(crate::stage::SESSION, "stranger", Role::Client, None);
    assert_eq!(stranger.err(), Some(Refusal::Locked));
}

#[test]
fn a_check_in_that_a_restart_ended_joins_nobody() {
    let (mut world, [_, ann, ben]) = restarted(open_door(), |world| {
        let with = [Identity::from("ann")].into();
        ask(world, by("therapist"), SessionCommand::StartCheckIn { therapist: None, with }).unwrap();
    });
    world.run_for(WHILE);
    alone(&world, &[ann, ben]);
}

#[test]
fn a_session_that_is_open_is_not_opened_again_and_one_that_ended_stays_so() {
    let mut world = world(43, SessionPolicy::default());
    assert!(matches!(open(&mut world, open_door(), None), Reply::Done));
    let ann = seat(&mut world, "ann", Role::Therapist);
    let other = SessionPolicy { max_participants: 1, ..SessionPolicy::default() };
    assert!(matches!(open(&mut world, other, None), Reply::Done));
    assert_eq!(snapshot(&mut world).policy, open_door(), "left as it is");
    rule(&mut world, SessionCommand::End);
    world.run_for(Duration::from_millis(1));
    assert!(world.left(ann).is_some());
    assert!(matches!(open(&mut world, open_door(), None), Reply::Refused(Refusal::Ended)));
    assert_eq!(world.join(crate::stage::SESSION, "ann", Role::Therapist, None).err(), Some(Refusal::Ended));
    assert!(matches!(world.command(&session(), Command::Snapshot), Reply::Refused(Refusal::UnknownSession)));
}

#[test]
fn a_session_of_another_region_is_not_opened_here() {
    let mut world = world(44, SessionPolicy::default());
    let policy = SessionPolicy { region: Some("elsewhere".to_owned()), ..SessionPolicy::default() };
    assert!(matches!(open(&mut world, policy, None), Reply::Refused(Refusal::WrongRegion)));
}
