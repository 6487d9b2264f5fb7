//! Hand-over tickets of rooms that nothing is kept of: rooms opened by a token alone, or by an integrator's server. They
//! live where the room lives, in memory, and for two minutes; a newer one of the same person takes an earlier one's place.

use std::sync::{Mutex, MutexGuard, PoisonError};

use parlour_store::{NewTicket, SecretHash};

use super::one_each::{OneEach, Seat};

/// Those that were given out.
#[derive(Default)]
pub(crate) struct PassingTickets(Mutex<OneEach<NewTicket>>);

impl PassingTickets {
    /// Keeps one. False: there are too many of others.
    pub(super) fn keep(&self, ticket: NewTicket, now_ms: i64) -> bool {
        let times = (now_ms, ticket.expires_at_ms);
        self.lock().keep(seat_of(&ticket), ticket.secret, ticket, times)
    }

    /// Whether there is such a one.
    pub(super) fn knows(&self, secret: SecretHash, now_ms: i64) -> bool {
        self.lock().find(secret, now_ms).is_some()
    }

    /// Takes one out: of two who try at once, one gets it.
    pub(super) fn take(&self, secret: SecretHash, now_ms: i64) -> Option<NewTicket> {
        self.lock().take(secret, now_ms)
    }

    /// Puts one back that was of no use after all, unless there is a newer one.
    pub(super) fn put_back(&self, ticket: NewTicket, now_ms: i64) {
        let (seat, times) = (seat_of(&ticket), (now_ms, ticket.expires_at_ms));
        let mut tickets = self.lock();
        if !tickets.has(&seat) {
            tickets.keep(seat, ticket.secret, ticket, times);
        }
    }

    fn lock(&self) -> MutexGuard<'_, OneEach<NewTicket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seat_of(ticket: &NewTicket) -> Seat {
    (ticket.session.clone(), ticket.identity.clone())
}

#[cfg(test)]
mod tests {
    use parlour_model::Role;

    use super::*;

    fn ticket(identity: &str, number: usize, expires_at_ms: i64) -> NewTicket {
        NewTicket {
            id: number.to_string(),
            session: "s".into(),
            secret: SecretHash::of(&number.to_be_bytes()),
            identity: identity.into(),
            role: Role::Client,
            hand_over: true,
            created_at_ms: 0,
            expires_at_ms,
        }
    }

    #[test]
    fn a_newer_ticket_of_a_seat_is_its_only_one_and_others_keep_theirs() {
        let tickets = PassingTickets::default();
        assert!(tickets.keep(ticket("a", 1, 10), 0) && tickets.keep(ticket("b", 2, 10), 0));
        assert!(tickets.keep(ticket("a", 3, 10), 0));
        let known = |number| tickets.knows(ticket("", number, 0).secret, 9);
        assert_eq!([known(1), known(2), known(3)], [false, true, true]);
    }

    #[test]
    fn what_is_put_back_does_not_take_the_place_of_a_newer_one() {
        let tickets = PassingTickets::default();
        let taken = ticket("a", 1, 10);
        tickets.put_back(taken.clone(), 0);
        assert!(tickets.take(taken.secret, 0).is_some());
        assert!(tickets.keep(ticket("a", 2, 10), 0));
        tickets.put_back(taken.clone(), 0);
        assert!(!tickets.knows(taken.secret, 0) && tickets.knows(ticket("a", 2, 10).secret, 0));
    }
}
