//! How one publisher's packets fare on their way to us: rate, loss and queueing delay over tenths of a second. From the time
//! of sending in each packet (abs-send-time) and the transport-wide numbers; where a client sends neither, nothing is known.

use std::time::{Duration, Instant};

use parlour_rtp::AbsSendTime;
use parlour_rtp::seq::Unwrapper;

use crate::wire::BELOW_RTP;

/// The extension counts 2^18 a second and wraps after 64 s.
const TICKS: i64 = 1 << 18;
const WRAP: i64 = 1 << 24;

/// The smallest delay is that of the last one to two of these: clocks drift.
const BASE_SPAN: Duration = Duration::from_secs(15);

/// After so long the line was empty once.
const SETTLES: Duration = Duration::from_secs(3);

/// What was seen since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UplinkSight {
    /// Bytes on the wire.
    pub bytes: u64,
    /// The time they came in: since the last look, or since the first packet.
    pub span: Duration,
    /// Packets that came.
    pub received: u64,
    /// Numbers that were passed over and did not come.
    pub lost: u64,
    /// The smallest queueing delay; `None` without a packet that says when it was sent.
    pub queue: Option<Duration>,
    /// It has been looked at for a while: its smallest delay is that of an empty line. Of who begins on a full one it is
    /// not.
    pub settled: bool,
}

/// See the head of this file.
#[derive(Clone, Debug)]
pub struct UplinkMeter {
    epoch: Instant,
    numbers: Unwrapper,
    highest: Option<u64>,
    sight: UplinkSight,
    /// The last look, or the first packet.
    since: Option<Instant>,
    /// Arrival less sending, in ticks, relative to the first packet: smallest of this span and of the last.
    origin: Option<i64>,
    bases: [Option<i64>; 2],
    base_since: Instant,
    /// The first packet that said when it was sent.
    began: Option<Instant>,
    smallest: Option<i64>,
}

impl UplinkMeter {
    /// Before the first packet.
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            numbers: Unwrapper::new(),
            highest: None,
            sight: UplinkSight::default(),
            since: None,
            origin: None,
            bases: [None; 2],
            base_since: now,
            began: None,
            smallest: None,
        }
    }

    /// A packet of `len` bytes came.
    pub fn handle_packet(&mut self, number: Option<u16>, sent: Option<AbsSendTime>, len: usize, now: Instant) {
        self.since.get_or_insert(now);
        self.sight.bytes += (len + BELOW_RTP) as u64;
        self.sight.received += 1;
        if let Some(number) = number.map(|number| self.numbers.unwrap(number)) {
            let passed = self.highest.and_then(|highest| number.checked_sub(highest));
            // A larger jump is a new beginning.
            self.sight.lost += passed.filter(|&passed| (1..1_000).contains(&passed)).map_or(0, |passed| passed - 1);
            if self.highest.is_some_and(|highest| number < highest) {
                self.sight.lost = self.sight.lost.saturating_sub(1);
            }
            self.highest = self.highest.max(Some(number));
        }
        if let Some(AbsSendTime(sent)) = sent {
            self.note_delay(i64::from(sent), now);
        }
    }

    fn note_delay(&mut self, sent: i64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.epoch).as_micros() as i64;
        let arrived = elapsed.saturating_mul(TICKS) / 1_000_000;
        self.began.get_or_insert(now);
        let origin = *self.origin.get_or_insert(arrived - sent);
        // Within half a wrap of the first packet's.
        let delay = (arrived - sent - origin + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
        if now.saturating_duration_since(self.base_since) >= BASE_SPAN {
            self.bases = [None, self.bases[0]];
            self.base_since = now;
        }
        let [current, _] = &mut self.bases;
        *current = Some(current.map_or(delay, |base| base.min(delay)));
        self.smallest = Some(self.smallest.map_or(delay, |smallest| smallest.min(delay)));
    }

    /// What was seen since the last call.
    pub fn take(&mut self, now: Instant) -> UplinkSight {
        let settled = self.began.is_some_and(|began| now.saturating_duration_since(began) >= SETTLES);
        let base = self.bases.iter().flatten().min();
        let queue = self.smallest.take().zip(base).map(|(delay, &base)| {
            let ticks = delay.saturating_sub(base).max(0).unsigned_abs();
            Duration::from_micros(ticks * 1_000_000 / TICKS.unsigned_abs())
        });
        let since = self.since.as_mut().map(|since| std::mem::replace(since, now));
        let span = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        UplinkSight { span, queue, settled, ..std::mem::take(&mut self.sight) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    fn send(meter: &mut UplinkMeter, number: u16, sent_ms: u64, delay_ms: u64) {
        // The sender's clock is another one, near its wrap.
        let sent = AbsSendTime::from_micros(63_000_000 + sent_ms * 1_000);
        let arrived = epoch_of(meter) + Duration::from_millis(sent_ms + delay_ms);
        meter.handle_packet(Some(number), Some(sent), 956, arrived);
    }

    fn epoch_of(meter: &UplinkMeter) -> Instant {
        meter.epoch
    }

    #[test]
    fn a_queue_shows_as_delay_above_the_smallest_also_across_the_wrap() {
        let mut meter = UplinkMeter::new(epoch());
        for number in 0..100u16 {
            send(&mut meter, number, u64::from(number) * 20, 30);
        }
        let sight = meter.take(epoch());
        assert_eq!((sight.received, sight.lost, sight.bytes), (100, 0, 100_000));
        assert!(sight.queue.is_some_and(|queue| queue < Duration::from_millis(1)), "{sight:?}");
        for number in 100..110u16 {
            send(&mut meter, number, u64::from(number) * 20, 30 + 80);
        }
        let queue = meter.take(epoch()).queue.map(|queue| queue.as_millis());
        assert!(queue.is_some_and(|queue| (79..=81).contains(&queue)), "{queue:?}");
        let now = epoch();
        meter.take(now);
        assert_eq!(meter.take(now), UplinkSight::default());
    }

    #[test]
    fn numbers_passed_over_are_lost_until_they_come() {
        let mut meter = UplinkMeter::new(epoch());
        for number in [65_534, 65_535, 2, 0, 3] {
            send(&mut meter, number, 0, 0);
        }
        assert_eq!((meter.take(epoch()).lost, meter.take(epoch()).lost), (1, 0));
    }
}
