//! Numbers of an outgoing stream: sequence, timestamp, VP8 picture id, TL0PICIDX and KEYIDX, each going on without a gap
//! or step back while the stream is fed from one layer, another, or another publication, or from nothing for a while.
//!
//! A *run* is a stretch of one encoding that goes out with constant differences. A switch, a pause and a packet left out
//! on purpose each begin a new run. Runs are kept for a while, so that a late packet goes out with the number that was
//! left free for it: what is missing in the output is exactly what is missing in the input.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::inbound::{Inbound, Picture};

/// At 30 frames a second with every second one left out this is four seconds; packets come later than that never.
const MAX_RUNS: usize = 64;

/// Frames of which a part was left out, remembered so that the rest is left out too. A second of them.
const MAX_SKIPPED: usize = 32;

/// A timestamp by the sender's clocks is believed if it agrees with the time of arrival this well.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

const PICTURE_ID_MASK: u16 = 0x7fff;
const KEY_INDEX_MASK: u8 = 0x1f;

/// How a packet goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Extended.
    pub sequence: u64,
    pub timestamp: u32,
    pub picture: Option<Picture>,
    /// Nothing but padding goes out: the rest of its frame was left out.
    pub filler: bool,
}

/// Which encoding of which publication feeds a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The publication's key.
    pub publication: u32,
    /// Changes when the publisher begins its numbering anew.
    pub generation: u32,
    pub layer: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    source: Source,
    /// Incoming numbers `first..end` belong to it; `end` moves as packets come in.
    first: u64,
    end: u64,
    /// Outgoing less incoming, wrapping.
    sequence: u64,
    shift: Shift,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shift {
    timestamp: u32,
    picture: u16,
    tl0: u8,
    key: u8,
}

/// The newest that went out or was left out.
#[derive(Clone, Copy, Debug)]
struct Newest {
    source: Source,
    incoming_timestamp: u32,
    timestamp: u32,
    arrived: Instant,
    picture: Picture,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Rewriter {
    /// The first number ever given.
    initial: u64,
    next: u64,
    runs: VecDeque<Run>,
    /// The last run goes on; otherwise the next packet needs [`Rewriter::begin`].
    running: bool,
    newest: Option<Newest>,
    skipped: VecDeque<(u8, u16)>,
}

impl Rewriter {
    /// The first packet gets the number `first`.
    pub fn new(first: u16) -> Self {
        // One cycle up, so that nothing below can be asked for.
        let initial = u64::from(first) + (1 << 16);
        Self { initial, next: initial, runs: VecDeque::new(), running: false, newest: None, skipped: VecDeque::new() }
    }

    /// The number the next packet in order gets, extended.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The first number that was or will be given.
    pub fn first_sequence(&self) -> u64 {
        self.initial
    }

    /// What has to be added to timestamps of this source, if it is what goes out.
    pub fn timestamp_shift(&self, source: Source) -> Option<u32> {
        self.runs.back().filter(|run| self.running && run.source == source).map(|run| run.shift.timestamp)
    }

    /// The newest incoming timestamp that went out or was left out, and its source.
    pub fn newest(&self) -> Option<(Source, u32)> {
        self.newest.map(|newest| (newest.source, newest.incoming_timestamp))
    }

    /// If this source is what goes out: before which number the place of its packets is already decided.
    pub fn run_end(&self, source: Source) -> Option<u64> {
        self.runs.back().filter(|run| self.running && run.source == source).map(|run| run.end)
    }

    /// Whether a packet of a source that no longer goes out is from when it did: all of those are late.
    pub fn is_left_behind(&self, source: Source, packet: &Inbound) -> bool {
        self.runs.iter().any(|run| run.source == source && packet.sequence < run.end)
    }

    /// Begins a run with this packet. `since` says by the sender's clocks how many ticks it is after
    /// [`Rewriter::newest`]; `rate` is ticks a second.
    pub fn begin(&mut self, source: Source, packet: &Inbound, since: Option<i64>, rate: u32) -> Rewritten {
        let shift = match self.newest {
            None => Shift::default(),
            Some(newest) => shift_after(&newest, packet, since, rate),
        };
        self.push(Run {
            source,
            first: packet.sequence,
            end: packet.sequence,
            sequence: self.next.wrapping_sub(packet.sequence),
            shift,
        });
        self.running = true;
        self.extend(packet)
    }

