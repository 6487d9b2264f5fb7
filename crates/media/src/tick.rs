//! A small instant: milliseconds since the room began. Kept per packet in rings, where sixteen bytes would count.

use std::time::{Duration, Instant};

/// Milliseconds since an [`Epoch`]; wraps after 49 days, differences are right as long as they are shorter than that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tick(u32);

impl Tick {
    /// How long ago `earlier` was.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::from(self.0.wrapping_sub(earlier.0)))
    }

    /// Whether `earlier` was less than so long ago.
    pub fn is_within(self, span: Span, earlier: Self) -> bool {
        self.0.wrapping_sub(earlier.0) < span.0
    }
}

/// How long something is kept, in ticks: compared for each packet, where a duration would have to be made first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(u32);

impl Span {
    /// At least this long.
    pub fn of(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX))
    }
}

/// The instant from which ticks are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    began: Instant,
    /// Packets come and go in batches of one instant.
    last: (Instant, Tick),
}

impl Epoch {
    pub fn new(now: Instant) -> Self {
        Self { began: now, last: (now, Tick(0)) }
    }

    pub fn tick(&mut self, now: Instant) -> Tick {
        if self.last.0 != now {
            // The cut to 32 bits is the wrap.
            self.last = (now, Tick(now.saturating_duration_since(self.began).as_millis() as u32));
        }
        self.last.1
    }
}
