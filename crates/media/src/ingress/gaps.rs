//! What is missing of one stream and when to ask its publisher for it (RFC 4585 section 6.2.1).
//!
//! A gap is asked for as soon as it is certain: at once on a path that never reordered, otherwise when as many later
//! packets came, or as much time passed, as reordering took lately. Unanswered requests are repeated once per round trip, the
//! first for a piece of a picture sooner.
//! Requests are paid for by packets that arrive, so that heavy loss is not answered with heavy repair.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_model::MediaKind;

/// Packets awaited at once. Beyond that repair is hopeless: video needs a keyframe, audio goes on.
pub const MAX_MISSING: usize = 512;

/// Of a gap in audio only the end is asked for: at the usual 20 ms a packet what lies before is stale.
const MAX_AUDIO_GAP: u64 = 10;

/// Requests for one packet.
const MAX_TRIES: u8 = 10;

/// Missing video older than this is not asked for any more: the repair history of receivers and publishers.
const VIDEO_AGE: Duration = Duration::from_secs(1);

/// Later audio comes too late to be played.
const AUDIO_AGE: Duration = Duration::from_millis(200);

/// Requests that one received packet pays for: one fourth, as much as repair may take of what arrives.
const CREDIT_PER_REQUEST: u32 = 4;

/// Requests that can be saved up: half a second of video, asked for four times while the line is still bad. With half as
/// many, bursts of 60 ms left up to 1.6 % of a publication missing.
const MAX_CREDIT: u32 = 512 * CREDIT_PER_REQUEST;

/// Round trip until one was measured.
pub const INITIAL_RTT: Duration = Duration::from_millis(50);

/// Requests for one packet are at least this far apart, so that a tiny or mismeasured round trip does no harm.
const MIN_RETRY: Duration = Duration::from_millis(10);

/// And at most this far: after that the packet would be too late in any case.
const MAX_RETRY: Duration = Duration::from_millis(400);

/// The first request for a piece of a picture is said twice, this far apart, where the answer cannot be here by then: a request
/// that is lost costs a round trip, and one said twice next to nothing, as publishers answer once a round trip.
const SAID_AGAIN: Duration = Duration::from_millis(15);

/// Reordering deeper or longer than this is treated as loss.
const MAX_REORDER: u64 = 32;
const MAX_REORDER_TIME: Duration = Duration::from_millis(30);

/// After this time without reordering the tolerance halves.
const REORDER_MEMORY: Duration = Duration::from_secs(10);

/// How the publisher repeats packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// On a stream of its own (RFC 4588), told by [`GapTracker::handle_recovered`].
    Rtx,
    /// As it was, on the stream itself.
    Plain,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    since: Instant,
    asked: Option<Instant>,
    tries: u8,
}

/// How much reordering the path showed lately.
#[derive(Clone, Copy, Debug)]
struct Tolerance {
    /// A gap is certain when this many packets after it came.
    packets: u64,
    /// Or when it is this old.
    time: Duration,
    changed: Instant,
}

/// Tracks one stream.
#[derive(Clone, Debug)]
pub struct GapTracker {
    kind: MediaKind,
    repair: Repair,
    highest: Option<u64>,
    /// Ascending by sequence.
    missing: VecDeque<Missing>,
    tolerance: Option<Tolerance>,
    credit: u32,
    due: Option<Instant>,
    beyond_repair: bool,
    requested: u64,
    abandoned: u64,
}

impl GapTracker {
    /// Before the first packet.
    pub fn new(kind: MediaKind, repair: Repair) -> Self {
        Self {
            kind,
            repair,
            highest: None,
            missing: VecDeque::new(),
            tolerance: None,
            credit: MAX_CREDIT,
            due: None,
            beyond_repair: false,
            requested: 0,
            abandoned: 0,
        }
    }

    /// The source began anew: nothing is missing before `sequence`.
    pub fn handle_restart(&mut self, sequence: u64) {
        self.missing.clear();
        self.due = None;
        self.highest = Some(sequence);
    }

    /// A packet with this extended number arrived on the stream itself.
    pub fn handle_packet(&mut self, sequence: u64, now: Instant) {
        self.credit = (self.credit + 1).min(MAX_CREDIT);
        match self.highest {
            None => self.highest = Some(sequence),
            Some(highest) if sequence > highest => {
                self.highest = Some(sequence);
                if sequence > highest + 1 {
                    self.open(highest + 1, sequence, now);
                } else if !self.missing.is_empty() {
                    // One packet more may have made a gap certain.
                    self.reschedule(now);
                }
            }
            Some(highest) => {
                let Some(found) = self.take(sequence) else { return };
                if found.tries == 0 || self.repair == Repair::Rtx {
                    self.widen(highest - sequence, now.saturating_duration_since(found.since), now);
                }
            }
        }
    }

    /// A repair stream brought this packet. Whether it was missing.
    pub fn handle_recovered(&mut self, sequence: u64) -> bool {
        self.take(sequence).is_some()
    }

    /// Everything from `first` up to `end`, exclusively, is missing.
    fn open(&mut self, first: u64, end: u64, now: Instant) {
        let first = match self.kind {
            MediaKind::Audio => first.max(end.saturating_sub(MAX_AUDIO_GAP)),
            MediaKind::Video => first,
        };
        if (end - first) as usize + self.missing.len() > MAX_MISSING {
            self.abandoned += self.missing.len() as u64 + (end - first);
            self.missing.clear();
            self.due = None;
            self.beyond_repair = true;
            return;
        }
        let new = (first..end).map(|sequence| Missing { sequence, since: now, asked: None, tries: 0 });
        self.missing.extend(new);
        self.reschedule(now);
    }

