//! When the next packet of a picture may leave: with its burst, as long as what was sent is little ahead of the mean rate,
//! and at the mean rate from there on.
//!
//! All that is sent is counted, since all of it takes its time on the line: speech, repairs and probes, which do not wait
//! themselves, leave pictures the less. Keeping what waits, and throwing it away, is the caller's.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

/// What was sent may be ahead of the mean by this, seconds, the next packet included: the queue that is made at the
/// bottleneck. A mean frame at 1.5 times the rate is by 11 ms.
const AHEAD: f64 = 0.0125;
/// Bursts up to this multiple of the mean need no bound: while a queue is emptied, the rate is the bound (B3 M1: drained in
/// 0.4 s, 0.8 with it).
const FLAT: f64 = 1.1;
/// What is ahead passes at this multiple of the mean, which is a little below the capacity (B1 M1: 98 % of use with 15 ms
/// of queue and 176 of frame delay; at 1.0, 98.8 % with 16 and 193; at 1.05, 96.6 % with 33 and 159).
const PASSES: f64 = 1.02;
/// A mean that rose by this since a probe was sent says that the probe had its place: what is ahead is forgiven (B2-right
/// M1: rise 0.22 s, 0.35 without).
const FOUND: f64 = 1.02;
/// A turn that came late, by a timer, is made up for if by no more than this.
const LATE: Duration = Duration::from_millis(2);
const NANOS_PER_SECOND: f64 = 1e9;

/// Seconds that are waited for at most at once.
const LONGEST: f64 = 10.0;

/// How fast pictures may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// Not at all.
    Held,
    /// In bursts, and at the mean rate beyond them.
    Paced {
        /// Of a burst.
        burst: Bitrate,
        /// On average.
        mean: Bitrate,
    },
    /// As a probe is planned, however much was sent before.
    Probe {
        /// Of the probe.
        rate: Bitrate,
        /// On average: what is ahead of it is counted for what comes after the probe.
        mean: Bitrate,
    },
    /// At once.
    Free,
}

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct Pace {
    speed: Speed,
    /// Bytes ahead of the mean, as of this time.
    ahead: f64,
    at: Instant,
    /// Where a turn that was missed is taken up.
    late: Instant,
    /// Bytes of them that pass in a second, and how many may be ahead.
    passes: f64,
    allowed: f64,
    /// When the burst goes on.
    turn: Instant,
    /// What a byte of it takes, in nanoseconds; nothing where there is no rate.
    byte_takes: Option<f64>,
    /// The mean when the last probe began, until a larger one came of it.
    probed: Option<Bitrate>,
}

impl Pace {
    /// Nothing was sent so far.
    pub fn new(speed: Speed, now: Instant) -> Self {
        let late = now.checked_sub(LATE).unwrap_or(now);
        let mut pace = Self {
            speed,
            ahead: 0.0,
            at: now,
            late,
            passes: 0.0,
            allowed: f64::INFINITY,
            turn: late,
            byte_takes: None,
            probed: None,
        };
        pace.set_speed(speed, now);
        pace
    }

    /// From now on.
    pub fn set_speed(&mut self, speed: Speed, now: Instant) {
        self.pass(now);
        if let Speed::Paced { mean, .. } | Speed::Probe { mean, .. } = speed {
            self.passes = bytes_per_second(mean) * PASSES;
        }
        match (speed, self.speed) {
            (Speed::Probe { .. }, Speed::Probe { .. }) => {}
            (Speed::Probe { mean, .. }, _) => {
                // It shows nothing unless it is sent as it was planned.
                self.turn = self.turn.min(now);
                self.probed = Some(mean);
            }
            (Speed::Paced { mean, .. }, _) if self.probed.is_some_and(|before| mean > before.scaled(FOUND)) => {
                (self.ahead, self.probed) = (0.0, None);
            }
            (Speed::Free, _) => self.ahead = 0.0,
            (Speed::Paced { .. } | Speed::Held, _) => {}
        }
        self.speed = speed;
        self.allowed = match speed {
            Speed::Paced { burst, mean } if burst > mean.scaled(FLAT) => AHEAD * self.passes,
            _ => f64::INFINITY,
        };
        self.byte_takes = match speed {
            Speed::Paced { burst: rate, .. } | Speed::Probe { rate, .. } => {
                Some(NANOS_PER_SECOND / bytes_per_second(rate).max(1.0))
            }
            Speed::Held | Speed::Free => None,
        };
    }

    /// When a packet of so many bytes may leave, if nothing else does before; `None`: not as things are.
    pub fn next(&self, bytes: u64) -> Option<Instant> {
        match self.speed {
            Speed::Held => None,
            Speed::Free => Some(self.at),
            Speed::Probe { .. } => Some(self.turn),
            Speed::Paced { .. } => {
                let excess = self.ahead - (self.allowed - bytes as f64).max(0.0);
                if excess <= 0.0 {
                    return Some(self.turn);
                }
                let wait = Duration::from_secs_f64((excess / self.passes.max(1.0)).min(LONGEST));
                Some(self.turn.max(self.at + wait))
            }
        }
    }

    /// A packet left in its turn.
    pub fn sent(&mut self, bytes: u64, now: Instant) {
        self.sent_beside(bytes, now);
        let Some(byte_takes) = self.byte_takes else { return };
        let takes = (bytes as f64 * byte_takes).min(LONGEST * NANOS_PER_SECOND);
        self.turn = self.turn.max(self.late) + Duration::from_nanos((takes + 0.5) as u64);
    }

    /// A packet left that does not wait for turns.
    pub fn sent_beside(&mut self, bytes: u64, now: Instant) {
        self.pass(now);
        if self.speed != Speed::Free {
            self.ahead += bytes as f64;
        }
    }

    fn pass(&mut self, now: Instant) {
        // Packets come in batches of one instant.
        if now > self.at {
            self.ahead = (self.ahead - self.passes * (now - self.at).as_secs_f64()).max(0.0);
            self.at = now;
            self.late = now.checked_sub(LATE).unwrap_or(now);
        }
    }
}

fn bytes_per_second(rate: Bitrate) -> f64 {
    rate.as_bps() as f64 / 8.0
}
