//! A client whose path or line changes while it is used in full.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test takes an epoch")]

use std::time::{Duration, Instant};

use parlour_estimator::{Burst, Config, Estimator, PacketKind, PacketResult, SentPacket};
use parlour_model::{Bitrate, DataSize};

const PACKET: u64 = 1_200;
const FEEDBACK: u64 = 50_000;

/// A line of this rate; as much is sent as the estimate says. Microseconds.
struct Call {
    epoch: Instant,
    estimator: Estimator,
    rate: f64,
    delay: u64,
    free_at: u64,
    seq: u64,
    owed: f64,
    arrivals: Vec<(u64, u64)>,
    now: u64,
}

impl Call {
    fn new(rate: Bitrate) -> Self {
        let epoch = Instant::now();
        let estimator = Estimator::new(Config { initial: rate, ..Config::default() }, epoch);
        let rate = rate.as_bps() as f64;
        Self { epoch, estimator, rate, delay: 20_000, free_at: 0, seq: 0, owed: 0.0, arrivals: Vec::new(), now: 0 }
    }

    fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds {
            self.now += 1_000;
            let at = self.epoch + Duration::from_micros(self.now);
            self.owed += self.estimator.estimate().target.as_bps() as f64 / 8_000.0;
            while self.owed >= PACKET as f64 {
                self.owed -= PACKET as f64;
                let (size, kind, burst) = (DataSize::bytes(PACKET), PacketKind::Video, Burst::None);
                self.estimator.handle_sent(SentPacket { seq: self.seq, size, at, kind, burst });
                self.free_at = self.free_at.max(self.now) + (PACKET as f64 * 8e6 / self.rate) as u64;
                self.arrivals.push((self.seq, self.free_at + self.delay));
                self.seq += 1;
            }
            if self.now.is_multiple_of(FEEDBACK) {
                let told = self.arrivals.partition_point(|&(_, arrival)| arrival + 20_000 <= self.now);
                let result = |(seq, arrival)| PacketResult { seq, arrival: Some(Duration::from_micros(arrival)) };
                let results: Vec<_> = self.arrivals.drain(..told).map(result).collect();
                self.estimator.handle_feedback(&results, at);
            }
            self.estimator.handle_timeout(at);
        }
    }
}

#[test]
fn a_longer_path_is_not_taken_for_a_queue_for_long() {
    for longer in [20_000, 50_000, 100_000] {
        let mut call = Call::new(Bitrate::kbps(2_000));
        call.run(20_000);
        call.delay += longer;
        call.run(10_000);
        let target = call.estimator.estimate().target;
        assert!(target > Bitrate::kbps(1_900), "{longer} us longer: {target} after 10 s");
        assert!(target < Bitrate::kbps(2_100), "{longer} us longer: {target} after 10 s");
    }
}

#[test]
fn a_line_that_falls_to_a_third_is_given_way_to_with_the_first_packets_that_tell() {
    for phase in [0, 10, 20, 30, 40] {
        let mut call = Call::new(Bitrate::kbps(3_000));
        call.run(10_000 + phase);
        call.rate = 1_000_000.0;
        // What is sent now arrives after 20 ms, is told up to 50 ms later and known another 20 ms later.
        let mut after = 0;
        while call.estimator.estimate().target > Bitrate::kbps(1_000) {
            call.run(1);
            after += 1;
        }
        assert!(after <= 140, "{after} ms after the fall, {phase} ms after a message");
        assert!(call.estimator.estimate().pacing_rate < Bitrate::kbps(100), "video is held until more is told");
        call.run(1_500);
        let queue = call.free_at.saturating_sub(call.now);
        assert!(queue < 60_000, "{queue} us of queue after it");
    }
}
