//! What is lost on the way in is asked for and put in its place; what is lost on the way out is repeated, within bounds.

use std::time::Duration;

use parlour_media::RtpDrop;
use parlour_model::Bitrate;
use parlour_rtp::rtx;

use crate::stage::{
    Camera, Microphone, OUT_RTX_PT, RECEIVER, Received, Stage, camera_section, camera_subscription, fixed_budget,
    microphone_section, microphone_subscription,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_gap_is_asked_for_at_once_and_what_comes_back_takes_its_place() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    let frame = camera.keyframe(5);
    stage.send_all(&frame[..2]);
    stage.send_all(&frame[3..]);
    stage.pass(10 * MS);
    assert_eq!(stage.nacks(), [frame[2].header.sequence]);
    stage.send(&frame[2].repeated(4_444, 1)).unwrap();
    let mut got = stage.camera();
    assert_eq!(got.len(), 5);
    got.sort_by_key(|got| got.rtp().sequence.wrapping_sub(stage.camera()[0].rtp().sequence));
    for (sent, got) in frame.iter().zip(&got) {
        assert_eq!(got.rtp().payload, sent.payload);
    }
    // Once is enough.
    assert_eq!(stage.send(&frame[2].repeated(4_444, 2)), Err(RtpDrop::Duplicate));
    stage.pass(1_000 * MS);
    assert_eq!(stage.nacks().len(), 1);
}

#[test]
fn a_receiver_gets_what_it_misses_on_its_repair_stream() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(3));
    let missed = stage.camera()[1].clone();
    stage.clear();
    let ssrc = camera_subscription(RECEIVER).ssrc;
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, ssrc, &[missed.rtp().sequence]).unwrap());
    assert_eq!(stage.rtp.len(), 1);
    let repeated = stage.rtp[0].rtp();
    assert_eq!((repeated.ssrc, repeated.payload_type), (camera_subscription(RECEIVER).rtx_ssrc.unwrap(), OUT_RTX_PT));
    assert_eq!(rtx::split(repeated.payload), Some((missed.rtp().sequence, missed.rtp().payload)));
    assert_eq!(repeated.timestamp, missed.rtp().timestamp);
    // A number of its own on the wire.
    assert_ne!(repeated.extension(5), missed.rtp().extension(5));
}

#[test]
fn without_a_repair_stream_the_very_same_packet_is_repeated() {
    let mut stage = Stage::with(&fixed_budget(), vec![camera_section(&[])]);
    let plain = parlour_media::SubscriptionSpec { rtx: None, rtx_ssrc: None, ..camera_subscription(RECEIVER) };
    stage.room.subscribe(plain, stage.now);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(3));
    let missed = stage.camera()[1].clone();
    stage.clear();
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, missed.rtp().ssrc, &[missed.rtp().sequence]).unwrap());
    // To the last bit, the transport-wide number too: another text under the same SRTP nonce would give the key away.
    assert_eq!(stage.rtp[0].bytes, missed.bytes);
}

#[test]
fn repair_survives_a_change_of_layer_and_repeats_what_was_sent() {
    let mut stage = Stage::watching(&["q", "h"]);
    let (mut low, mut high) = (Camera::new(Some("q")), Camera::new(Some("h")));
    stage.send_all(&low.keyframe(1));
    stage.send_all(&high.keyframe(2));
    let got = stage.camera();
    assert_eq!(got.len(), 3);
    stage.clear();
    let sequences: Vec<u16> = got.iter().map(|got| got.rtp().sequence).collect();
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, got[0].rtp().ssrc, &sequences).unwrap());
    for (sent, repeated) in got.iter().zip(&stage.rtp) {
        assert_eq!(rtx::split(repeated.rtp().payload), Some((sent.rtp().sequence, sent.rtp().payload)));
    }
}

