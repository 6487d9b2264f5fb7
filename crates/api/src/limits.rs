//! How often callers may ask, counted per key, per seat, or per address for strangers.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

pub use parlour_signal::Rate;
use parlour_signal::Rates;

/// Longest body taken.
pub const MAX_BODY: usize = 64 * 1024;

/// Callers remembered per table: those who asked within the time that a bucket needs to refill, or twice that.
const MAX_REMEMBERED: usize = 65_536;

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

/// One bucket for each caller.
pub(crate) struct Buckets<K>(Mutex<Rates<K>>);

impl<K: Hash + Eq> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self(Mutex::new(Rates::new(rate, MAX_REMEMBERED)))
    }

    /// Takes one, or says after how many seconds there may be one.
    pub(crate) fn take(&self, caller: K, now: Instant) -> Result<(), u64> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(caller, now)
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
