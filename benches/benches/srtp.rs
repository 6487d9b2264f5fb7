//! What SRTP costs for each packet: open, seal, and both as for one packet forwarded to one receiver, by profile.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use parlour_peer::SrtpProfile;
use parlour_peer::srtp::{Inbound, MAX_OVERHEAD, MasterKey, Outbound};

const PACKET: usize = 1_200;
const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80];

/// Packets sealed ahead, to be opened one after the other: no packet opens twice.
const AHEAD: u16 = 512;

fn halves(profile: SrtpProfile) -> (Outbound, Inbound) {
    let (key, salt) = (vec![7; profile.key_len()], vec![9; profile.salt_len()]);
    let master = MasterKey { key: &key, salt: &salt };
    let halves = Outbound::new(profile, &master).and_then(|outbound| Ok((outbound, Inbound::new(profile, &master)?)));
    halves.expect("keys of the right length")
}

fn packet(sequence: u16) -> [u8; PACKET + MAX_OVERHEAD] {
    let mut packet = [0x55; PACKET + MAX_OVERHEAD];
    packet[..2].copy_from_slice(&[0x80, 96]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

fn sealed(outbound: &mut Outbound, sequence: u16) -> (Box<[u8]>, usize) {
    let mut packet = packet(sequence);
    let len = outbound.seal_rtp(&mut packet, PACKET).expect("sequence numbers are fresh");
    (packet.into(), len)
}

fn srtp(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("srtp");
    for profile in PROFILES {
        group.throughput(Throughput::Elements(1));
        let name = format!("{profile:?}");
        group.bench_function(BenchmarkId::new("seal", &name), |bencher| {
            let (mut outbound, _) = halves(profile);
            let mut buffer = packet(0);
            let mut sequence = 0_u16;
            bencher.iter(|| {
                sequence = sequence.wrapping_add(1);
                buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
                outbound.seal_rtp(black_box(&mut buffer), PACKET)
            });
        });
        group.throughput(Throughput::Elements(u64::from(AHEAD)));
        group.bench_function(BenchmarkId::new("open", &name), |bencher| {
            let (mut outbound, mut inbound) = halves(profile);
            let mut sequence = 0_u16;
            bencher.iter_batched(
                || {
                    let ahead = (0..AHEAD).map(|_| {
                        sequence = sequence.wrapping_add(1);
                        sealed(&mut outbound, sequence)
                    });
                    ahead.collect::<Vec<_>>().into_iter()
                },
                |ahead| {
                    for (mut packet, len) in ahead {
                        inbound.open_rtp(black_box(&mut packet[..len])).expect("authentic");
                    }
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, srtp);
criterion_main!(benches);
