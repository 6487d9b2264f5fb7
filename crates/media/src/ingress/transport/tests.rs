//! Every arrival is told once, in time, and late ones correct what was told.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeMap;

use parlour_rtp::rtcp::{self, Message};
use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(50);

/// All messages due, as (base, [(number, arrival)]).
fn told(recorder: &mut TransportRecorder, now: Instant) -> Vec<(u16, Option<i64>)> {
    let mut told = Vec::new();
    loop {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        if !recorder.write_feedback(now, 1, 2, &mut writer) {
            return told;
        }
        for message in rtcp::parse(writer.written()) {
            let Ok(Message::TransportFeedback(feedback)) = message else { panic!("{message:?}") };
            told.extend(feedback.arrivals());
        }
    }
}

#[test]
fn arrivals_are_told_around_the_interval() {
    let start = Instant::now();
    let mut recorder = TransportRecorder::new(INTERVAL, start);
    recorder.handle_packet(65_535, start + MS);
    recorder.handle_packet(1, start + 3 * MS);
    assert_eq!(recorder.poll_timeout(), Some(start + 61 * MS));
    assert!(!recorder.is_ready(start + 40 * MS) && recorder.is_ready(start + 41 * MS));
    assert!(told(&mut recorder, start + 40 * MS).is_empty());
    let expected = [(65_535, Some(1_000)), (0, None), (1, Some(3_000))];
    assert_eq!(told(&mut recorder, start + 41 * MS), expected);
    assert_eq!(recorder.poll_timeout(), None, "silence needs no feedback");
}

#[test]
fn a_late_packet_corrects_what_was_told() {
    let start = Instant::now();
    let mut recorder = TransportRecorder::new(INTERVAL, start);
    for number in [10, 12] {
        recorder.handle_packet(number, start);
    }
    told(&mut recorder, start + INTERVAL);
    recorder.handle_packet(11, start + 60 * MS);
    recorder.handle_packet(13, start + 61 * MS);
    let expected = [(11, Some(60_000)), (12, Some(0)), (13, Some(61_000))];
    assert_eq!(told(&mut recorder, start + 200 * MS), expected);
}

#[test]
fn a_duplicate_changes_nothing() {
    let start = Instant::now();
    let mut recorder = TransportRecorder::new(INTERVAL, start);
    recorder.handle_packet(1, start);
    recorder.handle_packet(1, start + MS);
    assert_eq!(told(&mut recorder, start + INTERVAL), [(1, Some(0))]);
    assert_eq!(recorder.ignored(), 1);
}

#[test]
fn a_jump_beyond_the_window_begins_a_new_one() {
    let start = Instant::now();
    let mut recorder = TransportRecorder::new(INTERVAL, start);
    recorder.handle_packet(1, start);
    recorder.handle_packet(20_000, start + MS);
    assert_eq!(told(&mut recorder, start + INTERVAL), [(20_000, Some(1_000))]);
    recorder.handle_packet(10_000, start + 60 * MS);
    assert_eq!((recorder.ignored(), recorder.poll_timeout()), (1, None), "from before the window");
}

#[test]
fn a_long_loss_is_told_in_several_messages() {
    let start = Instant::now();
    let mut recorder = TransportRecorder::new(INTERVAL, start);
    recorder.handle_packet(0, start);
    recorder.handle_packet(1_000, start + MS);
    let told = told(&mut recorder, start + INTERVAL);
    assert_eq!(told.first(), Some(&(0, Some(0))));
    assert_eq!(told.last(), Some(&(1_000, Some(1_000))));
}

proptest! {
    #[test]
    fn every_arrival_in_the_window_is_told(first: u16, steps in prop::collection::vec((-20_i64..60, 0_u32..30), 1..400)) {
        let start = Instant::now();
        let mut recorder = TransportRecorder::new(INTERVAL, start);
        let (mut number, mut now) = (65_536 + i64::from(first), start);
        let mut truth = BTreeMap::new();
        let mut heard = BTreeMap::new();
        let mut ignored = 0;
        for (step, ms) in steps {
            number += step;
            now += ms * MS;
            recorder.handle_packet(number as u16, now);
            if recorder.ignored() == ignored {
                truth.insert(number as u16, (now - start).as_micros() as i64 / 250 * 250);
            }
            ignored = recorder.ignored();
            heard.extend(told(&mut recorder, now).into_iter().filter_map(|(number, at)| Some((number, at?))));
            prop_assert!(recorder.window.len() <= MAX_WINDOW);
        }
        heard.extend(told(&mut recorder, now + INTERVAL).into_iter().filter_map(|(number, at)| Some((number, at?))));
        prop_assert_eq!(heard, truth);
    }
}
