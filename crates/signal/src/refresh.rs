//! Keeps a participant's token young, so that a resume long after the join is let in.

use std::time::Duration;

use parlour_model::{Grants, SessionId};
use tokio::time::Instant;

use crate::config::Keys;
use crate::service::unix_now;
use crate::token::{self, Claims, VideoGrants};

/// What a refreshed token lives: long enough for any reconnect, short enough to be worthless later.
const LIFETIME_SECONDS: u64 = 600;
/// A token is not refreshed more often than this, whatever it says.
const SHORTEST_WAIT: Duration = Duration::from_secs(5);

/// The token of a participant and when to replace it.
pub(crate) struct Refresh {
    claims: Claims,
    due: Instant,
}

impl Refresh {
    pub(crate) fn new(claims: Claims) -> Self {
        let due = Instant::now() + wait_of(&claims, unix_now());
        Self { claims, due }
    }

    /// The client came back with this one.
    pub(crate) fn renewed(&mut self, claims: Claims) {
        *self = Self::new(claims);
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// The same person's token for another session. `None` when its key is no longer ours.
    pub(crate) fn elsewhere(&self, session: &SessionId, grants: Grants, keys: &Keys) -> Option<String> {
        let young = token::refreshed(&self.claims, unix_now(), LIFETIME_SECONDS);
        token::mint(&Claims { video: VideoGrants::join(session, grants), ..young }, keys).ok()
    }

    /// A new token. `None` when its key is no longer ours.
    pub(crate) fn next(&mut self, keys: &Keys) -> Option<String> {
        *self = Self::new(token::refreshed(&self.claims, unix_now(), LIFETIME_SECONDS));
        token::mint(&self.claims, keys).ok()
    }
}

/// A token that hands a seat over does so once: what a reload comes back with must be an ordinary one soon.
fn wait_of(claims: &Claims, now: u64) -> Duration {
    if claims.parlour.entry.is_empty() { wait(claims.exp.unwrap_or_default(), now) } else { SHORTEST_WAIT }
}

/// A long-lived token is replaced when it has [`LIFETIME_SECONDS`] left, a shorter one at half of its time.
fn wait(exp: u64, now: u64) -> Duration {
    let left = exp.saturating_sub(now);
    let wait = if left > LIFETIME_SECONDS { left - LIFETIME_SECONDS } else { left / 2 };
    // Far beyond any session; keeps the timer's arithmetic in range.
    Duration::from_secs(wait.min(7 * 86_400)).max(SHORTEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_handed_a_seat_over_is_replaced_at_once() {
        let mut claims = Claims { exp: Some(7_200), ..Claims::default() };
        assert_eq!(wait_of(&claims, 0), Duration::from_secs(6_600));
        claims.parlour.entry = "hand_over".to_owned();
        assert_eq!(wait_of(&claims, 0), SHORTEST_WAIT);
    }

    #[test]
    fn a_token_is_replaced_well_before_it_expires() {
        assert_eq!(wait(7_200, 0), Duration::from_secs(6_600));
        assert_eq!(wait(600, 0), Duration::from_secs(300));
        assert_eq!(wait(60, 0), Duration::from_secs(30));
        assert_eq!(wait(0, 100), SHORTEST_WAIT);
        assert!(wait(u64::MAX, 0) <= Duration::from_secs(7 * 86_400));
    }
}
