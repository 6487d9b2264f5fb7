//! Where a line begins of which a test before the session said something: at what was found, instead of at what most lines
//! carry. The estimator takes it for a guess: sends at it for one round trip at most, and believes what comes back.

use std::time::{Duration, Instant};

use parlour_estimator::Config;
use parlour_model::Bitrate;
use parlour_model::command::LineHint;

/// What was found longer ago says nothing: people walk about with their telephones, and others come home.
const LONGEST: Duration = Duration::from_secs(600);

/// The fastest that a test sends at: nothing above it was measured.
const MOST: Bitrate = Bitrate::kbps(4_500);

/// More than all that is wanted, by this, is of no use: it would be the longer queue if the test was wrong.
const ROOM: f64 = 1.25;

/// And less than this is no line to send pictures to; it is found out as any other.
const LEAST: Bitrate = Bitrate::kbps(200);

/// See the head of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    rate: Bitrate,
    until: Instant,
}

impl Start {
    /// What a test is good for, if anything.
    pub fn of(hint: LineHint, now: Instant) -> Option<Self> {
        let left = LONGEST.checked_sub(hint.age)?;
        (hint.down >= LEAST).then(|| Self { rate: hint.down.min(MOST), until: now + left })
    }

    /// What is assumed of the line with it, where so much is wanted on it.
    pub fn apply(self, config: Config, wanted: Option<Bitrate>, now: Instant) -> Config {
        if now >= self.until {
            return config;
        }
        let useful = wanted.map_or(self.rate, |wanted| wanted.scaled(ROOM).max(config.initial));
        Config { hint: Some(self.rate.min(useful)), initial: config.initial.min(self.rate), ..config }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    fn hinted(kbps: u64, age: Duration, later: Duration) -> Option<Bitrate> {
        let start = Start::of(LineHint { down: Bitrate::kbps(kbps), age }, epoch())?;
        start.apply(Config::default(), None, epoch() + later).hint
    }

    #[test]
    fn a_test_counts_for_so_long_and_for_no_more_than_it_can_measure() {
        let (none, minutes) = (Duration::ZERO, |minutes: u64| Duration::from_secs(minutes * 60));
        assert_eq!(hinted(2_500, none, none), Some(Bitrate::kbps(2_500)));
        assert_eq!(hinted(900_000, none, none), Some(MOST));
        assert_eq!(hinted(0, none, none), None);
        assert_eq!(hinted(2_500, minutes(6), minutes(3)), Some(Bitrate::kbps(2_500)));
        assert_eq!(hinted(2_500, minutes(6), minutes(4)), None);
        assert_eq!(hinted(2_500, minutes(11), none), None);
    }

    #[test]
    fn a_line_begins_no_faster_than_all_that_is_wanted_needs() {
        let start = Start::of(LineHint { down: Bitrate::kbps(4_000), age: Duration::ZERO }, epoch());
        let hint = |wanted| start?.apply(Config::default(), Some(wanted), epoch()).hint;
        assert_eq!(hint(Bitrate::kbps(2_000)), Some(Bitrate::kbps(2_500)));
        assert_eq!(hint(Bitrate::kbps(9_000)), Some(Bitrate::kbps(4_000)));
    }
}
