//! One feedback message into one observation.
//!
//! Delay is one-way and relative: arrival by the client's clock minus sending by ours, less the smallest of the last
//! two minutes. Its low quantile over a message removes jitter, which only ever adds.

use std::collections::VecDeque;

use crate::history::{Fate, History};
use crate::train::Trains;
use crate::types::{Counters, PacketResult};
use crate::window::{SlidingSums, WindowedMin};

/// Results looked at in one message: transport-wide feedback of 50 ms at 20 Mbit/s has 120.
const MAX_RESULTS: usize = 1_024;
/// Rates are those of this long before the newest arrival.
const DELIVERY_SPAN: u64 = 250_000;
/// Arrivals kept of that time: all of it at 10 Mbit/s.
const MAX_ARRIVALS: usize = 320;
/// The base delay is the minimum of two minutes: of half a minute, several that share a line without knowing each took the
/// others' queue for the path, again and again (R-5.5 M1: 237 ms of queue). A clock off by 50 ppm drifts 6 ms meanwhile; a
/// path that got longer is told by [`Observer::lengthen`].
const BASE_BUCKETS: usize = 10;
const BASE_BUCKET: u64 = 12_000_000;
/// Delay that changes by more than this from one message to the next is a clock that was set.
const CLOCK_JUMP: i64 = 5_000_000;
/// An inter-arrival gap of four mean gaps and this much is a stall of the radio, not its rate.
const STALL_GAP: u64 = 25_000;
/// A stall explains a queue for so long.
const PAUSE_MATTERS: u64 = 120_000;
/// A line that got much slower shows in the newest few packets before it shows in any quantile: each comes later than the
/// one before, all but one, by so much in all, microseconds or multiples of the noise; no single step makes two fifths of
/// that (a stall does; B8 M2: at half, 1.1 switches a minute); and they took clearly longer to come than to be sent.
const PLUNGE_PACKETS: (usize, usize) = (4, 9);
const PLUNGE: f64 = 18_000.0;
const PLUNGE_NOISE: f64 = 4.0;
const PLUNGE_STEP: f64 = 0.4;
const PLUNGE_PRESSED: f64 = 0.6;
const PLUNGE_SPAN: u64 = 150_000;
/// Audio comes each 20 ms; nothing for two of these is a stall.
const SILENT_GAP: u64 = 40_000;

#[derive(Clone, Copy, Debug)]
struct Arrival {
    at: u64,
    sent: u64,
    size: u32,
    queue: i64,
}

/// What a feedback message shows. Rates in bit/s, delays in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Observation {
    pub(crate) now: u64,
    /// Delivery rate of the last quarter second, stalls taken out.
    pub(crate) delivered: f64,
    /// Rate at which the same packets were sent.
    pub(crate) sent: f64,
    /// Delivery rate over the last packets that all waited, if there were enough.
    pub(crate) busy_rate: Option<f64>,
    /// The newest few packets came ever later, at this rate.
    pub(crate) plunge: Option<f64>,
    /// Smallest and middle queueing delay of the message.
    pub(crate) queue_low: f64,
    pub(crate) queue_mid: f64,
    /// How much the low quantile moves from message to message.
    pub(crate) noise: f64,
    /// Bytes received and lost by this message.
    pub(crate) received_bytes: f64,
    pub(crate) lost_bytes: f64,
    pub(crate) received: u32,
    pub(crate) lost: u32,
    /// Time within this message in which nothing at all arrived for longer than audio alone would explain.
    pub(crate) stalled: u64,
    /// Nothing arrived for a moment, just before: the line stood still, and says nothing of its rate.
    pub(crate) paused: bool,
    /// Arrival of the newest packet, by the client's clock.
    pub(crate) last_arrival: u64,
    /// From the last sending that is acknowledged here until now.
    pub(crate) loop_delay: u64,
    /// Bytes sent since then: they are on their way or wait.
    pub(crate) ahead: f64,
    /// Others are on the line: rates are sums, while arrivals and their clock are those of one client alone.
    pub(crate) shared: bool,
}

impl Observation {
    /// The queue as it is by now, on a line of this rate: what was seen, and what was sent since, less what the line
    /// served since. Acting on what was seen alone is acting on the state of a round trip ago.
    pub(crate) fn queue_now(&self, rate: f64) -> f64 {
        (self.queue_low + self.ahead * 8e6 / rate.max(1.0) - self.loop_delay as f64).max(0.0)
    }
}

/// Turns feedback into observations.
#[derive(Clone, Debug)]
pub(crate) struct Observer {
    arrivals: VecDeque<Arrival>,
    base: WindowedMin,
    last_delay: Option<i64>,
    noise: f64,
    last_low: f64,
    paused_at: Option<u64>,
    pub(crate) trains: Trains,
    pub(crate) loss: SlidingSums,
    scratch: Vec<i64>,
}

