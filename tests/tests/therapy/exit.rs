//! A quick exit leaves no trace: what the other partner gets, event by event and datagram by datagram, is what a lost
//! line gives them.

use std::time::{Duration, Instant};

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::endpoint::Channel;
use parlour_model::session::{SessionCommand, SessionEvent};
use parlour_model::view::Place;
use parlour_model::{Event, Identity};

use crate::stage::{ask, by, comparable_couple, couple, knows, open_door, rule, seat, view_of};

/// Longer than a seat is kept.
const AFTER: Duration = Duration::from_secs(25);

#[derive(Clone, Copy)]
enum Going {
    LineLost,
    QuickExit,
}

/// What ben gets from the moment when ann goes.
struct Trace {
    events: Vec<(Duration, String)>,
    /// Datagrams by the tenth of a second: how many, of how many bytes. The rest is the network's.
    datagrams: Vec<(usize, usize)>,
    view: Vec<String>,
}

fn trace(going: Going, (mut world, therapist, ann, ben): (World, BotId, BotId, BotId)) -> (Trace, World, [BotId; 3]) {
    // She speaks when she goes: falling silent is part of what is seen.
    world.bot_mut(ann).endpoint.set_audio_level("mic-1", -20);
    rule(
        &mut world,
        SessionCommand::SetSameRoom {
            a: Identity::from("ann"),
            b: Identity::from("ben"),
            how: parlour_model::session::SameRoom::Audio,
        },
    );
    rule(
        &mut world,
        SessionCommand::SetSameRoom {
            a: Identity::from("ann"),
            b: Identity::from("ben"),
            how: parlour_model::session::SameRoom::Apart,
        },
    );
    world.run_for(Duration::from_secs(10));
    let start = world.now();
    world.bot_mut(ben).told = Some(Vec::new());
    world.bot_mut(ben).arrivals = Some(Vec::new());
    match going {
        Going::LineLost => world.vanish(ann),
        Going::QuickExit => {
            world.silence(ann);
            ask(&mut world, by("ann"), SessionCommand::QuickExit).unwrap();
        }
    }
    let mut view = Vec::new();
    while world.now() < start + AFTER {
        world.run_for(Duration::from_millis(500));
        // What he sends meanwhile tells nothing either.
        assert!(world.send(ben, Channel::Reliable, b"are you there"));
        let json = serde_json::to_string(&view_of(&mut world, "ben", Role::Client)).unwrap();
        view.push(json);
    }
    let events = world.bot_mut(ben).told.take().unwrap();
    let events = events.iter().map(|(at, event)| (*at - start, words(event))).collect();
    let arrivals = world.bot_mut(ben).arrivals.take().unwrap();
    (Trace { events, datagrams: by_tenths(&arrivals, start), view }, world, [therapist, ann, ben])
}

/// Names that the client itself rolls aside.
fn words(event: &Event) -> String {
    match event {
        Event::Answer { sdp, offer_id, mids } => {
            format!("Answer {offer_id} of {} bytes, {} tracks", sdp.0.len(), mids.len())
        }
        event => format!("{event:?}"),
    }
}

fn by_tenths(arrivals: &[(Instant, usize)], start: Instant) -> Vec<(usize, usize)> {
    let mut tenths = vec![(0, 0); AFTER.as_millis() as usize / 100 + 1];
    for (at, size) in arrivals {
        let tenth = &mut tenths[(*at - start).as_millis() as usize / 100];
        *tenth = (tenth.0 + 1, tenth.1 + size);
    }
    tenths
}

#[test]
fn to_the_partner_a_quick_exit_is_a_lost_line_in_every_event_and_datagram() {
    let (lost, ..) = trace(Going::LineLost, comparable_couple(11, open_door()));
    let (exit, ..) = trace(Going::QuickExit, comparable_couple(11, open_door()));
    assert!(lost.events.iter().any(|(_, event)| event.contains("Disconnected")), "in the end she is gone");
    assert!(lost.events.iter().any(|(_, event)| event.contains("Speakers")), "that she fell silent is seen");
    for (index, (a, b)) in lost.events.iter().zip(&exit.events).enumerate() {
        assert_eq!(a.1, b.1, "event {index}");
        assert!(a.0.abs_diff(b.0) <= Duration::from_millis(20), "{} at {:?} and {:?}", a.1, a.0, b.0);
    }
    assert_eq!(lost.events.len(), exit.events.len());
    assert_eq!(lost.view, exit.view, "his view is the same, byte for byte");
    assert_eq!(lost.datagrams, exit.datagrams);
}

