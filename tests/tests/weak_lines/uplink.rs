//! Who publishes alone over a weak line upward: it is found to be full and the publisher asked for less, until it carries more.

use std::time::Duration;

use parlour_bot::direct::BotId;
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_simnet::{HomeConfig, HomeId, LinkConfig, Loss, Micros, RateSchedule};

use crate::{World, during, good, line, seat, told};

/// A therapist on a good line, and a client who publishes over this one.
struct Call {
    world: World,
    therapist: BotId,
    client: BotId,
    home: HomeId,
}

fn call(seed: u64, line: HomeConfig) -> Call {
    let mut world = World::new(seed).unwrap();
    let (therapist, client, home) = seat(&mut world, line);
    world.publish_audio(client, AudioConfig::default());
    world.publish_video(client, VideoConfig::default());
    Call { world, therapist, client, home }
}

fn up(up: LinkConfig) -> HomeConfig {
    HomeConfig { up, down: good() }
}

fn lossy() -> LinkConfig {
    LinkConfig { loss: Loss::Bernoulli(0.05), ..line(4_000) }
}

#[test]
fn a_voice_alone_on_a_weak_uplink_is_not_drowned_by_its_own_picture() {
    let Call { mut world, therapist, client, home } = call(11, up(line(1_000)));
    world.run_for(Duration::from_secs(6));
    let (audio, video) = during(&mut world, therapist, 30);
    let figures = format!("\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!(audio.missing, 0, "{figures}");
    assert!(audio.latency.quantile(0.99) < Duration::from_millis(200), "{figures}");
    assert!(video.bitrate_bps() > 350_000.0, "{figures}");

    let (now, (up, _)) = (world.now(), world.network.home_links(home));
    world.network.reconfigure(now, up, good());
    let free = |world: &World| world.bot(client).endpoint.sent().bound_bps.is_some_and(|bound| bound > 10e6);
    assert!(world.run_until(Duration::from_secs(20), free), "{:?}", world.bot(client).endpoint.sent().bound_bps);
}

#[test]
fn a_medium_that_loses_packets_takes_nothing_from_the_picture() {
    let Call { mut world, therapist, client, .. } = call(12, up(lossy()));
    world.run_for(Duration::from_secs(3));
    for _ in 0..60 {
        let (_, video) = during(&mut world, therapist, 1);
        // Of all three encodings together.
        let bound = world.bot(client).endpoint.sent().bound_bps;
        assert!(bound.is_none_or(|bound| bound > 2.4e6), "{bound:?} at {:?}: {}", world.elapsed(), told(&video));
    }
}

#[test]
fn what_a_medium_loses_of_a_picture_is_asked_for_in_time() {
    for seed in [20, 21] {
        let Call { mut world, therapist, .. } = call(seed, HomeConfig { up: lossy(), down: lossy() });
        world.run_for(Duration::from_secs(3));
        let (_, video) = during(&mut world, therapist, 60);
        // The way is 40 ms; a round trip to ask again after a request that was lost would be 50 more.
        assert!(video.latency.quantile(0.999) < Duration::from_millis(155), "{}", told(&video));
    }
}

/// A minute of radio that stalls for 30 to 150 ms each second, and for 250 ms each tenth.
fn radio(kbps: u64) -> LinkConfig {
    let stalls: Vec<_> = (2..60u64)
        .map(|second| {
            let start = Micros::millis(second * 1_000 + second * 53 % 700);
            let stall = Micros::millis(if second % 10 == 0 { 250 } else { 30 + second * 37 % 120 });
            (start, Micros(start.0 + stall.0))
        })
        .collect();
    let rate = RateSchedule::constant(kbps * 1_000).with_stalls(&stalls);
    LinkConfig { rate: Some(rate), jitter: Micros::millis(10), ..line(kbps) }
}

#[test]
fn radio_that_stalls_takes_little_or_nothing_from_the_picture() {
    for kbps in [8_000, 4_000] {
        let Call { mut world, therapist, .. } = call(13, up(radio(kbps)));
        world.run_for(Duration::from_secs(3));
        let (_, video) = during(&mut world, therapist, 56);
        eprintln!("{kbps}: {}", told(&video));
        // Of 1.74 Mbit/s.
        assert!(video.bitrate_bps() > 1.5e6, "{kbps}: {}", told(&video));
    }
}

#[test]
fn a_voice_too_large_for_its_own_uplink_is_made_narrow() {
    let mut world = World::new(13).unwrap();
    let (therapist, client, _) = seat(&mut world, up(line(85)));
    world.publish_audio(client, AudioConfig { redundancy: 1, ..AudioConfig::default() });
    world.run_for(Duration::from_secs(10));
    world.reset_received();
    world.run_for(Duration::from_secs(15));
    let audio = world.bot(therapist).endpoint.received().map(|(_, track)| track).next().unwrap();
    assert!(audio.missing == 0 && audio.latency.quantile(0.99) < Duration::from_millis(150), "{}", told(audio));
    assert_eq!(world.shard().snapshot().totals.media.narrowed, 1);
}

#[test]
fn a_picture_that_an_uplink_does_not_carry_beside_the_voice_is_not_sent_until_it_does() {
    for kbps in [100, 200] {
        let (mut call, frames) = spoken(14, kbps);
        assert_eq!(frames, 0, "{kbps} kbit/s");
        let (now, (up, _)) = (call.world.now(), call.world.network.home_links(call.home));
        call.world.network.reconfigure(now, up, line(2_000));
        call.world.reset_received();
        let shown =
            |world: &World| world.bot(call.therapist).endpoint.received().any(|(_, track)| track.frames_decoded > 30);
        assert!(call.world.run_until(Duration::from_secs(35), shown), "{kbps} kbit/s, then 2,000");
    }
    let (_, frames) = spoken(15, 300);
    assert!(frames > 300, "{frames} frames");
}

/// A call over an uplink of so much, on which the voice is whole and soon there; frames shown in 15 s.
fn spoken(seed: u64, kbps: u64) -> (Call, u64) {
    let mut world = World::new(seed).unwrap();
    let (therapist, client, home) = seat(&mut world, up(line(kbps)));
    world.publish_audio(client, AudioConfig { redundancy: 1, ..AudioConfig::default() });
    world.publish_video(client, VideoConfig::default());
    world.run_for(Duration::from_secs(10));
    let (audio, video) = during(&mut world, therapist, 15);
    assert_eq!(audio.missing, 0, "{kbps} kbit/s: {}", told(&audio));
    assert!(audio.latency.quantile(0.99) < Duration::from_millis(170), "{kbps} kbit/s: {}", told(&audio));
    (Call { world, therapist, client, home }, video.frames_decoded)
}
