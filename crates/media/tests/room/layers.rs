//! Which layer a receiver gets.

use std::time::Duration;

use parlour_media::MediaEvent;
use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, Layer, Quality, VideoSize};

use crate::stage::{CAMERA, Camera, OTHER, Outgoing, RECEIVER, Received, Stage, camera_subscription};

const FRAME: Duration = Duration::from_millis(33);

/// A camera with three layers, filmed for a while.
struct Simulcast {
    layers: Vec<Camera>,
    frames: usize,
    /// Layers that the publisher sends.
    sending: [bool; 3],
    /// From one frame to the next.
    spacing: Duration,
    /// In each frame, by layer.
    packets: [usize; 3],
}

impl Simulcast {
    fn new() -> Self {
        let layers = ["q", "h", "f"].map(|rid| Camera::new(Some(rid))).to_vec();
        Self { layers, frames: 0, sending: [true; 3], spacing: FRAME, packets: [1, 3, 6] }
    }

    /// Sends frames; the publisher answers keyframe requests.
    fn film(&mut self, stage: &mut Stage, frames: usize) {
        for _ in 0..frames {
            let asked = stage.plis();
            stage.rtcp.clear();
            for (index, camera) in self.layers.iter_mut().enumerate() {
                if !self.sending[index] {
                    continue;
                }
                let packets: Vec<Outgoing> = if self.frames == 0 || asked.contains(&camera.ssrc) {
                    camera.keyframe(self.packets[index])
                } else {
                    camera.temporal(self.frames, self.packets[index])
                };
                stage.send_all(&packets);
            }
            self.frames += 1;
            stage.pass(self.spacing);
        }
    }

    /// The layer that a packet was of: the payload names its number.
    fn layer_of(&self, got: &Received) -> usize {
        let payload = got.rtp().payload;
        let sequence = u16::from_be_bytes([payload[7], payload[8]]);
        let near = |camera: &Camera| camera.sequence.wrapping_sub(sequence) < 20;
        self.layers.iter().position(near).unwrap()
    }

    fn film_and_look(&mut self, stage: &mut Stage) -> usize {
        self.film(stage, 4);
        let got = stage.camera();
        self.layer_of(got.last().unwrap())
    }
}

fn shown(width: u32, height: u32) -> TrackSettings {
    TrackSettings { size: Some(VideoSize { width, height }), ..TrackSettings::default() }
}

#[test]
fn the_layer_follows_the_size_it_is_shown_at() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 30);
    for (width, height, layer) in [(1_280, 720, 2), (320, 180, 0), (600, 340, 1), (180, 320, 0), (1_920, 1_080, 2)] {
        stage.room.set_preferences(RECEIVER, CAMERA, shown(width, height), stage.now);
        stage.collect();
        simulcast.film(&mut stage, 30);
        assert_eq!(simulcast.film_and_look(&mut stage), layer, "{width}x{height}");
    }
}

#[test]
fn the_layer_follows_the_quality_asked_for() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    for (quality, layer) in [(Quality::Low, 0), (Quality::High, 2), (Quality::Medium, 1)] {
        let settings = TrackSettings { quality: Some(quality), ..TrackSettings::default() };
        stage.room.set_preferences(RECEIVER, CAMERA, settings, stage.now);
        stage.collect();
        simulcast.film(&mut stage, 30);
        assert_eq!(simulcast.film_and_look(&mut stage), layer);
    }
}

#[test]
fn rids_name_layers_whatever_their_order() {
    let mut stage = Stage::watching(&["f", "q", "h"]);
    let mut simulcast = Simulcast::new();
    stage.room.set_preferences(RECEIVER, CAMERA, shown(320, 180), stage.now);
    simulcast.film(&mut stage, 30);
    assert_eq!(simulcast.film_and_look(&mut stage), 0);
}

#[test]
fn a_dead_layer_is_left_and_taken_up_again_when_it_returns() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 60);
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
    simulcast.sending[2] = false;
    simulcast.film(&mut stage, 75);
    assert_eq!(simulcast.film_and_look(&mut stage), 1);
    simulcast.sending[2] = true;
    // It stopped soon after it began, so it has to hold first.
    simulcast.film(&mut stage, 120);
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
}

#[test]
fn a_larger_picture_that_its_uplink_starves_is_left_for_a_full_smaller_one_until_it_has_enough() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast { packets: [1, 3, 2], ..Simulcast::new() };
    simulcast.film(&mut stage, 300);
    assert_eq!(simulcast.film_and_look(&mut stage), 1);
    // Nobody takes it, so it is off: what it was is remembered.
    simulcast.sending[2] = false;
    simulcast.film(&mut stage, 300);
    simulcast.sending[2] = true;
    simulcast.film(&mut stage, 120);
    assert_eq!(simulcast.film_and_look(&mut stage), 1);
    simulcast.packets[2] = 9;
    simulcast.film(&mut stage, 150);
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
}

