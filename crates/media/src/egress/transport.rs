//! Transport-wide sequence numbers of one connection (draft-holmer-rmcat-transport-wide-cc-extensions-01): given out,
//! remembered for a while, and matched with what the receiver says arrived.

use std::time::Instant;

use crate::event::SentPacket;
use crate::ring::SequenceRing;
use crate::tick::Tick;
use std::time::Duration;

/// Feedback comes every 50 to 100 ms; two seconds allow for a bad round trip.
const KEEP: Duration = Duration::from_secs(2);
const INITIAL: usize = 64;
/// Two seconds at 1,000 packets a second.
const MAX: usize = 2_048;

#[derive(Clone, Copy, Debug)]
struct Record {
    size: u16,
    repair: bool,
    at: Instant,
    tick: Tick,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct TransportHistory {
    next: u64,
    sent: SequenceRing<Record>,
    /// Nothing is remembered if nobody will ask.
    remember: bool,
}

impl TransportHistory {
    pub fn new(remember: bool) -> Self {
        // One cycle up, so that a first number minus a window is still a number.
        Self { next: 1 << 16, sent: SequenceRing::new(INITIAL, MAX), remember }
    }

    /// The number of a packet about to be written.
    pub fn number(&mut self) -> u16 {
        let number = self.next;
        self.next += 1;
        number as u16
    }

    /// Notes the packet that took the last number.
    pub fn record(&mut self, size: usize, repair: bool, now: Instant, tick: Tick) {
        if !self.remember {
            return;
        }
        let record = Record { size: u16::try_from(size).unwrap_or(u16::MAX), repair, at: now, tick };
        self.sent.insert(self.next - 1, record, |old| tick.since(old.tick) < KEEP);
    }

    /// The packet a receiver means by a number.
    pub fn get(&self, number: u16) -> Option<SentPacket> {
        let newest = self.next - 1;
        let sequence = newest.checked_sub(u64::from((newest as u16).wrapping_sub(number)))?;
        let record = self.sent.get(sequence)?;
        Some(SentPacket { sequence, size: record.size, at: record.at, repair: record.repair })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;
    use crate::tick::Epoch;

    #[test]
    fn numbers_go_on_over_the_wrap_and_find_their_packets() {
        let start = epoch();
        let epoch = Epoch::new(start);
        let mut history = TransportHistory::new(true);
        for i in 0..70_000u64 {
            let at = start + Duration::from_millis(i);
            assert_eq!(history.number(), i as u16);
            history.record(i as usize % 1_000, false, at, epoch.tick(at));
        }
        let sent = history.get(69_999u64 as u16).unwrap();
        assert_eq!((sent.size, sent.at), (999, start + Duration::from_millis(69_999)));
        assert_eq!(history.get(60_000), None);
    }
}
