//! What clients' lines were found to carry before a session: a hint for those who lead it, and for where the first picture to
//! the same client begins. In memory only and not for long.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parlour_model::command::LineHint;
use parlour_model::{Bitrate, Identity, SessionId};
use serde::{Deserialize, Serialize};

/// As long as people come before their session and stay in it; the line of yesterday says nothing.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// Results kept at once, hence by one worker's busiest hour many times over. The oldest gives way.
const MAX_RESULTS: usize = 4_096;

/// Beyond these a result is none.
const MAX_KBPS: u32 = 1_000_000;
const MAX_MS: u32 = 60_000;

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All that a call can use.
    Good,
    /// Sound and a simpler picture.
    Fair,
    /// Sound; pictures may pause.
    Weak,
    /// Perhaps not even sound.
    Poor,
    /// The way of media is closed.
    Blocked,
}

/// What a client found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineResult {
    pub(crate) verdict: Verdict,
    pub(crate) down_kbps: u32,
    pub(crate) up_kbps: u32,
    pub(crate) loss_percent: u32,
    pub(crate) jitter_ms: u32,
    pub(crate) round_trip_ms: u32,
}

impl LineResult {
    pub(crate) fn is_plausible(&self) -> bool {
        self.down_kbps.max(self.up_kbps) <= MAX_KBPS
            && self.jitter_ms.max(self.round_trip_ms) <= MAX_MS
            && self.loss_percent <= 100
    }
}

struct Kept {
    at: Instant,
    result: LineResult,
}

/// The newest result of each person.
#[derive(Default)]
pub(crate) struct LineResults {
    kept: Mutex<BTreeMap<(SessionId, Identity), Kept>>,
}

impl LineResults {
    pub(crate) fn keep(&self, session: SessionId, identity: Identity, result: LineResult, now: Instant) {
        let mut kept = self.lock();
        kept.retain(|_, one| now.saturating_duration_since(one.at) < KEPT);
        let owner = (session, identity);
        if kept.len() >= MAX_RESULTS && !kept.contains_key(&owner) {
            let oldest = kept.iter().min_by_key(|(_, one)| one.at).map(|(owner, _)| owner.clone());
            oldest.and_then(|owner| kept.remove(&owner));
        }
        kept.insert(owner, Kept { at: now, result });
    }

    /// Of everyone in a session.
    pub(crate) fn of(&self, session: &SessionId, now: Instant) -> BTreeMap<String, LineResult> {
        let kept = self.lock();
        let young = kept.iter().filter(|((of, _), one)| of == session && now.saturating_duration_since(one.at) < KEPT);
        young.map(|((_, identity), one)| (identity.as_str().to_owned(), one.result)).collect()
    }

    /// Where what is sent to someone may begin. Media decides for how long it says something, and believes its own eyes.
    pub(crate) fn hint(&self, session: &SessionId, identity: &Identity, now: Instant) -> Option<LineHint> {
        let kept = self.lock();
        let one = kept.get(&(session.clone(), identity.clone()))?;
        let carries = !matches!(one.result.verdict, Verdict::Poor | Verdict::Blocked);
        let down = Bitrate::kbps(one.result.down_kbps.into());
        carries.then(|| LineHint { down, age: now.saturating_duration_since(one.at) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(SessionId, Identity), Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(down_kbps: u32) -> LineResult {
        LineResult { verdict: Verdict::Good, down_kbps, up_kbps: 1, loss_percent: 0, jitter_ms: 2, round_trip_ms: 30 }
    }

    #[test]
    fn the_newest_of_each_person_is_shown_in_its_session_only_and_not_for_long() {
        let (results, now) = (LineResults::default(), Instant::now());
        let (session, other) = (SessionId::from("s"), SessionId::from("t"));
        results.keep(session.clone(), Identity::from("a"), result(1), now);
        results.keep(session.clone(), Identity::from("a"), result(2), now);
        results.keep(other.clone(), Identity::from("b"), result(3), now);
        assert_eq!(results.of(&session, now), BTreeMap::from([("a".to_owned(), result(2))]));
        assert!(results.of(&session, now + KEPT).is_empty());
    }

    #[test]
    fn a_hint_is_of_the_same_person_in_the_same_session() {
        let (results, now) = (LineResults::default(), Instant::now());
        let (session, ann) = (SessionId::from("s"), Identity::from("ann"));
        results.keep(session.clone(), ann.clone(), result(2_500), now);
        let age = Duration::from_secs(60);
        let hint = LineHint { down: Bitrate::kbps(2_500), age };
        assert_eq!(results.hint(&session, &ann, now + age), Some(hint));
        assert_eq!(results.hint(&session, &Identity::from("ben"), now), None);
        assert_eq!(results.hint(&SessionId::from("t"), &ann, now), None);
        results.keep(session.clone(), ann.clone(), LineResult { verdict: Verdict::Poor, ..result(400) }, now);
        assert_eq!(results.hint(&session, &ann, now), None);
    }

    #[test]
    fn the_oldest_gives_way() {
        let (results, start) = (LineResults::default(), Instant::now());
        let session = SessionId::from("s");
        for number in 0..=MAX_RESULTS as u32 {
            let now = start + Duration::from_millis(number.into());
            results.keep(session.clone(), Identity::from(format!("p{number}")), result(1), now);
        }
        let kept = results.of(&session, start);
        assert_eq!(kept.len(), MAX_RESULTS);
        assert!(!kept.contains_key("p0"));
    }

    #[test]
    fn numbers_of_no_line_are_none() {
        assert!(result(2_500).is_plausible());
        assert!(!result(MAX_KBPS + 1).is_plausible());
        assert!(!LineResult { loss_percent: 101, ..result(1) }.is_plausible());
    }
}
