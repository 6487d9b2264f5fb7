//! Who counts as speaking, for how long, and what is told of it.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const ANNA: ParticipantKey = ParticipantKey(1);
const BELA: ParticipantKey = ParticipantKey(2);

fn level(level_dbov: u8) -> AudioLevel {
    AudioLevel { level_dbov, voice: false }
}

/// Packets every 20 ms for `ms` milliseconds; everything told meanwhile, with its time.
fn talk(
    speakers: &mut Speakers,
    start: Instant,
    ms: u32,
    levels: impl Fn(u32) -> Vec<(ParticipantKey, u8)>,
) -> Vec<(u32, ParticipantKey, f32, bool)> {
    let mut told = Vec::new();
    for at in (0..ms).step_by(20) {
        let now = start + at * MS;
        levels(at).into_iter().for_each(|(key, dbov)| speakers.handle_level(key, level(dbov), now));
        told.extend(speakers.poll_changes(now).into_iter().map(|(key, level, active)| (at, key, level, active)));
    }
    told
}

#[test]
fn a_voice_is_told_within_half_a_second() {
    let mut speakers = Speakers::new();
    let told = talk(&mut speakers, Instant::now(), 1_000, |_| vec![(ANNA, 20), (BELA, 60)]);
    let (at, key, level, active) = told[0];
    assert!(at <= 500 && key == ANNA && active && level > 0.0, "{told:?}");
    assert!(told.iter().all(|&(_, key, ..)| key == ANNA), "the quiet one is not told of");
}

#[test]
fn a_click_is_not_a_voice() {
    let mut speakers = Speakers::new();
    let told = talk(&mut speakers, Instant::now(), 2_000, |at| vec![(ANNA, if at < 60 { 5 } else { 90 })]);
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn pauses_between_words_do_not_end_speaking_and_silence_does() {
    let start = Instant::now();
    let mut speakers = Speakers::new();
    let words = |at: u32| vec![(ANNA, if at % 1_000 < 500 { 25 } else { 80 })];
    let told = talk(&mut speakers, start, 10_000, words);
    assert_eq!(told.iter().filter(|&&(.., active)| !active).count(), 0, "{told:?}");
    let told = talk(&mut speakers, start + 10_000 * MS, 3_000, |_| vec![(ANNA, 80)]);
    assert_eq!(told.iter().filter(|&&(_, _, level, active)| !active && level == 0.0).count(), 1, "{told:?}");
}

#[test]
fn who_stops_sending_stops_speaking() {
    let start = Instant::now();
    let mut speakers = Speakers::new();
    talk(&mut speakers, start, 1_000, |_| vec![(ANNA, 20)]);
    let told = talk(&mut speakers, start + 1_000 * MS, 3_000, |_| vec![]);
    assert!(matches!(told.last(), Some((_, ANNA, 0.0, false))), "{told:?}");
    assert_eq!(speakers.poll_timeout(), None, "and the detector sleeps");
}

#[test]
fn who_is_removed_stops_speaking_at_once() {
    let start = Instant::now();
    let mut speakers = Speakers::new();
    talk(&mut speakers, start, 1_000, |_| vec![(ANNA, 20)]);
    speakers.remove(ANNA, start + 1_000 * MS);
    assert_eq!(speakers.poll_changes(start + 1_000 * MS), [(ANNA, 0.0, false)]);
    assert_eq!(speakers.poll_timeout(), None);
}

#[test]
fn an_even_voice_is_not_told_over_and_over() {
    let mut speakers = Speakers::new();
    let told = talk(&mut speakers, Instant::now(), 60_000, |_| vec![(ANNA, 15)]);
    assert!(told.len() <= 3, "{told:?}");
}

#[test]
fn participants_beyond_the_bound_are_counted_not_kept() {
    let now = Instant::now();
    let mut speakers = Speakers::new();
    (0..100).for_each(|n| speakers.handle_level(ParticipantKey(n), level(0), now));
    assert_eq!((speakers.voices.len(), speakers.refused()), (MAX_PARTICIPANTS, 100 - MAX_PARTICIPANTS as u64));
}

proptest! {
    #[test]
    fn levels_stay_in_range_and_memory_bounded(packets in prop::collection::vec((0_u32..4, any::<u8>(), 0_u32..100), 0..500)) {
        let mut now = Instant::now();
        let mut speakers = Speakers::new();
        for (key, dbov, ms) in packets {
            now += ms * MS;
            speakers.handle_level(ParticipantKey(key), level(dbov & 0x7f), now);
            for (_, level, active) in speakers.poll_changes(now) {
                prop_assert!((0.0..=1.0).contains(&level));
                prop_assert!(active || level == 0.0);
            }
            prop_assert!(speakers.voices.iter().all(|voice| voice.levels.len() <= MAX_LEVELS));
        }
    }
}
