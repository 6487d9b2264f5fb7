//! Whether the client is still there: time to connect, then consent (RFC 7675). A lite agent sends no checks, so what
//! it hears stands for consent: valid checks and authentic packets.

use std::time::Instant;

use crate::{CloseReason, PeerTimes};

/// What time brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Lost,
    Dead(CloseReason),
}

#[derive(Debug)]
enum State {
    /// No description yet: as long as it takes.
    Idle,
    /// To be connected by then.
    Connecting(Instant),
    /// Heard at; looked at again at. Looking late instead of moving a deadline with every packet.
    Alive { heard: Instant, look: Instant },
    /// Silent since.
    Lost { heard: Instant },
}

/// See above.
#[derive(Debug)]
pub(crate) struct Liveness {
    times: PeerTimes,
    state: State,
}

impl Liveness {
    pub(crate) fn new(times: PeerTimes) -> Self {
        Self { times, state: State::Idle }
    }

    /// The client was described, so it can connect from now on.
    pub(crate) fn expect(&mut self, now: Instant) {
        if let State::Idle = self.state {
            self.state = State::Connecting(now + self.times.connect);
        }
    }

    /// Media can flow.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.state = State::Alive { heard: now, look: now + self.times.consent_lost };
    }

    /// Something authentic came in; `true` if it ended a silence.
    pub(crate) fn hear(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Alive { heard, .. } => *heard = now,
            State::Lost { .. } => {
                self.connected(now);
                return true;
            }
            State::Idle | State::Connecting(_) => {}
        }
        false
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Connecting(deadline) => Some(deadline),
            State::Alive { look, .. } => Some(look),
            State::Lost { heard } => Some(heard + self.times.consent_expired),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Verdict> {
        if self.poll_timeout().is_none_or(|deadline| now < deadline) {
            return None;
        }
        match self.state {
            State::Idle => None,
            State::Connecting(_) => Some(Verdict::Dead(CloseReason::ConnectTimeout)),
            State::Alive { heard, .. } if now < heard + self.times.consent_lost => {
                self.state = State::Alive { heard, look: heard + self.times.consent_lost };
                None
            }
            State::Alive { heard, .. } => {
                self.state = State::Lost { heard };
                Some(Verdict::Lost)
            }
            State::Lost { .. } => Some(Verdict::Dead(CloseReason::ConsentExpired)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn silence_is_told_once_then_is_the_end() {
        let now = Instant::now();
        let at = |seconds| now + Duration::from_secs(seconds);
        let mut liveness = Liveness::new(PeerTimes::default());
        liveness.connected(now);
        assert!(!liveness.hear(at(10)));
        assert_eq!(liveness.handle_timeout(at(15)), None, "heard at 10");
        assert_eq!(liveness.poll_timeout(), Some(at(25)));
        assert_eq!(liveness.handle_timeout(at(25)), Some(Verdict::Lost));
        assert_eq!(liveness.handle_timeout(at(26)), None);
        assert!(liveness.hear(at(27)), "back");
        assert_eq!(liveness.handle_timeout(at(42)), Some(Verdict::Lost));
        assert_eq!(liveness.handle_timeout(at(57)), Some(Verdict::Dead(CloseReason::ConsentExpired)));
    }

    #[test]
    fn a_client_that_never_connects_is_given_up() {
        let now = Instant::now();
        let mut liveness = Liveness::new(PeerTimes::default());
        assert_eq!(liveness.poll_timeout(), None, "not before it was described");
        liveness.expect(now);
        let deadline = now + Duration::from_secs(30);
        assert_eq!(liveness.handle_timeout(deadline), Some(Verdict::Dead(CloseReason::ConnectTimeout)));
    }
}
