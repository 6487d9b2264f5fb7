//! The packets of one encoding of the last second: the one plaintext that every receiver's forwarding and repair reads.
//!
//! Payloads lie one behind the other in one ring of bytes; a ring of numbers finds them. The bytes grow by steps while a
//! new packet would overwrite what is younger than the history, and shrink when a round shows that much less is needed:
//! a second at 2 Mbit/s costs 260 KiB. At the bound the history is shorter.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::RtpDrop;
use crate::ring::{Inserted, SequenceRing};
use crate::tick::{Span, Tick};

/// The largest payload taken; a path carries less than 1,500 bytes.
pub(crate) const MAX_PAYLOAD: usize = 1_500;

/// At 1,024 packets a second and encoding the history is shorter than a second.
const INDEX_MAX: usize = 1_024;
const INDEX_INITIAL: usize = 64;

/// Marks in one step of bytes that did not come at one instant: how finely age is known.
const MARKS_PER_STEP: usize = 2;

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
    /// Lower bits of where the payload lies in all that was ever written. All that is here is nearer than they repeat.
    position: u32,
    len: u16,
    arrived: Tick,
    kept: Kept,
}

/// All bytes before `end`, of which these are the lower bits, came no later than `newest`.
#[derive(Clone, Copy, Debug)]
struct Mark {
    end: u32,
    newest: Tick,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct RepairCache {
    bytes: Vec<u8>,
    /// Bytes ever written: where the next payload goes.
    written: u64,
    /// Where in `bytes` that is; nothing of a packet is ever behind the end.
    head: usize,
    /// Nothing before it is left.
    kept_from: u64,
    /// What lies before it may be overwritten, `marks` are of what lies behind.
    spent: u64,
    marks: VecDeque<Mark>,
    index: SequenceRing<Entry>,
    history: Duration,
    span: Span,
    step: usize,
    max: usize,
}

impl RepairCache {
    /// Keeps packets for `history` in at most `size` bytes, allocated by the step.
    pub fn new(history: Duration, size: u64, step: u16) -> Self {
        let step = usize::from(step).max(MAX_PAYLOAD);
        Self {
            bytes: Vec::new(),
            written: 0,
            head: 0,
            kept_from: 0,
            spent: 0,
            marks: VecDeque::new(),
            index: SequenceRing::new(INDEX_INITIAL, INDEX_MAX),
            history,
            span: Span::of(history),
            step,
            max: usize::try_from(size).unwrap_or(usize::MAX).max(step),
        }
    }

    /// Keeps a packet. Refuses what came before and what is older than the history.
    pub fn insert(&mut self, sequence: u64, kept: Kept, payload: &[u8], now: Tick) -> Result<(), RtpDrop> {
        if payload.len() > MAX_PAYLOAD {
            return Err(RtpDrop::TooLarge);
        }
        self.reserve(payload.len(), now);
        // The cut to 32 bits is the wrap.
        let entry = Entry { position: self.written as u32, len: payload.len() as u16, arrived: now, kept };
        let span = self.span;
        match self.index.insert(sequence, entry, |old| now.is_within(span, old.arrived)) {
            Inserted::Stored => {}
            Inserted::Duplicate => return Err(RtpDrop::Duplicate),
            Inserted::Late => return Err(RtpDrop::Late),
        }
        let end = self.head + payload.len();
        let place = self.bytes.get_mut(self.head..end).ok_or(RtpDrop::TooLarge)?;
        place.copy_from_slice(payload);
        self.written += payload.len() as u64;
        self.head = if end == self.bytes.len() { 0 } else { end };
        self.mark(now);
        Ok(())
    }

    /// A packet that is still here, whatever its age: what to keep beside it, when it came, its payload.
    pub fn get(&self, sequence: u64) -> Option<(&Kept, Tick, &[u8])> {
        let entry = self.index.get(sequence)?;
        let position = self.whole(entry.position);
        if position < self.oldest() {
            return None;
        }
        let start = self.offset(position);
        let payload = self.bytes.get(start..start + usize::from(entry.len))?;
        Some((&entry.kept, entry.arrived, payload))
    }

    /// Nothing of what came so far is sent again.
    pub fn forget(&mut self) {
        self.kept_from = self.written;
        self.spent = self.written;
        self.marks.clear();
    }

    /// Bytes set aside.
    #[cfg(test)]
    pub fn footprint(&self) -> usize {
        self.bytes.len() + self.index.capacity() * SequenceRing::<Entry>::SLOT
    }

    /// Where a position lies that is no further back than a round.
    fn offset(&self, position: u64) -> usize {
        let back = (self.written - position) as usize;
        self.head.checked_sub(back).unwrap_or_else(|| (self.head + self.bytes.len()).saturating_sub(back))
    }

    /// A position of which only the lower bits were kept. One from before the first round is as good as the beginning.
    fn whole(&self, position: u32) -> u64 {
        self.written.saturating_sub(u64::from((self.written as u32).wrapping_sub(position)))
    }

    /// Where what is left begins.
    fn oldest(&self) -> u64 {
        self.kept_from.max(self.written.saturating_sub(self.bytes.len() as u64))
    }

    /// Makes room for `len` bytes in one piece: by overwriting what is old or, below the bound, by growing.
    fn reserve(&mut self, len: usize, now: Tick) {
        loop {
            let left = self.bytes.len() - self.head;
            let skipped = if len > left { left } else { 0 };
            let end = self.written + (skipped + len) as u64;
            let overwritten = end.saturating_sub(self.bytes.len() as u64);
            if self.bytes.len() < len || overwritten > self.spent && self.is_wanted(overwritten, now) {
                self.resize(self.grown(now).min(self.max), self.oldest());
                continue;
            }
            if skipped > 0 {
                self.written += skipped as u64;
                self.head = 0;
                self.shrink(now);
            }
            return;
        }
    }

