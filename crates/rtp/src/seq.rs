//! Arithmetic on numbers that wrap: sequence numbers (16 bits) and timestamps (32 bits).

/// Whether `a` comes after `b`, for distances below half the range (RFC 3550 appendix A.1, RFC 1982).
pub fn newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 15
}

/// As [`newer`], for timestamps.
pub fn timestamp_newer(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// Signed distance from `b` to `a`: positive when `a` is newer.
pub fn distance(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

/// Extends 16-bit sequence numbers so that they never wrap. The first number `s` becomes `65_536 + s`, so that what was
/// reordered before it still has a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unwrapper {
    highest: Option<u64>,
}

impl Unwrapper {
    /// Before the first number.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// As if `highest` had been seen: continues a numbering.
    pub const fn starting_at(highest: u64) -> Self {
        Self { highest: Some(highest) }
    }

    /// The extended number nearest to the highest seen so far; remembers it when it is higher.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// As [`Self::unwrap`] without remembering.
    pub fn peek(&self, sequence: u16) -> u64 {
        match self.highest {
            None => (1 << 16) + u64::from(sequence),
            Some(highest) => highest.saturating_add_signed(i64::from(distance(sequence, highest as u16))),
        }
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Extends 32-bit timestamps. The first timestamp keeps its value; earlier ones may become negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampUnwrapper {
    last: Option<i64>,
}

impl TimestampUnwrapper {
    /// Before the first timestamp.
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// The extended timestamp nearest to the last one.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let extended = match self.last {
            None => i64::from(timestamp),
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32) as i32),
        };
        self.last = Some(extended);
        extended
    }
}
