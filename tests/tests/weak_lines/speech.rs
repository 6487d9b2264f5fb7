//! Speech over lines that lose in bursts: copies bring back what nobody can ask for in time.

use std::time::Duration;

use parlour_bot::direct::{Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_media::{MediaConfig, MediaCounters};
use parlour_simnet::{HomeConfig, LinkConfig, Loss, Micros};

use crate::{SESSION, during, good, line, seat, set_down};

/// Five percent of all packets, in bursts: 80 ms of each 1.3 s lose eight of ten.
fn bursts() -> Loss {
    Loss::Periodic { every: Micros::millis(1_280), bad: Micros::millis(80), loss_in_bad: 0.8 }
}

/// A minute of speech and picture to a client so far away, over a line that loses like this.
fn heard(seed: u64, audio: AudioConfig, copies: bool, down: LinkConfig) -> (TrackStats, MediaCounters) {
    let media = MediaConfig { copies, ..MediaConfig::default() };
    let mut world = World::with_media(seed, media).unwrap();
    let up = LinkConfig { loss: Loss::None, rate: None, ..down.clone() };
    let (therapist, client, _) = seat(&mut world, HomeConfig { up, down });
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

/// Half a minute of two voices, each with one frame again in every packet, over a line of so much: the share missing and the
/// latest packets of the worse, and what came of both.
fn voices(seed: u64, kbps: u64, protected: bool) -> (f64, Duration, u64) {
    let mut world = World::with_media(seed, MediaConfig { copies: protected, ..MediaConfig::default() }).unwrap();
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let home = world.add_home(HomeConfig { up: good(), down: line(kbps) });
    for (identity, role) in [("therapist", Role::Therapist), ("ann", Role::Client)] {
        let publisher = world.join(SESSION, identity, role, Some(office)).unwrap();
        world.publish_audio(publisher, AudioConfig { redundancy: 1, ..AudioConfig::default() });
    }
    let client = world.join(SESSION, "ben", Role::Client, Some(home)).unwrap();
    world.run_for(Duration::from_secs(10));
    world.reset_received();
    world.run_for(Duration::from_secs(30));
    let heard: Vec<_> = world.bot(client).endpoint.received().map(|(_, track)| track).collect();
    assert_eq!(heard.len(), 2);
    let missing = heard.iter().map(|track| track.loss()).fold(0.0, f64::max);
    let latest = heard.iter().map(|track| track.latency.quantile(0.99)).max().unwrap();
    let bytes = heard.iter().map(|track| track.bytes).sum();
    eprintln!("{kbps} kbit/s: missing {missing:.3}, latest {latest:?}, {bytes} bytes");
    (missing, latest, bytes)
}

#[test]
fn voices_too_large_for_the_line_are_made_narrow_and_come_back_with_the_line() {
    let mut world = World::new(7).unwrap();
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let home = world.add_home(HomeConfig { up: good(), down: line(100) });
    for (identity, role) in [("therapist", Role::Therapist), ("ann", Role::Client)] {
        let publisher = world.join(SESSION, identity, role, Some(office)).unwrap();
        world.publish_audio(publisher, AudioConfig { redundancy: 1, ..AudioConfig::default() });
    }
    let client = world.join(SESSION, "ben", Role::Client, Some(home)).unwrap();
    world.run_for(Duration::from_secs(10));
    let heard = |world: &mut World, seconds| {
        world.reset_received();
        world.run_for(Duration::from_secs(seconds));
        let tracks = || world.bot(client).endpoint.received().map(|(_, track)| track);
        let missing = tracks().map(TrackStats::loss).fold(0.0, f64::max);
        let latest = tracks().map(|track| track.latency.quantile(0.99)).max().unwrap();
        (missing, latest, tracks().map(|track| track.bytes).sum::<u64>() / seconds)
    };
    let (missing, latest, narrow) = heard(&mut world, 15);
    assert!(missing < 0.005 && latest < Duration::from_millis(120), "{missing} missing, {latest:?}");
    assert_eq!(world.shard().snapshot().totals.media.narrowed, 2);
    set_down(&mut world, home, line(1_000));
    world.run_for(Duration::from_secs(60));
    let (missing, _, whole) = heard(&mut world, 15);
    assert!(whole > narrow * 3 / 2 && missing < 0.005, "{whole} against {narrow} bytes a second, {missing} missing");
}

#[test]
fn a_line_that_hardly_carries_speech_gets_it_without_redundancy() {
    let (lost, late, _) = voices(6, 140, false);
    assert!(lost > 0.05 && late > Duration::from_millis(200), "{lost} missing, {late:?}");
    let (lost, late, _) = voices(6, 140, true);
    assert!(lost < 0.005 && late < Duration::from_millis(120), "{lost} missing, {late:?}");
    // A line that carries it keeps it.
    let (bare, kept) = (voices(6, 140, true).2, voices(6, 300, true).2);
    assert!(kept > bare * 3 / 2, "{kept} against {bare} bytes");
}
