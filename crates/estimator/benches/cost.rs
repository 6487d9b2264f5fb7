//! What a packet and a feedback message cost: targets 150 ns and 3 us.
#![allow(missing_docs)]
// One instant as an epoch; everything after it is counted from there.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use parlour_estimator::{Burst, Config, Estimator, PacketKind, PacketResult, SentPacket};
use parlour_model::DataSize;

/// Packets of 50 ms at 2.5 Mbit/s with audio.
const PER_MESSAGE: u64 = 16;

fn packet(seq: u64, epoch: Instant) -> SentPacket {
    let at = epoch + Duration::from_micros(seq * 3_125);
    let burst = Burst::Frame((seq / 10) as u32);
    SentPacket { seq, size: DataSize::bytes(1_200), at, kind: PacketKind::Video, burst }
}

fn sent(c: &mut Criterion) {
    let epoch = Instant::now();
    let mut estimator = Estimator::new(Config::default(), epoch);
    let mut seq = 0;
    c.bench_function("sent", |b| {
        b.iter(|| {
            estimator.handle_sent(packet(seq, epoch));
            seq += 1;
        });
    });
}

fn feedback(c: &mut Criterion) {
    let epoch = Instant::now();
    let mut estimator = Estimator::new(Config::default(), epoch);
    let mut seq = 0;
    let mut results = Vec::new();
    c.bench_function("feedback and the 16 packets it is about", |b| {
        b.iter(|| {
            results.clear();
            for _ in 0..PER_MESSAGE {
                estimator.handle_sent(packet(seq, epoch));
                let arrival = Some(Duration::from_micros(seq * 3_125 + 20_000 + seq % 7 * 500));
                results.push(PacketResult { seq, arrival });
                seq += 1;
            }
            estimator.handle_feedback(&results, epoch + Duration::from_micros(seq * 3_125 + 45_000));
            estimator.estimate()
        });
    });
}

criterion_group!(benches, sent, feedback);
criterion_main!(benches);
