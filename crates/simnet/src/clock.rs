//! Virtual time: whole microseconds, their place on `Instant`'s line, and clocks that are not quite right.

use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

/// Microseconds since the epoch of a simulation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u64);

impl Micros {
    /// The epoch itself.
    pub const ZERO: Self = Self(0);
    /// Later than anything that happens.
    pub const NEVER: Self = Self(u64::MAX);

    /// From whole milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(milliseconds * 1_000)
    }

    /// From seconds; negative or not finite gives zero.
    pub fn seconds(seconds: f64) -> Self {
        Self((seconds * 1e6) as u64)
    }

    /// As seconds.
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// As milliseconds.
    pub fn as_millis(self) -> f64 {
        self.0 as f64 / 1e3
    }
}

impl Add for Micros {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Micros {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(duration.as_micros() as u64)
    }
}

impl From<Micros> for Duration {
    fn from(micros: Micros) -> Self {
        Self::from_micros(micros.0)
    }
}

/// Where microsecond zero lies on the line of `Instant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub Instant);

impl Epoch {
    /// Rounds down to a microsecond; an instant before the epoch is the epoch.
    pub fn micros(self, at: Instant) -> Micros {
        at.saturating_duration_since(self.0).into()
    }

    /// The instant of a microsecond.
    pub fn instant(self, at: Micros) -> Instant {
        self.0 + Duration::from(at)
    }
}

/// A remote clock: off by a constant, running at its own speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SkewedClock {
    /// What it shows at the epoch.
    pub offset: Micros,
    /// Parts per million it runs fast (or slow, when negative).
    pub skew_ppm: i64,
}

impl SkewedClock {
    /// What this clock shows at a true time.
    pub fn read(self, at: Micros) -> Micros {
        let gain = i128::from(at.0) * i128::from(self.skew_ppm) / 1_000_000;
        let shown = i128::from(self.offset.0) + i128::from(at.0) + gain;
        Micros(u64::try_from(shown).unwrap_or(0))
    }
}
