//! When the packets of one connection arrived, for its sender's congestion control: transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Each message goes on where the last one ended. A packet that comes late makes the next message begin at it, so that
//! reordering is not reported as loss for good.
//!
//! A message is ready a fifth of the interval early and overdue a fifth late. In between it rides with whatever goes to
//! the same client, in the same call to the kernel; only where nothing goes there does a timer wake for it.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use parlour_rtp::rtcp::Writer;
use parlour_rtp::rtcp::transport::{MAX_STATUSES, Observed, TICK_MICROS};
use parlour_rtp::seq::Unwrapper;

/// Numbers kept, received or not: two seconds at 500 packets a second, 4 KiB. A jump beyond that starts a new window.
pub const MAX_WINDOW: usize = 1_024;

/// Numbers already reported that a late packet can still change.
const REORDER_WINDOW: u64 = 256;

/// When a packet came, in the unit in which messages tell it: 250 us since the recorder began, plus one. Good for twelve
/// days.
#[derive(Clone, Copy, Debug)]
struct Arrival(NonZeroU32);

impl Arrival {
    fn after(elapsed: Duration) -> Self {
        let ticks = elapsed.as_micros() / u128::from(TICK_MICROS.unsigned_abs()) + 1;
        Self(u32::try_from(ticks).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MAX))
    }

    fn micros(self) -> u64 {
        u64::from(self.0.get() - 1) * TICK_MICROS.unsigned_abs()
    }
}

/// Records one connection.
#[derive(Clone, Debug)]
pub struct TransportRecorder {
    interval: Duration,
    epoch: Instant,
    /// The last instant asked for in both forms: packets come in batches.
    last: (Instant, Arrival),
    unwrapper: Unwrapper,
    /// Number of the front of `window`.
    base: u64,
    window: VecDeque<Option<Arrival>>,
    /// First number the next message tells of.
    report_from: u64,
    /// When the first packet came that no message tells of.
    since: Option<Instant>,
    feedback_count: u8,
    ignored: u64,
}

impl TransportRecorder {
    /// Before the first packet. `interval` between messages: 50 to 100 ms.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            epoch: now,
            last: (now, Arrival::after(Duration::ZERO)),
            unwrapper: Unwrapper::new(),
            base: 0,
            window: VecDeque::new(),
            report_from: 0,
            since: None,
            feedback_count: 0,
            ignored: 0,
        }
    }

    /// A packet with this transport-wide number arrived, whatever stream it is of. Gives [`Self::poll_timeout`] where it
    /// changed: with the first packet that no message tells of.
    pub fn handle_packet(&mut self, sequence: u16, now: Instant) -> Option<Instant> {
        let first = self.unwrapper.highest().is_none();
        let sequence = self.unwrapper.unwrap(sequence);
        if first || sequence >= self.end() + MAX_WINDOW as u64 {
            self.window.clear();
            self.base = sequence;
            self.report_from = sequence;
        }
        if self.last.0 != now {
            self.last = (now, Arrival::after(now.saturating_duration_since(self.epoch)));
        }
        let arrival = self.last.1;
        if sequence == self.end() && self.window.len() < MAX_WINDOW {
            self.window.push_back(Some(arrival));
        } else if !self.place(sequence, arrival) {
            self.ignored += 1;
            return None;
        }
        self.report_from = self.report_from.min(sequence);
        if self.since.is_some() {
            return None;
        }
        self.since = Some(now);
        self.poll_timeout()
    }

    /// Notes a packet that is not the next one. `false`: it came before, or is from before the window.
    fn place(&mut self, sequence: u64, arrival: Arrival) -> bool {
        let Some(offset) = sequence.checked_sub(self.base) else { return false };
        let offset = self.make_room(offset as usize);
        match self.window.get_mut(offset) {
            Some(slot @ None) => *slot = Some(arrival),
            _ => return false,
        }
        true
    }

    fn end(&self) -> u64 {
        self.base + self.window.len() as u64
    }

    /// Grows the window to hold `offset`, and cuts its front where that exceeds the bound. Returns the offset after that.
    fn make_room(&mut self, offset: usize) -> usize {
        if offset >= self.window.len() {
            self.window.resize(offset + 1, None);
        }
        let surplus = self.window.len().saturating_sub(MAX_WINDOW);
        self.forget(surplus);
        offset - surplus
    }

    fn forget(&mut self, count: usize) {
        self.window.drain(..count);
        self.base += count as u64;
        self.report_from = self.report_from.max(self.base);
    }

    /// When [`Self::write_feedback`] is to be called whether or not something else goes to this client.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.since.map(|since| since + self.interval + self.interval / 5)
    }

    /// Whether a message may go along with what is being sent.
    pub fn is_ready(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| since + self.interval - self.interval / 5 <= now)
    }

    /// Writes the next message, if one is ready. Call until it returns `false`. `media_ssrc` is any stream of the
    /// connection. A message that does not fit `writer` waits for the next interval.
    pub fn write_feedback(&mut self, now: Instant, sender_ssrc: u32, media_ssrc: u32, writer: &mut Writer<'_>) -> bool {
        if !self.is_ready(now) {
            return false;
        }
        let start = (self.report_from - self.base) as usize;
        // A message begins and ends with a packet that came: what is missing at the end may still arrive.
        let Some(skipped) = self.window.iter().skip(start).position(Option::is_some) else {
            self.finish();
            return false;
        };
        self.report_from += skipped as u64;
        let pending = self.window.range(start + skipped..self.window.len().min(start + skipped + MAX_STATUSES));
        let missing_at_end = pending.clone().rev().take_while(|arrival| arrival.is_none()).count();
        let told = pending.len() - missing_at_end;
        let observed = Observed {
            feedback_count: self.feedback_count,
            base_sequence: self.report_from as u16,
            arrivals: pending.take(told).map(|arrival| arrival.map(Arrival::micros)),
        };
        let Ok(covered) = writer.transport_feedback(sender_ssrc, media_ssrc, &observed) else {
            self.since = Some(now);
            return false;
        };
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.report_from += covered as u64;
        if self.report_from == self.end() {
            self.finish();
        }
        covered > 0
    }

    /// Everything is told: forget what is too old to change.
    fn finish(&mut self) {
        self.since = None;
        self.report_from = self.end();
        let keep_from = self.report_from.saturating_sub(REORDER_WINDOW).max(self.base);
        self.forget((keep_from - self.base) as usize);
    }

    /// Packets not recorded: duplicates, and numbers from before the window.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }
}

#[cfg(test)]
mod tests;
