//! What is kept for a short time and found by a secret: one for each seat, so that nobody who asks again and again takes
//! the place of others, nor leaves more than one secret about for whoever guesses.
//!
//! Nothing here walks over all of it: asking costs the same however much others keep.

use std::collections::{BTreeMap, HashMap};

use parlour_model::{Identity, SessionId};
use parlour_store::SecretHash;

/// Seats at once; each was given to somebody with a token. Beyond this a new one gets nothing until others are over.
pub(super) const MAX: usize = 4_096;

/// One person in one session.
pub(super) type Seat = (SessionId, Identity);

/// What is kept, by seat, by secret, and by when it is over.
pub(super) struct OneEach<T> {
    of_seat: HashMap<Seat, Kept<T>>,
    by_secret: HashMap<SecretHash, Seat>,
    by_end: BTreeMap<End, Seat>,
    counted: u64,
}

/// A time in milliseconds, and a count that tells two of the same time apart.
type End = (i64, u64);

struct Kept<T> {
    secret: SecretHash,
    end: End,
    value: T,
}

impl<T> Default for OneEach<T> {
    fn default() -> Self {
        Self { of_seat: HashMap::new(), by_secret: HashMap::new(), by_end: BTreeMap::new(), counted: 0 }
    }
}

impl<T> OneEach<T> {
    /// Keeps this one in the place of an earlier one of the same seat. False: too many others are kept.
    pub(super) fn keep(&mut self, seat: Seat, secret: SecretHash, value: T, (now_ms, end_ms): (i64, i64)) -> bool {
        self.forget(now_ms);
        if self.of_seat.len() >= MAX && !self.of_seat.contains_key(&seat) {
            return false;
        }
        self.remove(&seat);
        let end = (end_ms, self.counted);
        self.counted += 1;
        self.by_secret.insert(secret, seat.clone());
        self.by_end.insert(end, seat.clone());
        self.of_seat.insert(seat, Kept { secret, end, value });
        true
    }

    /// Whether this seat has one.
    pub(super) fn has(&self, seat: &Seat) -> bool {
        self.of_seat.contains_key(seat)
    }

    /// What this secret finds, as long as it is not over.
    pub(super) fn find(&self, secret: SecretHash, now_ms: i64) -> Option<&T> {
        let kept = self.of_seat.get(self.by_secret.get(&secret)?)?;
        (kept.end.0 > now_ms).then_some(&kept.value)
    }

    /// Takes it out: of two who try at once, one gets it.
    pub(super) fn take(&mut self, secret: SecretHash, now_ms: i64) -> Option<T> {
        let seat = self.by_secret.get(&secret)?.clone();
        let kept = self.remove(&seat)?;
        (kept.end.0 > now_ms).then_some(kept.value)
    }

    /// Lets go of those that are over.
    pub(super) fn forget(&mut self, now_ms: i64) {
        while let Some(first) = self.by_end.first_entry().filter(|first| first.key().0 <= now_ms) {
            let seat = first.get().clone();
            self.remove(&seat);
        }
    }

    fn remove(&mut self, seat: &Seat) -> Option<Kept<T>> {
        let kept = self.of_seat.remove(seat)?;
        self.by_secret.remove(&kept.secret);
        self.by_end.remove(&kept.end);
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(identity: &str) -> Seat {
        ("s".into(), identity.into())
    }

    fn secret(number: usize) -> SecretHash {
        SecretHash::of(&number.to_be_bytes())
    }

    fn keep(kept: &mut OneEach<usize>, identity: &str, number: usize, times: (i64, i64)) -> bool {
        kept.keep(seat(identity), secret(number), number, times)
    }

    /// Nothing is left behind in one of the three.
    fn sizes<T>(kept: &OneEach<T>) -> [usize; 3] {
        [kept.of_seat.len(), kept.by_secret.len(), kept.by_end.len()]
    }

    #[test]
    fn one_is_found_until_it_is_over_and_taken_once() {
        let mut kept = OneEach::default();
        assert!(keep(&mut kept, "a", 1, (0, 10)) && keep(&mut kept, "b", 2, (0, 10)));
        assert_eq!((kept.find(secret(1), 9), kept.find(secret(1), 10)), (Some(&1), None));
        assert_eq!((kept.take(secret(1), 9), kept.take(secret(1), 9)), (Some(1), None));
        assert_eq!(kept.take(secret(2), 10), None);
        assert_eq!(sizes(&kept), [0; 3]);
    }

    #[test]
    fn a_seat_that_asks_without_end_keeps_its_newest_and_takes_nobodys_place() {
        let mut kept = OneEach::default();
        assert!(keep(&mut kept, "other", 0, (0, 10)));
        assert!((1..=2 * MAX).all(|number| keep(&mut kept, "flood", number, (0, 10))));
        assert_eq!((kept.find(secret(0), 9), kept.find(secret(2 * MAX), 9)), (Some(&0), Some(&(2 * MAX))));
        assert_eq!(kept.find(secret(2 * MAX - 1), 9), None, "an earlier one of the same seat is over");
        assert!(keep(&mut kept, "third", usize::MAX, (9, 20)));
        assert_eq!(sizes(&kept), [3; 3]);
    }

    #[test]
    fn at_the_bound_nobody_new_gets_one_until_others_are_over() {
        let mut kept = OneEach::default();
        assert!((0..MAX).all(|number| keep(&mut kept, &number.to_string(), number, (0, 10))));
        assert!(!keep(&mut kept, "late", MAX, (9, 20)));
        assert!(keep(&mut kept, "7", MAX + 1, (9, 20)), "who has one may have another in its place");
        assert!(keep(&mut kept, "late", MAX, (10, 20)));
        assert_eq!(sizes(&kept), [2; 3]);
    }
}
