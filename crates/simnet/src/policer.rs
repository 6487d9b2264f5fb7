//! A token-bucket policer: drops what exceeds its rate and never queues.

use crate::Micros;

/// A policer's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policer {
    /// Bits per second at which tokens come.
    pub rate: u64,
    /// Bytes the bucket holds.
    pub burst: u64,
}

/// A policer and its bucket. Tokens are counted in millionths of a bit, so nothing is rounded away.
#[derive(Clone, Debug)]
pub(crate) struct PolicerState {
    policer: Policer,
    tokens: u128,
    at: Micros,
}

const TOKENS_PER_BYTE: u128 = 8_000_000;

impl PolicerState {
    pub(crate) fn new(policer: Policer) -> Self {
        Self { policer, tokens: u128::from(policer.burst) * TOKENS_PER_BYTE, at: Micros::ZERO }
    }

    /// Whether a packet passes.
    pub(crate) fn passes(&mut self, at: Micros, bytes: u64) -> bool {
        let earned = u128::from(self.policer.rate) * u128::from((at - self.at).0);
        self.at = self.at.max(at);
        self.tokens = (self.tokens + earned).min(u128::from(self.policer.burst) * TOKENS_PER_BYTE);
        let needed = u128::from(bytes) * TOKENS_PER_BYTE;
        let passes = self.tokens >= needed;
        if passes {
            self.tokens -= needed;
        }
        passes
    }
}
