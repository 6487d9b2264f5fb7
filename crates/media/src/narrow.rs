//! Whether a line is too small for what is made for it: for pictures beside the voices on the way up, and for the voices
//! themselves, the last rung before there is no sound. Speech of 16 kbit/s is plain, and still speech; what does not get
//! through is none.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

/// What voices are asked to be made of then: Opus codes the whole width of speech (8 kHz) from here on.
pub const NARROW_SPEECH: Bitrate = Bitrate::kbps(16);

/// Of what the line carries, what voices may take on the wire before they are asked to be narrow, and again before they are
/// let go: reports and questions to the line go over it too (a tenth of 100 kbit/s).
pub(crate) const TOO_MUCH: f64 = 0.8;
pub(crate) const FITS: f64 = 0.55;

/// Narrow voices do not try a line out, and without pictures nothing does. So they are let go for a trial once the line was
/// calm for so long; a trial that failed doubles it.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(240));

/// See the head of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrow {
    /// Since when the line was both too small and calm.
    since: Option<Instant>,
    patience: Duration,
}

impl Default for Narrow {
    fn default() -> Self {
        Self { since: None, patience: PATIENCE.0 }
    }
}

impl Narrow {
    /// Takes whether the line is full, and of what it carries the share that is asked for, or was before less was made.
    pub fn judge(&mut self, congested: bool, share: f64, now: Instant) {
        match &mut self.since {
            None if congested && share > TOO_MUCH => self.since = Some(now),
            None => {}
            Some(_) if share < FITS => *self = Self::default(),
            Some(since) if congested => *since = now,
            Some(since) if now.saturating_duration_since(*since) >= self.patience => {
                self.since = None;
                self.patience = (self.patience * 2).min(PATIENCE.1);
            }
            Some(_) => {}
        }
    }

    pub fn is_asked(&self) -> bool {
        self.since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    /// Judged once a second, from then on for so long; whether it is asked at each.
    fn judged(narrow: &mut Narrow, (from, seconds): (u64, u64), congested: bool, share: f64) -> Vec<bool> {
        let judge = |second| {
            narrow.judge(congested, share, epoch() + Duration::from_secs(second));
            narrow.is_asked()
        };
        (from..from + seconds).map(judge).collect()
    }

    #[test]
    fn voices_are_narrow_where_they_fill_the_line_until_it_carries_twice_of_them() {
        let mut narrow = Narrow::default();
        assert_eq!(judged(&mut narrow, (0, 3), false, 2.0), [false; 3], "nothing is wrong with the line");
        assert_eq!(judged(&mut narrow, (3, 3), true, 0.7), [false; 3], "it is not the voices that fill it");
        assert_eq!(judged(&mut narrow, (6, 3), true, 0.9), [true; 3]);
        assert_eq!(judged(&mut narrow, (9, 3), false, 0.6), [true; 3]);
        assert_eq!(judged(&mut narrow, (12, 3), false, 0.4), [false; 3]);
    }

    #[test]
    fn a_calm_line_is_tried_again_ever_less_often() {
        let mut narrow = Narrow::default();
        let mut second = 0;
        let mut waited = || {
            narrow.judge(true, 0.9, epoch() + Duration::from_secs(second));
            let began = second;
            while narrow.is_asked() && second < began + 1_000 {
                second += 1;
                narrow.judge(false, 0.9, epoch() + Duration::from_secs(second));
            }
            second - began
        };
        assert_eq!([waited(), waited(), waited(), waited(), waited()], [30, 60, 120, 240, 240]);
    }
}
