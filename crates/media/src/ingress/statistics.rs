//! Reception statistics of one stream (RFC 3550 appendices A.1, A.3 and A.8) and the clock of its sender.
//!
//! Loss is what did not arrive on the stream itself: what a repair stream brought back later stays lost here, as RFC 4588
//! section 5.3 wants it.

use std::time::Instant;

use parlour_rtp::rtcp::{ReportBlock, SenderInfo, compact_ntp};
use parlour_rtp::seq::{self, Unwrapper};

/// A jump ahead beyond this is a restart of the source, if the next packet confirms it (A.1: `MAX_DROPOUT`).
const MAX_DROPOUT: i32 = 3_000;

/// So is one back beyond this (A.1: `MAX_MISORDER`, there 100). Larger here, because where RTX was not negotiated
/// publishers repeat packets of up to a second ago on the stream itself: 3 Mbit/s of small packets.
const MAX_MISORDER: i32 = 1_000;

/// Where a packet stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Newer than all before; the extended number.
    Newer(u64),
    /// Not newer than all before: reordered, repeated, or a duplicate.
    Older(u64),
    /// The first of a stream, or of one that began anew with other numbers: forget what was kept of the old ones. Extended
    /// numbers go on above all earlier ones.
    Restarted(u64),
    /// A wild number. If the next packet continues from it the source restarted; until then it is to be dropped.
    Suspect,
}

/// What the sender said of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderClock {
    /// NTP and RTP time of one instant, and what was sent until then.
    pub info: SenderInfo,
    /// When it reached us.
    pub at: Instant,
}

/// Counts one stream.
#[derive(Clone, Debug)]
pub struct SourceStatistics {
    clock_rate: u32,
    unwrapper: Unwrapper,
    /// First extended number since the last restart.
    base: u64,
    /// A.1's `bad_seq`: the number that would confirm a restart.
    suspect: Option<u16>,
    received: u64,
    reported_expected: u64,
    reported_received: u64,
    transit: Option<Transit>,
    /// In 1/16 of the clock's unit, as in A.8.
    jitter: u32,
    sender: Option<SenderClock>,
}

#[derive(Clone, Copy, Debug)]
struct Transit {
    at: Instant,
    timestamp: u32,
}

impl SourceStatistics {
    /// Before the first packet. `clock_rate` in Hz.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            unwrapper: Unwrapper::new(),
            base: 0,
            suspect: None,
            received: 0,
            reported_expected: 0,
            reported_received: 0,
            transit: None,
            jitter: 0,
            sender: None,
        }
    }

    /// A packet of the stream itself (not of its repair stream) arrived.
    pub fn handle_packet(&mut self, sequence: u16, timestamp: u32, now: Instant) -> Arrival {
        let Some(highest) = self.unwrapper.highest() else { return self.restart(sequence, timestamp, now) };
        let distance = i32::from(seq::distance(sequence, highest as u16));
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&distance) {
            if self.suspect == Some(sequence) {
                return self.restart(sequence, timestamp, now);
            }
            self.suspect = Some(sequence.wrapping_add(1));
            return Arrival::Suspect;
        }
        self.suspect = None;
        self.received += 1;
        let extended = self.unwrapper.unwrap(sequence);
        if distance <= 0 {
            // Reordering at the very start: the stream began earlier than we believed.
            self.base = self.base.min(extended);
            return Arrival::Older(extended);
        }
        self.update_jitter(timestamp, now);
        Arrival::Newer(extended)
    }

    /// Whether, and as what, a packet of a repair stream has a place here; changes nothing.
    pub fn locate(&self, sequence: u16) -> Option<u64> {
        let highest = self.unwrapper.highest()?;
        let distance = i32::from(seq::distance(sequence, highest as u16));
        (-MAX_MISORDER..=0).contains(&distance).then(|| self.unwrapper.peek(sequence))
    }

    fn restart(&mut self, sequence: u16, timestamp: u32, now: Instant) -> Arrival {
        let extended = match self.unwrapper.highest() {
            None => self.unwrapper.unwrap(sequence),
            Some(highest) => {
                // The next cycle: never meets a number that was given out before.
                let extended = ((highest >> 16) + 2) << 16 | u64::from(sequence);
                self.unwrapper = Unwrapper::starting_at(extended);
                extended
            }
        };
        self.base = extended;
        self.suspect = None;
        self.received = 1;
        self.reported_expected = 0;
        self.reported_received = 0;
        self.transit = Some(Transit { at: now, timestamp });
        Arrival::Restarted(extended)
    }

    /// A.8. Packets of one frame share a timestamp and leave in a burst; only the first of them tells of the path.
    fn update_jitter(&mut self, timestamp: u32, now: Instant) {
        let Some(last) = self.transit else { return };
        if last.timestamp == timestamp {
            return;
        }
        self.transit = Some(Transit { at: now, timestamp });
        let elapsed = now.saturating_duration_since(last.at).as_micros() * u128::from(self.clock_rate) / 1_000_000;
        let deviation = (elapsed as i64 - i64::from(timestamp.wrapping_sub(last.timestamp) as i32)).unsigned_abs();
        // A pause (mute, a layer switched off) or a new timestamp base is not jitter.
        if deviation < 5 * u64::from(self.clock_rate) {
            self.jitter = self.jitter.saturating_add(deviation as u32).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    /// The sender told its clock.
    pub fn handle_sender_report(&mut self, info: SenderInfo, now: Instant) {
        self.sender = Some(SenderClock { info, at: now });
    }

    /// What the sender last told of its clock.
    pub fn sender_clock(&self) -> Option<&SenderClock> {
        self.sender.as_ref()
    }

    /// Highest extended number; `None` before the first packet.
    pub fn highest(&self) -> Option<u64> {
        self.unwrapper.highest()
    }

    /// Packets that should have come since the start (A.3).
    pub fn expected(&self) -> u64 {
        self.highest().map_or(0, |highest| highest - self.base + 1)
    }

    /// Packets that came, duplicates too (A.3).
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Packets lost since the start; negative when duplicates outweigh.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter, in units of the clock.
    pub fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// The block for the next report; the share lost begins anew with each. `None` before the first packet.
    pub fn report_block(&mut self, ssrc: u32, now: Instant) -> Option<ReportBlock> {
        let highest = self.highest()?;
        let expected = self.expected();
        let expected_since = expected.saturating_sub(self.reported_expected);
        let received_since = self.received.saturating_sub(self.reported_received);
        self.reported_expected = expected;
        self.reported_received = self.received;
        let lost_since = expected_since.saturating_sub(received_since);
        // 255/256 is the most that can be said.
        let fraction_lost = (lost_since << 8).checked_div(expected_since).unwrap_or(0).min(255) as u8;
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: highest as u32,
            jitter: self.jitter(),
            last_sender_report: self.sender.map_or(0, |sender| compact_ntp(sender.info.ntp)),
            delay_since_last_sender_report: self.sender.map_or(0, |sender| {
                let delay = now.saturating_duration_since(sender.at).as_micros() * 65_536 / 1_000_000;
                u32::try_from(delay).unwrap_or(u32::MAX)
            }),
        })
    }
}

#[cfg(test)]
mod tests;
