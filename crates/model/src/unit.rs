//! Quantities with their units.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// Bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(u64);

impl Bitrate {
    /// No bits at all.
    pub const ZERO: Self = Self(0);

    /// From bits per second.
    pub const fn bps(bits_per_second: u64) -> Self {
        Self(bits_per_second)
    }

    /// From thousands of bits per second.
    pub const fn kbps(kilobits_per_second: u64) -> Self {
        Self(kilobits_per_second * 1_000)
    }

    /// From millions of bits per second.
    pub const fn mbps(megabits_per_second: u64) -> Self {
        Self(megabits_per_second * 1_000_000)
    }

    /// As bits per second.
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// This rate times a factor; a negative or non-finite factor gives zero.
    pub fn scaled(self, factor: f64) -> Self {
        // `as` saturates: a NaN or negative product becomes 0.
        Self((self.0 as f64 * factor) as u64)
    }

    /// How much this rate carries in `time`.
    pub fn over(self, time: Duration) -> DataSize {
        DataSize::bytes((u128::from(self.0) * time.as_micros() / 8_000_000) as u64)
    }

    /// The difference, zero when `other` is larger.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Bitrate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Bitrate {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
}

impl std::iter::Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0..=9_999 => write!(f, "{} bit/s", self.0),
            10_000..=9_999_999 => write!(f, "{} kbit/s", self.0 / 1_000),
            _ => write!(f, "{} Mbit/s", self.0 / 1_000_000),
        }
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From units of 1,024 bytes.
    pub const fn kib(kibibytes: u64) -> Self {
        Self(kibibytes * 1_024)
    }

    /// As bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// The rate at which this passes in `time`; zero for no time.
    pub fn per(self, time: Duration) -> Bitrate {
        match time.as_micros() {
            0 => Bitrate::ZERO,
            micros => Bitrate::bps((u128::from(self.0) * 8_000_000 / micros) as u64),
        }
    }

    /// How long this takes at `rate`; `Duration::MAX` at no rate.
    pub fn at(self, rate: Bitrate) -> Duration {
        match rate.as_bps() {
            0 => Duration::MAX,
            bps => Duration::from_micros((u128::from(self.0) * 8_000_000 / u128::from(bps)) as u64),
        }
    }
}

impl Add for DataSize {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for DataSize {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
