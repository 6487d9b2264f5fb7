//! Why joins were refused a moment ago.
//!
//! Browsers do not show why a WebSocket was refused, so SDKs ask `/rtc/validate` afterwards. It answers from here.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parlour_model::Refusal;

/// Remembered at once; the oldest is forgotten first.
const MAX_REMEMBERED: usize = 256;
/// SDKs ask within a round trip.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// The latest refusals, by a keyed hash of the token: the token itself is not kept.
#[derive(Default)]
pub(crate) struct Refusals {
    hasher: RandomState,
    latest: Mutex<VecDeque<(u64, Refusal, Instant)>>,
}

impl Refusals {
    pub(crate) fn remember(&self, token: &str, refusal: Refusal, now: Instant) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= MAX_REMEMBERED {
            latest.pop_front();
        }
        latest.push_back((self.hasher.hash_one(token), refusal, now));
    }

    pub(crate) fn recall(&self, token: &str, now: Instant) -> Option<Refusal> {
        let hash = self.hasher.hash_one(token);
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest
            .iter()
            .rev()
            .find(|(known, _, at)| *known == hash && now.saturating_duration_since(*at) < REMEMBERED_FOR)
            .map(|(_, refusal, _)| *refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_refusal_of_a_token_is_told_for_a_while() {
        let refusals = Refusals::default();
        let now = Instant::now();
        refusals.remember("token", Refusal::Full, now);
        refusals.remember("token", Refusal::Locked, now);
        assert_eq!(refusals.recall("token", now), Some(Refusal::Locked));
        assert_eq!(refusals.recall("another", now), None);
        assert_eq!(refusals.recall("token", now + REMEMBERED_FOR), None);
    }

    #[test]
    fn memory_is_bounded() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for number in 0..=MAX_REMEMBERED {
            refusals.remember(&number.to_string(), Refusal::Full, now);
        }
        assert_eq!(refusals.recall("0", now), None);
        assert_eq!(refusals.recall("1", now), Some(Refusal::Full));
    }
}
