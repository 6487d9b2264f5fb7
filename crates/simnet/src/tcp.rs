//! Cross traffic: TCP-like sources with Reno (RFC 5681) or CUBIC (RFC 9438) congestion control.
//!
//! Whole segments, selective acknowledgement of every segment, loss by three later acknowledgements or by timeout
//! (RFC 6298 with a floor of 200 ms, as Linux has it). No handshake, no receive window, no delayed acknowledgements.

use std::collections::BTreeMap;

use crate::{Micros, Random};

/// Bytes of a full segment on the wire.
pub(crate) const SEGMENT_BYTES: u64 = 1_500;
/// Bytes of an acknowledgement on the wire.
pub(crate) const ACK_BYTES: u64 = 40;
/// Payload of a segment.
const SEGMENT_PAYLOAD: u64 = 1_448;
/// RFC 6928.
const INITIAL_WINDOW: f64 = 10.0;
/// RFC 5681 section 3.2.
const DUPLICATE_THRESHOLD: u64 = 3;
const MIN_RTO: Micros = Micros::millis(200);
/// RFC 9438 section 4.1 and 4.6.
const CUBIC_C: f64 = 0.4;
const CUBIC_BETA: f64 = 0.7;

/// Which congestion control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TcpAlgorithm {
    /// RFC 5681.
    Reno,
    /// RFC 9438.
    #[default]
    Cubic,
}

/// What a source has to send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TcpLoad {
    /// Without end.
    Bulk,
    /// Bulk for `on` at the start of each `every`, a new connection each time.
    Pulses {
        /// Length of a pulse.
        on: Micros,
        /// From start to start.
        every: Micros,
    },
    /// Files with idle times between them, a new connection each (RFC 8868 section 5.1).
    Files {
        /// Smallest file, bytes.
        smallest: u64,
        /// Largest file, bytes.
        largest: u64,
        /// Mean of the exponential idle time.
        idle_mean: Micros,
        /// Whether it begins with a file or with an idle time.
        starts_on: bool,
    },
}

/// A source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TcpConfig {
    /// Congestion control.
    pub algorithm: TcpAlgorithm,
    /// What it sends.
    pub load: TcpLoad,
    /// First activity.
    pub from: Micros,
    /// Last activity.
    pub until: Micros,
}

/// Names a source of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TcpId(pub(crate) usize);

/// Counters of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStats {
    /// Segments sent, repeats included.
    pub sent: u64,
    /// Segments acknowledged.
    pub acknowledged: u64,
    /// Segments taken as lost.
    pub lost: u64,
    /// Files completed.
    pub files: u64,
}

#[derive(Clone, Copy, Debug)]
struct Outstanding {
    at: Micros,
    order: u64,
}

/// The sender of one source; the receiver only echoes.
#[derive(Clone, Debug)]
pub(crate) struct TcpSource {
    config: TcpConfig,
    random: Random,
    /// Grows with every connection, so that late acknowledgements of an old one are known.
    connection: u64,
    active: bool,
    /// When the idle time or pulse ends.
    switch_at: Micros,
    segments_left: u64,
    next_segment: u64,
    next_order: u64,
    outstanding: BTreeMap<u64, Outstanding>,
    repeats: Vec<u64>,
    window: f64,
    threshold: f64,
    recovery_until: u64,
    highest_acked_order: u64,
    rtt: Option<(f64, f64)>,
    backoff: u32,
    timeout_at: Micros,
    cubic_max: f64,
    cubic_epoch: Option<Micros>,
    pub(crate) stats: TcpStats,
}

impl TcpSource {
    pub(crate) fn new(config: TcpConfig, random: Random) -> Self {
        let mut source = Self {
            config,
            random,
            connection: 0,
            active: false,
            switch_at: config.from,
            segments_left: 0,
            next_segment: 0,
            next_order: 1,
            outstanding: BTreeMap::new(),
            repeats: Vec::new(),
            window: INITIAL_WINDOW,
            threshold: f64::MAX,
            recovery_until: 0,
            highest_acked_order: 0,
            rtt: None,
            backoff: 0,
            timeout_at: Micros::NEVER,
            cubic_max: 0.0,
            cubic_epoch: None,
            stats: TcpStats::default(),
        };
        if let TcpLoad::Files { idle_mean, starts_on: false, .. } = config.load {
            source.switch_at = config.from + source.random.exponential(idle_mean);
        }
        source
    }

    pub(crate) fn next_event(&self) -> Micros {
        let timeout = if self.outstanding.is_empty() { Micros::NEVER } else { self.timeout_at };
        timeout.min(self.switch_at)
    }

    /// Time passes: starts and ends connections, times out.
    pub(crate) fn handle_time(&mut self, now: Micros) {
        if self.switch_at <= now {
            self.switch(now);
        }
        if !self.outstanding.is_empty() && self.timeout_at <= now {
            self.handle_timeout(now);
        }
    }

    fn switch(&mut self, now: Micros) {
        if now >= self.config.until {
            self.close();
            self.switch_at = Micros::NEVER;
            return;
        }
        match self.config.load {
            TcpLoad::Bulk => {
                self.open(u64::MAX);
                self.switch_at = self.config.until;
            }
            TcpLoad::Pulses { on, every } if self.active => {
                self.close();
                self.switch_at = now + (every - on);
            }
            TcpLoad::Pulses { on, .. } => {
                self.open(u64::MAX);
                self.switch_at = (now + on).min(self.config.until);
            }
            TcpLoad::Files { smallest, largest, .. } => {
                let bytes = self.random.uniform(smallest as f64, largest as f64) as u64;
                self.open(bytes.div_ceil(SEGMENT_PAYLOAD).max(1));
                self.switch_at = self.config.until;
            }
        }
    }

