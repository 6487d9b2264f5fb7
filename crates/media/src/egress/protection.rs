//! How speech to one receiver is protected, by how its packets get lost: not at all, by repetition when asked (NACK), by the
//! redundancy its publisher sends (RED), or by a copy of every packet a little later. And pictures: what is asked for is
//! repeated twice at once, and the last packet of each picture is, unasked: while it is missing the receiver does not know
//! that there is something to ask for.
//!
//! A copy comes far enough behind to outlive the burst of losses that took the packet, and is the very same packet: it can be
//! sent of frames that only clients can read. It is for losses of the medium only; what is lost because the line is full
//! is lost because of too much already.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::narrow::{FITS, TOO_MUCH};

/// A copy follows its packet after this long. Bursts of losses on Wi-Fi last 20 to 80 ms, and a client's jitter buffer waits
/// for 100 to 200 where packets are late.
const SPREAD: Duration = Duration::from_millis(90);

/// Copies that may wait: eleven speakers in tenths of a second, and as many again.
const MAX_WAITING: usize = 128;

/// What was seen longer ago than this counts for a third.
const MEMORY: f64 = 10.0;

/// Of packets lost, where copies begin and where they end.
const BEGIN: f64 = 0.015;
const END: f64 = 0.007;

/// Losses in a row, in the mean, that one repetition in each next packet does not bring back.
const BURST: f64 = 2.0;

/// And that repetition when asked does not: of a few at once some are lost again.
const SHORT_BURST: f64 = 1.5;

/// A round trip within which speech that is asked for again still is of use (bandwidth.md of the design).
const ASKED_IN_TIME: Duration = Duration::from_millis(120);

/// A quarter of what the line carries, at most.
const SHARE: f64 = 0.25;

/// What else is known where it is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    /// The line is full, or something is wrong with it.
    pub congested: bool,
    /// What speech takes, of what the line carries.
    pub share: f64,
    pub rtt: Option<Duration>,
    /// Each packet carries the frame before.
    pub redundant: bool,
    /// The line carries clearly more than what is sent.
    pub has_room: bool,
}

/// A packet to be sent again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Copy {
    pub due: Instant,
    pub stream: u16,
    pub sequence: u16,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Protection {
    received: f64,
    lost: f64,
    runs: f64,
    /// The packet before was lost.
    in_run: bool,
    seen: Option<Instant>,
    copying: bool,
    /// The medium loses packets, and there is room for more.
    lossy: bool,
    bare: bool,
    waiting: VecDeque<Copy>,
    refused: u64,
}

impl Protection {
    /// What feedback says of packets, in their order: each arrived or did not.
    pub fn handle_feedback(&mut self, arrived: impl Iterator<Item = bool>, now: Instant) {
        let elapsed = self.seen.map_or(0.0, |seen| now.saturating_duration_since(seen).as_secs_f64());
        self.seen = Some(now);
        let kept = (-elapsed / MEMORY).exp();
        self.received *= kept;
        self.lost *= kept;
        self.runs *= kept;
        for arrived in arrived {
            if arrived {
                self.received += 1.0;
            } else {
                self.lost += 1.0;
                self.runs += f64::from(u8::from(!self.in_run));
            }
            self.in_run = !arrived;
        }
    }

    /// Decides anew whether copies are sent.
    pub fn judge(&mut self, conditions: Conditions) {
        let Conditions { congested, share, rtt, redundant, has_room } = conditions;
        let loss = self.lost / (self.received + self.lost).max(1.0);
        let run = self.lost / self.runs.max(1.0);
        let in_time = rtt.is_none_or(|rtt| rtt < ASKED_IN_TIME);
        let is_too_much_otherwise = match (redundant, in_time) {
            (true, _) => run >= BURST,
            (false, true) => run >= SHORT_BURST,
            (false, false) => true,
        };
        let enough = |already| loss >= if already { END } else { BEGIN };
        self.copying = enough(self.copying) && is_too_much_otherwise && !congested && share <= SHARE;
        self.bare = share > if self.bare { FITS } else { TOO_MUCH };
        self.lossy = enough(self.lossy) && !congested && has_room;
    }

    /// Whether repairs of pictures are sent twice, and the ends of pictures too.
    pub fn doubles_repairs(&self) -> bool {
        self.lossy
    }

    /// Whether speech goes without the redundancy that its publisher put in: the line hardly carries speech.
    pub fn bares_speech(&self) -> bool {
        self.bare
    }

