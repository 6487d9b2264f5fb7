//! Speech over lines that lose in bursts: copies bring back what nobody can ask for in time.

use std::time::Duration;

use parlour_bot::direct::{Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_media::{MediaConfig, MediaCounters};
use parlour_simnet::{HomeConfig, LinkConfig, Loss, Micros};

use crate::{SESSION, during, good};

/// Five percent of all packets, in bursts: 80 ms of each 1.3 s lose eight of ten.
fn bursts() -> Loss {
    Loss::Periodic { every: Micros::millis(1_280), bad: Micros::millis(80), loss_in_bad: 0.8 }
}

/// A minute of speech and picture to a client so far away, over a line that loses like this.
fn heard(seed: u64, audio: AudioConfig, copies: bool, down: LinkConfig) -> (TrackStats, MediaCounters) {
    let media = MediaConfig { copies, ..MediaConfig::default() };
    let mut world = World::with_media(seed, media).unwrap();
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let up = LinkConfig { loss: Loss::None, rate: None, ..down.clone() };
    let home = world.add_home(HomeConfig { up, down });
    let therapist = world.join(SESSION, "therapist", Role::Therapist, Some(office)).unwrap();
    let client = world.join(SESSION, "ann", Role::Client, Some(home)).unwrap();
    world.publish_audio(therapist, audio);
    world.publish_video(therapist, VideoConfig::default());
    world.run_for(Duration::from_secs(10));
    let (speech, _) = during(&mut world, client, 60);
    let missing = speech.missing;
    assert_eq!(speech.kind, TrackKind::Audio);
    eprintln!("missing {missing} of {} late {} repaired {}", speech.packets, speech.late, speech.repaired);
    (speech, world.shard().snapshot().totals.media)
}

fn far(loss: Loss) -> LinkConfig {
    LinkConfig { loss, ..LinkConfig::bottleneck(3_000_000, Micros::millis(90), 200) }
}

#[test]
fn speech_lost_in_bursts_where_asking_takes_too_long_comes_as_a_copy() {
    let (without, _) = heard(1, AudioConfig::default(), false, far(bursts()));
    let (with, counters) = heard(1, AudioConfig::default(), true, far(bursts()));
    assert!(without.loss() > 0.03, "{} of {} missing", without.missing, without.packets);
    assert!(with.loss() < 0.01, "{} of {} missing, {counters:?}", with.missing, with.packets);
}

#[test]
fn copies_spare_a_line_that_is_full_or_loses_nothing() {
    let (clean, counters) = heard(2, AudioConfig::default(), true, far(Loss::None));
    assert_eq!((clean.missing, counters.copies_out), (0, 0));
    // Too small for two voices.
    let small = LinkConfig { loss: bursts(), ..LinkConfig::bottleneck(120_000, Micros::millis(90), 200) };
    let (_, counters) = heard(3, AudioConfig { redundancy: 2, ..AudioConfig::default() }, true, small);
    assert_eq!(counters.copies_out, 0);
}