    fn open(&mut self, segments: u64) {
        self.connection += 1;
        self.active = true;
        self.segments_left = segments;
        self.outstanding.clear();
        self.repeats.clear();
        self.window = INITIAL_WINDOW;
        self.threshold = f64::MAX;
        self.recovery_until = 0;
        self.highest_acked_order = 0;
        self.rtt = None;
        self.backoff = 0;
        self.cubic_epoch = None;
        self.cubic_max = 0.0;
    }

    fn close(&mut self) {
        self.active = false;
        self.outstanding.clear();
        self.repeats.clear();
    }

    /// The next segment that may go now: (connection, segment).
    pub(crate) fn poll_segment(&mut self, now: Micros) -> Option<(u64, u64)> {
        if !self.active || self.outstanding.len() as f64 >= self.window.max(1.0) {
            return None;
        }
        let segment = match self.repeats.pop() {
            Some(segment) => segment,
            None if self.segments_left > 0 => {
                self.segments_left -= 1;
                self.next_segment += 1;
                self.next_segment
            }
            None => return None,
        };
        if self.outstanding.is_empty() {
            self.timeout_at = now + self.rto();
        }
        self.outstanding.insert(segment, Outstanding { at: now, order: self.next_order });
        self.next_order += 1;
        self.stats.sent += 1;
        Some((self.connection, segment))
    }

    pub(crate) fn handle_ack(&mut self, now: Micros, connection: u64, segment: u64) {
        if !self.active || connection != self.connection {
            return;
        }
        let Some(sent) = self.outstanding.remove(&segment) else { return };
        self.stats.acknowledged += 1;
        self.backoff = 0;
        self.update_rtt((now - sent.at).0 as f64);
        self.highest_acked_order = self.highest_acked_order.max(sent.order);
        self.detect_losses(now);
        if sent.order > self.recovery_until {
            self.grow(now);
        }
        self.timeout_at = now + self.rto();
        if self.segments_left == 0 && self.outstanding.is_empty() && self.repeats.is_empty() {
            self.complete_file(now);
        }
    }

    fn complete_file(&mut self, now: Micros) {
        self.stats.files += 1;
        self.close();
        if let TcpLoad::Files { idle_mean, .. } = self.config.load {
            self.switch_at = now + self.random.exponential(idle_mean);
        }
    }

    fn update_rtt(&mut self, sample: f64) {
        self.rtt = Some(match self.rtt {
            None => (sample, sample / 2.0),
            Some((smooth, variation)) => {
                (smooth * 0.875 + sample * 0.125, variation * 0.75 + (smooth - sample).abs() * 0.25)
            }
        });
    }

    fn rto(&self) -> Micros {
        let base = self.rtt.map_or(1e6, |(smooth, variation)| smooth + 4.0 * variation);
        Micros((base as u64).max(MIN_RTO.0) << self.backoff.min(6))
    }

    fn detect_losses(&mut self, now: Micros) {
        let limit = self.highest_acked_order.saturating_sub(DUPLICATE_THRESHOLD);
        let lost: Vec<u64> = self.outstanding.iter().filter(|(_, sent)| sent.order < limit).map(|(&s, _)| s).collect();
        let mut fresh = false;
        for segment in lost.into_iter().rev() {
            if let Some(sent) = self.outstanding.remove(&segment) {
                fresh |= sent.order > self.recovery_until;
                self.repeats.push(segment);
                self.stats.lost += 1;
            }
        }
        if fresh {
            self.recovery_until = self.next_order - 1;
            self.reduce(now);
        }
    }

    fn reduce(&mut self, now: Micros) {
        let factor = match self.config.algorithm {
            TcpAlgorithm::Reno => 0.5,
            TcpAlgorithm::Cubic => CUBIC_BETA,
        };
        // Fast convergence, RFC 9438 section 4.7.
        self.cubic_max =
            if self.window < self.cubic_max { self.window * (1.0 + CUBIC_BETA) / 2.0 } else { self.window };
        self.window = (self.window * factor).max(2.0);
        self.threshold = self.window;
        self.cubic_epoch = Some(now);
    }

    fn handle_timeout(&mut self, now: Micros) {
        self.backoff += 1;
        self.threshold = (self.window / 2.0).max(2.0);
        self.cubic_max = self.window;
        self.cubic_epoch = None;
        self.window = 1.0;
        self.recovery_until = self.next_order - 1;
        self.stats.lost += self.outstanding.len() as u64;
        self.repeats.extend(std::mem::take(&mut self.outstanding).into_keys().rev());
        self.timeout_at = now + self.rto();
    }

    fn grow(&mut self, now: Micros) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let reno = 1.0 / self.window;
        if self.config.algorithm == TcpAlgorithm::Reno {
            self.window += reno;
            return;
        }
        let epoch = *self.cubic_epoch.get_or_insert(now);
        let rtt = self.rtt.map_or(0.1, |(smooth, _)| smooth / 1e6);
        let t = (now - epoch).as_seconds() + rtt;
        let k = (self.cubic_max.max(self.window) * (1.0 - CUBIC_BETA) / CUBIC_C).cbrt();
        let target = CUBIC_C * (t - k).powi(3) + self.cubic_max.max(self.window.min(self.cubic_max));
        let cubic = ((target - self.window) / self.window).clamp(0.0, 0.5);
        // Reno-friendly region, RFC 9438 section 4.3.
        let friendly = reno * 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA);
        self.window += cubic.max(friendly);
    }
}
