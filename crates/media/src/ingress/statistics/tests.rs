//! Loss, order, jitter and clock of one stream.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn loss_is_what_was_expected_and_did_not_come() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(48_000);
    for sequence in (65_530..65_536).chain([0, 2, 3, 5]) {
        statistics.handle_packet(sequence as u16, 0, now);
    }
    assert_eq!((statistics.expected(), statistics.received(), statistics.lost()), (12, 10, 2));
    let block = statistics.report_block(7, now).unwrap();
    assert_eq!((block.ssrc, block.cumulative_lost, u32::from(block.fraction_lost)), (7, 2, 2 * 256 / 12));
    assert_eq!(block.highest_sequence & 0xffff, 5);
}

#[test]
fn the_share_lost_begins_anew_with_each_report() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(48_000);
    for sequence in [0, 1, 2, 5] {
        statistics.handle_packet(sequence, 0, now);
    }
    assert_ne!(statistics.report_block(1, now).unwrap().fraction_lost, 0);
    for sequence in [6, 7] {
        statistics.handle_packet(sequence, 0, now);
    }
    assert_eq!(statistics.report_block(1, now).unwrap().fraction_lost, 0);
    statistics.handle_packet(9, 0, now);
    assert_eq!(statistics.report_block(1, now).unwrap().fraction_lost, 128, "one of two");
}

#[test]
fn a_stream_whose_first_packets_were_reordered_lost_nothing() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(90_000);
    for sequence in [3, 1, 2, 4] {
        statistics.handle_packet(sequence, 0, now);
    }
    assert_eq!((statistics.expected(), statistics.lost()), (4, 0));
}

#[test]
fn an_even_stream_has_no_jitter_and_an_uneven_one_has() {
    let start = Instant::now();
    let (mut even, mut uneven) = (SourceStatistics::new(48_000), SourceStatistics::new(48_000));
    for n in 0..200_u16 {
        let at = start + 20 * MS * u32::from(n);
        even.handle_packet(n, u32::from(n) * 960, at);
        // Every second packet 10 ms late: each transit differs from the last by 480 units.
        uneven.handle_packet(n, u32::from(n) * 960, at + 10 * MS * u32::from(n % 2));
    }
    assert_eq!(even.jitter(), 0);
    assert!((470..=490).contains(&uneven.jitter()), "{}", uneven.jitter());
}

#[test]
fn the_burst_of_a_frame_is_not_jitter() {
    let start = Instant::now();
    let mut statistics = SourceStatistics::new(90_000);
    for n in 0..500_u16 {
        let (frame, part) = (u32::from(n / 5), u32::from(n % 5));
        statistics.handle_packet(n, frame * 3_600, start + 40 * MS * frame + MS * part);
    }
    assert_eq!(statistics.jitter(), 0);
}

#[test]
fn a_pause_is_not_jitter() {
    let start = Instant::now();
    let mut statistics = SourceStatistics::new(90_000);
    statistics.handle_packet(0, 0, start);
    statistics.handle_packet(1, 3_000, start + Duration::from_secs(60));
    assert_eq!(statistics.jitter(), 0);
}

#[test]
fn one_wild_number_is_suspect_and_two_are_a_restart() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(48_000);
    assert!(matches!(statistics.handle_packet(100, 0, now), Arrival::Restarted(_)));
    assert_eq!(statistics.handle_packet(20_000, 0, now), Arrival::Suspect);
    assert!(matches!(statistics.handle_packet(101, 0, now), Arrival::Newer(_)), "one stray changes nothing");
    assert_eq!(statistics.handle_packet(20_000, 0, now), Arrival::Suspect);
    let highest = statistics.highest().unwrap();
    let Arrival::Restarted(sequence) = statistics.handle_packet(20_001, 0, now) else { panic!("not restarted") };
    assert!(sequence > highest && sequence as u16 == 20_001);
    assert_eq!((statistics.expected(), statistics.lost()), (1, 0));
}

#[test]
fn repair_finds_its_place_only_in_the_recent_past() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(90_000);
    assert_eq!(statistics.locate(1), None);
    statistics.handle_packet(10, 0, now);
    assert_eq!(statistics.locate(5), Some(65_536 + 5));
    assert_eq!(statistics.locate(11), None, "from the future");
    assert_eq!(statistics.locate(10_u16.wrapping_sub(2_000)), None, "too old");
    assert_eq!(statistics.received(), 1);
}

#[test]
fn reports_tell_the_sender_how_long_we_held_its_clock() {
    let now = Instant::now();
    let mut statistics = SourceStatistics::new(48_000);
    statistics.handle_packet(1, 0, now);
    statistics.handle_sender_report(SenderInfo { ntp: 0x0001_0002_0003_0004, ..SenderInfo::default() }, now);
    let block = statistics.report_block(1, now + 500 * MS).unwrap();
    assert_eq!(block.last_sender_report, 0x0002_0003);
    assert_eq!(block.delay_since_last_sender_report, 32_768);
}

proptest! {
    #[test]
    fn counts_hold_for_any_order_of_numbers(numbers in prop::collection::vec(any::<u16>(), 1..300)) {
        let now = Instant::now();
        let mut statistics = SourceStatistics::new(90_000);
        let mut highest = 0;
        for number in numbers {
            match statistics.handle_packet(number, 0, now) {
                Arrival::Newer(sequence) | Arrival::Restarted(sequence) => {
                    prop_assert!(sequence > highest);
                    highest = sequence;
                }
                Arrival::Older(sequence) => prop_assert!(sequence <= highest),
                Arrival::Suspect => {}
            }
            let _ = statistics.report_block(1, now);
        }
    }
}
