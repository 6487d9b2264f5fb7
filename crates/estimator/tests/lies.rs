//! Feedback that lies, clocks that jump, clients that are silent: bounded effect, on the liar only.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test takes an epoch")]

use std::time::{Duration, Instant};

use parlour_estimator::{Burst, Config, Estimator, PacketKind, PacketResult, ReceiverReport, SentPacket, State};
use parlour_model::{Bitrate, DataSize};
use proptest::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// A sender of 1,200-byte packets each 5 ms (1.92 Mbit/s) and a client that answers each 50 ms.
struct Call {
    estimator: Estimator,
    epoch: Instant,
    now: Instant,
    seq: u64,
}

impl Call {
    fn new() -> Self {
        let epoch = Instant::now();
        Self { estimator: Estimator::new(Config::default(), epoch), epoch, now: epoch, seq: 0 }
    }

    /// Sends for 50 ms and feeds back what `client` makes of each packet's true arrival.
    fn round(&mut self, client: &mut dyn FnMut(u64, Duration) -> Option<PacketResult>) {
        let mut results = Vec::new();
        for _ in 0..10 {
            self.now += 5 * MS;
            let packet = SentPacket {
                seq: self.seq,
                size: DataSize::bytes(1_200),
                at: self.now,
                kind: PacketKind::Video,
                burst: Burst::Frame((self.seq / 8) as u32),
            };
            self.estimator.handle_sent(packet);
            results.extend(client(self.seq, self.now - self.epoch + 20 * MS));
            self.seq += 1;
        }
        self.estimator.handle_feedback(&results, self.now + 40 * MS);
        self.estimator.handle_timeout(self.now + 41 * MS);
        self.check();
    }

    fn check(&self) {
        let config = Config::default();
        let estimate = self.estimator.estimate();
        assert!(estimate.capacity <= config.ceiling, "{estimate:?}");
        assert!(estimate.target >= config.floor && estimate.target <= config.ceiling, "{estimate:?}");
        assert!((0.0..=1.0).contains(&estimate.confidence), "{estimate:?}");
    }
}

