//! A picture that does not fit is made smaller or held back, and the way back is open: the line is asked with padding where
//! there is no picture to ask with.

use std::time::Duration;

use parlour_bot::direct::{BotId, World};
use parlour_bot::media::{AudioConfig, TrackKind, VideoConfig};
use parlour_simnet::HomeId;

use crate::{call_with, line, set_down};

/// A therapist on a good line who sends `picture` and speech, and a client who watches over a line of `kbps`.
fn calls(seed: u64, picture: VideoConfig, kbps: u64) -> (World, BotId, HomeId) {
    call_with(seed, AudioConfig::default(), picture, line(kbps))
}

/// Pictures decoded and packets of speech missing, since the last reset.
fn came(world: &World, client: BotId) -> (u64, u64) {
    world.bot(client).endpoint.received().fold((0, 0), |(frames, missing), (_, track)| match track.kind {
        TrackKind::Video => (frames + track.frames_decoded, missing),
        TrackKind::Audio => (frames, missing + track.missing),
    })
}

#[test]
fn a_picture_in_one_encoding_larger_than_the_first_guess_is_shown() {
    let (mut world, client, _) = calls(1, VideoConfig::single(1280, 720, 2_000_000), 3_000);
    let shown = world.run_until(Duration::from_secs(3), |world| came(world, client).0 > 10);
    assert!(shown, "{:?}", world.shard().counters());
}

#[test]
fn a_picture_in_one_encoding_is_made_as_the_line_can_take_it() {
    let (mut world, client, _) = calls(2, VideoConfig::single(1280, 720, 2_000_000), 1_000);
    world.run_for(Duration::from_secs(5));
    for second in 5..25 {
        world.reset_received();
        world.run_for(Duration::from_secs(1));
        let (frames, missing) = came(&world, client);
        assert!(frames >= 25 && missing == 0, "{second} s: {frames} frames, {missing} packets of speech missing");
    }
}

#[test]
fn a_picture_paused_for_a_weak_line_comes_back_with_the_line() {
    for picture in [VideoConfig::default(), VideoConfig::single(1280, 720, 1_500_000)] {
        let (mut world, client, home) = calls(3, picture, 2_500);
        world.run_for(Duration::from_secs(10));
        set_down(&mut world, home, line(120));
        world.run_for(Duration::from_secs(10));
        world.reset_received();
        world.run_for(Duration::from_secs(10));
        assert_eq!(came(&world, client).0, 0, "no line for a picture: {:?}", world.shard().counters());
        set_down(&mut world, home, line(2_500));
        let back = world.run_until(Duration::from_secs(8), |world| came(world, client).0 > 10);
        assert!(back, "{:?}", world.shard().counters());
    }
}

#[test]
fn a_line_is_asked_for_a_paused_picture_with_so_little_that_speech_passes() {
    for kbps in [100, 150] {
        let (mut world, client, _) = calls(4, VideoConfig::default(), kbps);
        world.run_for(Duration::from_secs(10));
        world.reset_received();
        world.run_for(Duration::from_secs(30));
        let heard = world.bot(client).endpoint.received().find(|(_, track)| track.kind == TrackKind::Audio);
        let (_, speech) = heard.unwrap();
        assert_eq!(speech.missing, 0, "{kbps} kbit/s");
        let latest = speech.latency.quantile(0.99);
        assert!(latest < Duration::from_millis(190), "{kbps} kbit/s: {latest:?}");
        assert!(world.shard().snapshot().totals.media.paddings_out > 0, "it is asked");
    }
}
