//! What was sent and may still be judged: a ring indexed by sequence number.

use crate::types::{Burst, Counters, SentPacket};

/// Packets remembered at most. At 2.5 Mbit/s with audio (310 packets/s) this is 3.3 s; a client whose feedback is later
/// than that is treated as silent anyway. Powers of two, here and below.
const CAPACITY: usize = 1_024;
/// And at first: feedback each 50 to 100 ms is about 32 packets, so most clients never need more.
const FIRST_CAPACITY: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Unknown,
    Lost,
    Received,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BurstKind {
    None,
    Frame,
    Probe,
}

/// A packet in the ring: 24 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Microseconds since the estimator began.
    pub(crate) at: u64,
    /// The lower half of its number.
    seq: u32,
    /// Bytes sent up to and with this one, wrapping.
    pub(crate) total: u32,
    burst: u32,
    size: u16,
    burst_kind: BurstKind,
    pub(crate) fate: Fate,
}

impl Sent {
    pub(crate) fn size(&self) -> u32 {
        u32::from(self.size)
    }

    pub(crate) fn burst(&self) -> Burst {
        match self.burst_kind {
            BurstKind::None => Burst::None,
            BurstKind::Frame => Burst::Frame(self.burst),
            BurstKind::Probe => Burst::Probe(self.burst),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct History {
    ring: Box<[Option<Sent>]>,
    next: u64,
    total: u32,
    pub(crate) in_flight: u64,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { ring: vec![None; FIRST_CAPACITY].into_boxed_slice(), next: 0, total: 0, in_flight: 0 }
    }

    pub(crate) fn push(&mut self, packet: &SentPacket, at: u64, counters: &mut Counters) {
        if packet.seq < self.next || packet.seq == u64::MAX {
            counters.unordered_sent += 1;
            return;
        }
        self.next = packet.seq + 1;
        if self.slot(packet.seq).is_some_and(|sent| sent.fate == Fate::Unknown) && self.ring.len() < CAPACITY {
            self.grow();
        }
        // A packet of UDP has no more.
        let size = u16::try_from(packet.size.as_bytes()).unwrap_or(u16::MAX);
        self.total = self.total.wrapping_add(u32::from(size));
        let (burst_kind, burst) = match packet.burst {
            Burst::None => (BurstKind::None, 0),
            Burst::Frame(number) => (BurstKind::Frame, number),
            Burst::Probe(number) => (BurstKind::Probe, number),
        };
        // The cut is meant.
        let seq = packet.seq as u32;
        let sent = Sent { at, seq, total: self.total, burst, size, burst_kind, fate: Fate::Unknown };
        let before = self.slot(packet.seq).replace(sent);
        if let Some(before) = before.filter(|before| before.fate == Fate::Unknown) {
            counters.forgotten_packets += 1;
            self.in_flight = self.in_flight.saturating_sub(u64::from(before.size));
        }
        self.in_flight += u64::from(size);
    }

    /// The packet of this number, if it is still here.
    pub(crate) fn find(&mut self, seq: u64) -> Option<&mut Sent> {
        let age = self.next.checked_sub(seq)?;
        let within = (1..=self.ring.len() as u64).contains(&age);
        self.slot(seq).as_mut().filter(|sent| within && sent.seq == seq as u32)
    }

    fn slot(&mut self, seq: u64) -> &mut Option<Sent> {
        let mask = self.ring.len() - 1;
        &mut self.ring[seq as usize & mask]
    }

    /// Makes room for twice as many: what is not judged yet would be forgotten.
    fn grow(&mut self) {
        let mut larger = vec![None; self.ring.len() * 2].into_boxed_slice();
        let mask = larger.len() - 1;
        for sent in self.ring.iter().flatten() {
            larger[sent.seq as usize & mask] = Some(*sent);
        }
        self.ring = larger;
    }

    /// Bytes sent in this span, as far as is remembered.
    pub(crate) fn sent_between(&self, from: u64, to: u64) -> f64 {
        let mask = self.ring.len() - 1;
        let newest_first = (1..=self.ring.len() as u64).map_while(|back| {
            let seq = self.next.checked_sub(back)?;
            self.ring[seq as usize & mask].filter(|sent| sent.seq == seq as u32 && sent.at >= from)
        });
        newest_first.filter(|sent| sent.at <= to).map(|sent| f64::from(sent.size())).sum()
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use parlour_model::DataSize;

    use super::*;
    use crate::types::PacketKind;

    #[allow(clippy::disallowed_methods, reason = "a test takes an epoch")]
    fn packet(seq: u64, burst: Burst) -> SentPacket {
        SentPacket { seq, size: DataSize::bytes(100), at: Instant::now(), kind: PacketKind::Video, burst }
    }

    #[test]
    fn the_ring_grows_for_what_is_not_judged_and_keeps_it() {
        let (mut history, mut counters) = (History::new(), Counters::default());
        assert_eq!(size_of::<Option<Sent>>(), 24);
        let start = (1u64 << 32) - 300;
        for seq in start..start + 1_024 {
            history.push(&packet(seq, Burst::Frame(7)), seq, &mut counters);
        }
        assert_eq!((counters.forgotten_packets, history.in_flight, history.ring.len()), (0, 102_400, CAPACITY));
        for seq in start..start + 1_024 {
            let sent = history.find(seq).map(|sent| (sent.at, sent.burst()));
            assert_eq!(sent, Some((seq, Burst::Frame(7))));
        }
        assert!(
            history.find(start + 1_024).is_none() && history.find(start - 1).is_none() && history.find(300).is_none()
        );
    }

    #[test]
    fn what_is_judged_is_overwritten_and_the_ring_stays_small() {
        let (mut history, mut counters) = (History::new(), Counters::default());
        for seq in 0..10_000 {
            history.push(&packet(seq, Burst::None), seq, &mut counters);
            if let Some(sent) = history.find(seq.saturating_sub(50)) {
                sent.fate = Fate::Received;
            }
        }
        assert_eq!((history.ring.len(), counters.forgotten_packets), (FIRST_CAPACITY, 0));
    }
}
