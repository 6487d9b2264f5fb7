//! A start from the line test of the same client: sooner where it is right, harmless where it is not.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, VideoConfig};
use parlour_model::command::{Action, LineHint};
use parlour_model::{Bitrate, Command, Reply};
use parlour_simnet::{HomeConfig, HomeId};

use crate::{SESSION, good, line, told, track};

/// What a test is said to have found a minute ago.
fn tested(kbps: u64) -> Action {
    Action::LineTested(LineHint { down: Bitrate::kbps(kbps), age: Duration::from_secs(60) })
}

/// A therapist who publishes already, and a client who comes to it over a line of `down` kbit/s.
fn comes_to(seed: u64, down: u64, hint: Option<Action>) -> (World, BotId, HomeId) {
    let mut world = World::new(seed).unwrap();
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let home = world.add_home(HomeConfig { up: good(), down: line(down) });
    let therapist = world.join(SESSION, "therapist", Role::Therapist, Some(office)).unwrap();
    world.publish_audio(therapist, AudioConfig::default());
    world.publish_video(therapist, VideoConfig::default());
    world.run_for(Duration::from_secs(3));
    let client = world.join(SESSION, "ann", Role::Client, Some(home)).unwrap();
    hint.into_iter().for_each(|hint| world.act(client, hint));
    (world, client, home)
}

/// How long until the largest picture is shown.
fn full_after(world: &mut World, client: BotId) -> Duration {
    let begun = world.now();
    let full = |world: &World| {
        let mut tracks = world.bot(client).endpoint.received();
        tracks.any(|(_, track)| track.kind == TrackKind::Video && track.layer == 2)
    };
    assert!(world.run_until(Duration::from_secs(10), full));
    world.now() - begun
}

#[test]
fn with_a_test_of_its_line_a_client_sees_the_full_picture_sooner() {
    let without = [1, 2, 3].map(|seed| {
        let (mut world, client, _) = comes_to(seed, 2_500, None);
        full_after(&mut world, client)
    });
    let with = [1, 2, 3].map(|seed| {
        let (mut world, client, _) = comes_to(seed, 2_500, Some(tested(2_450)));
        let after = full_after(&mut world, client);
        world.run_for(Duration::from_secs(5));
        let (audio, video) = (track(&world, client, TrackKind::Audio), track(&world, client, TrackKind::Video));
        assert_eq!((audio.missing, video.freezes), (0, 0), "{} {}", told(&audio), told(&video));
        after
    });
    let sum = |times: &[Duration]| times.iter().sum::<Duration>();
    // Each a frame and more sooner; without a test the full picture is there after half a second as well.
    assert!(sum(&with) + Duration::from_millis(150) < sum(&without), "with {with:?}, without {without:?}");
}

#[test]
fn a_test_that_claims_three_times_the_truth_costs_no_word_and_hardly_a_queue() {
    for seed in [1, 2, 3] {
        let (mut world, client, home) = comes_to(seed, 1_500, Some(tested(5_000)));
        let (_, down) = world.network.home_links(home);
        let mut queue = 0;
        for _ in 0..1_000 {
            world.run_for(Duration::from_millis(10));
            let now = world.now();
            queue = queue.max(world.network.queueing_delay(now, down).0 / 1_000);
        }
        let audio = track(&world, client, TrackKind::Audio);
        assert_eq!(audio.missing, 0, "{}", told(&audio));
        assert!(queue <= 150, "{queue} ms");
    }
}

#[test]
fn what_was_found_of_anothers_line_is_not_used() {
    // Before a probe has come back.
    let at_first = |of_ben: Option<Action>| {
        let (mut world, _, _) = comes_to(4, 2_500, Some(tested(4_500)));
        let home = world.add_home(HomeConfig { up: good(), down: line(1_500) });
        let ben = world.join(SESSION, "ben", Role::Client, Some(home)).unwrap();
        of_ben.into_iter().for_each(|hint| world.act(ben, hint));
        let sid = world.bot(ben).sid().clone();
        let mut most = Bitrate::ZERO;
        for _ in 0..40 {
            world.run_for(Duration::from_millis(5));
            let Reply::Lines(lines) = world.command(&SESSION.into(), Command::TraceLines) else { panic!("no lines") };
            most = lines.iter().filter(|line| line.participant == sid).map(|line| line.target).fold(most, Bitrate::max);
        }
        most
    };
    let (others, own) = (at_first(None), at_first(Some(tested(4_500))));
    assert!(others > Bitrate::ZERO && others < Bitrate::kbps(900), "{others}");
    assert!(own > Bitrate::kbps(1_500), "{own}");
}
