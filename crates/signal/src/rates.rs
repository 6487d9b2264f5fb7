//! How often somebody may ask: a bucket that refills, and a bounded table of one for each caller.
//!
//! Strangers decide how many callers there are, so no question may cost a walk over the table: it is kept in two
//! generations, and forgetting is to let the older one go.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::time::{Duration, Instant};

/// A sustained rate and what may come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Per second, sustained.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

impl Rate {
    /// After this time without a question a bucket is full, and forgetting it changes nothing.
    fn refill_time(self) -> Duration {
        Duration::try_from_secs_f64(self.burst / self.per_second).unwrap_or(Duration::MAX)
    }
}

/// Refills steadily up to its burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    at: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, at: now }
    }

    /// Takes one, or says after how many seconds there will be one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), u64> {
        self.refill(now);
        if self.tokens < 1.0 {
            return Err(((1.0 - self.tokens) / self.rate.per_second).ceil().clamp(1.0, 3_600.0) as u64);
        }
        self.tokens -= 1.0;
        Ok(())
    }

    fn refill(&mut self, now: Instant) {
        #[cfg(test)]
        tests::REFILLED.with(|count| count.set(count.get() + 1));
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate.per_second).min(self.rate.burst);
        self.at = now;
    }
}

/// One bucket for each caller, and no more callers than it was made for. Whoever has not asked for as long as a bucket
/// needs to refill is forgotten, at twice that time at the latest; when all are busy, a new caller has to wait.
#[derive(Debug)]
pub struct Rates<K> {
    rate: Rate,
    most: usize,
    /// Those who asked since `since`, and those who last asked in the time before it.
    young: HashMap<K, TokenBucket>,
    old: HashMap<K, TokenBucket>,
    since: Option<Instant>,
}

impl<K: Hash + Eq> Rates<K> {
    /// For at most so many callers at a time.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, young: HashMap::new(), old: HashMap::new(), since: None }
    }

    /// Takes one, or says after how many seconds there may be one.
    ///
    /// # Errors
    /// When this caller has asked too often, or is new and too many others are remembered.
    pub fn take(&mut self, caller: K, now: Instant) -> Result<(), u64> {
        self.forget_the_idle(now);
        let known = self.old.remove(&caller);
        if known.is_none() && self.young.len() + self.old.len() >= self.most && !self.young.contains_key(&caller) {
            return Err(1);
        }
        let fresh = known.unwrap_or_else(|| TokenBucket::new(self.rate, now));
        self.young.entry(caller).or_insert(fresh).take(now)
    }

    /// Everyone in the old generation has been silent for the whole time of the young one. When nobody asked for two such
    /// times, the young one has grown old as well.
    fn forget_the_idle(&mut self, now: Instant) {
        let age = now.saturating_duration_since(*self.since.get_or_insert(now));
        let refill = self.rate.refill_time();
        if age < refill {
            return;
        }
        let young = mem::take(&mut self.young);
        self.old = if age < refill.saturating_mul(2) { young } else { HashMap::new() };
        self.since = Some(now);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Buckets that were worked on: no other way says whether one is full.
        pub(super) static REFILLED: Cell<usize> = const { Cell::new(0) };
    }

    const SECOND: Duration = Duration::from_secs(1);

    /// Full again after two seconds.
    fn rates(most: usize) -> Rates<usize> {
        Rates::new(Rate { per_second: 1.0, burst: 2.0 }, most)
    }

    #[test]
    fn a_caller_waits_as_long_as_it_is_told_and_others_do_not_wait() {
        let mut rates = Rates::new(Rate { per_second: 0.5, burst: 2.0 }, 9);
        let now = Instant::now();
        assert_eq!([rates.take(1, now), rates.take(1, now), rates.take(1, now)], [Ok(()), Ok(()), Err(2)]);
        assert_eq!(rates.take(2, now), Ok(()));
        assert_eq!(rates.take(1, now + 2 * SECOND), Ok(()));
    }

    #[test]
    fn nobody_gains_by_being_forgotten() {
        let now = Instant::now();
        for asks_every_ms in [100, 500, 999, 1_900, 2_100, 5_000] {
            let mut rates = rates(9);
            let mut alone = TokenBucket::new(rates.rate, now);
            for number in 0..200 {
                let at = now + Duration::from_millis(asks_every_ms * number);
                assert_eq!(rates.take(1, at), alone.take(at), "every {asks_every_ms} ms, number {number}");
            }
        }
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_idle() {
        let mut rates = rates(1_000);
        let now = Instant::now();
        (0..1_000).for_each(|caller| rates.take(caller, now).unwrap());
        assert_eq!(rates.take(1_000, now), Err(1));
        assert_eq!(rates.take(7, now), Ok(()), "who is known is not a new caller");
        assert_eq!(rates.take(7, now + 2 * SECOND), Ok(()), "nor when it was silent");
        assert_eq!(rates.take(1_000, now + 2 * SECOND), Err(1));
        assert_eq!(rates.take(1_000, now + 4 * SECOND), Ok(()));
        assert_eq!(rates.young.len() + rates.old.len(), 2, "the busy one and the new one");
    }

    #[test]
    fn at_its_bound_the_table_costs_each_caller_its_own_bucket_and_no_others() {
        let mut rates = rates(1_000);
        let now = Instant::now();
        (0..1_000).for_each(|caller| rates.take(caller, now).unwrap());
        REFILLED.set(0);
        for stranger in 1_000..9_000 {
            assert_eq!(rates.take(stranger, now), Err(1));
        }
        assert_eq!(REFILLED.get(), 0, "who is turned away costs nothing");
        // One more is idle at each of these questions: finding it must not cost a walk each time.
        for stranger in 9_000..17_000_usize {
            let _ = rates.take(stranger, now + Duration::from_millis(2 * (stranger as u64 - 9_000)));
        }
        assert!(REFILLED.get() <= 8_000, "{}", REFILLED.get());
    }
}
