//! When pictures may leave, as a pacer asks for it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test takes an epoch")]

use std::time::{Duration, Instant};

use parlour_estimator::{Pace, Speed};
use parlour_model::Bitrate;

const PACKET: u64 = 1_000;
/// 1 Mbit/s on average: a packet each 8 ms.
const PACED: Speed = Speed::Paced { burst: Bitrate::kbps(1_500), mean: Bitrate::kbps(1_000) };

fn ms(milliseconds: f64) -> Duration {
    Duration::from_secs_f64(milliseconds / 1e3)
}

/// When each of so many packets that wait leaves.
fn leave(pace: &mut Pace, mut now: Instant, packets: usize) -> Vec<Instant> {
    (0..packets)
        .map(|_| {
            now = pace.next(PACKET).unwrap().max(now);
            pace.sent(PACKET, now);
            now
        })
        .collect()
}

#[test]
fn what_is_ahead_of_the_mean_is_never_more_than_a_part_of_a_frame() {
    let start = Instant::now();
    let mut pace = Pace::new(PACED, start);
    let left = leave(&mut pace, start, 200);
    for (packets, at) in (1..).zip(&left) {
        let ahead = f64::from(packets) * 8.0 - (*at - start).as_secs_f64() * 1_020.0;
        assert!(ahead < 15.0, "{ahead} ms after {packets}");
    }
    // And no less leaves: 1.6 Mbit at 1.02 Mbit/s, less what may be ahead.
    let took = *left.last().unwrap() - start;
    assert!(took < ms(1_575.0), "{took:?}");
}

#[test]
fn speech_takes_its_part_of_the_mean() {
    let start = Instant::now();
    let mut pace = Pace::new(PACED, start);
    let mut packets = 0;
    for millisecond in 0..2_000 {
        let now = start + ms(f64::from(millisecond));
        // 100 kbit/s of speech, which waits for nobody.
        if millisecond % 20 == 0 {
            pace.sent_beside(250, now);
        }
        while pace.next(PACKET).is_some_and(|at| at <= now) {
            pace.sent(PACKET, now);
            packets += 1;
        }
    }
    let kbps = f64::from(packets) * 8.0 / 2.0;
    assert!((880.0..935.0).contains(&kbps), "{kbps} kbit/s of pictures beside 100 of speech");
}

#[test]
fn a_probe_leaves_as_planned_and_is_waited_for_unless_it_found_more() {
    let start = Instant::now();
    let mut pace = Pace::new(PACED, start);
    leave(&mut pace, start, 5);
    let mean = Bitrate::kbps(1_000);
    let begin = start + ms(40.0);
    pace.set_speed(Speed::Probe { rate: Bitrate::mbps(4), mean }, begin);
    let probe = leave(&mut pace, begin, 10);
    // A packet each 2 ms; the first may be late by as much.
    assert!(*probe.last().unwrap() - begin < ms(19.0));
    let after = *probe.last().unwrap();
    let (mut failed, mut found) = (pace.clone(), pace);
    failed.set_speed(PACED, after);
    let waits = failed.next(PACKET).unwrap().saturating_duration_since(after);
    assert!(waits > ms(40.0), "{waits:?}");
    found.set_speed(Speed::Paced { burst: Bitrate::mbps(3), mean: Bitrate::mbps(2) }, after);
    let waits = found.next(PACKET).unwrap().saturating_duration_since(after);
    assert!(waits < ms(3.0), "{waits:?}");
}

#[test]
fn a_line_that_is_held_lets_nothing_out_and_a_free_one_everything() {
    let start = Instant::now();
    let mut pace = Pace::new(Speed::Held, start);
    assert_eq!(pace.next(PACKET), None);
    pace.set_speed(Speed::Free, start);
    assert!(leave(&mut pace, start, 1_000).iter().all(|&at| at == start));
    // What left then is not owed later.
    pace.set_speed(PACED, start);
    assert!(pace.next(PACKET).unwrap() <= start);
}