fn honest(seq: u64, arrival: Duration) -> Option<PacketResult> {
    Some(PacketResult { seq, arrival: Some(arrival) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_feedback_breaks_it(
        lies in prop::collection::vec((any::<u64>(), prop::option::of(any::<u64>()), any::<bool>()), 1..400),
    ) {
        let mut call = Call::new();
        let mut lies = lies.into_iter().cycle();
        for _ in 0..100 {
            call.round(&mut |seq, _| {
                let (number, arrival, own) = lies.next().unwrap();
                let seq = if own { seq } else { number };
                Some(PacketResult { seq, arrival: arrival.map(Duration::from_micros) })
            });
        }
    }

    #[test]
    fn deltas_below_zero_do_not_raise_it_beyond_what_was_sent(backwards in 1u64..200_000) {
        let mut call = Call::new();
        for _ in 0..200 {
            call.round(&mut |seq, arrival| {
                let shown = arrival.saturating_sub(Duration::from_micros(backwards * (seq % 5)));
                Some(PacketResult { seq, arrival: Some(shown) })
            });
        }
        prop_assert!(call.estimator.estimate().capacity <= Bitrate::kbps(1_920).scaled(2.6));
    }

    #[test]
    fn the_rate_is_never_above_the_circuit_breakers_bound(loss in 0.01f64..1.0, rtt_ms in 20u64..2_000) {
        let mut call = Call::new();
        (0..60).for_each(|_| call.round(&mut honest));
        let rtt = Duration::from_millis(rtt_ms);
        for _ in 0..40 {
            let report = ReceiverReport { fraction_lost: loss, rtt: Some(rtt) };
            call.estimator.handle_receiver_report(report, call.now);
            call.round(&mut honest);
        }
        // RFC 8083 section 4.3: ten times a TCP flow of 1,200-byte segments; never below the room for audio.
        let tcp = 9_600.0 / (rtt.as_secs_f64() * (2.0 * loss / 3.0).sqrt());
        let bound = (10.0 * tcp * 1.02).max(Config::default().floor.as_bps() as f64);
        let target = call.estimator.estimate().target.as_bps() as f64;
        prop_assert!(target <= bound, "{target} above {bound}");
    }

    #[test]
    fn arrivals_that_never_happened_so_fast_do_not_raise_it_beyond_what_was_sent(squeeze in 1u32..1_000) {
        let mut call = Call::new();
        for _ in 0..200 {
            let mut first = None;
            call.round(&mut |seq, arrival| {
                let first = *first.get_or_insert(arrival);
                Some(PacketResult { seq, arrival: Some(first + (arrival - first) / squeeze) })
            });
        }
        // 1.92 Mbit/s were sent; bursts at twice the target would be the most an honest line could have shown.
        prop_assert!(call.estimator.estimate().capacity <= Bitrate::kbps(1_920).scaled(2.6));
    }

    #[test]
    fn a_clock_that_jumps_costs_no_more_than_a_moment(jump_ms in -3_600_000i64..3_600_000) {
        let mut call = Call::new();
        (0..100).for_each(|_| call.round(&mut honest));
        let before = call.estimator.estimate().capacity;
        let base = Duration::from_secs(10_000);
        let shift = move |arrival: Duration| {
            let moved = (base + arrival).as_millis() as i64 + jump_ms;
            Duration::from_millis(moved.max(0) as u64)
        };
        for _ in 0..200 {
            call.round(&mut |seq, arrival| Some(PacketResult { seq, arrival: Some(shift(arrival)) }));
        }
        prop_assert!(call.estimator.estimate().capacity >= before.scaled(0.5), "{before}");
        prop_assert!(call.estimator.counters().clock_jumps >= 1);
    }
}

#[test]
fn a_replayed_message_changes_nothing() {
    let mut call = Call::new();
    (0..40).for_each(|_| call.round(&mut honest));
    let before = call.estimator.estimate();
    for first in [300, 0] {
        let replay: Vec<_> = (first..first + 100).map(|seq| PacketResult { seq, arrival: Some(20 * MS) }).collect();
        call.estimator.handle_feedback(&replay, call.now + 42 * MS);
        assert_eq!(call.estimator.estimate(), before);
    }
    // The older message is about packets that were forgotten once they were judged.
    let counters = call.estimator.counters();
    assert_eq!((counters.repeated_packets, counters.unknown_packets), (100, 100));
}

#[test]
fn a_flood_is_counted_and_not_worked_on() {
    let mut call = Call::new();
    call.round(&mut honest);
    for _ in 0..10_000 {
        call.estimator.handle_feedback(&[PacketResult { seq: 3, arrival: Some(MS) }], call.now + 45 * MS);
    }
    assert!(call.estimator.counters().excess_messages > 9_900);
    let huge: Vec<_> = (0..100_000).map(|seq| PacketResult { seq, arrival: None }).collect();
    call.estimator.handle_feedback(&huge, call.now + 500 * MS);
    assert!(call.estimator.counters().excess_results > 98_000);
}

#[test]
fn a_client_without_feedback_stays_at_the_initial_rate() {
    let mut call = Call::new();
    for _ in 0..200 {
        call.round(&mut |_, _| None);
    }
    assert!(call.estimator.estimate().capacity <= Config::default().initial);
}

#[test]
fn a_client_that_answers_once_a_second_keeps_its_video() {
    let mut call = Call::new();
    let mut kept = Vec::new();
    for round in 0..400 {
        let mut all = Vec::new();
        call.round(&mut |seq, arrival| {
            all.extend(honest(seq, arrival));
            None
        });
        kept.extend(all);
        if round % 20 == 19 {
            call.estimator.handle_feedback(&kept, call.now + 40 * MS);
            kept.clear();
        }
    }
    assert!(call.estimator.estimate().capacity >= Bitrate::kbps(300), "{:?}", call.estimator.estimate());
}

#[test]
fn silence_holds_video_then_leaves_only_audio() {
    let mut call = Call::new();
    (0..40).for_each(|_| call.round(&mut honest));
    let send = |call: &mut Call| {
        let packet = SentPacket {
            seq: call.seq,
            size: DataSize::bytes(150),
            at: call.now + 41 * MS,
            kind: PacketKind::Audio,
            burst: Burst::None,
        };
        call.estimator.handle_sent(packet);
        call.seq += 1;
    };
    send(&mut call);
    let hold = call.estimator.poll_timeout().unwrap();
    call.estimator.handle_timeout(hold + MS);
    assert_eq!(call.estimator.estimate().state, State::Hold);
    assert_eq!(call.estimator.estimate().pacing_rate, Bitrate::ZERO);
    let silent = call.estimator.poll_timeout().unwrap();
    assert!(silent > hold && silent < hold + 600 * MS);
    call.estimator.handle_timeout(silent + MS);
    assert_eq!(call.estimator.estimate().state, State::Silent);
    call.now = silent + 10 * MS;
    (0..3).for_each(|_| call.round(&mut honest));
    assert!(call.estimator.estimate().pacing_rate > Bitrate::ZERO);
}

#[test]
fn the_brake_of_rfc_8083_bounds_the_rate() {
    let mut call = Call::new();
    (0..60).for_each(|_| call.round(&mut honest));
    let report = ReceiverReport { fraction_lost: 0.9, rtt: Some(400 * MS) };
    (0..20).for_each(|_| call.estimator.handle_receiver_report(report, call.now));
    call.round(&mut honest);
    // Ten times 9,600 bit over 0.4 s times the root of 0.6: 310 kbit/s.
    assert!(call.estimator.estimate().capacity <= Bitrate::kbps(320), "{:?}", call.estimator.estimate());
}

#[test]
fn what_it_holds_is_bounded() {
    // The ring and the arrivals are the only buffers; their element sizes times their bounds.
    let (ring, arrivals) = (1_024 * 40, 320 * 32);
    assert!(ring + arrivals + std::mem::size_of::<Estimator>() + 4_096 <= 64 * 1_024);
}
