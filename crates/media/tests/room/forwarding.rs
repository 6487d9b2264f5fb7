//! Who gets what, and what not.

use std::collections::BTreeSet;
use std::time::Duration;

use parlour_media::{ForwardDrop, MediaEvent, RtpDrop, UplinkSpec};
use parlour_model::command::{Leg, TrackSettings};
use parlour_model::{Bitrate, Codec, Edge, Medium, ParticipantKey, PublicationKey};
use parlour_rtp::{AudioLevel, red};
use proptest::prelude::*;

use crate::stage::{
    CAMERA, Camera, MICROPHONE, Microphone, OPUS_PT, OUT_CAMERA_PT, OUT_OPUS_PT, OUT_RED_PT, PUBLISHER, RECEIVER,
    RED_PT, Stage, camera_section, camera_subscription, extensions, fixed_budget, microphone_section,
    microphone_subscription,
};

#[test]
fn a_camera_and_a_microphone_arrive_with_the_receivers_numbers_and_the_senders_bytes() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let (mut camera, mut microphone) = (Camera::new(None), Microphone::default());
    let frame = camera.keyframe(3);
    stage.send_all(&frame);
    let sound = microphone.packet(b"opus");
    stage.send(&sound).unwrap();

    let got = stage.camera();
    assert_eq!(got.len(), 3);
    for (sent, got) in frame.iter().zip(&got) {
        let rtp = got.rtp();
        assert_eq!((rtp.payload_type, rtp.marker, got.to), (OUT_CAMERA_PT, sent.header.marker, RECEIVER));
        assert_eq!(rtp.extension(1), Some(&b"7"[..]));
        assert_eq!(rtp.payload, sent.payload);
    }
    let got = stage.microphone();
    let rtp = got[0].rtp();
    assert_eq!((rtp.payload_type, rtp.payload), (OUT_OPUS_PT, &b"opus"[..]));
    assert_eq!(rtp.extension(4), Some(&[0x80 | 20][..]));
    // One connection, one row of transport-wide numbers.
    let numbers: Vec<u8> = stage.rtp.iter().map(|got| got.rtp().extension(5).unwrap()[1]).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    let first = |publication| MediaEvent::FirstPacket { receiver: RECEIVER, publication };
    assert!(stage.events.contains(&first(CAMERA)) && stage.events.contains(&first(MICROPHONE)));
}

#[test]
fn nothing_is_forwarded_without_its_edge() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let edge = Edge { publisher: PUBLISHER, receiver: RECEIVER, medium: Medium::Audio };
    stage.room.set_edges(&BTreeSet::from([edge]), stage.now);
    stage.send_all(&Camera::new(None).keyframe(2));
    stage.send(&Microphone::default().packet(b"opus")).unwrap();
    assert_eq!((stage.camera().len(), stage.microphone().len()), (0, 1));
}

#[test]
fn a_cut_edge_stops_what_waits_and_what_would_be_repeated_and_reported() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    let sent = stage.camera()[0].rtp().sequence;
    for packet in camera.delta(2) {
        stage.send_only(&packet).unwrap();
    }
    stage.close_all();
    stage.clear();
    stage.collect();
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, camera_subscription(RECEIVER).ssrc, &[sent]).unwrap());
    stage.rtcp_from(RECEIVER, |writer| writer.pli(1, camera_subscription(RECEIVER).ssrc).unwrap());
    stage.pass(Duration::from_secs(3));
    assert_eq!(stage.rtp, []);
    assert_eq!(stage.rtcp.iter().filter(|got| got.to == RECEIVER).count(), 0);
    assert_eq!(stage.plis(), []);
    assert_eq!(stage.room.counters().forward_drops(ForwardDrop::EdgeCut), 2);
    assert_eq!(stage.room.counters().nack_refused, 1);
}

#[test]
fn an_edge_that_returns_asks_for_a_keyframe_and_goes_on_without_a_gap() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    let last = stage.camera()[1].rtp().sequence;
    stage.pass(Duration::from_secs(1));
    for packet in camera.delta(2) {
        stage.send_only(&packet).unwrap();
    }
    stage.close_all();
    stage.collect();
    stage.clear();
    stage.open_all();
    stage.collect();
    assert_eq!(stage.plis(), [camera.ssrc]);
    stage.send_all(&camera.delta(1));
    assert_eq!(stage.camera(), []);
    stage.send_all(&camera.keyframe(1));
    assert_eq!(stage.camera()[0].rtp().sequence, last.wrapping_add(1));
}

