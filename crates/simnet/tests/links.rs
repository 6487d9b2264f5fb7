//! Properties of links and networks: nothing lost uncounted, no rate exceeded, order kept, runs repeated.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_simnet::{
    Discipline, HomeConfig, Link, LinkConfig, Loss, Micros, Network, Policer, QueueConfig, Random, RateSchedule,
    SkewedClock, TcpAlgorithm, TcpConfig, TcpLoad,
};
use proptest::prelude::*;

fn any_link() -> impl Strategy<Value = LinkConfig> {
    let rates = prop::collection::vec((0u64..3_000_000, prop_oneof![Just(0u64), 100_000u64..5_000_000]), 1..5);
    let loss = prop_oneof![
        Just(Loss::None),
        (0.0..0.5f64).prop_map(Loss::Bernoulli),
        Just(Loss::GilbertElliott {
            good: Micros::millis(400),
            bad: Micros::millis(80),
            loss_in_good: 0.0,
            loss_in_bad: 0.8
        }),
    ];
    let policer = prop::option::of((100_000u64..3_000_000, 2_000u64..50_000));
    (rates, loss, policer, any::<bool>(), 0u64..30_000, 0u64..2_000_000, 3_000u64..80_000).prop_map(
        |(rates, loss, policer, codel, jitter, outage, queue)| LinkConfig {
            rate: Some(RateSchedule::from_steps(rates.into_iter().map(|(at, bps)| (Micros(at), bps)))),
            delay: Micros::millis(20),
            queue: QueueConfig {
                bytes: queue,
                discipline: if codel { Discipline::CoDel } else { Discipline::DropTail },
            },
            jitter: Micros(jitter),
            loss,
            policer: policer.map(|(rate, burst)| Policer { rate, burst }),
            outages: vec![(Micros(outage), Micros(outage + 200_000))],
            duplicate: 0.01,
            ..LinkConfig::default()
        },
    )
}

