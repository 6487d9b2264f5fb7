//! Clients that forget to offer what they announced: bots against the real worker in virtual time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_model::Event;

/// Offers come within half a second of the announcement, or are forgotten.
const IN_TIME: Duration = Duration::from_secs(2);
const ASKED_BY_THEN: Duration = Duration::from_secs(5);

fn is_heard(world: &World, from: BotId, to: BotId) -> bool {
    let sid = world.bot(from).track_sid("mic-2");
    sid.is_some_and(|sid| world.bot(to).track(sid).is_some_and(|track| track.frames_decoded > 0))
}

#[test]
fn a_microphone_that_was_announced_and_not_offered_is_asked_for() {
    let mut world = World::new(1).unwrap();
    let ann = world.join("couple", "ann", Role::Client, None).unwrap();
    let therapist = world.join("couple", "therapist", Role::Therapist, None).unwrap();
    let camera = world.publish_video(ann, VideoConfig::default());
    let is_seen = |world: &World| {
        let sid = world.bot(ann).track_sid(&camera);
        sid.is_some_and(|sid| world.bot(therapist).track(sid).is_some_and(|track| track.frames_decoded > 0))
    };
    assert!(world.run_until(Duration::from_secs(20), is_seen));

    world.bot_mut(ann).forgets_offers = true;
    assert_eq!(world.publish_audio(ann, AudioConfig::default()), "mic-2");
    world.run_for(IN_TIME);
    assert!(world.bot(ann).forgets_offers, "nobody is asked before it is late");
    assert!(
        world.run_until(ASKED_BY_THEN, |world| is_heard(world, ann, therapist)),
        "she speaks, and nobody hears her"
    );
}

#[test]
fn who_offers_in_time_is_not_asked() {
    let mut world = World::new(2).unwrap();
    let ann = world.join("couple", "ann", Role::Client, None).unwrap();
    world.bot_mut(ann).told = Some(Vec::new());
    world.publish_video(ann, VideoConfig::default());
    world.publish_audio(ann, AudioConfig::default());
    world.run_for(IN_TIME + ASKED_BY_THEN);
    let told = world.bot(ann).told.as_ref().unwrap();
    let count = |is: fn(&Event) -> bool| told.iter().filter(|(_, event)| is(event)).count();
    assert!(count(|event| matches!(event, Event::Answer { .. })) > 0, "the test must see");
    assert_eq!(count(|event| matches!(event, Event::SectionsNeeded { .. })), 0);
}