#[test]
fn what_was_said_during_a_hold_stays_there_however_late_it_is_repaired() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let (mut camera, mut microphone) = (Camera::new(None), Microphone::default());
    stage.send_all(&camera.keyframe(2));
    stage.send(&microphone.packet(b"before")).unwrap();
    stage.pass(Duration::from_millis(500));
    stage.close_all();
    // The beginning of a keyframe is lost during the hold and comes back after it, and so does a word.
    let (lost, secret) = (camera.keyframe(3), camera.delta(2));
    stage.send_all(&lost[1..]);
    stage.send_all(&secret);
    let word = microphone.packet(b"secret");
    stage.send(&microphone.packet(b"secret too")).unwrap();
    stage.open_all();
    stage.collect();
    stage.clear();
    stage.send(&lost[0].repeated(4_444, 1)).unwrap();
    stage.send(&word).unwrap();
    assert_eq!(stage.rtp, []);
    stage.send(&microphone.packet(b"after")).unwrap();
    stage.send_all(&camera.keyframe(1));
    assert_eq!((stage.microphone().len(), stage.camera().len()), (1, 1));
}

#[test]
fn a_new_subscription_asks_for_one_keyframe() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(1));
    stage.pass(Duration::from_secs(1));
    stage.clear();
    stage.room.subscribe(camera_subscription(crate::stage::OTHER), stage.now);
    stage.collect();
    stage.pass(Duration::from_millis(100));
    stage.send_all(&camera.delta(1));
    assert_eq!(stage.plis(), [camera.ssrc]);
    assert_eq!(stage.on(camera_subscription(crate::stage::OTHER).ssrc).len(), 0);
    stage.send_all(&camera.keyframe(1));
    assert_eq!(stage.on(camera_subscription(crate::stage::OTHER).ssrc).len(), 1);
    stage.pass(Duration::from_secs(5));
    assert_eq!(stage.plis(), [camera.ssrc]);
}

#[test]
fn the_same_subscription_again_changes_nothing() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(1));
    stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
    let uplink = UplinkSpec { extensions: extensions(), transport_cc: true, sections: vec![camera_section(&[])] };
    stage.room.set_uplink(PUBLISHER, uplink, stage.now);
    stage.send_all(&camera.delta(1));
    let got = stage.camera();
    assert_eq!(got[1].rtp().sequence, got[0].rtp().sequence.wrapping_add(1));
}

#[test]
fn an_unpublished_camera_is_gone_and_its_section_can_be_used_again() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    let section = parlour_media::IngressSection { publication: PublicationKey(12), ..camera_section(&[]) };
    let uplink = UplinkSpec { extensions: extensions(), transport_cc: true, sections: vec![section] };
    stage.room.set_uplink(PUBLISHER, uplink, stage.now);
    let subscription =
        parlour_media::SubscriptionSpec { publication: PublicationKey(12), ..camera_subscription(RECEIVER) };
    stage.room.subscribe(subscription, stage.now);
    stage.pass(Duration::from_secs(2));
    let mut other = Camera { ssrc: 77, sequence: 100, timestamp: 5, picture: 3, tl0: 9, key: 2, rid: None };
    stage.send_all(&other.keyframe(2));
    let got = stage.camera();
    assert_eq!(got.len(), 4);
    for (before, after) in got.iter().zip(&got[1..]) {
        assert_eq!(after.rtp().sequence, before.rtp().sequence.wrapping_add(1));
    }
    assert_eq!(got[2].picture(), (got[1].picture() + 1) & 0x7fff);
    assert_eq!(got[2].vp8().tl0_picture_index, got[1].vp8().tl0_picture_index.map(|index| index.wrapping_add(1)));
    // Two seconds by the clock.
    assert_eq!(got[2].rtp().timestamp.wrapping_sub(got[1].rtp().timestamp), 180_000);
}

