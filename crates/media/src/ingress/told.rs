//! When a publisher is told its bound (REMB): when it is news, again and again while there is one, and a few times when there
//! is none any more.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

/// A bound is repeated this often: RTCP is lost like anything else.
const REPEATED: Duration = Duration::from_secs(1);

/// Smaller changes are not told at once.
const TELLING_CHANGE: f64 = 0.03;

/// That there is no bound any more is said this many times.
const RELEASES: u8 = 3;

/// No bound: more than anyone sends.
const UNBOUND: Bitrate = Bitrate::mbps(50);

/// What a publisher was told last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    cap: Option<Bitrate>,
    at: Option<Instant>,
    /// How often it is still to be said that there is no bound.
    releases: u8,
}

impl Told {
    /// What the publisher is to be told now, if anything, where `cap` is all that it may send.
    pub fn poll(&mut self, cap: Option<Bitrate>, now: Instant) -> Option<Bitrate> {
        let news = match (self.cap, cap) {
            (Some(old), Some(new)) => old.as_bps().abs_diff(new.as_bps()) as f64 > old.as_bps() as f64 * TELLING_CHANGE,
            (old, new) => old != new,
        };
        let due = self.at.is_none_or(|at| now.saturating_duration_since(at) >= REPEATED);
        if news && cap.is_none() {
            self.releases = RELEASES;
        }
        if news || due {
            self.cap = cap;
        }
        if !(news || due && (cap.is_some() || self.releases > 0)) {
            return None;
        }
        self.at = Some(now);
        self.releases = self.releases.saturating_sub(1);
        Some(cap.unwrap_or(UNBOUND))
    }
}
