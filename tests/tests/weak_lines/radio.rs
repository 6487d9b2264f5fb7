//! Who watches over Wi-Fi as it is behind two walls: it stalls for a moment every other second, and longer now and then when it
//! looks for other stations. That is no slower line, and the picture stays as it is.

use std::time::Duration;

use parlour_bot::media::{AudioConfig, TrackStats, VideoConfig};
use parlour_simnet::{LinkConfig, Micros, RateSchedule};

use crate::{call_with, during, line, told};

const SECONDS: u64 = 70;

/// Every other second a stall, of so many milliseconds; and packets that come early or late by 15.
fn radio(kbps: u64, seed: u64, stall: impl Fn(u64) -> u64) -> LinkConfig {
    let stalls: Vec<_> = (1..SECONDS / 2)
        .map(|index| {
            let start = Micros::millis(index * 2_000 + (index * 53 + seed * 131) % 700);
            (start, Micros(start.0 + Micros::millis(stall(index)).0))
        })
        .collect();
    let rate = RateSchedule::constant(kbps * 1_000).with_stalls(&stalls);
    LinkConfig { rate: Some(rate), jitter: Micros::millis(15), ..line(kbps) }
}

/// A minute of speech and picture over it.
fn minute(seed: u64, link: LinkConfig) -> (TrackStats, TrackStats) {
    let speech = AudioConfig { redundancy: 2, ..AudioConfig::default() };
    let (mut world, client, _) = call_with(seed, speech, VideoConfig::default(), link);
    world.run_for(Duration::from_secs(10));
    during(&mut world, client, SECONDS - 10)
}

/// What came of it, where the picture should have been the largest all the time.
fn stays(seed: u64, link: LinkConfig) {
    let (audio, video) = minute(seed, link);
    let figures = format!("seed {seed}\n  audio {}\n  video {}", told(&audio), told(&video));
    eprintln!("{figures}");
    // Each layer down and up again is two keyframes.
    assert!(video.layer_switches <= 6, "{figures}");
    assert!(video.layers[2] * 100 > video.packets * 97, "{figures}");
    assert_eq!((audio.missing, video.missing), (0, 0), "{figures}");
}

#[test]
fn a_radio_that_stalls_takes_no_layer_away() {
    for seed in 1..=3 {
        // From 30 to 150 ms, and 250 ms each tenth second.
        stays(seed, radio(2_500, seed, |index| if index % 5 == 0 { 250 } else { 30 + (index * 37 + seed * 17) % 120 }));
    }
}

#[test]
fn stalls_of_a_sixth_of_a_second_take_no_layer_away() {
    for seed in 1..=3 {
        stays(seed, radio(2_500, seed, |_| 150));
    }
}