#[test]
fn a_publisher_that_begins_anew_is_followed_without_a_gap() {
    let mut stage = Stage::watching(&["q"]);
    let mut camera = Camera::new(Some("q"));
    stage.send_all(&camera.keyframe(2));
    stage.pass(Duration::from_secs(1));
    // Another source on the same section, that happens to use the same numbers.
    let sequence = camera.sequence.wrapping_sub(2);
    let mut next = Camera { ssrc: 31, sequence, timestamp: 1, picture: 500, tl0: 3, key: 7, rid: Some("q") };
    stage.send_all(&next.keyframe(2));
    stage.send_all(&next.delta(1));
    stage.pass(Duration::from_secs(1));
    // The same source with other numbers: believed when a second packet confirms it.
    next.sequence = 40_000;
    for packet in next.keyframe(3) {
        let _ = stage.send(&packet);
    }
    stage.send_all(&next.keyframe(1));
    let got = stage.camera();
    assert_eq!(got.len(), 6);
    for (before, after) in got.iter().zip(&got[1..]) {
        assert_eq!(after.rtp().sequence, before.rtp().sequence.wrapping_add(1));
        assert!(after.rtp().timestamp.wrapping_sub(before.rtp().timestamp) <= 2 * 90_000);
    }
    // What was sent of the old is repeated as it was.
    stage.clear();
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, got[3].rtp().ssrc, &[got[3].rtp().sequence]).unwrap());
    assert_eq!(stage.rtp[0].rtp().payload[2..], *got[3].rtp().payload);
}

#[test]
fn h264_begins_at_its_parameter_sets() {
    let section = parlour_media::IngressSection { codec: Codec::H264, ..camera_section(&[]) };
    let mut stage = Stage::with(&fixed_budget(), vec![section]);
    stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
    let mut camera = Camera::new(None);
    let mut nal = |bytes: &[u8]| {
        let mut packet = camera.delta(1).remove(0);
        packet.payload = bytes.to_vec();
        packet
    };
    // A slice, then SPS, PPS and an IDR slice in two fragments, then a slice.
    let units: [&[u8]; 6] =
        [&[0x61, 0x9a], &[0x67, 1], &[0x68, 1], &[0x7c, 0x85, 0xb8], &[0x7c, 0x45, 1], &[0x61, 0x9a]];
    let packets: Vec<_> = units.iter().map(|unit| nal(unit)).collect();
    stage.send_all(&packets);
    let got: Vec<_> = stage.camera().iter().map(|got| got.rtp().payload.to_vec()).collect();
    assert_eq!(got, units[1..]);
}

#[test]
fn a_muted_camera_is_not_forwarded_and_needs_a_keyframe_afterwards() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(1));
    stage.pass(Duration::from_secs(1));
    stage.room.set_muted(CAMERA, true, stage.now);
    stage.clear();
    stage.send_all(&camera.keyframe(1));
    assert_eq!((stage.camera().len(), stage.plis().len()), (0, 0));
    stage.room.set_muted(CAMERA, false, stage.now);
    stage.collect();
    assert_eq!(stage.plis(), [camera.ssrc]);
    stage.send_all(&camera.delta(1));
    assert_eq!(stage.camera(), []);
    stage.send_all(&camera.keyframe(1));
    assert_eq!(stage.camera().len(), 1);
}

#[test]
fn a_track_that_begins_muted_is_silent_until_it_is_unmuted() {
    let mut stage = Stage::empty(&fixed_budget());
    stage.room.set_muted(MICROPHONE, true, stage.now);
    let mut stage = stage.furnished(vec![microphone_section()]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let mut microphone = Microphone::default();
    stage.send(&microphone.packet(b"x")).unwrap();
    assert_eq!(stage.microphone(), []);
    stage.room.set_muted(MICROPHONE, false, stage.now);
    stage.send(&microphone.packet(b"x")).unwrap();
    assert_eq!(stage.microphone().len(), 1);
}

#[test]
fn redundancy_inside_of_end_to_end_encryption_passes_as_it_is_or_not_at_all() {
    let section = parlour_media::IngressSection { encrypted: true, ..microphone_section() };
    let mut stage = Stage::with(&fixed_budget(), vec![section]);
    let other = crate::stage::OTHER;
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let with_red = parlour_media::SubscriptionSpec { red: Some(OUT_RED_PT), ..microphone_subscription(other) };
    stage.room.subscribe(with_red, stage.now);
    let mut microphone = Microphone::default();
    stage.send(&microphone.packet(b"x")).unwrap();
    let mut packet = microphone.packet(&[0x6f, 0x91, 0x33, 0x12]);
    packet.header.payload_type = RED_PT;
    stage.send(&packet).unwrap();
    stage.send(&microphone.packet(b"y")).unwrap();
    assert_eq!(stage.on(microphone_subscription(other).ssrc)[1].rtp().payload, packet.payload);
    let got = stage.microphone();
    assert_eq!(got.iter().map(|got| got.rtp().payload).collect::<Vec<_>>(), [b"x", b"y"]);
    assert_eq!(got[1].rtp().sequence, got[0].rtp().sequence.wrapping_add(1));
}

#[test]
fn a_disabled_track_is_not_forwarded() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    let settings = TrackSettings { disabled: true, ..TrackSettings::default() };
    stage.room.set_preferences(RECEIVER, CAMERA, settings, stage.now);
    stage.send_all(&camera.keyframe(1));
    assert_eq!(stage.camera(), []);
    stage.room.set_preferences(RECEIVER, CAMERA, TrackSettings::default(), stage.now);
    stage.send_all(&camera.keyframe(1));
    assert_eq!(stage.camera().len(), 1);
}

