//! What is asked for, when, how often, and when it is given up.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const RTT: Duration = Duration::from_millis(40);

fn video() -> GapTracker {
    GapTracker::new(MediaKind::Video, Repair::Rtx)
}

fn asked(tracker: &mut GapTracker, now: Instant) -> Vec<u16> {
    let mut requests = [0; 600];
    let count = tracker.poll_requests(now, RTT, &mut requests);
    requests[..count].to_vec()
}

fn receive(tracker: &mut GapTracker, sequences: impl IntoIterator<Item = u64>, now: Instant) {
    sequences.into_iter().for_each(|sequence| tracker.handle_packet(sequence, now));
}

#[test]
fn a_gap_is_asked_for_at_once_where_nothing_was_ever_reordered() {
    let now = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [70_000, 70_001, 70_004], now);
    assert!(tracker.poll_timeout().is_some_and(|due| due <= now));
    assert_eq!(asked(&mut tracker, now), [70_002_u32 as u16, 70_003_u32 as u16]);
    assert!(asked(&mut tracker, now).is_empty(), "asked already");
}

#[test]
fn reordering_makes_it_wait_for_later_packets_or_some_time() {
    let start = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 3, 4, 2], start);
    receive(&mut tracker, [5, 7], start + 20 * MS);
    assert!(asked(&mut tracker, start + 20 * MS).is_empty(), "reordering of depth two was seen");
    receive(&mut tracker, [8, 9], start + 20 * MS);
    assert_eq!(asked(&mut tracker, start + 20 * MS), [6], "three later packets make it certain");
    receive(&mut tracker, [11], start + 30 * MS);
    assert!(asked(&mut tracker, start + 30 * MS).is_empty());
    assert_eq!(tracker.poll_timeout(), Some(start + 33 * MS));
    assert_eq!(asked(&mut tracker, start + 33 * MS), [10], "so does some time");
}

#[test]
fn reordering_is_forgotten() {
    let start = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 3, 4, 2], start);
    let later = start + Duration::from_secs(60);
    receive(&mut tracker, [5, 7], later);
    assert_eq!(asked(&mut tracker, later), [6]);
    tracker.handle_recovered(6);
    // Deep and long this time: one halving leaves three packets or 7.5 ms.
    receive(&mut tracker, [9, 10, 11, 12, 13, 14], later);
    receive(&mut tracker, [8], later + 10 * MS);
    let later = later + 10 * MS + REORDER_MEMORY;
    receive(&mut tracker, [16], later);
    assert_eq!(tracker.poll_timeout(), Some(later + 15 * MS / 2));
}

#[test]
fn unanswered_requests_are_said_twice_then_repeated_once_a_round_trip_and_given_up() {
    let start = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 3], start);
    let mut times = Vec::new();
    for ms in 0..2_000 {
        let now = start + ms * MS;
        if !asked(&mut tracker, now).is_empty() {
            times.push(ms);
        }
    }
    let repeated = (0..9).map(|n| 15 + n * 50);
    assert_eq!(times, [0].into_iter().chain(repeated).collect::<Vec<_>>(), "a round trip of 40 ms and a quarter");
    assert_eq!((tracker.missing(), tracker.abandoned()), (0, 1));
    assert!(tracker.take_beyond_repair() && !tracker.take_beyond_repair());
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn stale_audio_is_not_asked_for() {
    let start = Instant::now();
    let mut tracker = GapTracker::new(MediaKind::Audio, Repair::Rtx);
    receive(&mut tracker, [1, 50], start);
    assert_eq!(asked(&mut tracker, start), (40..50).collect::<Vec<u16>>(), "only the last 200 ms of a long gap");
    let mut last = 0;
    for ms in 1..1_000 {
        if !asked(&mut tracker, start + ms * MS).is_empty() {
            last = ms;
        }
    }
    assert!(last < 200, "asked after {last} ms");
}

#[test]
fn what_repair_brings_back_is_not_asked_for_again() {
    let start = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 4], start);
    assert_eq!(asked(&mut tracker, start), [2, 3]);
    assert!(tracker.handle_recovered(2) && !tracker.handle_recovered(2));
    assert_eq!(asked(&mut tracker, start + 60 * MS), [3]);
    assert!(tracker.handle_recovered(3));
    assert_eq!(tracker.poll_timeout(), None);
}

