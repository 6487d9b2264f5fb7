//! What was sent and may still be judged: a ring indexed by sequence number.

use crate::types::{Burst, Counters, SentPacket};

/// Packets remembered. At 2.5 Mbit/s with audio (310 packets/s) this is 3.3 s; a client whose feedback is later than
/// that is treated as silent anyway. Power of two.
const CAPACITY: usize = 1_024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Unknown,
    Lost,
    Received,
}

/// A packet in the ring: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) seq: u64,
    /// Microseconds since the estimator began.
    pub(crate) at: u64,
    pub(crate) size: u32,
    /// Bytes sent up to and with this one, wrapping.
    pub(crate) total: u32,
    pub(crate) burst: Burst,
    pub(crate) fate: Fate,
}

const EMPTY: Sent = Sent { seq: u64::MAX, at: 0, size: 0, total: 0, burst: Burst::None, fate: Fate::Received };

#[derive(Clone, Debug)]
pub(crate) struct History {
    ring: Box<[Sent]>,
    next: u64,
    total: u32,
    pub(crate) in_flight: u64,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { ring: vec![EMPTY; CAPACITY].into_boxed_slice(), next: 0, total: 0, in_flight: 0 }
    }

    pub(crate) fn push(&mut self, packet: &SentPacket, at: u64, counters: &mut Counters) {
        if packet.seq < self.next || packet.seq == u64::MAX {
            counters.unordered_sent += 1;
            return;
        }
        self.next = packet.seq + 1;
        let size = u32::try_from(packet.size.as_bytes()).unwrap_or(u32::MAX).min(65_535);
        let slot = &mut self.ring[packet.seq as usize % CAPACITY];
        if slot.seq != u64::MAX && slot.fate == Fate::Unknown {
            counters.forgotten_packets += 1;
            self.in_flight = self.in_flight.saturating_sub(u64::from(slot.size));
        }
        self.total = self.total.wrapping_add(size);
        *slot = Sent { seq: packet.seq, at, size, total: self.total, burst: packet.burst, fate: Fate::Unknown };
        self.in_flight += u64::from(size);
    }

    /// The packet of this number, if it is still here.
    pub(crate) fn find(&mut self, seq: u64) -> Option<&mut Sent> {
        let slot = &mut self.ring[seq as usize % CAPACITY];
        (slot.seq == seq && seq != u64::MAX).then_some(slot)
    }

    /// Bytes sent after the packet with this total.
    pub(crate) fn sent_since(&self, total: u32) -> u32 {
        self.total.wrapping_sub(total)
    }

    /// The total after which these bytes were sent.
    pub(crate) fn total_before(&self, ahead: f64) -> u32 {
        self.total.wrapping_sub(ahead as u32)
    }

    pub(crate) fn judged(&mut self, size: u32) {
        self.in_flight = self.in_flight.saturating_sub(u64::from(size));
    }
}
