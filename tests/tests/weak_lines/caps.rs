//! Publishers follow their audience: nothing is sent that no line can take, and it comes back when one can.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, VideoConfig};
use parlour_simnet::{HomeConfig, HomeId};

use crate::{SESSION, during, good, line, set_down, told, track};

/// A therapist with this camera, and clients on lines of so many kbit/s.
fn seen_by(seed: u64, camera: VideoConfig, downs: &[u64]) -> (World, BotId, Vec<(BotId, HomeId)>) {
    let mut world = World::new(seed).unwrap();
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let therapist = world.join(SESSION, "therapist", Role::Therapist, Some(office)).unwrap();
    let mut clients = Vec::new();
    for (index, &down) in downs.iter().enumerate() {
        let home = world.add_home(HomeConfig { up: good(), down: line(down) });
        clients.push((world.join(SESSION, &format!("client-{index}"), Role::Client, Some(home)).unwrap(), home));
    }
    world.publish_audio(therapist, AudioConfig::default());
    world.publish_video(therapist, camera);
    (world, therapist, clients)
}

/// What a publisher sends of all its tracks, payload, over some seconds.
fn sent_kbps(world: &mut World, publisher: BotId, seconds: u64) -> u64 {
    let before = world.bot(publisher).endpoint.sent().bytes;
    world.run_for(Duration::from_secs(seconds));
    (world.bot(publisher).endpoint.sent().bytes - before) * 8 / 1_000 / seconds
}

#[test]
fn a_camera_with_one_encoding_is_made_for_the_line_it_goes_to() {
    let (mut world, therapist, clients) = seen_by(1, VideoConfig::single(1_280, 720, 1_700_000), &[800]);
    let (client, _) = clients[0];
    world.run_for(Duration::from_secs(10));
    let (audio, video) = during(&mut world, client, 20);
    let figures = format!("\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!(audio.missing, 0, "{figures}");
    assert!(video.freezes == 0 && video.bitrate_bps() > 400_000.0, "{figures}");
    let sent = sent_kbps(&mut world, therapist, 5);
    assert!(sent < 850, "{sent} kbit/s are sent for a line of 800");
}

#[test]
fn the_full_picture_bends_with_the_line_and_comes_back() {
    let (mut world, therapist, clients) = seen_by(2, VideoConfig::default(), &[2_500]);
    let (client, home) = clients[0];
    world.run_for(Duration::from_secs(10));
    assert_eq!(track(&world, client, TrackKind::Video).layer, 2);
    // Too little for the whole of it, and still more than the next smaller picture needs.
    set_down(&mut world, home, line(1_600));
    world.run_for(Duration::from_secs(5));
    let (audio, video) = during(&mut world, client, 15);
    let figures = format!("bent\n  audio {}\n  video {}", told(&audio), told(&video));
    assert_eq!((audio.missing, video.layer, video.freezes), (0, 2, 0), "{figures}");
    assert!(video.bitrate_bps() > 1_000_000.0, "{figures}");
    let sent = sent_kbps(&mut world, therapist, 5);
    assert!((1_000..1_600).contains(&sent), "{sent}");

    set_down(&mut world, home, line(2_500));
    world.run_for(Duration::from_secs(10));
    let (_, video) = during(&mut world, client, 10);
    let figures = format!("back\n  video {}", told(&video));
    assert!(video.layer == 2 && video.bitrate_bps() > 1_600_000.0, "{figures}");
    let bound = world.bot(therapist).endpoint.sent().bound_bps;
    assert!(bound.is_some_and(|bound| bound > 10e6), "{bound:?} is still asked for");
}

#[test]
fn the_top_layer_follows_the_largest_line_and_the_small_one_keeps_its_own() {
    let (mut world, therapist, clients) = seen_by(3, VideoConfig::default(), &[1_500, 400]);
    world.run_for(Duration::from_secs(15));
    let (_, large) = during(&mut world, clients[0].0, 15);
    let small = track(&world, clients[1].0, TrackKind::Video);
    let figures = format!("\n  large {}\n  small {}", told(&large), told(&small));
    assert!(large.layer == 2 && large.bitrate_bps() > 900_000.0 && large.freezes == 0, "{figures}");
    assert!(small.layer == 0 && small.frames_decoded > 0, "{figures}");
    // The middle layer goes nowhere.
    let sent = sent_kbps(&mut world, therapist, 5);
    assert!(sent < 1_700, "{sent}");
}

#[test]
fn a_layer_that_no_line_can_take_is_not_sent() {
    let (mut world, therapist, clients) = seen_by(4, VideoConfig::default(), &[450]);
    world.run_for(Duration::from_secs(15));
    let sent = sent_kbps(&mut world, therapist, 5);
    assert!(sent < 420, "{sent} kbit/s are sent for {}", told(&track(&world, clients[0].0, TrackKind::Video)));
}