#[test]
fn a_disabled_track_stays_so_when_its_section_changes() {
    let mut stage = Stage::watching(&[]);
    let settings = TrackSettings { disabled: true, ..TrackSettings::default() };
    stage.room.set_preferences(RECEIVER, CAMERA, settings, stage.now);
    let elsewhere = parlour_media::SubscriptionSpec { ssrc: 7_777, ..camera_subscription(RECEIVER) };
    stage.room.subscribe(elsewhere, stage.now);
    stage.send_all(&Camera::new(None).keyframe(1));
    assert_eq!(stage.rtp, []);
}

#[test]
fn redundant_audio_passes_to_those_who_take_it_and_is_unwrapped_for_others() {
    let mut stage = Stage::with(&fixed_budget(), vec![camera_section(&[]), microphone_section()]);
    let other = crate::stage::OTHER;
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let with_red = parlour_media::SubscriptionSpec { red: Some(OUT_RED_PT), ..microphone_subscription(other) };
    stage.room.subscribe(with_red, stage.now);
    let mut microphone = Microphone::default();
    let mut payload = [0; 100];
    let len = red::wrap(OPUS_PT, &[(960, b"old")], b"new", &mut payload).unwrap();
    let mut packet = microphone.packet(&payload[..len]);
    packet.header.payload_type = RED_PT;
    stage.send(&packet).unwrap();
    stage.send(&microphone.packet(b"plain")).unwrap();

    let plain = stage.microphone();
    assert_eq!((plain[0].rtp().payload_type, plain[0].rtp().payload), (OUT_OPUS_PT, &b"new"[..]));
    assert_eq!((plain[1].rtp().payload_type, plain[1].rtp().payload), (OUT_OPUS_PT, &b"plain"[..]));
    let redundant = stage.on(microphone_subscription(other).ssrc);
    assert_eq!(redundant[0].rtp().payload_type, OUT_RED_PT);
    let blocks: Vec<_> = red::blocks(redundant[0].rtp().payload).unwrap().collect();
    assert_eq!((blocks[0].data, blocks[1].data), (&b"old"[..], &b"new"[..]));
    assert!(blocks.iter().all(|block| block.payload_type == OUT_OPUS_PT));
    assert_eq!((redundant[1].rtp().payload_type, redundant[1].rtp().payload), (OUT_OPUS_PT, &b"plain"[..]));
}

#[test]
fn silence_of_opus_passes_and_its_gaps_in_time_stay() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let mut microphone = Microphone::default();
    stage.send(&microphone.packet(b"voice")).unwrap();
    microphone.timestamp += 19 * 960;
    stage.pass(Duration::from_millis(400));
    stage.send(&microphone.packet(&[0xf8])).unwrap();
    let got = stage.microphone();
    assert_eq!(got[1].rtp().payload, [0xf8]);
    assert_eq!(got[1].rtp().timestamp.wrapping_sub(got[0].rtp().timestamp), 20 * 960);
}

#[test]
fn who_speaks_is_told_and_who_is_muted_does_not_speak() {
    let mut stage = Stage::watching(&[]);
    let mut microphone = Microphone::default();
    for _ in 0..50 {
        stage.send(&microphone.packet(b"voice")).unwrap();
        stage.pass(Duration::from_millis(20));
    }
    let speaks = |events: &[MediaEvent]| {
        events.iter().rev().find_map(|event| match event {
            MediaEvent::Speakers(changes) => Some(changes[0].0 == PUBLISHER && changes[0].2),
            _ => None,
        })
    };
    assert_eq!(speaks(&stage.events), Some(true));
    stage.room.set_muted(MICROPHONE, true, stage.now);
    stage.send(&microphone.packet(b"voice")).unwrap();
    stage.pass(Duration::from_secs(1));
    assert_eq!(speaks(&stage.events), Some(false));
}

