//! The packets of one encoding of the last second: the one plaintext that every receiver's forwarding and repair reads.
//!
//! Payloads lie one behind the other in chunks; a ring finds them by sequence number. Chunks come and go with the rate,
//! so that history costs what it holds: about 260 KiB for a second at 2 Mbit/s. At the bound the oldest chunk is taken
//! before its time and the history is shorter.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::RtpDrop;
use crate::ring::{Inserted, SequenceRing};
use crate::tick::Tick;

/// The largest payload taken; a path carries less than 1,500 bytes.
pub(crate) const MAX_PAYLOAD: usize = 1_500;

/// At 1,024 packets a second and encoding the history is shorter than a second.
const INDEX_MAX: usize = 1_024;
const INDEX_INITIAL: usize = 64;

/// What is kept of a packet beside its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub timestamp: u32,
    pub marker: bool,
    /// The payload is redundant audio; its primary block begins at this offset, zero when it has none.
    pub red: Option<u16>,
    /// Value of the one-byte header extension that is passed on: loudness for audio, rotation for video.
    pub passed_extension: Option<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    chunk: u32,
    offset: u16,
    len: u16,
    arrived: Tick,
    kept: Kept,
}

#[derive(Debug)]
struct Chunk {
    bytes: Box<[u8]>,
    used: usize,
    newest: Tick,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct RepairCache {
    chunks: VecDeque<Chunk>,
    /// Number of the first chunk; they count up from zero.
    first: u32,
    index: SequenceRing<Entry>,
    history: Duration,
    chunk_len: usize,
    max_chunks: usize,
}

impl RepairCache {
    /// Keeps packets for `history` in at most `size` bytes, allocated by the chunk.
    pub fn new(history: Duration, size: u64, chunk_len: u16) -> Self {
        let chunk_len = usize::from(chunk_len).max(MAX_PAYLOAD);
        // Two at least: what was just written must outlive the next chunk's beginning.
        let max_chunks = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(chunk_len).max(2);
        Self {
            chunks: VecDeque::new(),
            first: 0,
            index: SequenceRing::new(INDEX_INITIAL, INDEX_MAX),
            history,
            chunk_len,
            max_chunks,
        }
    }

    /// Keeps a packet. Refuses what came before and what is older than the history.
    pub fn insert(&mut self, sequence: u64, kept: Kept, payload: &[u8], now: Tick) -> Result<(), RtpDrop> {
        if payload.len() > MAX_PAYLOAD {
            return Err(RtpDrop::TooLarge);
        }
        self.reserve(payload.len(), now);
        let Some(chunk) = self.chunks.back_mut() else { return Err(RtpDrop::TooLarge) };
        let offset = chunk.used;
        let end = offset + payload.len();
        let number = self.first.wrapping_add(self.chunks.len() as u32 - 1);
        let entry = Entry { chunk: number, offset: offset as u16, len: payload.len() as u16, arrived: now, kept };
        let history = self.history;
        match self.index.insert(sequence, entry, |old| now.since(old.arrived) < history) {
            Inserted::Stored => {}
            Inserted::Duplicate => return Err(RtpDrop::Duplicate),
            Inserted::Late => return Err(RtpDrop::Late),
        }
        let Some(chunk) = self.chunks.back_mut() else { return Err(RtpDrop::TooLarge) };
        let Some(place) = chunk.bytes.get_mut(offset..end) else { return Err(RtpDrop::TooLarge) };
        place.copy_from_slice(payload);
        chunk.used = end;
        chunk.newest = now;
        Ok(())
    }

    /// A packet that is still here, whatever its age: what to keep beside it, when it came, its payload.
    pub fn get(&self, sequence: u64) -> Option<(&Kept, Tick, &[u8])> {
        let entry = self.index.get(sequence)?;
        let chunk = self.chunks.get(entry.chunk.wrapping_sub(self.first) as usize)?;
        let start = usize::from(entry.offset);
        let payload = chunk.bytes.get(start..start + usize::from(entry.len))?;
        Some((&entry.kept, entry.arrived, payload))
    }

