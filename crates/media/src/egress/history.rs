//! What was sent on one stream in the last second, by outgoing sequence number: enough to write a packet again exactly.

use crate::egress::outgoing::Outgoing;
use crate::inbound::Picture;
use crate::ring::SequenceRing;
use crate::tick::{Span, Tick};

const INITIAL: usize = 64;
const MAX: usize = 1_024;

/// A packet that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub publication: u16,
    pub layer: u8,
    pub filler: bool,
    /// Lower bits of the number in the repair cache.
    pub incoming: u32,
    pub timestamp: u32,
    pub picture: Option<Picture>,
    /// The transport-wide number it had. A repetition without repair stream must be the same to the last bit: SRTP
    /// would else use one nonce for two messages.
    pub transport: Option<u16>,
    pub sent: Tick,
    /// When it was repeated last; nothing before the first of `tries`.
    pub repeated: Tick,
    pub tries: u8,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct History {
    ring: SequenceRing<Sent>,
    newest: Option<u64>,
}

impl History {
    pub fn new() -> Self {
        Self { ring: SequenceRing::new(INITIAL, MAX), newest: None }
    }

    /// Notes a packet as it is written.
    pub fn record(&mut self, item: &Outgoing, filler: bool, transport: Option<u16>, now: Tick, keep: Span) {
        let sent = Sent {
            publication: item.publication,
            layer: item.layer,
            filler,
            incoming: item.incoming as u32,
            timestamp: item.timestamp,
            picture: item.picture,
            transport,
            sent: now,
            repeated: now,
            tries: 0,
        };
        self.ring.insert(item.sequence, sent, |old| now.is_within(keep, old.sent));
        self.newest = self.newest.max(Some(item.sequence));
    }

    /// The highest number that was sent.
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// The extended number that a receiver means by sixteen bits of it.
    pub fn extended(&self, sequence: u16) -> Option<u64> {
        let newest = self.newest?;
        newest.checked_sub(u64::from((newest as u16).wrapping_sub(sequence)))
    }

    pub fn get(&self, sequence: u64) -> Option<&Sent> {
        self.ring.get(sequence)
    }

    pub fn get_mut(&mut self, sequence: u64) -> Option<&mut Sent> {
        self.ring.get_mut(sequence)
    }

    /// Forgets what was sent, not how far the numbers are.
    pub fn clear(&mut self) {
        self.ring.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_history_at_two_megabits_is_small() {
        // 256 slots hold a second of 228 packets.
        let slot = SequenceRing::<Sent>::SLOT;
        assert!(slot * 256 <= 9 * 1_024, "{slot} bytes a packet");
        assert!(size_of::<Outgoing>() <= 56, "{}", size_of::<Outgoing>());
    }
}
