//! The one relation between the monotonic clock, by which machines run, and calendar time, in which people plan.

use std::time::{Duration, Instant};

/// An instant and what the calendar said at it, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Monotonic.
    pub now: Instant,
    /// The same moment in milliseconds since the Unix epoch.
    pub unix_ms: i64,
}

impl Clock {
    /// Calendar time at `instant`, in milliseconds since the Unix epoch.
    pub fn unix_ms_at(&self, instant: Instant) -> i64 {
        let later = i64::try_from(instant.saturating_duration_since(self.now).as_millis()).unwrap_or(i64::MAX);
        let earlier = i64::try_from(self.now.saturating_duration_since(instant).as_millis()).unwrap_or(i64::MAX);
        self.unix_ms.saturating_add(later).saturating_sub(earlier)
    }

    /// The instant of a calendar time. What lies before the clock was set is already due, hence `self.now`; what lies
    /// too far ahead to be told is never due, hence `None`.
    pub fn instant_at(&self, unix_ms: i64) -> Option<Instant> {
        let ahead = u64::try_from(unix_ms.saturating_sub(self.unix_ms)).unwrap_or(0);
        self.now.checked_add(Duration::from_millis(ahead))
    }
}
