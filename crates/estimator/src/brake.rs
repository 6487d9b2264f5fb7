//! The circuit breaker of RFC 8083, as a bound on the rate rather than an end of the call.
//!
//! Section 4.3: a sender that exceeds ten times the rate of a TCP flow on the same path, by receiver reports, for several
//! report intervals, must stop. Here the rate is held under that bound, so that there is never a reason to stop.

use std::time::Duration;

/// RFC 8083 section 4.3.
const FACTOR: f64 = 10.0;
/// Segment size of the TCP flow that is compared with, bits.
const SEGMENT_BITS: f64 = 1_200.0 * 8.0;

/// The bound by receiver reports, bit/s; `None` while they show no loss.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Brake {
    loss: f64,
    rtt: f64,
}

impl Brake {
    pub(crate) fn handle_rtt(&mut self, rtt: Duration) {
        let seconds = rtt.as_secs_f64().clamp(0.001, 10.0);
        self.rtt = if self.rtt == 0.0 { seconds } else { self.rtt * 0.875 + seconds * 0.125 };
    }

    pub(crate) fn handle_loss(&mut self, fraction: f64) {
        let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 1.0 };
        self.loss += 0.5 * (fraction - self.loss);
    }

    /// Section 4.3, equation for the simplified TCP throughput: `s / (R * sqrt(2p/3))`, times ten.
    pub(crate) fn bound(&self) -> Option<f64> {
        if self.loss < 0.005 || self.rtt == 0.0 {
            return None;
        }
        Some(FACTOR * SEGMENT_BITS / (self.rtt * (2.0 * self.loss / 3.0).sqrt()))
    }
}