#[test]
fn a_larger_picture_that_was_starved_is_tried_again_less_and_less_often() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast { packets: [1, 3, 2], ..Simulcast::new() };
    let mut tried = Vec::new();
    for second in 0..150 {
        simulcast.film(&mut stage, 30);
        let last = stage.events.iter().rev().find_map(|event| match event {
            MediaEvent::SubscribedLayers { wanted, .. } => Some(wanted.contains(&(Layer(2), true))),
            _ => None,
        });
        // Sent only while it is asked for.
        let asked = last.unwrap_or(true);
        if asked && !simulcast.sending[2] {
            tried.push(second);
        }
        simulcast.sending[2] = asked;
    }
    assert!((2..=4).contains(&tried.len()), "{tried:?}");
    assert!(tried.windows(2).all(|pair| pair[1] - pair[0] > 25), "{tried:?}");
}

#[test]
fn a_larger_picture_that_is_thin_for_a_moment_stays() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast { packets: [1, 3, 9], ..Simulcast::new() };
    simulcast.film(&mut stage, 150);
    let switches = stage.room.counters().layer_switches;
    for _ in 0..5 {
        simulcast.packets[2] = 2;
        simulcast.film(&mut stage, 60);
        simulcast.packets[2] = 9;
        simulcast.film(&mut stage, 120);
    }
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
    assert_eq!(stage.room.counters().layer_switches, switches);
}

#[test]
fn a_layer_that_stops_is_replaced_before_its_picture_stands_still_for_long() {
    for (spacing, most) in [(33, 300), (50, 350), (100, 550)] {
        let mut stage = Stage::watching(&["q", "h", "f"]);
        let mut simulcast = Simulcast { spacing: Duration::from_millis(spacing), ..Simulcast::new() };
        simulcast.film(&mut stage, 100);
        assert_eq!(simulcast.film_and_look(&mut stage), 2);
        simulcast.sending[2] = false;
        let since = stage.now;
        while stage.camera().is_empty() {
            simulcast.film(&mut stage, 1);
            assert!(stage.now - since <= Duration::from_millis(most), "{:?} at {spacing} ms", stage.now - since);
        }
    }
}

#[test]
fn a_line_that_stalls_and_a_camera_that_stutters_switch_no_layers() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 60);
    let (switches, asked) = (stage.room.counters().layer_switches, stage.room.counters().keyframe_requests_out);
    for stall in [0, 150, 320, 700, 0, 1_500] {
        stage.pass(Duration::from_millis(stall));
        // Frames that waited come at once.
        simulcast.spacing = Duration::from_millis(1);
        simulcast.film(&mut stage, stall as usize / 33);
        simulcast.spacing = FRAME;
        simulcast.film(&mut stage, 20);
        simulcast.spacing = Duration::from_millis(stall);
        simulcast.film(&mut stage, 2);
    }
    let counters = stage.room.counters();
    assert_eq!((counters.layer_switches, counters.keyframe_requests_out), (switches, asked));
}

#[test]
fn a_layer_that_comes_and_goes_switches_once_and_not_each_time() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 60);
    let switches = stage.room.counters().layer_switches;
    for _ in 0..10 {
        simulcast.sending[2] = false;
        simulcast.film(&mut stage, 40);
        simulcast.sending[2] = true;
        simulcast.film(&mut stage, 60);
    }
    assert_eq!(stage.room.counters().layer_switches, switches + 1);
    simulcast.film(&mut stage, 120);
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
}

#[test]
fn a_camera_that_pauses_altogether_keeps_its_layer() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 60);
    let switches = stage.room.counters().layer_switches;
    stage.pass(Duration::from_secs(10));
    simulcast.film(&mut stage, 30);
    assert_eq!(simulcast.film_and_look(&mut stage), 2);
    assert_eq!(stage.room.counters().layer_switches, switches);
}

#[test]
fn a_layer_is_not_dead_because_its_camera_paused_a_moment_before_the_others() {
    // Layers are looked after once a second: at one of these offsets that falls between the two ages.
    for offset in 0..50 {
        let mut stage = Stage::watching(&["q", "h", "f"]);
        let mut simulcast = Simulcast::new();
        simulcast.film(&mut stage, 35);
        stage.pass(Duration::from_millis(20 * offset));
        simulcast.film(&mut stage, 1);
        stage.send_all(&simulcast.layers[0].delta(1));
        stage.clear();
        stage.pass(Duration::from_secs(3));
        assert_eq!(stage.plis(), [], "offset {offset}");
    }
}