    /// How many bytes to have next: what the history will need at the rate of what is here. By half as much again at
    /// most, since a stream begins with a keyframe; few sizes in all, since each leaves a hole in the heap.
    fn grown(&self, now: Tick) -> usize {
        let len = self.bytes.len();
        let span = self.marks.front().map_or(Duration::ZERO, |mark| now.since(mark.newest));
        let whole = self.history.as_secs_f64() / span.as_secs_f64().max(0.001);
        // Age is known by the mark, so the last one is had twice.
        let live = self.written - self.oldest().max(self.spent);
        let needed = (live as f64 * whole) as usize + self.step / MARKS_PER_STEP;
        needed.clamp(len + self.step, len + len / 2 + self.step).next_multiple_of(self.step)
    }

    /// Whether something before `position` is younger than the history, and may be kept by growing. What may not is spent.
    fn is_wanted(&mut self, position: u64, now: Tick) -> bool {
        self.expire(now);
        let may_grow = self.bytes.len() < self.max;
        while !may_grow && self.marks.front().is_some_and(|mark| self.whole(mark.end) <= position) {
            self.marks.pop_front();
        }
        may_grow && position > self.spent
    }

    /// Notes what has become older than the history.
    fn expire(&mut self, now: Tick) {
        while let Some(mark) = self.marks.front().filter(|mark| !now.is_within(self.span, mark.newest)) {
            self.spent = self.whole(mark.end);
            self.marks.pop_front();
        }
    }

    /// A stream that got much slower gives back what it no longer needs.
    fn shrink(&mut self, now: Tick) {
        self.expire(now);
        let from = self.oldest().max(self.spent);
        let needed = (self.written - from) as usize + 2 * self.step;
        if needed <= self.bytes.len() / 2 {
            self.resize(needed, from);
        }
    }

    /// Lays everything from `from` on out anew, in order, from the beginning of as many bytes.
    fn resize(&mut self, len: usize, from: u64) {
        let start = self.offset(from);
        let live = (self.written - from) as usize;
        let first = live.min(self.bytes.len() - start);
        let mut bytes = Vec::with_capacity(len);
        bytes.extend_from_slice(self.bytes.get(start..start + first).unwrap_or_default());
        bytes.extend_from_slice(self.bytes.get(..live - first).unwrap_or_default());
        bytes.resize(len, 0);
        self.bytes = bytes;
        self.head = if live == len { 0 } else { live };
        self.kept_from = from;
        self.spent = self.spent.max(from);
    }

    /// Notes how old what was written up to here is.
    fn mark(&mut self, now: Tick) {
        let before = self.marks.len().checked_sub(2).and_then(|before| self.marks.get(before));
        let span = self.written - before.map_or(self.spent, |mark| self.whole(mark.end));
        let mark = Mark { end: self.written as u32, newest: now };
        match self.marks.back_mut() {
            Some(last) if last.newest == now || span < (self.step / MARKS_PER_STEP) as u64 => *last = mark,
            _ => self.marks.push_back(mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::encoding::VIDEO_STEP;
    use crate::tests::epoch;
    use crate::tick::Epoch;

    const PAYLOAD: usize = 1_100;

    fn filled(packets_a_second: u64, seconds: u64) -> (RepairCache, u64) {
        let start = epoch();
        let mut cache = RepairCache::new(Duration::from_secs(1), 512 * 1_024, VIDEO_STEP);
        let packets = packets_a_second * seconds;
        for sequence in 0..packets {
            let at = Epoch::new(start).tick(start + Duration::from_micros(sequence * 1_000_000 / packets_a_second));
            let payload = [sequence as u8; PAYLOAD];
            cache.insert(sequence, Kept { timestamp: sequence as u32, ..Kept::default() }, &payload, at).unwrap();
        }
        (cache, packets)
    }

    #[test]
    fn a_second_of_two_megabits_is_kept_whole_in_272_kib() {
        // 228 packets of 1,100 bytes are 2 Mbit/s.
        let (cache, packets) = filled(228, 10);
        for sequence in packets - 228..packets {
            let (kept, _, payload) = cache.get(sequence).unwrap();
            assert_eq!((kept.timestamp, payload), (sequence as u32, &[sequence as u8; PAYLOAD][..]));
        }
        assert!(cache.footprint() <= 272 * 1_024, "{}", cache.footprint());
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

    proptest::proptest! {
        /// Whatever the sizes and pauses: what is younger than the history is there, and nothing is found as something
        /// else.
        #[test]
        fn the_last_second_is_kept_whole(packets in proptest::collection::vec((1..=MAX_PAYLOAD, 0..60_u64), 1..400)) {
            let start = epoch();
            let history = Duration::from_secs(1);
            let mut cache = RepairCache::new(history, 2 * 1_024 * 1_024, 2_048);
            let mut sent: Vec<(usize, u64)> = Vec::new();
            let mut at = 0;
            for (sequence, (size, pause)) in packets.into_iter().enumerate() {
                at += pause;
                let now = Epoch::new(start).tick(start + Duration::from_millis(at));
                cache.insert(sequence as u64, Kept::default(), &vec![sequence as u8; size], now).unwrap();
                sent.push((size, at));
                for (number, &(size, sent_at)) in sent.iter().enumerate() {
                    let found = cache.get(number as u64).map(|(_, _, payload)| payload);
                    if at - sent_at < 1_000 || found.is_some() {
                        proptest::prop_assert_eq!(found, Some(&vec![number as u8; size][..]), "{} of {}", number, sequence);
                    }
                }
            }
        }
    }
}