    /// Bytes set aside.
    #[cfg(test)]
    pub fn footprint(&self) -> usize {
        self.chunks.len() * self.chunk_len + self.index.capacity() * SequenceRing::<Entry>::SLOT
    }

    /// Makes room for `len` bytes in the last chunk: by opening a new one from memory that is old or, below the bound,
    /// new.
    fn reserve(&mut self, len: usize, now: Tick) {
        if self.chunks.back().is_some_and(|chunk| chunk.used + len <= self.chunk_len) {
            return;
        }
        let history = self.history;
        let old = |chunk: &Chunk| now.since(chunk.newest) > history;
        // A stream that got slower gives back what it no longer needs, one chunk beyond the one it uses again.
        if self.chunks.len() > 2 && self.chunks.iter().take(2).all(old) {
            self.pop();
        }
        let full = self.chunks.len() >= self.max_chunks;
        let reused = if full || self.chunks.front().is_some_and(old) { self.pop() } else { None };
        let bytes = reused.unwrap_or_else(|| vec![0; self.chunk_len].into_boxed_slice());
        self.chunks.push_back(Chunk { bytes, used: 0, newest: now });
    }

    fn pop(&mut self) -> Option<Box<[u8]>> {
        let chunk = self.chunks.pop_front()?;
        self.first = self.first.wrapping_add(1);
        Some(chunk.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::encoding::VIDEO_CHUNK;
    use crate::tests::epoch;
    use crate::tick::Epoch;

    const PAYLOAD: usize = 1_100;

    fn filled(packets_a_second: u64, seconds: u64) -> (RepairCache, u64) {
        let start = epoch();
        let mut cache = RepairCache::new(Duration::from_secs(1), 512 * 1_024, VIDEO_CHUNK);
        let packets = packets_a_second * seconds;
        for sequence in 0..packets {
            let at = Epoch::new(start).tick(start + Duration::from_micros(sequence * 1_000_000 / packets_a_second));
            let payload = [sequence as u8; PAYLOAD];
            cache.insert(sequence, Kept { timestamp: sequence as u32, ..Kept::default() }, &payload, at).unwrap();
        }
        (cache, packets)
    }

    #[test]
    fn a_second_of_two_megabits_is_kept_whole_in_280_kib() {
        // 228 packets of 1,100 bytes are 2 Mbit/s.
        let (cache, packets) = filled(228, 10);
        for sequence in packets - 228..packets {
            let (kept, _, payload) = cache.get(sequence).unwrap();
            assert_eq!((kept.timestamp, payload), (sequence as u32, &[sequence as u8; PAYLOAD][..]));
        }
        assert!(cache.footprint() <= 280 * 1_024, "{}", cache.footprint());
    }

    #[test]
    fn at_its_bound_the_history_gets_shorter_and_nothing_else_breaks() {
        let (cache, packets) = filled(2_000, 2);
        assert!(cache.footprint() <= 560 * 1_024);
        assert!(cache.get(packets - 1).is_some());
        assert!(cache.get(packets - 2_000).is_none());
    }

    #[test]
    fn what_was_overwritten_is_not_found_as_something_else() {
        let (cache, packets) = filled(2_000, 2);
        for sequence in 0..packets {
            if let Some((kept, _, payload)) = cache.get(sequence) {
                assert_eq!((kept.timestamp, payload[0]), (sequence as u32, sequence as u8));
            }
        }
    }

    #[test]
    fn a_packet_that_comes_twice_is_refused() {
        let (mut cache, packets) = filled(50, 1);
        let now = Epoch::new(epoch()).tick(epoch());
        assert_eq!(cache.insert(packets - 3, Kept::default(), &[1], now), Err(RtpDrop::Duplicate));
    }

    #[test]
    fn memory_follows_the_rate_down() {
        let start = epoch();
        let (mut cache, packets) = filled(228, 3);
        let before = cache.footprint();
        for i in 0..400 {
            let at = Epoch::new(start).tick(start + Duration::from_secs(4) + Duration::from_millis(20 * i));
            cache.insert(packets + i, Kept::default(), &[0; PAYLOAD], at).unwrap();
        }
        assert!(cache.footprint() * 2 < before, "{} of {before}", cache.footprint());
    }
}