    /// Lets the newest packet of the running source pass. `None` if nothing runs.
    pub fn pass(&mut self, source: Source, packet: &Inbound) -> Option<Rewritten> {
        self.runs.back().filter(|run| self.running && run.source == source)?;
        Some(self.extend(packet))
    }

    /// Leaves out the newest packet of the running source; those after it close ranks.
    pub fn skip(&mut self, source: Source, packet: &Inbound) {
        let Some(run) = self.runs.back_mut().filter(|run| self.running && run.source == source) else { return };
        let mut next = *run;
        // What was lost on the way here keeps its place in the old run.
        run.end = packet.sequence;
        self.next = run.end.wrapping_add(run.sequence);
        next.first = packet.sequence + 1;
        next.end = next.first;
        next.sequence = next.sequence.wrapping_sub(1);
        if let Some(picture) = packet.frame.picture {
            let frame = (source.layer, picture.id);
            if !self.skipped.contains(&frame) {
                next.shift.picture = next.shift.picture.wrapping_sub(1);
                if self.skipped.len() == MAX_SKIPPED {
                    self.skipped.pop_front();
                }
                self.skipped.push_back(frame);
            }
        }
        if self.runs.back().is_some_and(|run| run.first == run.end) {
            self.runs.pop_back();
        }
        self.push(next);
        // Pictures before this one may still come late and take the numbers left for them: the next run begins above.
        self.advance(source, packet, &rewritten(&next, packet, false));
    }

    /// The place of a late packet; `None` if none was left for it.
    pub fn late(&self, source: Source, packet: &Inbound) -> Option<Rewritten> {
        let run = self
            .runs
            .iter()
            .rev()
            .find(|run| run.source == source && (run.first..run.end).contains(&packet.sequence))?;
        let skipped = packet.frame.picture.is_some_and(|picture| self.skipped.contains(&(source.layer, picture.id)));
        Some(rewritten(run, packet, skipped || packet.size == 0))
    }

    /// Nothing more goes out until the next [`Rewriter::begin`].
    pub fn stop(&mut self) {
        self.running = false;
    }

    /// Takes back every number from `next` on: they were given to packets that never left. Stops.
    pub fn rewind(&mut self, next: u64) {
        if next >= self.next {
            return self.stop();
        }
        self.next = next;
        // Late packets may fill what is left free below, nothing may be given twice.
        for run in &mut self.runs {
            let end = next.wrapping_sub(run.sequence);
            run.end = run.end.min(end.max(run.first));
        }
        self.stop();
    }

    fn extend(&mut self, packet: &Inbound) -> Rewritten {
        let Some(run) = self.runs.back_mut() else {
            return Rewritten { sequence: self.next, timestamp: packet.timestamp, picture: None, filler: false };
        };
        run.end = run.end.max(packet.sequence + 1);
        let (out, source) = (rewritten(run, packet, false), run.source);
        self.next = self.next.max(out.sequence + 1);
        self.advance(source, packet, &out);
        out
    }

    fn advance(&mut self, source: Source, packet: &Inbound, out: &Rewritten) {
        let previous = self.newest.map(|newest| newest.picture).unwrap_or_default();
        self.newest = Some(Newest {
            source,
            incoming_timestamp: packet.timestamp,
            timestamp: out.timestamp,
            arrived: packet.arrived,
            picture: out.picture.unwrap_or(previous),
        });
    }