impl Observer {
    pub(crate) fn new() -> Self {
        Self {
            arrivals: VecDeque::new(),
            base: WindowedMin::new(BASE_BUCKETS, BASE_BUCKET),
            last_delay: None,
            noise: 3_000.0,
            last_low: 0.0,
            paused_at: None,
            trains: Trains::new(),
            loss: SlidingSums::new(1_000_000),
            scratch: Vec::with_capacity(64),
        }
    }

    /// Judges the packets of a message. `None` when it says nothing new about any arrival.
    pub(crate) fn observe(
        &mut self,
        history: &mut History,
        results: &[PacketResult],
        now: u64,
        counters: &mut Counters,
    ) -> Option<Observation> {
        counters.excess_results += results.len().saturating_sub(MAX_RESULTS) as u64;
        let mut seen = Observation { now, ..Observation::default() };
        let (mut newest_sent, mut newest_total) = (0, 0);
        self.scratch.clear();
        for result in results.iter().take(MAX_RESULTS) {
            let Some(sent) = history.find(result.seq) else {
                counters.unknown_packets += 1;
                continue;
            };
            match (result.arrival, sent.fate) {
                (_, Fate::Received) => counters.repeated_packets += 1,
                (None, Fate::Lost) => {}
                (None, Fate::Unknown) => {
                    sent.fate = Fate::Lost;
                    let (size, burst) = (sent.size(), sent.burst());
                    history.judged(size);
                    seen.lost += 1;
                    seen.lost_bytes += f64::from(size);
                    self.trains.lose(burst, size);
                }
                (Some(arrival), fate) => {
                    sent.fate = Fate::Received;
                    let (size, burst, sent_at) = (sent.size(), sent.burst(), sent.at);
                    if sent_at >= newest_sent {
                        (newest_sent, newest_total) = (sent_at, sent.total);
                    }
                    if fate == Fate::Unknown {
                        history.judged(size);
                    }
                    seen.received += 1;
                    seen.received_bytes += f64::from(size);
                    let arrived = u64::try_from(arrival.as_micros()).unwrap_or(u64::MAX).min(i64::MAX as u64);
                    // What was reported missing before was overtaken or sent again: its delay is not the line's.
                    if fate == Fate::Unknown {
                        seen.stalled += self.arrive(arrived, sent_at, size, now, counters);
                        self.trains.push(burst, size, sent_at, arrived);
                    }
                }
            }
        }
        seen.paused = self.paused_at.is_some_and(|at| at + PAUSE_MATTERS > now);
        self.loss.add(now, f64::from(seen.received), f64::from(seen.lost));
        if self.scratch.is_empty() {
            return None;
        }
        self.close_old_probe();
        seen.loop_delay = now.saturating_sub(newest_sent);
        seen.ahead = f64::from(history.sent_since(newest_total));
        self.measure(&mut seen);
        Some(seen)
    }

    /// Losses alone, for a message without arrivals.
    pub(crate) fn loss_share(&self) -> f64 {
        let (received, lost) = self.loss.sums();
        if received + lost > 0.0 { lost / (received + lost) } else { 0.0 }
    }

    /// The path is longer now: what the last message saw as a queue is none.
    pub(crate) fn lengthen(&mut self, now: u64) {
        let by = self.last_low as i64;
        let base = self.base.min().unwrap_or(0) + by;
        self.base.clear();
        self.base.push(now, base);
        for arrival in &mut self.arrivals {
            arrival.queue -= by;
        }
        self.last_low = 0.0;
    }

    /// The client or its path is another one now: what was known of its delays is void.
    pub(crate) fn forget_delays(&mut self) {
        self.base.clear();
        self.arrivals.clear();
        self.trains.clear();
        self.last_delay = None;
    }

    fn arrive(&mut self, arrived: u64, sent: u64, size: u32, now: u64, counters: &mut Counters) -> u64 {
        let delay = arrived as i64 - sent as i64;
        if self.last_delay.is_some_and(|last| (delay - last).abs() > CLOCK_JUMP) {
            counters.clock_jumps += 1;
            self.forget_delays();
        }
        self.last_delay = Some(delay);
        self.base.push(now, delay);
        // What overtook or claims to have arrived before its predecessor does not run time backwards.
        let at = self.arrivals.back().map_or(arrived, |last| last.at.max(arrived));
        let queue = delay - self.base.min().unwrap_or(delay);
        let gap = self.arrivals.back().map_or(0, |last| at - last.at);
        if gap > STALL_GAP {
            self.paused_at = Some(now);
        }
        self.arrivals.push_back(Arrival { at, sent, size, queue });
        let is_old = |first: &Arrival| first.at + DELIVERY_SPAN < at;
        while self.arrivals.len() > MAX_ARRIVALS || self.arrivals.front().is_some_and(is_old) {
            self.arrivals.pop_front();
        }
        self.scratch.push(queue);
        if gap > SILENT_GAP { gap - SILENT_GAP / 2 } else { 0 }
    }

