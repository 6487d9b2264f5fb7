//! The receiving end of a load: how fast it arrives at best, and how long a queue it has filled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::message::{OVERHEAD, Report};

/// Rates are taken over this: long enough that one burst of a radio link does not pass for its rate.
const WINDOW: Duration = Duration::from_millis(300);

/// Packets that a window may hold; what a load sends in that time is a fifth. Beyond it the oldest give way, and the rate
/// is that of less time, hence no higher.
const MAX_IN_WINDOW: usize = 1_024;

/// The last packets whose shortest delay is that of the queue: one late packet is jitter.
const QUEUE_OF_LAST: usize = 4;

#[derive(Default)]
pub(crate) struct Arrivals {
    window: VecDeque<(Instant, usize)>,
    in_window: usize,
    best_kbps: u32,
    /// Shortest way so far; clocks are not the same, so only differences mean anything.
    fastest: Option<i64>,
    last: VecDeque<i64>,
    count: u32,
}

impl Arrivals {
    /// `sent` and `received`: microseconds of either side's clock, which wrap.
    pub(crate) fn take(&mut self, size: usize, sent: u32, received: u32, now: Instant) {
        self.count = self.count.saturating_add(1);
        let way = i64::from(received.wrapping_sub(sent).cast_signed());
        self.fastest = Some(self.fastest.map_or(way, |fastest| fastest.min(way)));
        self.last.push_back(way);
        if self.last.len() > QUEUE_OF_LAST {
            self.last.pop_front();
        }
        self.window.push_back((now, size + OVERHEAD));
        self.in_window += size + OVERHEAD;
        self.measure(now);
    }

    /// The packet that opens a window came at its beginning: its bytes are of the time before.
    fn measure(&mut self, now: Instant) {
        while let Some((first, size)) = self.window.front().copied() {
            let span = now.saturating_duration_since(first);
            let next_still_spans =
                self.window.get(1).is_some_and(|(next, _)| now.saturating_duration_since(*next) >= WINDOW);
            if next_still_spans || self.window.len() > MAX_IN_WINDOW {
                self.window.pop_front();
                self.in_window -= size;
                continue;
            }
            if span >= WINDOW {
                let bits = (self.in_window - size) as f64 * 8.0;
                self.best_kbps = self.best_kbps.max((bits / span.as_secs_f64() / 1000.0) as u32);
            }
            return;
        }
    }

    pub(crate) fn report(&self) -> Report {
        let last = self.last.iter().min().copied().unwrap_or_default();
        let queue = last - self.fastest.unwrap_or(last);
        Report { kbps: self.best_kbps, queue_ms: u32::try_from(queue / 1000).unwrap_or(0), count: self.count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::LOAD_SIZE;

    /// Packets `gap` apart for `time`.
    #[allow(clippy::disallowed_methods)]
    fn steady(gap: Duration, time: Duration) -> Report {
        let start = Instant::now();
        let mut arrivals = Arrivals::default();
        let mut passed = Duration::ZERO;
        while passed < time {
            let micros = passed.as_micros() as u32;
            arrivals.take(LOAD_SIZE, micros, micros.wrapping_add(u32::MAX - 5_000), start + passed);
            passed += gap;
        }
        arrivals.report()
    }

    #[test]
    fn a_steady_rate_is_read_with_what_lies_around_messages() {
        let report = steady(Duration::from_millis(4), Duration::from_secs(1));
        let kbps = (LOAD_SIZE + OVERHEAD) as u32 * 8 / 4;
        assert!(report.kbps.abs_diff(kbps) <= kbps / 50, "{report:?} of {kbps}");
        assert_eq!((report.queue_ms, report.count), (0, 250), "clocks that wrap and differ are no queue");
    }

    #[test]
    fn less_than_a_window_says_nothing() {
        assert_eq!(steady(Duration::from_millis(4), Duration::from_millis(290)).kbps, 0);
    }

    #[test]
    fn no_flood_takes_memory() {
        let start = Duration::from_micros(1);
        assert!(steady(start, Duration::from_millis(400)).count > 100_000);
    }
}
