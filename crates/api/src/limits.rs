//! How often callers may ask, counted per key, per seat, or per address for strangers.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Longest body taken.
pub const MAX_BODY: usize = 64 * 1024;

/// Callers remembered per table. Those who have not asked for a while are forgotten first; when all are busy, a new one
/// has to wait.
const MAX_REMEMBERED: usize = 65_536;

/// A sustained rate and what may come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Per second, sustained.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

/// What each kind of caller may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ApiLimits {
    /// One API key.
    pub key: Rate,
    /// One session token's seat.
    pub seat: Rate,
    /// One address (IPv6: one /64) that redeems tickets or fails to show who it is. A clinic behind one address redeems
    /// one ticket per person and call.
    pub stranger: Rate,
    /// Refusals of strangers that are written into the audit log, in all. What comes faster is counted only: a flood
    /// must not fill the disk.
    pub recorded_refusals: Rate,
    /// Streams of views and events open at once.
    pub streams: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            key: Rate { per_second: 1_000.0, burst: 2_000.0 },
            seat: Rate { per_second: 20.0, burst: 100.0 },
            stranger: Rate { per_second: 5.0, burst: 50.0 },
            recorded_refusals: Rate { per_second: 5.0, burst: 100.0 },
            streams: 5_000,
        }
    }
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// One bucket for each caller.
pub(crate) struct Buckets<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes one, or says after how many seconds there will be one.
    pub(crate) fn take(&self, caller: K, now: Instant) -> Result<(), u64> {
        // Nothing in here can panic half-way.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_REMEMBERED && !buckets.contains_key(&caller) {
            buckets.retain(|_, bucket| self.rate.refilled(bucket, now) < self.rate.burst);
            if buckets.len() >= MAX_REMEMBERED {
                return Err(1);
            }
        }
        let bucket = buckets.entry(caller).or_insert(Bucket { tokens: self.rate.burst, at: now });
        bucket.tokens = self.rate.refilled(bucket, now);
        bucket.at = now;
        if bucket.tokens < 1.0 {
            return Err(((1.0 - bucket.tokens) / self.rate.per_second).ceil().clamp(1.0, 3_600.0) as u64);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

impl Rate {
    fn refilled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        (bucket.tokens + passed * self.per_second).min(self.burst)
    }
}

/// All tables.
pub(crate) struct Meters {
    pub(crate) accounts: Buckets<String>,
    pub(crate) seats: Buckets<String>,
    pub(crate) strangers: Buckets<IpAddr>,
    pub(crate) recorded: Buckets<()>,
}

impl Meters {
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        Self {
            accounts: Buckets::new(limits.key),
            seats: Buckets::new(limits.seat),
            strangers: Buckets::new(limits.stranger),
            recorded: Buckets::new(limits.recorded_refusals),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[test]
    fn a_caller_waits_as_long_as_it_is_told_and_others_do_not_wait() {
        let buckets = Buckets::new(Rate { per_second: 0.5, burst: 2.0 });
        let now = Instant::now();
        assert_eq!([buckets.take(1, now), buckets.take(1, now), buckets.take(1, now)], [Ok(()), Ok(()), Err(2)]);
        assert_eq!(buckets.take(2, now), Ok(()));
        assert_eq!(buckets.take(1, now + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_idle() {
        let buckets = Buckets::new(Rate { per_second: 1.0, burst: 2.0 });
        let now = Instant::now();
        for caller in 0..MAX_REMEMBERED {
            buckets.take(caller, now).unwrap();
        }
        assert_eq!(buckets.take(usize::MAX, now), Err(1));
        assert_eq!(buckets.take(usize::MAX, now + Duration::from_secs(5)), Ok(()));
    }
}