    fn close_old_probe(&mut self) {
        let last = self.arrivals.back().map_or(0, |arrival| arrival.at);
        // A probe lasts at most 60 ms; whatever of it has not come in this time was lost.
        if self.trains.open_probe().is_some_and(|(_, at)| at + 15_000 < last) {
            self.trains.close();
        }
    }

    fn measure(&mut self, seen: &mut Observation) {
        // The newest third tells how it is now; at least four packets, so that one packet's jitter is not a queue.
        let recent = self.scratch.len().saturating_sub((self.scratch.len() / 3).max(4));
        let low = self.scratch[recent..].iter().copied().min().unwrap_or(0).max(0) as f64;
        self.scratch.sort_unstable();
        let mid = self.scratch.get(self.scratch.len() / 2).copied().unwrap_or(0).max(0) as f64;
        // A queue moves slowly from message to message; jitter does not.
        self.noise += 0.03 * ((low - self.last_low).abs().min(20_000.0) - self.noise);
        self.last_low = low;
        (seen.queue_low, seen.queue_mid, seen.noise) = (low, mid, self.noise);
        let (delivered, sent) = self.rates(DELIVERY_SPAN, i64::MIN);
        (seen.delivered, seen.sent) = (delivered, sent);
        seen.last_arrival = self.arrivals.back().map_or(0, |arrival| arrival.at);
        // A packet that waited a good part of what the quickest of this message waited: the bottleneck was busy.
        let threshold = ((low * 0.5) as i64).max(8_000);
        let (busy, _) = self.rates(150_000, threshold);
        seen.busy_rate = (busy > 0.0).then_some(busy);
        seen.plunge = self.plunge();
    }

    /// The rate at which the newest packets arrived, if each waited longer than the one before.
    fn plunge(&self) -> Option<f64> {
        let last = self.arrivals.back()?;
        let least = PLUNGE.max(PLUNGE_NOISE * self.noise) as i64;
        let mut later = last;
        let (mut bytes, mut largest, mut shorter) = (0u64, 0, 0);
        for (packets, arrival) in self.arrivals.iter().rev().enumerate().skip(1).take(PLUNGE_PACKETS.1) {
            let step = later.queue - arrival.queue;
            (bytes, largest) = (bytes + u64::from(later.size), largest.max(step));
            shorter += u32::from(step < 0);
            later = arrival;
            let rise = last.queue - arrival.queue;
            let (time, sent_time) = (last.at - arrival.at, last.sent.saturating_sub(arrival.sent));
            let rises = rise > least && shorter <= 1 && (largest as f64) < PLUNGE_STEP * rise as f64;
            let pressed = (sent_time as f64) < PLUNGE_PRESSED * time as f64 && time < PLUNGE_SPAN;
            if packets >= PLUNGE_PACKETS.0 && rises && pressed {
                return Some(bytes as f64 * 8e6 / time as f64);
            }
        }
        None
    }

    /// Delivery and sending rate over the newest arrivals of this span whose queueing delay is at least `above`; zero
    /// when they are too few. The first packet only marks the start. What came before a stall is left out when there is
    /// enough after it: the line was not slow then, it stood still.
    fn rates(&self, span: u64, above: i64) -> (f64, f64) {
        let Some(last) = self.arrivals.back() else { return (0.0, 0.0) };
        let (mut bytes, mut packets) = (0u64, 0u64);
        let (mut first, mut previous) = (last, last);
        let mut stalled = 0;
        for arrival in self.arrivals.iter().rev().skip(1) {
            if arrival.at + span < last.at || arrival.queue < above {
                break;
            }
            let gap = previous.at - arrival.at;
            // Looked at twice: most gaps are none, and a division for each of them is dear.
            if gap > STALL_GAP && packets > 0 {
                let mean = (last.at - previous.at - stalled) / packets;
                if gap > STALL_GAP + 4 * mean {
                    if packets >= 6 && above > 0 {
                        break;
                    }
                    stalled += gap - mean;
                }
            }
            bytes += u64::from(previous.size);
            packets += 1;
            (first, previous) = (arrival, arrival);
        }
        let time = last.at.saturating_sub(first.at);
        if packets < 5 || time < 15_000 {
            return (0.0, 0.0);
        }
        let bits = bytes as f64 * 8e6;
        let sent_time = last.sent.saturating_sub(first.sent).max(1_000);
        (bits / (time - stalled).max(10_000) as f64, bits / sent_time as f64)
    }
}