    #[cfg(test)]
    pub fn is_copying(&self) -> bool {
        self.copying
    }

    /// A packet of speech left that can be sent again.
    pub fn note_sent(&mut self, stream: u16, sequence: u16, now: Instant) {
        if !self.copying {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.refused += 1;
            return;
        }
        self.waiting.push_back(Copy { due: now + SPREAD, stream, sequence });
    }

    /// Packets that were not copied because too many wait, since the last call.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// The next copy that is due; none while they are not sent.
    pub fn poll(&mut self, now: Instant) -> Option<Copy> {
        if !self.copying {
            self.waiting.clear();
        }
        let due = self.waiting.front().is_some_and(|copy| copy.due <= now);
        if due { self.waiting.pop_front() } else { None }
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|copy| copy.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    const QUIET: Conditions = Conditions { congested: false, share: 0.05, rtt: None, redundant: false, has_room: true };
    const FAR: Option<Duration> = Some(Duration::from_millis(200));

    /// Twenty packets each 50 ms for ten seconds, of which these are lost of each forty.
    fn seen(lost: std::ops::Range<usize>) -> Protection {
        let mut protection = Protection::default();
        for message in 0..200u32 {
            let numbers = (0..20).map(|index| index + 20 * (message as usize % 2));
            protection.handle_feedback(
                numbers.map(|number| !lost.contains(&number)),
                epoch() + Duration::from_millis(50) * message,
            );
        }
        protection
    }

    fn copies(lost: std::ops::Range<usize>, conditions: Conditions) -> bool {
        let mut protection = seen(lost);
        protection.judge(conditions);
        protection.is_copying()
    }

    #[test]
    fn a_clean_line_gets_nothing() {
        assert!(!copies(0..0, QUIET) && !copies(0..0, Conditions { rtt: FAR, ..QUIET }));
    }

    #[test]
    fn single_losses_are_for_repetition_or_redundancy_and_bursts_are_not() {
        assert!(!copies(3..4, QUIET), "asked in time");
        assert!(copies(3..4, Conditions { rtt: FAR, ..QUIET }), "too far to ask");
        assert!(!copies(3..4, Conditions { rtt: FAR, redundant: true, ..QUIET }), "the next packet has it");
        assert!(copies(3..7, QUIET) && copies(3..7, Conditions { redundant: true, ..QUIET }));
    }

    #[test]
    fn a_full_or_small_line_gets_none() {
        assert!(!copies(3..7, Conditions { congested: true, ..QUIET }));
        assert!(!copies(3..7, Conditions { share: 0.3, ..QUIET }));
    }

    #[test]
    fn pictures_are_repaired_twice_where_the_medium_loses_and_there_is_room() {
        let doubles = |lost, conditions| {
            let mut protection = seen(lost);
            protection.judge(conditions);
            protection.doubles_repairs()
        };
        assert!(doubles(3..4, QUIET) && !doubles(0..0, QUIET));
        assert!(!doubles(3..4, Conditions { congested: true, ..QUIET }));
        assert!(!doubles(3..4, Conditions { has_room: false, ..QUIET }));
    }

    #[test]
    fn redundancy_is_left_out_where_the_line_hardly_carries_speech() {
        let mut protection = seen(3..4);
        let narrows = [0.7, 0.9, 0.7, 0.5, 0.7].map(|share| {
            protection.judge(Conditions { share, congested: true, ..QUIET });
            protection.bares_speech()
        });
        assert_eq!(narrows, [false, true, true, false, false]);
    }

    #[test]
    fn copies_come_after_a_while_and_no_more_than_the_bound_wait() {
        let mut protection = seen(3..7);
        protection.judge(QUIET);
        let now = epoch();
        (0..1_000u16).for_each(|number| protection.note_sent(1, number, now));
        assert_eq!((protection.waiting.len(), protection.take_refused()), (MAX_WAITING, 1_000 - MAX_WAITING as u64));
        assert!(protection.poll(now + SPREAD / 2).is_none());
        assert!(protection.poll(now + SPREAD).is_some_and(|copy| copy.sequence == 0));
        // Once they are of no use what waits is forgotten.
        protection.judge(Conditions { congested: true, ..QUIET });
        assert!(protection.poll(now + SPREAD).is_none() && protection.poll_timeout().is_none());
    }
}