#[test]
fn audio_is_neither_paced_nor_dropped_when_the_budget_is_nothing() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    stage.room.set_budget(RECEIVER, Bitrate::kbps(10), stage.now);
    stage.collect();
    let held = MediaEvent::StreamState { receiver: RECEIVER, publication: CAMERA, paused: true };
    assert!(stage.events.contains(&held));
    let mut microphone = Microphone::default();
    for _ in 0..200 {
        stage.send(&microphone.packet(&[1; 100])).unwrap();
    }
    assert_eq!(stage.microphone().len(), 200);
    stage.send_all(&Camera::new(None).keyframe(5));
    assert_eq!(stage.camera(), []);
}

#[test]
fn video_that_waits_too_long_is_given_up_to_the_next_keyframe_and_leaves_no_gap() {
    let mut stage = Stage::watching(&[]);
    stage.room.set_budget(RECEIVER, Bitrate::kbps(200), stage.now);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    for _ in 0..300 {
        for packet in camera.delta(6) {
            let _ = stage.send(&packet);
        }
        stage.pass(Duration::from_millis(10));
    }
    assert!(stage.room.counters().forward_drops(ForwardDrop::PacerOverflow) > 0);
    assert!(!stage.plis().is_empty());
    stage.pass(Duration::from_secs(2));
    for _ in 0..10 {
        stage.send_all(&camera.keyframe(2));
        stage.pass(Duration::from_millis(500));
    }
    let got = stage.camera();
    for (before, after) in got.iter().zip(&got[1..]) {
        assert_eq!(after.rtp().sequence, before.rtp().sequence.wrapping_add(1));
    }
    assert!(got.last().unwrap().at > stage.now - Duration::from_secs(1));
}

#[test]
fn packets_for_one_receiver_come_in_one_run() {
    let mut stage = Stage::watching(&[]);
    stage.room.subscribe(camera_subscription(crate::stage::OTHER), stage.now);
    for packet in Camera::new(None).keyframe(8) {
        stage.send_only(&packet).unwrap();
    }
    stage.collect();
    let to: Vec<ParticipantKey> = stage.rtp.iter().map(|got| got.to).collect();
    let runs = to.windows(2).filter(|pair| pair[0] != pair[1]).count() + 1;
    assert_eq!((to.len(), runs), (16, 2));
}

#[test]
fn what_belongs_nowhere_is_counted() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    let packet = camera.keyframe(1).remove(0);
    let mut stranger = packet.clone();
    stranger.mid = "9";
    assert_eq!(stage.send(&stranger), Err(RtpDrop::UnknownSource));
    let mut wrong_type = packet.clone();
    wrong_type.header.payload_type = 5;
    assert_eq!(stage.send(&wrong_type), Err(RtpDrop::UnknownPayload));
    assert_eq!(stage.send(&packet), Ok(()));
    assert_eq!(stage.send(&packet), Err(RtpDrop::Duplicate));
    let counters = stage.room.counters();
    assert_eq!((counters.rtp_drops(RtpDrop::UnknownSource), counters.rtp_drops(RtpDrop::Duplicate)), (1, 1));
    let nobody = stage.room.handle_rtp(stage.now, ParticipantKey(99), &mut [0x80; 40]);
    assert_eq!(nobody, Err(RtpDrop::UnknownParticipant));
    let _ = AudioLevel { level_dbov: 0, voice: false };
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_taken_or_dropped_and_nothing_breaks(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40),
    ) {
        let mut stage = Stage::watching(&["q", "h", "f"]);
        let mut camera = Camera::new(Some("h"));
        stage.send_all(&camera.keyframe(2));
        for bytes in datagrams {
            let mut rtp = bytes.clone();
            // Most of them should come further than the first check.
            if let [first, second, ..] = &mut rtp[..] {
                *first = *first & 0x3f | 0x80;
                *second = [96, 97, 111, 63, 224][usize::from(*second) % 5];
            }
            if rtp.len() >= 12 && rtp[2] % 2 == 0 {
                rtp[8..12].copy_from_slice(&camera.ssrc.to_be_bytes());
            }
            let _ = stage.room.handle_rtp(stage.now, PUBLISHER, &mut rtp);
            let _ = stage.room.handle_rtcp(stage.now, RECEIVER, Leg::Publish, &bytes);
            stage.collect();
            stage.pass(Duration::from_millis(20));
        }
        stage.pass(Duration::from_secs(3));
        // A wild number may have been believed, and have taken a place; the next few are believed more.
        let taken = camera.keyframe(8).iter().filter(|packet| stage.send(packet).is_ok()).count();
        prop_assert!(taken >= 4, "{taken} of 8");
    }
}