#[test]
fn nobody_sends_keyframes_for_a_line_of_which_nothing_is_heard() {
    for going in [Going::LineLost, Going::QuickExit] {
        let (seen, ..) = trace(going, couple(11, open_door()));
        // A keyframe is six frames: it would stand out of the 30 or so datagrams of a tenth of a second.
        let (most, tenths) = (40, &seen.datagrams[..50]);
        assert!(tenths.iter().all(|(datagrams, _)| *datagrams < most), "{tenths:?}");
    }
}

#[test]
fn therapists_see_a_quick_exit_at_once_and_so_does_the_log() {
    let (mut world, therapist, ann, ben) = couple(12, open_door());
    world.session_events();
    ask(&mut world, by("ann"), SessionCommand::QuickExit).unwrap();
    assert!(world.left(ann).is_some(), "she is out");
    assert!(!knows(&world, therapist, ann) && knows(&world, ben, ann));
    let view = view_of(&mut world, "therapist", Role::Therapist);
    let people = view.people.unwrap();
    assert_eq!(people.iter().find(|one| one.identity == Identity::from("ann")).unwrap().place, Place::Outside);
    assert_eq!(view.quick_exits.unwrap().len(), 1);
    let told: Vec<_> = world.session_events().into_iter().map(|notice| notice.event).collect();
    assert!(told.contains(&SessionEvent::QuickExit(Identity::from("ann"))));
    let partner = view_of(&mut world, "ben", Role::Client);
    assert!(partner.people.is_none() && partner.quick_exits.is_none());
    assert_eq!(ask(&mut world, by("ann"), SessionCommand::QuickExit).map(|_| ()), Ok(()), "asked again, it is so");
}

#[test]
fn nothing_moves_along_the_edges_of_whoever_left_at_once() {
    let (mut world, therapist, ann, ben) = couple(13, open_door());
    // Until the lines are known: what of her picture waits for its turn at the exit still comes, as with a lost line.
    world.run_for(Duration::from_secs(3));
    let address = world.bot(ann).address();
    ask(&mut world, by("ann"), SessionCommand::QuickExit).unwrap();
    world.run_for(Duration::from_millis(1));
    let counts = |world: &World| [ben, therapist].map(|to| crate::stage::packets(world, ann, to));
    let before = counts(&world);
    world.bot_mut(ann).arrivals = Some(Vec::new());
    world.run_for(Duration::from_secs(4));
    assert_eq!(counts(&world), before, "her device goes on sending; nobody gets it");
    let arrived: usize = world.bot(ann).arrivals.as_ref().unwrap().iter().filter(|(_, size)| *size > 200).count();
    assert_eq!((arrived, world.bot(ann).address()), (0, address), "nothing of theirs reaches her device");
}

#[test]
fn who_comes_back_after_a_quick_exit_waits_and_the_partner_sees_nothing_of_it() {
    let (mut world, therapist, ann, ben) = couple(14, parlour_model::session::SessionPolicy::default());
    world.session_events();
    ask(&mut world, by("ann"), SessionCommand::QuickExit).unwrap();
    world.run_for(Duration::from_secs(2));
    world.bot_mut(ben).told = Some(Vec::new());
    let again = seat(&mut world, "ann", Role::Client);
    world.run_for(Duration::from_secs(2));
    assert!(world.bot(again).others.is_empty());
    let told = world.bot_mut(ben).told.take().unwrap();
    assert!(!told.iter().any(|(_, event)| matches!(event, Event::Roster(_))), "{told:?}");
    rule(&mut world, SessionCommand::Admit(Identity::from("ann")));
    assert!(knows(&world, ben, again) && !knows(&world, ben, ann) && knows(&world, therapist, again));
}