#[test]
fn the_layer_follows_the_budget_down_to_temporal_layers_and_to_a_pause() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 90);
    // One, three and five packets of 200 bytes at 30 frames: 48, 145 and 242 kbit/s.
    let mut rates = Vec::new();
    for kbps in [300, 200, 60, 30, 5] {
        stage.room.set_budget(RECEIVER, Bitrate::kbps(kbps), stage.now);
        stage.collect();
        simulcast.film(&mut stage, 30);
        stage.clear();
        simulcast.film(&mut stage, 60);
        let bytes: usize = stage.camera().iter().map(|got| got.rtp().payload.len()).sum();
        rates.push(bytes * 8 / 2_000);
        assert!(bytes * 8 / 2_000 <= kbps as usize, "{bytes}");
    }
    assert!(rates[0] > 220 && rates[1] > 115 && rates[2] > 44 && rates[3] > 10 && rates[4] == 0, "{rates:?}");
}

#[test]
fn a_smaller_picture_that_moves_is_better_than_a_larger_one_at_ten_frames() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.spacing = Duration::from_millis(50);
    simulcast.film(&mut stage, 60);
    // All frames of the highest layer take 160 kbit/s, half of them 80, all of the middle one 96.
    for (kbps, layer) in [(300, 2), (140, 1)] {
        stage.room.set_budget(RECEIVER, Bitrate::kbps(kbps), stage.now);
        stage.collect();
        simulcast.film(&mut stage, 20);
        stage.clear();
        simulcast.film(&mut stage, 40);
        let got = stage.camera();
        assert_eq!(simulcast.layer_of(got.last().unwrap()), layer);
        let frames = got.iter().filter(|got| got.rtp().marker).count();
        assert!(frames >= 39, "{kbps}: {frames} of 40");
    }
}

#[test]
fn a_step_up_needs_a_tenth_to_spare_and_staying_does_not() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 90);
    // All frames of the highest layer take 290 kbit/s, half of them 145.
    for (kbps, rate) in [(240, 145), (306, 145), (345, 290), (306, 290)] {
        stage.room.set_budget(RECEIVER, Bitrate::kbps(kbps), stage.now);
        stage.collect();
        simulcast.film(&mut stage, 30);
        stage.clear();
        simulcast.film(&mut stage, 60);
        let bytes: usize = stage.camera().iter().map(|got| got.rtp().payload.len()).sum();
        assert!((bytes * 8 / 2_000).abs_diff(rate) < 15, "{kbps}: {}", bytes * 8 / 2_000);
    }
}

#[test]
fn a_pause_for_want_of_budget_is_told_and_so_is_its_end() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 40);
    for (kbps, paused) in [(5, true), (5_000, false)] {
        stage.events.clear();
        stage.room.set_budget(RECEIVER, Bitrate::kbps(kbps), stage.now);
        stage.collect();
        assert_eq!(stage.events.iter().filter(|event| matches!(event, MediaEvent::StreamState { .. })).count(), 1);
        assert!(stage.events.contains(&MediaEvent::StreamState { receiver: RECEIVER, publication: CAMERA, paused }));
    }
}

#[test]
fn a_publisher_is_told_which_layers_anybody_takes() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    let told = |stage: &Stage| {
        stage.events.iter().rev().find_map(|event| match event {
            MediaEvent::SubscribedLayers { wanted, .. } => Some(wanted.clone()),
            _ => None,
        })
    };
    let layers = |states: [bool; 3]| Some([Layer(0), Layer(1), Layer(2)].into_iter().zip(states).collect::<Vec<_>>());
    stage.room.set_preferences(RECEIVER, CAMERA, shown(320, 180), stage.now);
    simulcast.film(&mut stage, 60);
    stage.room.subscribe(camera_subscription(OTHER), stage.now);
    stage.room.set_preferences(OTHER, CAMERA, shown(640, 360), stage.now);
    simulcast.film(&mut stage, 250);
    assert_eq!(told(&stage), layers([true, true, false]));
    stage.room.set_preferences(OTHER, CAMERA, shown(1_280, 720), stage.now);
    stage.collect();
    assert_eq!(told(&stage), layers([true, true, true]));
    stage.room.unsubscribe(OTHER, CAMERA, stage.now);
    simulcast.film(&mut stage, 250);
    assert_eq!(told(&stage), layers([true, false, false]));
}

#[test]
fn a_muted_camera_is_not_told_to_drop_its_layers() {
    let mut stage = Stage::watching(&["q", "h", "f"]);
    let mut simulcast = Simulcast::new();
    simulcast.film(&mut stage, 60);
    stage.clear();
    stage.room.set_muted(CAMERA, true, stage.now);
    stage.pass(Duration::from_secs(10));
    // Layers that nobody took before are another matter: here it is the two below.
    let dropped = stage.events.iter().any(|event| match event {
        MediaEvent::SubscribedLayers { wanted, .. } => wanted.contains(&(Layer(2), false)),
        _ => false,
    });
    assert!(!dropped, "{:?}", stage.events);
}
