//! What one client costs in memory: at most 64 KiB, whatever it does or leaves undone.
#![allow(clippy::disallowed_methods, reason = "a test takes an epoch")]

use std::time::{Duration, Instant};

use parlour_estimator::{Burst, Config, Estimator, PacketKind, PacketResult, SentPacket};
use parlour_model::DataSize;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const MOST: usize = 64 * 1_024;
const USUALLY: usize = 24 * 1_024;

/// Sends for ten seconds at 6 Mbit/s, with or without feedback each 50 ms.
fn ten_seconds(answers: bool) -> Estimator {
    let epoch = Instant::now();
    let mut estimator = Estimator::new(Config::default(), epoch);
    let mut results = Vec::new();
    for seq in 0..6_000u64 {
        let sent = Duration::from_micros(seq * 1_667);
        estimator.handle_sent(SentPacket {
            seq,
            size: DataSize::bytes(1_200),
            at: epoch + sent,
            kind: PacketKind::Video,
            burst: Burst::Frame((seq / 20) as u32),
        });
        results.push(PacketResult { seq, arrival: Some(sent + Duration::from_millis(20)) });
        if seq % 30 == 29 {
            if answers {
                estimator.handle_feedback(&results, epoch + sent + Duration::from_millis(40));
            }
            estimator.handle_timeout(epoch + sent + Duration::from_millis(40));
            results.clear();
        }
    }
    estimator
}

#[test]
fn a_client_costs_little_and_never_more_than_the_bound() {
    let _profiler = dhat::Profiler::builder().testing().build();
    for (answers, most) in [(true, USUALLY), (false, MOST)] {
        let before = dhat::HeapStats::get();
        let estimator = ten_seconds(answers);
        let after = dhat::HeapStats::get();
        let held = after.curr_bytes - before.curr_bytes + size_of::<Estimator>();
        dhat::assert!(held <= most, "answers={answers}: {held} bytes");
        drop(estimator);
    }
}