    fn take(&mut self, sequence: u64) -> Option<Missing> {
        let index = self.missing.binary_search_by_key(&sequence, |missing| missing.sequence).ok()?;
        let found = self.missing.remove(index);
        if self.missing.is_empty() {
            self.due = None;
            // What an outage grew is not kept for the rest of the call.
            self.missing.shrink_to(64);
        }
        found
    }

    fn widen(&mut self, depth: u64, time: Duration, now: Instant) {
        let old = self.tolerance_at(now);
        self.tolerance = Some(Tolerance {
            packets: old.packets.max(depth + 1).min(MAX_REORDER),
            time: old.time.max(time * 3 / 2).min(MAX_REORDER_TIME),
            changed: now,
        });
    }

    fn tolerance_at(&self, now: Instant) -> Tolerance {
        let none = Tolerance { packets: 1, time: Duration::ZERO, changed: now };
        let Some(mut tolerance) = self.tolerance else { return none };
        let quiet = now.saturating_duration_since(tolerance.changed).as_secs() / REORDER_MEMORY.as_secs();
        let halvings = quiet.min(16) as u32;
        tolerance.packets = (tolerance.packets >> halvings).max(1);
        tolerance.time /= 1 << halvings;
        tolerance
    }

    /// When a packet may be asked for (again).
    fn ready(&self, missing: &Missing, tolerance: &Tolerance, retry: Duration) -> Instant {
        match missing.asked {
            Some(asked) if missing.tries == 1 && self.says_again(retry) => asked + SAID_AGAIN,
            Some(asked) => asked + retry,
            None if self.highest.unwrap_or(0).saturating_sub(missing.sequence) >= tolerance.packets => missing.since,
            None => missing.since + tolerance.time.max(Duration::from_millis(3)),
        }
    }

    /// Whether requests are said twice: there is credit for it, and the answer takes longer.
    fn says_again(&self, retry: Duration) -> bool {
        self.kind == MediaKind::Video && retry > 2 * SAID_AGAIN && self.credit > MAX_CREDIT / 2
    }

    /// Brings the next wake-up forward for what was never asked for; what was asked keeps its turn.
    fn reschedule(&mut self, now: Instant) {
        let tolerance = self.tolerance_at(now);
        let fresh = self.missing.iter().filter(|missing| missing.asked.is_none());
        let next = fresh.map(|missing| self.ready(missing, &tolerance, Duration::ZERO)).min();
        self.due = [self.due, next].into_iter().flatten().min();
    }

    /// When [`Self::poll_requests`] is needed next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the numbers to ask for now, ascending, to `requests`; returns how many. `rtt` of the publisher's connection,
    /// [`INITIAL_RTT`] until it is known. What does not fit is asked for at the next call.
    pub fn poll_requests(&mut self, now: Instant, rtt: Duration, requests: &mut [u16]) -> usize {
        if self.due.is_none_or(|due| due > now) {
            return 0;
        }
        self.expire(now);
        let tolerance = self.tolerance_at(now);
        let retry = (rtt + rtt / 4).clamp(MIN_RETRY, MAX_RETRY);
        let mut count = 0;
        let mut due: Option<Instant> = None;
        for index in 0..self.missing.len() {
            let Some(missing) = self.missing.get(index) else { break };
            let mut ready = self.ready(missing, &tolerance, retry);
            if ready <= now {
                match requests.get_mut(count) {
                    Some(request) if self.credit >= CREDIT_PER_REQUEST => {
                        *request = missing.sequence as u16;
                        count += 1;
                        self.credit -= CREDIT_PER_REQUEST;
                        self.note_asked(index, now);
                        ready = self.missing.get(index).map_or(now, |asked| self.ready(asked, &tolerance, retry));
                    }
                    // No room or no credit: some packets later.
                    _ => ready = now + MIN_RETRY,
                }
            }
            due = Some(due.map_or(ready, |due| due.min(ready)));
        }
        self.due = due;
        self.requested += count as u64;
        count
    }

    fn note_asked(&mut self, index: usize, now: Instant) {
        if let Some(missing) = self.missing.get_mut(index) {
            missing.asked = Some(now);
            missing.tries = missing.tries.saturating_add(1);
        }
    }

    fn expire(&mut self, now: Instant) {
        let age = match self.kind {
            MediaKind::Audio => AUDIO_AGE,
            MediaKind::Video => VIDEO_AGE,
        };
        let before = self.missing.len();
        self.missing.retain(|missing| missing.tries < MAX_TRIES && now.saturating_duration_since(missing.since) < age);
        let gone = before - self.missing.len();
        self.abandoned += gone as u64;
        self.beyond_repair |= gone > 0;
    }

    /// Whether packets were given up since the last call. Video then needs a keyframe.
    pub fn take_beyond_repair(&mut self) -> bool {
        std::mem::take(&mut self.beyond_repair)
    }

    /// Requests made so far, repeated ones too.
    pub fn requested(&self) -> u64 {
        self.requested
    }

    /// Packets given up so far.
    pub fn abandoned(&self) -> u64 {
        self.abandoned
    }

    /// Packets awaited now.
    pub fn missing(&self) -> usize {
        self.missing.len()
    }
}

#[cfg(test)]
mod tests;
