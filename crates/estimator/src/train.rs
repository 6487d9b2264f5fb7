//! The rate of the line as the dispersion of bursts shows it.
//!
//! Packets sent back to back above the line's rate leave its bottleneck spaced by that rate. One burst is noisy (jitter
//! of 5 ms on a burst of 30 ms); the ratio of sums over several is not. A burst never counts as faster than it was
//! sent, so aggregation in Wi-Fi, which compresses the spacing, cannot raise the result.

use std::collections::VecDeque;

use crate::types::Burst;

/// Fewer packets have too few gaps.
const MIN_PACKETS: u32 = 4;
/// Shorter bursts drown in jitter and in the quantum of feedback (250 us).
const MIN_BYTES: u64 = 3_500;
/// A probe was sent to be measured, however short it had to be.
const MIN_PROBE_BYTES: u64 = 1_500;
/// Bursts remembered: a third of a second of frames.
const KEPT: usize = 12;

#[derive(Clone, Copy, Debug)]
struct Open {
    burst: Burst,
    packets: u32,
    /// Without the first packet: its transmission is not between the arrivals.
    bytes: u64,
    sent: (u64, u64),
    arrived: (u64, u64),
}

/// A finished burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Train {
    pub(crate) bytes: f64,
    /// Bytes that others of the line sent meanwhile; they took their time on the bottleneck. Known once looked for.
    beside: Option<f64>,
    /// First and last sending.
    sent: (u64, u64),
    /// Seconds it took to send.
    pub(crate) sent_in: f64,
    /// Seconds it took to arrive, at least `sent_in`.
    pub(crate) arrived_in: f64,
    pub(crate) probe: Option<u32>,
}

impl Train {
    /// Of its own.
    pub(crate) fn arrival_rate(&self) -> f64 {
        self.bytes * 8.0 / self.arrived_in.max(1e-4)
    }

    fn all_bytes(&self) -> f64 {
        self.bytes + self.beside.unwrap_or(0.0)
    }

    /// Of the line: with what others sent between its first and its last packet. What they send on average says little of
    /// that: frames come 33 ms apart, and a probe lasts no longer.
    pub(crate) fn line_rate(&self) -> f64 {
        self.all_bytes() * 8.0 / self.arrived_in.max(1e-4)
    }
}

/// Collects bursts out of judged packets.
#[derive(Clone, Debug)]
pub(crate) struct Trains {
    open: Option<Open>,
    done: VecDeque<Train>,
    finished: VecDeque<Train>,
}

impl Trains {
    pub(crate) fn new() -> Self {
        Self { open: None, done: VecDeque::with_capacity(KEPT + 1), finished: VecDeque::with_capacity(4) }
    }

    /// A packet of a burst arrived; in order of sending.
    pub(crate) fn push(&mut self, burst: Burst, size: u32, sent: u64, arrived: u64) {
        if burst == Burst::None {
            return;
        }
        match &mut self.open {
            Some(open) if open.burst == burst => {
                open.packets += 1;
                open.bytes += u64::from(size);
                open.sent.1 = open.sent.1.max(sent);
                open.arrived.1 = open.arrived.1.max(arrived);
            }
            _ => {
                self.close();
                self.open = Some(Open { burst, packets: 1, bytes: 0, sent: (sent, sent), arrived: (arrived, arrived) });
            }
        }
    }

    /// A packet of this burst was lost. Its time on the bottleneck was taken all the same; where losses are the
    /// bottleneck's own, the loss judge speaks instead.
    pub(crate) fn lose(&mut self, burst: Burst, size: u32) {
        if let Some(open) = self.open.as_mut().filter(|open| open.burst == burst) {
            open.bytes += u64::from(size);
        }
    }

    /// Ends the open burst; for a probe that is over.
    pub(crate) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let least = if matches!(open.burst, Burst::Probe(_)) { MIN_PROBE_BYTES } else { MIN_BYTES };
        if open.packets < MIN_PACKETS || open.bytes < least {
            return;
        }
        let sent_in = (open.sent.1 - open.sent.0) as f64 / 1e6;
        let arrived_in = ((open.arrived.1 - open.arrived.0) as f64 / 1e6).max(sent_in);
        let probe = match open.burst {
            Burst::Probe(id) => Some(id),
            _ => None,
        };
        let train = Train { bytes: open.bytes as f64, beside: None, sent: open.sent, sent_in, arrived_in, probe };
        if probe.is_some() {
            self.finished.push_back(train);
            self.finished.truncate(4);
        } else {
            self.done.push_back(train);
            if self.done.len() > KEPT {
                self.done.pop_front();
            }
        }
    }

    /// Whether the probe with this id is being collected.
    pub(crate) fn open_probe(&self) -> Option<(u32, u64)> {
        match self.open {
            Some(Open { burst: Burst::Probe(id), arrived, .. }) => Some((id, arrived.1)),
            _ => None,
        }
    }

    /// A probe that has come back.
    pub(crate) fn take_probe(&mut self) -> Option<Train> {
        self.finished.pop_front()
    }

    /// Counts what others sent beside bursts that are new.
    pub(crate) fn note_others(&mut self, sent_between: impl Fn(u64, u64) -> f64) {
        for train in self.done.iter_mut().chain(&mut self.finished).filter(|train| train.beside.is_none()) {
            train.beside = Some(sent_between(train.sent.0, train.sent.1));
        }
    }

    /// Frames not yet used: (number, bytes, rate they were sent at, rate they arrived at), others beside them included.
    pub(crate) fn summary(&self) -> (usize, f64, f64, f64) {
        let sum = |f: fn(&Train) -> f64| self.done.iter().map(f).sum::<f64>();
        let (bytes, sent, arrived) = (sum(Train::all_bytes), sum(|t| t.sent_in), sum(|t| t.arrived_in));
        (self.done.len(), bytes, bytes * 8.0 / sent.max(1e-4), bytes * 8.0 / arrived.max(1e-4))
    }

    /// Forgets what was before.
    pub(crate) fn clear(&mut self) {
        self.done.clear();
    }
}
