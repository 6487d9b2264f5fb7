//! Reports both ways (RFC 3550 section 6) and transport-wide feedback.

use std::time::Duration;

use parlour_media::MediaConfig;
use parlour_rtp::rtcp::{Message, ReportBlock, SenderInfo, SenderReport, compact_ntp};

use crate::stage::{
    Camera, Microphone, PUBLISHER, RECEIVER, Stage, camera_section, camera_subscription, fixed_budget,
    microphone_section, microphone_subscription,
};

const MS: Duration = Duration::from_millis(1);

fn sender_reports(stage: &Stage) -> Vec<(u32, SenderInfo)> {
    let pick = |message: Message<'_>| match message {
        Message::SenderReport(SenderReport { ssrc, info, .. }) => Some((ssrc, info)),
        _ => None,
    };
    stage.messages(RECEIVER, pick)
}

#[test]
fn lips_stay_in_step_picture_and_sound_are_told_on_one_clock() {
    let mut stage = Stage::watching(&["q", "h"]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let (mut low, mut high, mut microphone) = (Camera::new(Some("q")), Camera::new(Some("h")), Microphone::default());
    stage.send_all(&low.keyframe(1));
    stage.send_all(&high.keyframe(1));
    let sound = microphone.packet(b"x");
    stage.send(&sound).unwrap();
    // What was just sent was taken at this instant on the publisher's clock.
    let ntp = 3_900_000_000u64 << 32;
    for (ssrc, rtp_timestamp) in
        [(low.ssrc, low.timestamp), (high.ssrc, high.timestamp), (Microphone::SSRC, sound.header.timestamp)]
    {
        let info = SenderInfo { ntp, rtp_timestamp, packets: 1, octets: 1 };
        stage.rtcp_from(PUBLISHER, |writer| writer.sender_report(ssrc, &info, &[]).unwrap());
    }
    let (picture, sound) = (stage.camera()[1].clone(), stage.microphone()[0].clone());
    stage.clear();
    stage.pass(2_000 * MS);
    let reports = sender_reports(&stage);
    for (got, rate) in [(picture, 90_000), (sound, 48_000)] {
        let rtp = got.rtp();
        let (_, info) = reports.iter().find(|(ssrc, _)| *ssrc == rtp.ssrc).unwrap();
        let elapsed = ((info.ntp - ntp) as f64) / f64::from(u32::MAX);
        let ticks = f64::from(info.rtp_timestamp.wrapping_sub(rtp.timestamp));
        assert!((ticks - elapsed * f64::from(rate)).abs() <= 2.0, "{ticks} {elapsed}");
        assert!(elapsed > 0.0 && elapsed < 2.0);
    }
    let names = stage.messages(RECEIVER, |message| match message {
        Message::Sdes(sdes) => {
            Some(sdes.names().map(|(ssrc, name)| (ssrc, name.map(<[u8]>::to_vec))).collect::<Vec<_>>())
        }
        _ => None,
    });
    for (ssrc, _) in reports {
        let said = (ssrc, Some(b"PA_publisher".to_vec()));
        assert!(names.iter().flatten().any(|name| *name == said), "one name, that of the SDP: {names:?}");
    }
}

#[test]
fn a_switch_of_layers_keeps_the_time_by_the_publishers_reports() {
    let mut stage = Stage::watching(&["q", "h"]);
    let (mut low, mut high) = (Camera::new(Some("q")), Camera::new(Some("h")));
    stage.send_all(&low.keyframe(1));
    stage.send_all(&high.delta(1));
    let ntp = 3_900_000_000u64 << 32;
    for camera in [&low, &high] {
        let info = SenderInfo { ntp, rtp_timestamp: camera.timestamp, packets: 1, octets: 1 };
        stage.rtcp_from(PUBLISHER, |writer| writer.sender_report(camera.ssrc, &info, &[]).unwrap());
    }
    // The keyframe was taken 33 ms later and is 60 ms late.
    stage.pass(93 * MS);
    stage.send_all(&high.keyframe(1));
    let got = stage.camera();
    assert_eq!(got[1].rtp().timestamp.wrapping_sub(got[0].rtp().timestamp), 3_000);
}

#[test]
fn reports_of_a_room_are_spread_over_the_interval() {
    let config = fixed_budget();
    let mut stage = Stage::with(&config, vec![camera_section(&[]), microphone_section()]);
    stage.room.subscribe(microphone_subscription(RECEIVER), stage.now);
    let mut microphone = Microphone::default();
    let info = SenderInfo { ntp: 1 << 40, rtp_timestamp: 0, packets: 0, octets: 0 };
    for second in 0..20 {
        for _ in 0..50 {
            stage.send(&microphone.packet(b"x")).unwrap();
            stage.pass(20 * MS);
        }
        stage.rtcp_from(PUBLISHER, |writer| writer.sender_report(Microphone::SSRC, &info, &[]).unwrap());
        let _ = second;
    }
    let reports: Vec<_> = stage.rtcp.iter().filter(|got| got.to == RECEIVER).map(|got| got.at).collect();
    let gaps: Vec<Duration> = reports.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (min, max) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
    assert!(*min >= 499 * MS && *max <= 1_501 * MS && *max > *min + 200 * MS, "{min:?} {max:?}");
}

#[test]
fn a_publisher_hears_how_it_is_received() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(1));
    for index in 0..100 {
        let frame = camera.delta(1);
        if index % 10 != 0 {
            stage.send_all(&frame);
        }
        stage.pass(33 * MS);
    }
    let pick = |message: Message<'_>| match message {
        Message::ReceiverReport(report) => report.report_blocks().next(),
        _ => None,
    };
    let blocks: Vec<ReportBlock> = stage.messages(PUBLISHER, pick);
    let last = blocks.last().unwrap();
    assert_eq!(last.ssrc, camera.ssrc);
    assert!((20..32).contains(&last.fraction_lost), "{last:?}");
    let quality = stage.room.receiver_report(PUBLISHER).unwrap();
    assert!((0.07..0.13).contains(&quality.uplink_loss), "{quality:?}");
}

