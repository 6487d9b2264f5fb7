//! Hand-over tickets of rooms that nothing is kept of: rooms opened by a token alone, or by an integrator's server. They
//! live where the room lives, in memory, and for two minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use parlour_store::{NewTicket, SecretHash};

/// Such tickets at once. Each was asked for by somebody seated, at most some times a second; beyond this nobody gets one
/// until others are used or over.
const MAX: usize = 4_096;

/// Those that were given out.
#[derive(Default)]
pub(crate) struct PassingTickets(Mutex<HashMap<SecretHash, NewTicket>>);

impl PassingTickets {
    /// Keeps one. False: there are too many.
    pub(super) fn keep(&self, ticket: NewTicket, now_ms: i64) -> bool {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, ticket| ticket.expires_at_ms > now_ms);
        let fits = tickets.len() < MAX;
        if fits {
            tickets.insert(ticket.secret, ticket);
        }
        fits
    }

    /// Whether there is such a one.
    pub(super) fn knows(&self, secret: SecretHash) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&secret)
    }

    /// Takes one out: of two who try at once, one gets it.
    pub(super) fn take(&self, secret: SecretHash, now_ms: i64) -> Option<NewTicket> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.remove(&secret).filter(|ticket| ticket.expires_at_ms > now_ms)
    }
}

#[cfg(test)]
mod tests {
    use parlour_model::Role;

    use super::*;

    fn ticket(number: usize, expires_at_ms: i64) -> NewTicket {
        NewTicket {
            id: number.to_string(),
            session: "s".into(),
            secret: SecretHash::of(&number.to_be_bytes()),
            identity: "a".into(),
            role: Role::Client,
            hand_over: true,
            created_at_ms: 0,
            expires_at_ms,
        }
    }

    #[test]
    fn a_ticket_is_taken_once_and_not_after_its_time() {
        let tickets = PassingTickets::default();
        let secret = |number| ticket(number, 0).secret;
        assert!(tickets.keep(ticket(1, 10), 0) && tickets.keep(ticket(2, 10), 0));
        assert!(tickets.take(secret(1), 9).is_some() && tickets.take(secret(1), 9).is_none());
        assert!(tickets.take(secret(2), 10).is_none());
    }

    #[test]
    fn at_the_bound_nobody_gets_one_until_others_are_over() {
        let tickets = PassingTickets::default();
        assert!((0..MAX).all(|number| tickets.keep(ticket(number, 10), 0)));
        assert!(!tickets.keep(ticket(MAX, 20), 9));
        assert!(tickets.keep(ticket(MAX, 20), 10));
    }
}
