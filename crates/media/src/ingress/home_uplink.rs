//! The uplink of one home. A sender's own control finds what a line carries by filling its queue, and what overflows is speech
//! as well; partners who publish from one line fight over it besides. What arrives of each shows when the line is full;
//! then what it carries is divided, speech of all first, and each is to be told its part. Who is behind the line is not
//! known here.

use std::time::{Duration, Instant};

use parlour_estimator::uplink_caps;
use parlour_model::{Bitrate, DataSize};

use crate::ingress::UplinkSight;
use crate::narrow::{FITS, Narrow, TOO_MUCH};
use crate::wire::BELOW_RTP;

/// How often an uplink is looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What is left to speech however little of it there is just now.
pub const SPEECH: Bitrate = Bitrate::kbps(64);

/// Looks over which rates are taken: frames come in 33 ms, and a verdict should not wait for long. What a line carries without
/// a queue is taken over more of them: after a stall what waited comes at once, faster than any line goes on.
const WINDOWS: usize = 3;
const LONG: usize = 10;

/// A queue of this much, seen by everyone in every packet of a tenth of a second, is a standing one: the line is full.
const FULL: Duration = Duration::from_millis(40);

/// Below this it is empty.
const EMPTY: Duration = Duration::from_millis(15);

/// Losses of this share beside a queue that is not empty are a short buffer's. Those without any queue are the medium's, or
/// a policer's, of which a sender's own control learns as well.
const OVERFLOW: f64 = 0.1;

/// A line that carried more than this lately, without any queue, is not believed to carry less than a share of it before so
/// many looks: whatever holds packets up for a moment (a radio, a busy processor) looks like a full line meanwhile, and what
/// arrives then is not what it carries. What was carried counts for half after seven seconds.
const FELL: f64 = 0.7;
const SURE: usize = 5;
const FORGOTTEN: f64 = 0.99;

/// Of what the line carries, what is divided. A queue takes away what empties it in this time, down to a share.
const USED: f64 = 0.93;
const DRAIN: Duration = Duration::from_millis(700);
const DRAIN_FLOOR: f64 = 0.5;

/// While it is empty and used, the line is thought to carry so much more each second; after so many looks in which it was, the
/// line itself got faster, and it grows as fast as a sender's own control would after a probe.
const GROWTH: f64 = 0.05;
const GROWTH_AFTER: usize = 30;
const GROWTH_LATER: f64 = 0.3;

/// Of what comes through an empty line so much surely does: what a stall of a tenth of a second held up may be in it.
const PROVEN: f64 = 0.9;

/// Below this share of what is allowed nobody tries the line out.
const TRIED: f64 = 0.8;

/// A queue that stands for so many looks, though less is sent than it lets through, is not theirs: an upload beside them,
/// or a way that got longer. Sending still less would not empty it, so their own control decides until it is gone. Twice
/// the second that a long queue takes to empty at [`DRAIN_FLOOR`].
const NOT_THEIRS: usize = 40;

/// Who sends more than this share of what the line carries, lost packets included, has not given way.
const GAVE_WAY: f64 = 0.95;

/// Until then no less than this share of what was seen first: what arrives gets less as less is sent.
const KEPT: f64 = 0.6;

/// What lies below RTP of packets of pictures.
const BELOW_LARGE: f64 = 0.05;

/// The least that a picture is worth sending with, and what each of them is left, whatever else: speech and such a picture.
const PICTURE: Bitrate = Bitrate::kbps(120);
const LEAST: Bitrate = Bitrate::kbps(160);

/// What came over a line in [`LOOK_INTERVAL`], all together, and the time it came in.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    bytes: u64,
    packets: u64,
    span: Duration,
}

/// One line upward and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct HomeUplink {
    capacity: Option<Bitrate>,
    /// The last ones, from the newest.
    looks: [Look; LONG],
    /// The most that came through without a queue, lately.
    carried: Bitrate,
    /// Looks in a row that showed a full line, and what it carried at first.
    full: usize,
    first: Option<Bitrate>,
    /// Of those, looks in which no more was sent than it carries.
    futile: usize,
    /// Looks in a row in which it was empty and used.
    calm: usize,
    /// Whether pictures are too much, and whether voices are.
    starved: Narrow,
    narrow: Narrow,
}