    fn push(&mut self, run: Run) {
        if self.runs.len() == MAX_RUNS {
            self.runs.pop_front();
        }
        self.runs.push_back(run);
    }
}

fn rewritten(run: &Run, packet: &Inbound, filler: bool) -> Rewritten {
    Rewritten {
        sequence: packet.sequence.wrapping_add(run.sequence),
        timestamp: packet.timestamp.wrapping_add(run.shift.timestamp),
        picture: packet.frame.picture.map(|picture| Picture {
            id: picture.id.wrapping_add(run.shift.picture) & PICTURE_ID_MASK,
            tl0: picture.tl0.wrapping_add(run.shift.tl0),
            key: picture.key.wrapping_add(run.shift.key) & KEY_INDEX_MASK,
        }),
        filler,
    }
}

/// The differences with which `packet` comes right after `newest`.
fn shift_after(newest: &Newest, packet: &Inbound, since: Option<i64>, rate: u32) -> Shift {
    let elapsed = packet.arrived.saturating_duration_since(newest.arrived);
    // Ticks of a pause of days wrap, as the timestamp itself does.
    let by_arrival = (elapsed.as_micros() * u128::from(rate) / 1_000_000) as i64;
    let tolerance = CLOCK_TOLERANCE.as_secs() as i64 * i64::from(rate);
    let ticks = since
        .filter(|&ticks| ticks > 0 && (ticks - by_arrival).abs() < tolerance)
        // Never the same timestamp again: it would be the same frame.
        .unwrap_or(by_arrival.max(1));
    let timestamp = newest.timestamp.wrapping_add(ticks as u32).wrapping_sub(packet.timestamp);
    let Some(picture) = packet.frame.picture else { return Shift { timestamp, ..Shift::default() } };
    Shift {
        timestamp,
        picture: newest.picture.id.wrapping_add(1).wrapping_sub(picture.id),
        tl0: newest.picture.tl0.wrapping_add(1).wrapping_sub(picture.tl0),
        key: newest.picture.key.wrapping_add(1).wrapping_sub(picture.key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::Frame;
    use crate::tests::epoch;

    const SOURCE: Source = Source { publication: 1, generation: 0, layer: 0 };

    fn packet(sequence: u64) -> Inbound {
        let frame = Frame { key: true, start: true, ..Frame::default() };
        Inbound { layer: 0, sequence, timestamp: 0, arrived: epoch(), size: 100, frame }
    }

    #[test]
    fn a_number_taken_back_is_given_again_and_only_once() {
        let mut rewriter = Rewriter::new(10);
        let first = rewriter.begin(SOURCE, &packet(100), None, 90_000);
        let sent = rewriter.pass(SOURCE, &packet(101)).unwrap();
        // 102 is lost; 103 waits and is thrown away before it left.
        let waiting = rewriter.pass(SOURCE, &packet(103)).unwrap();
        assert_eq!([sent.sequence, waiting.sequence], [first.sequence + 1, first.sequence + 3]);
        rewriter.rewind(sent.sequence + 1);
        assert_eq!(rewriter.pass(SOURCE, &packet(104)), None);
        let again = rewriter.begin(SOURCE, &packet(105), None, 90_000);
        assert_eq!(again.sequence, sent.sequence + 1);
        // Its place is taken now.
        assert_eq!(rewriter.late(SOURCE, &packet(102)), None);
    }

    #[test]
    fn a_late_packet_of_a_layer_that_was_left_goes_to_its_place() {
        let mut rewriter = Rewriter::new(10);
        let other = Source { layer: 1, ..SOURCE };
        let first = rewriter.begin(SOURCE, &packet(100), None, 90_000);
        rewriter.pass(SOURCE, &packet(102));
        let switched = rewriter.begin(other, &Inbound { layer: 1, ..packet(7) }, None, 90_000);
        assert_eq!(switched.sequence, first.sequence + 3);
        assert!(rewriter.is_left_behind(SOURCE, &packet(101)));
        assert_eq!(rewriter.late(SOURCE, &packet(101)).map(|out| out.sequence), Some(first.sequence + 1));
        // What came after the switch has none.
        assert_eq!(rewriter.late(SOURCE, &packet(103)), None);
    }

    #[test]
    fn a_clock_that_contradicts_the_arrival_is_not_believed() {
        let start = epoch();
        let at =
            |millis, timestamp| Inbound { arrived: start + Duration::from_millis(millis), timestamp, ..packet(millis) };
        for (since, expected) in [(Some(2_970), 2_970), (Some(900_000), 3_000), (Some(-5), 3_000), (None, 3_000)] {
            let mut rewriter = Rewriter::new(0);
            let first = rewriter.begin(SOURCE, &at(1, 500), None, 90_000);
            rewriter.stop();
            let second = rewriter.begin(SOURCE, &at(34, 77), since, 90_000);
            // 33 ms are 2,970 ticks; by arrival a tick for each.
            let ticks = second.timestamp.wrapping_sub(first.timestamp);
            assert!(ticks.abs_diff(expected) <= 30, "{since:?}: {ticks}");
        }
    }
}