#[test]
fn a_storm_of_requests_gets_a_bounded_answer() {
    let mut stage = Stage::watching(&[]);
    stage.room.set_budget(RECEIVER, Bitrate::mbps(2), stage.now);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(4));
    stage.pass(50 * MS);
    let ssrc = camera_subscription(RECEIVER).ssrc;
    let sequences: Vec<u16> = stage.camera().iter().map(|got| got.rtp().sequence).collect();
    assert_eq!(sequences.len(), 4);
    stage.clear();
    for _ in 0..900 {
        stage.rtcp_from(RECEIVER, |writer| writer.nack(1, ssrc, &sequences).unwrap());
        stage.pass(MS);
    }
    // Eight tries each, at least half a round trip apart.
    assert_eq!(stage.rtp.len(), 32);
    for sequence in &sequences {
        let of = |got: &&Received| rtx::split(got.rtp().payload).is_some_and(|(original, _)| original == *sequence);
        let times: Vec<_> = stage.rtp.iter().filter(of).map(|got| got.at).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 30 * MS), "{times:?}");
    }
    assert_eq!(stage.room.counters().nack_refused, 3_600 - 32);
}

#[test]
fn stale_audio_is_not_repeated_and_fresh_audio_is() {
    let mut stage = Stage::with(&fixed_budget(), vec![microphone_section()]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let mut microphone = Microphone::default();
    stage.send(&microphone.packet(b"old")).unwrap();
    stage.pass(201 * MS);
    stage.send(&microphone.packet(b"new")).unwrap();
    let got = stage.microphone();
    stage.clear();
    let sequences: Vec<u16> = got.iter().map(|got| got.rtp().sequence).collect();
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, got[0].rtp().ssrc, &sequences).unwrap());
    assert_eq!(stage.rtp.iter().map(|got| got.bytes.clone()).collect::<Vec<_>>(), [got[1].bytes.clone()]);
}

#[test]
fn nothing_is_asked_of_a_publisher_that_did_not_negotiate_it() {
    let section = parlour_media::IngressSection { nack: false, ..camera_section(&[]) };
    let mut stage = Stage::with(&fixed_budget(), vec![section]);
    stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
    let frame = Camera::new(None).keyframe(5);
    stage.send_all(&frame[..2]);
    stage.send_all(&frame[3..]);
    stage.pass(100 * MS);
    assert!(stage.nacks().is_empty());
}

#[test]
fn what_a_publisher_cannot_repair_makes_a_keyframe_be_asked_for() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    stage.pass(1_000 * MS);
    stage.clear();
    let frame = camera.delta(5);
    stage.send_all(&frame[..1]);
    stage.send_all(&frame[2..]);
    for _ in 0..40 {
        stage.pass(33 * MS);
        stage.send_all(&camera.delta(2));
    }
    assert!(stage.nacks().len() > 1);
    assert!(!stage.plis().is_empty());
}

#[test]
fn a_request_of_a_receiver_is_relayed_merged_and_throttled() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(2));
    stage.pass(1_000 * MS);
    stage.clear();
    for _ in 0..50 {
        stage.rtcp_from(RECEIVER, |writer| writer.pli(1, camera_subscription(RECEIVER).ssrc).unwrap());
        stage.pass(2 * MS);
    }
    assert_eq!(stage.plis(), [camera.ssrc]);
    stage.send_all(&camera.keyframe(1));
    stage.pass(5_000 * MS);
    assert_eq!(stage.plis().len(), 1);
}

#[test]
fn a_publisher_that_knows_only_fir_is_asked_by_fir() {
    let section = parlour_media::IngressSection { pli: false, ..camera_section(&[]) };
    let mut stage = Stage::with(&fixed_budget(), vec![section]);
    stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.delta(2));
    assert_eq!(stage.plis(), []);
    let asked = stage.messages(crate::stage::PUBLISHER, |message| match message {
        parlour_rtp::rtcp::Message::Fir(fir) => fir.entries().next().map(|entry| entry.media_ssrc),
        _ => None,
    });
    assert_eq!(asked, [camera.ssrc]);
}