impl HomeUplink {
    /// Takes what was seen of each publisher since the last look, [`LOOK_INTERVAL`] ago. Gives each its part of what they
    /// would send, in the same order; no parts where the line is not known to be short.
    pub fn divide(&mut self, sights: &[UplinkSight], wanted: impl FnOnce() -> Vec<Bitrate>) -> Vec<Bitrate> {
        let Some(allowed) = self.observe(sights) else { return Vec::new() };
        let wanted = wanted();
        if allowed >= wanted.iter().copied().sum() {
            return Vec::new();
        }
        let counted = self.counted();
        uplink_caps(allowed, SPEECH, &wanted).into_iter().map(|part| part.scaled(counted).max(LEAST)).collect()
    }

    /// Whether the line is too small for voices that take, or took before they were narrow, so much, and for so many pictures
    /// beside them: (for the pictures, for the voices).
    pub(crate) fn is_too_small(&mut self, voices: Bitrate, pictures: usize, now: Instant) -> (bool, bool) {
        // Where nothing is known of the line, nothing speaks for either.
        let carries = self.capacity.or(self.first);
        let share = |rate: f64| carries.map_or(FITS, |carries| rate / (carries.as_bps() as f64).max(1.0));
        let (voices, pictures) = (voices.as_bps() as f64, pictures as f64 * PICTURE.as_bps() as f64);
        let congested = self.full >= SURE;
        // All of it is for them.
        self.starved.judge(congested && pictures > 0.0, share((voices + pictures) * TOO_MUCH), now);
        self.narrow.judge(congested, share(voices), now);
        (self.starved.is_asked(), self.narrow.is_asked())
    }

    /// What all of them sent in one interval; how much they may send from now on, where that is known.
    fn observe(&mut self, sights: &[UplinkSight]) -> Option<Bitrate> {
        self.looks.rotate_right(1);
        if let Some(newest) = self.looks.first_mut() {
            let span = sights.iter().map(|sight| sight.span).max().unwrap_or_default();
            let (bytes, packets) = sights.iter().fold((0, 0), |(b, p), sight| (b + sight.bytes, p + sight.received));
            *newest = Look { bytes, packets, span };
        }
        let rate = self.arrives(WINDOWS).unwrap_or(Bitrate::ZERO);
        let sending = || sights.iter().filter(|sight| sight.received > 0);
        let share = |sight: &UplinkSight| sight.lost as f64 / (sight.lost + sight.received) as f64;
        let loss = sending().map(share).min_by(f64::total_cmp).unwrap_or(0.0);
        // A line that is full delays everyone, and one that overflows loses of everyone.
        let knows = sending().any(|sight| sight.settled);
        let queues = sending().filter(|sight| sight.settled || !knows).filter_map(|sight| sight.queue);
        let queue = queues.min().unwrap_or_default();
        let is_full = queue > FULL || queue > EMPTY && loss > OVERFLOW;
        self.full = if is_full { self.full + 1 } else { 0 };
        self.first = self.first.filter(|_| is_full);
        let gave_way = self.capacity.is_some_and(|capacity| sent(rate, sights) < capacity.scaled(GAVE_WAY));
        self.futile = if is_full { self.futile + usize::from(gave_way) } else { 0 };
        if self.futile > NOT_THEIRS {
            self.capacity = None;
        } else if let Some(arrives) = self.arrives(self.full.min(WINDOWS)).filter(|_| self.full > 1) {
            // What arrives meanwhile is what it carries.
            let first = *self.first.get_or_insert(arrives);
            if self.full >= SURE || arrives > self.carried.scaled(FELL) {
                self.capacity = Some(arrives.max(first.scaled(KEPT)));
            }
        }
        let tried = |capacity: &Bitrate| rate > capacity.scaled(USED * TRIED);
        let is_calm = queue < EMPTY;
        self.carried = self.carried.scaled(FORGOTTEN);
        if let Some(proven) = self.arrives(LONG).filter(|_| is_calm).map(|rate| rate.scaled(PROVEN)) {
            // What comes through an empty line is no more than it carries.
            self.carried = self.carried.max(proven);
            self.capacity = self.capacity.map(|capacity| capacity.max(proven));
        }
        if let Some(capacity) = self.capacity.as_mut().filter(|capacity| is_calm && tried(capacity)) {
            self.calm += 1;
            let growth = if self.calm > GROWTH_AFTER { GROWTH_LATER } else { GROWTH };
            *capacity = capacity.scaled(1.0 + growth * LOOK_INTERVAL.as_secs_f64());
        } else if !is_calm {
            self.calm = 0;
        }
        let drained = queue.saturating_sub(EMPTY).as_secs_f64() / DRAIN.as_secs_f64();
        let share = (USED * (1.0 - drained)).max(DRAIN_FLOOR);
        self.capacity.map(|capacity| capacity.scaled(share))
    }

