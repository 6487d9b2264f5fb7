//! Calls on lines as people have them, against the real worker in virtual time: what each line carries is found out, and
//! speech comes first.

#![allow(clippy::unwrap_used)]

mod caps;
mod couple;
mod hint;
mod lossy;
mod paused;
mod radio;
mod speech;
mod uplink;

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_simnet::{HomeConfig, HomeId, LinkConfig, Micros};

const SESSION: &str = "couple";

/// A therapist on a good line who publishes, and a client who watches over `down`.
fn call(seed: u64, down: LinkConfig) -> (World, BotId, HomeId) {
    call_with(seed, AudioConfig { redundancy: 2, ..AudioConfig::default() }, VideoConfig::default(), down)
}

/// As [`call`], with this speech and this picture.
fn call_with(seed: u64, speech: AudioConfig, picture: VideoConfig, down: LinkConfig) -> (World, BotId, HomeId) {
    let mut world = World::new(seed).unwrap();
    let (therapist, client, home) = seat(&mut world, HomeConfig { up: good(), down });
    world.publish_audio(therapist, speech);
    world.publish_video(therapist, picture);
    (world, client, home)
}

/// A therapist on a good line, and a client on this one.
fn seat(world: &mut World, line: HomeConfig) -> (BotId, BotId, HomeId) {
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let home = world.add_home(line);
    let therapist = world.join(SESSION, "therapist", Role::Therapist, Some(office)).unwrap();
    let client = world.join(SESSION, "ann", Role::Client, Some(home)).unwrap();
    (therapist, client, home)
}

fn track(world: &World, client: BotId, kind: TrackKind) -> TrackStats {
    let found = world.bot(client).endpoint.received().find(|(_, track)| track.kind == kind);
    found.map(|(_, track)| track.clone()).unwrap_or_else(|| panic!("no {kind:?} at {:?}", world.elapsed()))
}

fn told(track: &TrackStats) -> String {
    format!(
        "layer={} layers={:?} kbps={:.0} missing={} of {} freezes={}/{:?} p50={:?} p99={:?} switches={}",
        track.layer,
        track.layers,
        track.bitrate_bps() / 1e3,
        track.missing,
        track.packets,
        track.freezes,
        track.freeze_time,
        track.latency.quantile(0.5),
        track.latency.quantile(0.99),
        track.layer_switches
    )
}

/// Runs for `seconds` and says what came in that time.
fn during(world: &mut World, client: BotId, seconds: u64) -> (TrackStats, TrackStats) {
    world.reset_received();
    world.run_for(Duration::from_secs(seconds));
    (track(world, client, TrackKind::Audio), track(world, client, TrackKind::Video))
}

fn set_down(world: &mut World, home: HomeId, down: LinkConfig) {
    let (now, (_, link)) = (world.now(), world.network.home_links(home));
    world.network.reconfigure(now, link, down);
}

/// As far away, and never in the way.
fn good() -> LinkConfig {
    LinkConfig { delay: Micros::millis(20), ..LinkConfig::default() }
}

fn line(kbps: u64) -> LinkConfig {
    LinkConfig::bottleneck(kbps * 1_000, Micros::millis(20), 200)
}

#[test]
fn a_home_line_has_the_full_picture_within_a_second_and_a_half() {
    let (mut world, client, _) = call(1, line(2_500));
    let full = world.run_until(Duration::from_millis(1_500), |world| {
        world.bot(client).endpoint.received().any(|(_, track)| track.kind == TrackKind::Video && track.layer == 2)
    });
    assert!(full, "{}", told(&track(&world, client, TrackKind::Video)));
    let (audio, video) = during(&mut world, client, 20);
    let figures = format!("\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!((audio.missing, video.missing, video.freezes, video.layer_switches), (0, 0, 0, 0), "{figures}");
    assert!(video.layers[2] > 1_300, "{figures}");
    // 40 ms are the way itself.
    assert!(audio.latency.quantile(0.99) < Duration::from_millis(100), "{figures}");
}

#[test]
fn each_line_gets_the_picture_it_carries_and_speech_is_whole_on_all() {
    for (kbps, layer) in [(350, 0), (1_000, 1), (5_000, 2)] {
        let (mut world, client, _) = call(2, line(kbps));
        world.run_for(Duration::from_secs(6));
        let (audio, video) = during(&mut world, client, 20);
        let figures = format!("{kbps} kbit/s\n  audio {}\n  video {}", told(&audio), told(&video));
        assert_eq!(audio.missing, 0, "{figures}");
        assert!(audio.latency.quantile(0.99) < Duration::from_millis(250), "{figures}");
        let shown = video.layers.iter().enumerate().max_by_key(|(_, packets)| **packets).map(|(layer, _)| layer);
        assert_eq!(shown, Some(layer), "{figures}");
        assert!(video.packets > 0 && video.missing * 200 < video.packets, "{figures}");
    }
}

#[test]
fn when_a_line_falls_to_a_third_speech_goes_on_and_the_picture_follows_down_and_up() {
    let (mut world, client, home) = call(3, line(3_000));
    world.run_for(Duration::from_secs(10));
    set_down(&mut world, home, line(1_000));
    let (audio, video) = during(&mut world, client, 10);
    let figures = format!("down\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!(audio.missing, 0, "{figures}");
    assert!(video.freezes <= 2 && video.layer == 1, "{figures}");
    set_down(&mut world, home, line(3_000));
    let back = world.run_until(Duration::from_secs(5), |world| track(world, client, TrackKind::Video).layer == 2);
    assert!(back, "{}", told(&track(&world, client, TrackKind::Video)));
    let (audio, video) = during(&mut world, client, 10);
    let figures = format!("up\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!((audio.missing, video.layer), (0, 2), "{figures}");
}
