//! A person moves to another device: the new one is up before the old one leaves, and nobody is there twice.

use std::time::Duration;

use parlour_bot::direct::{Role, World};
use parlour_model::session::{Departure, SessionCommand, SessionEvent};
use parlour_model::view::Place;
use parlour_model::{Event, Identity, LeaveReason, ParticipantState, Refusal};

use crate::stage::{SETTLED, ask, by, couple, flows, knows, open_door, packets, rule, take_over, view_of};

#[test]
fn the_new_device_is_up_before_the_old_one_leaves_and_others_see_one_person() {
    let (mut world, therapist, ann, ben) = couple(31, open_door());
    ask(&mut world, by("ann"), SessionCommand::OfferHandOver).unwrap();
    world.session_events();
    world.bot_mut(ben).told = Some(Vec::new());
    let phone = take_over(&mut world, "ann", Role::Client).unwrap();

    // Until it is connected the new device knows whom it will meet, gets nothing, and nobody knows of it.
    assert!(knows(&world, phone, ben) && knows(&world, phone, therapist));
    assert!(!knows(&world, ben, phone) && world.left(ann).is_none());
    let moved = |world: &World| knows(world, ben, phone);
    while !moved(&world) {
        assert!(world.left(ann).is_none() && packets(&world, ben, phone) == 0);
        world.run_for(Duration::from_millis(1));
    }
    assert!(world.bot(phone).endpoint.is_connected(), "it is up when it takes the seat");
    assert_eq!(world.left(ann), Some(LeaveReason::DuplicateIdentity));
    assert!(!knows(&world, ben, ann) && !knows(&world, therapist, ann) && knows(&world, therapist, phone));
    let both = |world: &World| [ben, therapist].iter().all(|o| flows(world, phone, *o) && flows(world, *o, phone));
    assert!(world.run_until(SETTLED, both), "the call goes on, on the new device");
    world.run_for(Duration::from_millis(20));
    let (after, since) = (packets(&world, ben, ann), packets(&world, ann, ben));
    world.run_for(Duration::from_secs(2));
    assert_eq!((packets(&world, ben, ann), packets(&world, ann, ben)), (after, since), "the old device is out");

    // One update told ben of both, the old one gone first, so that a client by identity has one person at any time.
    let told = world.bot_mut(ben).told.take().unwrap();
    let rosters = told.iter().filter_map(|(_, event)| match event {
        Event::Roster(records) => Some(records.iter().map(|one| (one.sid.clone(), one.state)).collect::<Vec<_>>()),
        _ => None,
    });
    let change =
        rosters.into_iter().find(|records| records.iter().any(|(sid, _)| sid == world.bot(phone).sid())).unwrap();
    assert_eq!(change.first(), Some(&(world.bot(ann).sid().clone(), ParticipantState::Disconnected)));

    let told: Vec<_> = world.session_events().into_iter().map(|notice| notice.event).collect();
    assert!(told.iter().any(|event| matches!(event, SessionEvent::HandedOver { .. })));
    let departed = |event: &SessionEvent| matches!(event, SessionEvent::Departed { how: Departure::HandedOver, .. });
    assert!(told.iter().any(departed));
    assert_eq!(view_of(&mut world, "ann", Role::Client).me.unwrap().place, Place::Main);
}

#[test]
fn a_hand_over_into_a_hold_stays_alone() {
    let (mut world, _, ann, ben) = couple(32, open_door());
    rule(&mut world, SessionCommand::Hold(Identity::from("ann")));
    ask(&mut world, by("ann"), SessionCommand::OfferHandOver).unwrap();
    let phone = take_over(&mut world, "ann", Role::Client).unwrap();
    assert!(world.run_until(SETTLED, |world| world.left(ann).is_some()));
    world.run_for(Duration::from_secs(2));
    assert!(world.bot(phone).others.is_empty() && !knows(&world, ben, phone));
    assert_eq!((packets(&world, ben, phone), packets(&world, phone, ben)), (0, 0));
    rule(&mut world, SessionCommand::Resume(Identity::from("ann")));
    assert!(world.run_until(SETTLED, |world| flows(world, phone, ben) && flows(world, ben, phone)));
}

#[test]
fn nobody_takes_a_seat_over_that_was_not_offered() {
    let (mut world, _, ann, ben) = couple(33, open_door());
    assert_eq!(take_over(&mut world, "ann", Role::Client).err(), Some(Refusal::NoHandOver));
    ask(&mut world, by("ann"), SessionCommand::OfferHandOver).unwrap();
    assert_eq!(take_over(&mut world, "ben", Role::Client).err(), Some(Refusal::NoHandOver), "it was hers to offer");
    world.run_for(Duration::from_secs(121));
    assert_eq!(take_over(&mut world, "ann", Role::Client).err(), Some(Refusal::NoHandOver), "too late");
    assert!(world.left(ann).is_none() && flows(&world, ann, ben));
}

#[test]
fn if_the_new_device_never_comes_up_the_old_one_keeps_the_seat() {
    let (mut world, _, ann, ben) = couple(34, open_door());
    ask(&mut world, by("ann"), SessionCommand::OfferHandOver).unwrap();
    let phone = world
        .join_as(
            crate::stage::SESSION,
            parlour_model::Join {
                entry: parlour_model::Entry::HandOver,
                ..parlour_bot::direct::join("ann", Role::Client)
            },
            None,
            |bot| bot.lets_out = Some(|_| false),
        )
        .unwrap();
    world.run_for(Duration::from_secs(40));
    assert!(world.left(phone).is_some() && world.left(ann).is_none());
    assert!(knows(&world, ben, ann) && !knows(&world, ben, phone));
}