    /// What senders count of what they send: not what lies below RTP, which is a fourth of a voice. What it is of large packets
    /// is in [`USED`].
    fn counted(&self) -> f64 {
        let (bytes, packets) =
            self.looks.iter().fold((0, 0), |(bytes, packets), look| (bytes + look.bytes, packets + look.packets));
        let below = (packets * BELOW_RTP as u64) as f64 / bytes.max(1) as f64;
        (1.0 - below + BELOW_LARGE).min(1.0)
    }

    /// The rate at which bytes came in so many looks, unless they took less than two thirds of their time.
    fn arrives(&self, looks: usize) -> Option<Bitrate> {
        let last = self.looks.iter().take(looks);
        let span: Duration = last.clone().map(|look| look.span).sum();
        let bytes = last.map(|look| look.bytes).sum();
        (span * 3 >= LOOK_INTERVAL * 2 * looks as u32).then(|| DataSize::bytes(bytes).per(span))
    }
}

/// What was sent where so much came.
fn sent(came: Bitrate, sights: &[UplinkSight]) -> Bitrate {
    let (received, lost) = sights.iter().fold((0, 0), |(r, l), sight| (r + sight.received, l + sight.lost));
    came.scaled(1.0 + lost as f64 / received.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(kbps: u64, queue_ms: u64, lost: u64) -> UplinkSight {
        let bytes = Bitrate::kbps(kbps).over(LOOK_INTERVAL).as_bytes();
        let queue = Some(Duration::from_millis(queue_ms));
        UplinkSight { bytes, span: LOOK_INTERVAL, received: 100 - lost, lost, queue, settled: true }
    }

    fn kbps(rate: Option<Bitrate>) -> u64 {
        rate.map_or(0, |rate| rate.as_bps() / 1_000)
    }

    #[test]
    fn a_line_that_is_full_carries_what_arrives() {
        let mut line = HomeUplink::default();
        for _ in 0..5 {
            assert_eq!(line.observe(&[sight(1_000, 5, 0), sight(1_000, 8, 0)]), None);
        }
        let allowed =
            [60, 100, 140].map(|queue| kbps(line.observe(&[sight(1_400, queue, 0), sight(1_600, queue + 9, 0)])));
        // Less than it carries while the queue empties.
        assert!(allowed[0] == 0 && (1_500..2_500).contains(&allowed[2]), "{allowed:?}");
        let after = kbps(line.observe(&[sight(1_200, 2, 0), sight(1_200, 3, 0)]));
        assert!((2_500..3_000).contains(&after), "{after}");
        let later = (0..100).map(|_| kbps(line.observe(&[sight(1_350, 2, 0), sight(1_350, 3, 0)]))).last();
        assert!(later.is_some_and(|later| later > after * 11 / 10), "{later:?}");
    }

    #[test]
    fn who_begins_on_a_full_line_does_not_hide_its_queue() {
        let mut line = HomeUplink::default();
        let new = UplinkSight { settled: false, ..sight(1_600, 0, 0) };
        assert!((0..3).any(|_| line.observe(&[sight(1_400, 120, 0), new]).is_some()));
        let mut line = HomeUplink::default();
        assert!((0..20).all(|_| line.observe(&[new, new]).is_none()));
    }

    #[test]
    fn a_queue_of_one_is_not_the_lines() {
        let mut line = HomeUplink::default();
        assert!((0..20).all(|_| line.observe(&[sight(1_400, 200, 0), sight(1_600, 3, 0)]).is_none()));
    }

    #[test]
    fn what_one_loses_is_not_the_lines() {
        let mut line = HomeUplink::default();
        assert!((0..20).all(|_| line.observe(&[sight(1_400, 3, 60), sight(1_600, 3, 0)]).is_none()));
    }

    #[test]
    fn a_medium_that_loses_some_is_not_full() {
        let mut line = HomeUplink::default();
        assert!((0..20).all(|_| line.observe(&[sight(1_400, 3, 5), sight(1_600, 3, 5)]).is_none()));
        // Of few packets many are lost by chance, now and then in several looks on end.
        assert!((0..20).all(|_| line.observe(&[sight(300, 3, 30)]).is_none()));
    }

    #[test]
    fn a_short_buffer_that_overflows_is_full() {
        let mut line = HomeUplink::default();
        assert!((0..3).any(|_| line.observe(&[sight(1_400, 25, 20), sight(1_600, 25, 20)]).is_some()));
    }

    #[test]
    fn a_stall_is_not_a_full_line() {
        let mut line = HomeUplink::default();
        let looks = [sight(1_500, 3, 0), sight(0, 0, 0), sight(0, 0, 0), sight(2_000, 180, 0), sight(2_500, 5, 0)];
        let silent = |sight: UplinkSight| UplinkSight { received: sight.bytes.min(100), ..sight };
        assert!((0..10).all(|_| looks.iter().all(|&look| line.observe(&[silent(look)]).is_none())));
    }

    #[test]
    fn packets_that_are_held_up_for_a_moment_do_not_make_a_line_slow() {
        let mut line = HomeUplink::default();
        assert!((0..20).all(|_| line.observe(&[sight(1_000, 3, 0), sight(900, 4, 0)]).is_none()));
        assert!((0..3).all(|_| line.observe(&[sight(200, 50, 0), sight(150, 70, 0)]).is_none()));
        assert_eq!(line.observe(&[sight(1_000, 3, 0), sight(900, 4, 0)]), None);
        // A line that fell goes on like that.
        let fell = (0..6).map(|_| kbps(line.observe(&[sight(400, 150, 0), sight(350, 160, 0)]))).last();
        assert!(fell.is_some_and(|fell| (350..800).contains(&fell)), "{fell:?}");
    }

    #[test]
    fn looks_that_follow_each_other_sooner_or_later_measure_the_same() {
        let [sooner, later] = [40, 250].map(|span| {
            let mut line = HomeUplink::default();
            let span = Duration::from_millis(span);
            let look = UplinkSight { bytes: Bitrate::kbps(1_500).over(span).as_bytes(), span, ..sight(0, 70, 0) };
            (0..6).filter_map(|_| line.observe(&[look])).count();
            line.capacity.map(|capacity| capacity.as_bps() / 1_000)
        });
        // Of an eighth of a second nothing is said.
        assert_eq!((sooner, later), (None, Some(1_500)));
    }

    #[test]
    fn what_comes_through_an_empty_line_is_carried() {
        let mut line = HomeUplink::default();
        assert!((0..6).any(|_| line.observe(&[sight(400, 90, 0)]).is_some()));
        assert!(kbps(line.observe(&[sight(400, 5, 0)])) < 400);
        let after = (0..12).map(|_| kbps(line.observe(&[sight(1_200, 5, 0)]))).last();
        assert!(after.is_some_and(|after| after > 1_000), "{after:?}");
    }

    #[test]
    fn what_a_stall_held_up_is_no_proof_of_a_faster_line() {
        let mut line = HomeUplink::default();
        assert!((0..6).any(|_| line.observe(&[sight(1_500, 90, 0)]).is_some()));
        for _ in 0..3 {
            let held_up = [sight(0, 0, 0); 3].into_iter().chain([sight(4_000, 5, 0)]);
            let looks = held_up.chain([sight(1_000, 5, 0); 10]);
            looks.for_each(|look| assert!(kbps(line.observe(&[look])) < 1_535));
        }
    }

    #[test]
    fn a_line_that_got_faster_is_found_in_seconds() {
        let mut line = HomeUplink::default();
        let mut allowed = None;
        for _ in 0..5 {
            allowed = line.observe(&[sight(1_000, 90, 0)]);
        }
        assert!(kbps(allowed) < 900, "{allowed:?}");
        for _ in 0..80 {
            allowed = line.observe(&[sight(kbps(allowed), 3, 0)]);
        }
        assert!(kbps(allowed) > 3_000, "{allowed:?}");
    }

    #[test]
    fn a_queue_that_sending_less_does_not_empty_is_left_to_senders() {
        let mut line = HomeUplink::default();
        let mut allowed = Vec::new();
        for _ in 0..60 {
            let sent = allowed.last().copied().flatten().map_or(1_500, |last| kbps(Some(last)));
            allowed.push(line.observe(&[sight(sent, 90, 0)]));
        }
        let least = allowed.iter().flatten().min().copied();
        assert!(kbps(least) > 600 && allowed.last() == Some(&None), "{allowed:?}");
        // As soon as it is gone the line is looked after again.
        assert_eq!(line.observe(&[sight(1_500, 3, 0)]), None);
        assert!((0..3).any(|_| line.observe(&[sight(1_500, 90, 0)]).is_some()));
    }
}