/// Sends 400 packets at random times and polls all along: (sent at, arrived at, number) in order of arrival.
fn run(config: &LinkConfig, seed: u64) -> (Vec<(Micros, u64)>, parlour_simnet::LinkStats) {
    let mut link = Link::new(config.clone(), seed);
    let mut random = Random::new(seed ^ 7);
    let mut at = Micros::ZERO;
    let mut arrived = Vec::new();
    for number in 0..400u64 {
        at = at + Micros((random.unit() * 10_000.0) as u64);
        while let Some((when, number)) = link.poll(at) {
            arrived.push((when, number));
        }
        link.send(at, 100 + random.bits() % 1_400, number);
        let s = link.stats();
        let dropped = s.dropped_loss + s.dropped_outage + s.dropped_policer + s.dropped_queue;
        assert_eq!(s.offered + s.duplicated, s.delivered + dropped + s.inside, "seed {seed}");
    }
    while let Some((when, number)) = link.poll(at + Micros::millis(100_000)) {
        arrived.push((when, number));
    }
    (arrived, link.stats())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_packet_is_delivered_dropped_or_inside(config in any_link(), seed in any::<u64>()) {
        let (arrived, stats) = run(&config, seed);
        prop_assert_eq!(arrived.len() as u64, stats.delivered);
    }

    #[test]
    fn order_is_kept_where_no_reordering_is_asked_for(config in any_link(), seed in any::<u64>()) {
        let (arrived, _) = run(&config, seed);
        prop_assert!(arrived.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn the_same_seed_gives_the_same_run(config in any_link(), seed in any::<u64>()) {
        prop_assert_eq!(run(&config, seed), run(&config, seed));
    }

    #[test]
    fn the_rate_is_never_exceeded_in_any_window(
        steps in prop::collection::vec((0u64..2_000_000, 100_000u64..4_000_000), 1..5),
        seed in any::<u64>(),
    ) {
        let schedule = RateSchedule::from_steps(steps.into_iter().map(|(at, bps)| (Micros(at), bps)));
        let config = LinkConfig {
            rate: Some(schedule.clone()),
            queue: QueueConfig { bytes: 40_000, discipline: Discipline::DropTail },
            ..LinkConfig::default()
        };
        let mut link = Link::new(config, seed);
        let mut random = Random::new(seed);
        for number in 0..300u64 {
            link.send(Micros(number * 3_000), 50 + random.bits() % 1_450, number);
        }
        let mut leaving = Vec::new();
        let mut random = Random::new(seed);
        let sizes: Vec<u64> = (0..300).map(|_| 50 + random.bits() % 1_450).collect();
        while let Some((at, number)) = link.poll(Micros::millis(60_000)) {
            leaving.push((at, sizes[number as usize]));
        }
        for first in (0..leaving.len()).step_by(7) {
            let mut bytes = 0;
            for &(at, size) in &leaving[first + 1..] {
                bytes += size;
                prop_assert!(bytes as f64 <= schedule.capacity(leaving[first].0, at) + 1.0);
            }
        }
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5_000))
}

#[test]
fn hosts_of_one_home_share_its_line() {
    let epoch = Instant::now();
    let mut net: Network<Vec<u8>> = Network::new(1, epoch);
    let line = LinkConfig::bottleneck(1_000_000, Micros::millis(10), 10_000);
    let home = net.add_home(HomeConfig { up: LinkConfig::default(), down: line });
    net.attach(address(1), None);
    net.attach(address(2), Some(home));
    net.attach(address(3), Some(home));
    for to in [2, 3] {
        net.send(epoch, address(1), address(to), vec![0; 1_222]);
    }
    let end = epoch + Duration::from_secs(1);
    let times: Vec<_> = std::iter::from_fn(|| net.poll(end)).map(|d| (d.at - epoch, d.to)).collect();
    assert_eq!(times, [(Duration::from_millis(20), address(2)), (Duration::from_millis(30), address(3))]);
}

#[test]
fn a_changed_address_no_longer_receives_at_the_old_one() {
    let epoch = Instant::now();
    let mut net: Network<Vec<u8>> = Network::new(1, epoch);
    let home = net.add_home(HomeConfig {
        down: LinkConfig { delay: Micros::millis(5), ..LinkConfig::default() },
        ..HomeConfig::default()
    });
    net.attach(address(1), None);
    net.attach(address(2), Some(home));
    net.send(epoch, address(1), address(2), vec![1]);
    net.change_address(address(2), address(9), Some(home));
    net.send(epoch, address(1), address(9), vec![2]);
    let got: Vec<_> =
        std::iter::from_fn(|| net.poll(epoch + Duration::from_secs(1))).map(|d| (d.to, d.payload)).collect();
    assert_eq!(got, [(address(9), vec![2])]);
    assert_eq!(net.unroutable(), 1);
}

fn bulk(algorithm: TcpAlgorithm, config: LinkConfig, flows: u8) -> Vec<u64> {
    let epoch = Instant::now();
    let mut net: Network<Vec<u8>> = Network::new(3, epoch);
    let back = LinkConfig { delay: Micros::millis(20), ..LinkConfig::default() };
    let home = net.add_home(HomeConfig { up: back, down: config });
    net.attach(address(1), None);
    net.attach(address(2), Some(home));
    let tcp = TcpConfig { algorithm, load: TcpLoad::Bulk, from: Micros::ZERO, until: Micros::millis(60_000) };
    let ids: Vec<_> = (0..flows).map(|_| net.add_tcp(address(1), address(2), tcp)).collect();
    assert!(net.poll(epoch + Duration::from_secs(60)).is_none());
    ids.into_iter().map(|id| net.tcp_stats(id).acknowledged * 1_500 * 8 / 60).collect()
}

#[test]
fn a_bulk_source_fills_the_line_whatever_its_control() {
    for algorithm in [TcpAlgorithm::Reno, TcpAlgorithm::Cubic] {
        let rates = bulk(algorithm, LinkConfig::bottleneck(3_000_000, Micros::millis(20), 200), 1);
        assert!(rates[0] > 2_800_000 && rates[0] <= 3_000_000, "{algorithm:?} {rates:?}");
    }
}

#[test]
fn two_bulk_sources_share_within_a_factor_of_two() {
    for algorithm in [TcpAlgorithm::Reno, TcpAlgorithm::Cubic] {
        let rates = bulk(algorithm, LinkConfig::bottleneck(3_000_000, Micros::millis(20), 200), 2);
        let (low, high) = (rates[0].min(rates[1]), rates[0].max(rates[1]));
        assert!(low * 2 >= high, "{algorithm:?} {rates:?}");
    }
}

#[test]
fn codel_keeps_the_queue_of_a_bulk_source_short() {
    let mut config = LinkConfig::bottleneck(3_000_000, Micros::millis(20), 1_000);
    config.queue.discipline = Discipline::CoDel;
    let epoch = Instant::now();
    let mut net: Network<Vec<u8>> = Network::new(3, epoch);
    let home = net.add_home(HomeConfig { up: LinkConfig::default(), down: config });
    net.attach(address(1), None);
    net.attach(address(2), Some(home));
    let load = TcpLoad::Bulk;
    let until = Micros::millis(60_000);
    net.add_tcp(address(1), address(2), TcpConfig { algorithm: TcpAlgorithm::Reno, load, from: Micros::ZERO, until });
    let down = net.home_links(home).1;
    let mut delays: Vec<u64> = (100..600u64)
        .map(|tick| {
            let at = epoch + Duration::from_millis(tick * 100);
            assert!(net.poll(at).is_none());
            net.queueing_delay(at, down).0
        })
        .collect();
    delays.sort_unstable();
    assert!(delays[450] < 60_000, "p90 {} us", delays[450]);
}

#[test]
fn loss_in_time_does_not_depend_on_the_packet_rate() {
    for interval in [1u64, 20] {
        let config = LinkConfig {
            loss: Loss::GilbertElliott {
                good: Micros::millis(1_520),
                bad: Micros::millis(80),
                loss_in_good: 0.0,
                loss_in_bad: 0.8,
            },
            ..LinkConfig::default()
        };
        let mut link = Link::new(config, 11);
        let packets = 2_000_000 / interval;
        for number in 0..packets {
            link.send(Micros::millis(number * interval), 100, ());
        }
        let share = link.stats().dropped_loss as f64 / packets as f64;
        assert!((0.03..0.05).contains(&share), "{interval} ms: {share}");
    }
}

#[test]
fn a_stall_holds_packets_and_an_outage_loses_them() {
    let stall = [(Micros::millis(10), Micros::millis(110))];
    let rate = RateSchedule::constant(8_000_000).with_stalls(&stall);
    let mut link = Link::new(LinkConfig { rate: Some(rate), ..LinkConfig::default() }, 1);
    link.send(Micros::millis(20), 1_000, "held");
    assert_eq!(link.poll(Micros::millis(200)), Some((Micros::millis(111), "held")));

    let mut link = Link::new(LinkConfig { outages: stall.to_vec(), ..LinkConfig::default() }, 1);
    link.send(Micros::millis(20), 1_000, "lost");
    assert_eq!(link.poll(Micros::millis(200)), None);
    assert_eq!(link.stats().dropped_outage, 1);
}

#[test]
fn a_skewed_clock_gains_as_told() {
    let clock = SkewedClock { offset: Micros(5), skew_ppm: 50 };
    assert_eq!(clock.read(Micros::millis(1_000)), Micros(1_000_055));
    let slow = SkewedClock { offset: Micros(0), skew_ppm: -50 };
    assert_eq!(slow.read(Micros::millis(1_000)), Micros(999_950));
}