#[test]
fn a_repetition_on_the_stream_itself_is_not_taken_for_reordering() {
    let start = Instant::now();
    let mut tracker = GapTracker::new(MediaKind::Video, Repair::Plain);
    receive(&mut tracker, [1, 3], start);
    assert_eq!(asked(&mut tracker, start), [2]);
    receive(&mut tracker, [2, 4, 6], start + 30 * MS);
    assert_eq!(asked(&mut tracker, start + 30 * MS), [5], "still asks at once");
}

#[test]
fn an_outage_ends_in_a_keyframe_not_in_a_storm() {
    let start = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 1 + MAX_MISSING as u64 + 2], start);
    assert!(asked(&mut tracker, start).is_empty());
    assert!(tracker.take_beyond_repair());
    assert_eq!(tracker.missing(), 0);
}

#[test]
fn heavy_loss_is_not_answered_with_heavy_repair() {
    let start = Instant::now();
    let mut tracker = video();
    let (mut received, mut requests) = (0_u64, 0_u64);
    for n in 0..20_000_u64 {
        let now = start + n as u32 * 4 * MS;
        // Three in four are lost, and nothing is ever repaired.
        if n % 4 == 0 {
            tracker.handle_packet(n, now);
            received += 1;
        }
        requests += asked(&mut tracker, now).len() as u64;
    }
    let allowed = received / u64::from(CREDIT_PER_REQUEST) + u64::from(MAX_CREDIT / CREDIT_PER_REQUEST);
    assert!(requests <= allowed, "{requests} requests for {received} packets");
    assert!(requests > allowed / 2, "but not none: {requests}");
}

#[test]
fn a_restart_forgets_what_was_missing() {
    let now = Instant::now();
    let mut tracker = video();
    receive(&mut tracker, [1, 5], now);
    tracker.handle_restart(200_000);
    assert!(asked(&mut tracker, now).is_empty());
    receive(&mut tracker, [200_001], now);
    assert_eq!(tracker.missing(), 0);
}

proptest! {
    /// 5 % of packets and of repairs are lost: fewer than one packet in a thousand stays missing, and nothing that came is
    /// asked for.
    #[test]
    fn light_loss_is_repaired(seed in prop::collection::vec(any::<u8>(), 2_000)) {
        let start = Instant::now();
        let mut tracker = video();
        let mut repairs: Vec<(u64, u64)> = Vec::new();
        let mut have = vec![false; seed.len()];
        for ms in 0..seed.len() as u64 * 4 + 600 {
            let now = start + MS * ms as u32;
            let n = (ms / 4) as usize;
            if ms % 4 == 0 && n < seed.len() && seed[n] >= 13 {
                have[n] = true;
                tracker.handle_packet(n as u64, now);
            }
            repairs.retain(|&(at, sequence)| {
                if at == ms {
                    have[sequence as usize] = true;
                    tracker.handle_recovered(sequence);
                }
                at > ms
            });
            for sequence in asked(&mut tracker, now) {
                let sequence = u64::from(sequence);
                prop_assert!(!have[sequence as usize], "{} was here", sequence);
                if seed[(sequence + ms) as usize % seed.len()] >= 13 {
                    repairs.push((ms + 40, sequence));
                }
            }
        }
        // Of what came before the first packet nothing can be known.
        let first = seed.iter().position(|&byte| byte >= 13).unwrap_or(0);
        let last = have.iter().rposition(|&have| have).unwrap_or(0).max(first);
        let missing = have[first..last].iter().filter(|&&have| !have).count();
        prop_assert!(missing * 1_000 < seed.len() + 1_000, "{} of {}", missing, seed.len());
    }

    #[test]
    fn any_order_of_numbers_stays_bounded(numbers in prop::collection::vec(0_u64..3_000, 0..400)) {
        let start = Instant::now();
        let mut tracker = video();
        for (n, number) in numbers.into_iter().enumerate() {
            let now = start + MS * n as u32;
            tracker.handle_packet(number, now);
            prop_assert!(tracker.missing() <= MAX_MISSING);
            prop_assert!(asked(&mut tracker, now).is_sorted());
        }
    }
}
