//! The uplink of one home. Partners who publish from one line fight over it: each sender's own control finds the same
//! queue, and what overflows is speech of both. What arrives of each shows when the line is full; then what it carries
//! is divided, speech of all first, and each is to be told its part. Who is behind the line is not known here.

use std::time::Duration;

use parlour_estimator::uplink_caps;
use parlour_model::{Bitrate, DataSize};

use crate::ingress::UplinkSight;

/// How often an uplink is looked at.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What is left to speech however little of it there is just now.
pub const SPEECH: Bitrate = Bitrate::kbps(64);

/// Tenths of a second over which rates are taken: frames come in 33 ms, and a verdict should not wait for long.
const WINDOWS: usize = 3;

/// A queue of this much, seen by everyone in every packet of a tenth of a second, is a standing one: the line is full.
const FULL: Duration = Duration::from_millis(40);

/// Below this it is empty.
const EMPTY: Duration = Duration::from_millis(15);

/// Losses of this share, without a queue, are a policer's or a short buffer's.
const OVERFLOW: f64 = 0.1;

/// Of what the line carries, what is divided. A queue takes away what empties it in this time, down to a share.
const USED: f64 = 0.93;
const DRAIN: Duration = Duration::from_millis(700);
const DRAIN_FLOOR: f64 = 0.5;

/// While it is empty and used, the line is thought to carry so much more each second.
const GROWTH: f64 = 0.05;

/// Below this share of what is allowed nobody tries the line out.
const TRIED: f64 = 0.8;

/// What each of them is left, whatever else: speech and a small picture.
const LEAST: Bitrate = Bitrate::kbps(200);

/// One line upward and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct HomeUplink {
    capacity: Option<Bitrate>,
    bytes: [u64; WINDOWS],
    /// Looks in a row that showed a full line.
    full: usize,
}

impl HomeUplink {
    /// Takes what was seen of each publisher since the last look, [`LOOK_INTERVAL`] ago, and what each would send. Gives each
    /// its part, in the same order; none where the line is not known to be short.
    pub fn divide(&mut self, sights: &[UplinkSight], wanted: &[Bitrate]) -> Vec<Option<Bitrate>> {
        let allowed = self.observe(sights);
        let all: Bitrate = wanted.iter().copied().sum();
        match allowed {
            Some(allowed) if allowed < all => {
                let parts = uplink_caps(allowed, SPEECH, wanted);
                parts.into_iter().map(|part| Some(part.max(LEAST))).collect()
            }
            _ => vec![None; wanted.len()],
        }
    }

    /// What all of them sent in one interval; how much they may send from now on, where that is known.
    fn observe(&mut self, sights: &[UplinkSight]) -> Option<Bitrate> {
        self.bytes.rotate_right(1);
        if let Some(newest) = self.bytes.first_mut() {
            *newest = sights.iter().map(|sight| sight.bytes).sum();
        }
        let rate = DataSize::bytes(self.bytes.iter().sum()).per(LOOK_INTERVAL * WINDOWS as u32);
        let sending = || sights.iter().filter(|sight| sight.received > 0);
        let share = |sight: &UplinkSight| sight.lost as f64 / (sight.lost + sight.received) as f64;
        let loss = sending().map(share).min_by(f64::total_cmp).unwrap_or(0.0);
        // A line that is full delays everyone, and one that overflows loses of everyone.
        let knows = sending().any(|sight| sight.settled);
        let queues = sending().filter(|sight| sight.settled || !knows).filter_map(|sight| sight.queue);
        let queue = queues.min().unwrap_or_default();
        let is_full = queue > FULL || loss > OVERFLOW;
        // One look at much of a queue is enough.
        let looks = if queue > FULL * 2 { 2 } else { 1 };
        self.full = if is_full { (self.full + looks).min(WINDOWS) } else { 0 };
        if self.full > 1 {
            // What arrives meanwhile is what it carries.
            let bytes = self.bytes.iter().take(self.full).sum();
            self.capacity = Some(DataSize::bytes(bytes).per(LOOK_INTERVAL * self.full as u32));
        } else if queue < EMPTY && loss < OVERFLOW {
            let tried = |capacity: Bitrate| rate > capacity.scaled(USED * TRIED);
            let growth = 1.0 + GROWTH * LOOK_INTERVAL.as_secs_f64();
            self.capacity = self.capacity.map(|known| if tried(known) { known.scaled(growth) } else { known });
        }
        let drained = queue.saturating_sub(EMPTY).as_secs_f64() / DRAIN.as_secs_f64();
        let share = (USED * (1.0 - drained)).max(DRAIN_FLOOR);
        self.capacity.map(|capacity| capacity.scaled(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(kbps: u64, queue_ms: u64, lost: u64) -> UplinkSight {
        let bytes = Bitrate::kbps(kbps).over(LOOK_INTERVAL).as_bytes();
        UplinkSight { bytes, received: 100 - lost, lost, queue: Some(Duration::from_millis(queue_ms)), settled: true }
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
    }
}