#[test]
fn a_publisher_gets_transport_feedback_within_100_ms() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    for _ in 0..60 {
        stage.send_all(&camera.keyframe(3));
        stage.pass(33 * MS);
    }
    let covered = stage.messages(PUBLISHER, |message| match message {
        Message::TransportFeedback(feedback) => Some(feedback.arrivals().filter(|(_, at)| at.is_some()).count()),
        _ => None,
    });
    assert!(covered.len() >= 20 && covered.len() <= 40, "{}", covered.len());
    assert!(covered.iter().sum::<usize>() >= 170);
}

#[test]
fn the_round_trip_and_the_loss_of_a_receiver_are_known_from_its_reports() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(1));
    let info = SenderInfo { ntp: 77 << 32, rtp_timestamp: camera.timestamp, packets: 0, octets: 0 };
    stage.rtcp_from(PUBLISHER, |writer| writer.sender_report(camera.ssrc, &info, &[]).unwrap());
    let reported = (0..2_000).any(|_| {
        stage.pass(MS);
        !sender_reports(&stage).is_empty()
    });
    assert!(reported);
    let (ssrc, info) = sender_reports(&stage)[0];
    stage.pass(180 * MS);
    let block = ReportBlock {
        ssrc,
        fraction_lost: 64,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 900,
        last_sender_report: compact_ntp(info.ntp),
        delay_since_last_sender_report: 65_536 / 10,
    };
    stage.rtcp_from(RECEIVER, |writer| writer.receiver_report(9, &[block]).unwrap());
    let quality = stage.room.receiver_report(RECEIVER).unwrap();
    let rtt = quality.rtt.unwrap();
    assert!((80 * MS..82 * MS).contains(&rtt), "{rtt:?}");
    assert_eq!((quality.downlink_loss, quality.downlink_jitter), (0.25, 10 * MS));
    // A receiver that says no more is not lossy for ever.
    stage.pass(12_000 * MS);
    assert_eq!(stage.room.receiver_report(RECEIVER).unwrap().downlink_loss, 0.0);
}

#[test]
fn what_was_repeated_to_a_receiver_is_not_held_against_its_line() {
    let mut stage = Stage::watching(&[]);
    let mut camera = Camera::new(None);
    stage.send_all(&camera.keyframe(8));
    let got = stage.camera();
    let (ssrc, missed) = (got[0].rtp().ssrc, [got[2].rtp().sequence, got[5].rtp().sequence]);
    stage.rtcp_from(RECEIVER, |writer| writer.nack(1, ssrc, &missed).unwrap());
    // A quarter of eight, and an eighth that it did not ask for.
    let block = ReportBlock {
        ssrc,
        fraction_lost: 96,
        cumulative_lost: 3,
        highest_sequence: 0,
        jitter: 0,
        last_sender_report: 0,
        delay_since_last_sender_report: 0,
    };
    stage.rtcp_from(RECEIVER, |writer| writer.receiver_report(9, &[block]).unwrap());
    assert_eq!(stage.room.receiver_report(RECEIVER).unwrap().downlink_loss, 0.125);
}

/// How often the room wants to be called in `time`.
fn wake_ups(stage: &mut Stage, time: Duration) -> usize {
    let end = stage.now + time;
    let mut count = 0;
    while let Some(at) = stage.room.poll_timeout().filter(|&at| at <= end && count < 10_000) {
        stage.now = stage.now.max(at);
        stage.room.handle_timeout(stage.now);
        stage.collect();
        count += 1;
    }
    count
}

#[test]
fn a_client_that_never_sends_the_feedback_it_promised_has_a_fair_budget_and_costs_no_wake_ups() {
    let mut stage = Stage::with(&MediaConfig::default(), vec![camera_section(&[])]);
    stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
    stage.send_all(&Camera::new(None).keyframe(1));
    assert!(wake_ups(&mut stage, Duration::from_secs(5)) < 100);
    assert!(wake_ups(&mut stage, Duration::from_secs(60)) < 300);
    let trace = stage.room.line_trace(RECEIVER, stage.now).unwrap();
    assert_eq!(trace.delivered, parlour_model::Bitrate::ZERO);
}

#[test]
fn a_section_without_transport_feedback_is_not_numbered() {
    let mut stage = Stage::with(&fixed_budget(), vec![camera_section(&[])]);
    let spec = parlour_media::SubscriptionSpec { transport_cc: false, ..camera_subscription(RECEIVER) };
    stage.room.subscribe(spec, stage.now);
    stage.send_all(&Camera::new(None).keyframe(1));
    assert_eq!(stage.camera()[0].rtp().extension(5), None);
}
