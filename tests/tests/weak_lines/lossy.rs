//! Pictures over lines that lose packets by chance: a repair that is lost too is there already, and the end of a picture is
//! missed before the next one begins.

use std::time::Duration;

use parlour_bot::direct::World;
use parlour_bot::media::{AudioConfig, TrackStats, VideoConfig};
use parlour_media::{MediaConfig, MediaCounters};
use parlour_simnet::{HomeConfig, LinkConfig, Loss};

use crate::{during, line, seat, told};

/// A minute of picture to a client whose line of this rate loses this share of all packets, both ways.
fn seen(seed: u64, copies: bool, loss: f64, kbps: u64) -> (TrackStats, MediaCounters) {
    let media = MediaConfig { copies, ..MediaConfig::default() };
    let mut world = World::with_media(seed, media).unwrap();
    let lossy = LinkConfig { loss: Loss::Bernoulli(loss), ..line(kbps) };
    let (therapist, client, _) = seat(&mut world, HomeConfig { up: lossy.clone(), down: lossy });
    world.publish_audio(therapist, AudioConfig::default());
    world.publish_video(therapist, VideoConfig::default());
    world.run_for(Duration::from_secs(10));
    let (_, picture) = during(&mut world, client, 60);
    eprintln!("{}", told(&picture));
    (picture, world.shard().snapshot().totals.media)
}

/// How long pictures stood still in so many minutes on such lines.
fn still(minutes: u64, copies: bool, kbps: u64) -> Duration {
    (0..minutes).map(|seed| seen(seed, copies, 0.05, kbps).0.freeze_time).sum()
}

#[test]
fn pictures_that_are_repaired_twice_stand_still_a_quarter_less_of_the_time() {
    // Half of it, in the mean of many; which packets are lost is chance, and three minutes are not enough to tell.
    let (once, twice) = (still(6, false, 2_500), still(6, true, 2_500));
    assert!(twice < once * 3 / 4, "{twice:?} against {once:?}");
}

#[test]
fn what_is_asked_for_comes_before_what_nobody_asked_for() {
    // Pictures of one packet each: all of them would be sent twice, and nothing be left for repairs.
    let (once, twice) = (still(3, false, 600), still(3, true, 600));
    assert!(twice < once, "{twice:?} against {once:?}");
}

#[test]
fn a_line_that_loses_nothing_gets_nothing_twice() {
    assert_eq!(seen(4, true, 0.0, 2_500).1.copies_out, 0);
}
