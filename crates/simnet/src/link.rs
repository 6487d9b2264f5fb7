//! One direction of one link: policer, queue, transmission, loss, delay, in this order.
//!
//! A link computes lazily: what happens up to `now` is worked out when somebody asks. Random losses come after the
//! bottleneck, so a lost packet has used its share of the capacity.

use std::collections::BTreeMap;

use crate::loss::LossProcess;
use crate::policer::PolicerState;
use crate::queue::{ByteQueue, Dequeued, Waiting};
use crate::{Discipline, Loss, Micros, Policer, QueueConfig, Random, RateSchedule};

/// Jitter is cut at this many standard deviations (RFC 8868 section 4.5.3).
const JITTER_BOUND: f64 = 3.0;

/// What a link does to packets.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// Bits per second over time; `None`: no bottleneck, nothing waits.
    pub rate: Option<RateSchedule>,
    /// Propagation, one way.
    pub delay: Micros,
    /// What waits for the bottleneck.
    pub queue: QueueConfig,
    /// Standard deviation of the jitter, cut at three of them and without reordering (NR-BPDV, RFC 8868 section 4.5.2).
    pub jitter: Micros,
    /// Losses on the wire.
    pub loss: Loss,
    /// Drops before the queue.
    pub policer: Option<Policer>,
    /// Spans in which everything that enters or leaves the bottleneck is lost.
    pub outages: Vec<(Micros, Micros)>,
    /// Probability that a packet is held back by `reorder_delay`, so that later ones overtake it.
    pub reorder: f64,
    /// How long it is held back.
    pub reorder_delay: Micros,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            delay: Micros::ZERO,
            queue: QueueConfig { bytes: 1_000_000, discipline: Discipline::DropTail },
            jitter: Micros::ZERO,
            loss: Loss::None,
            policer: None,
            outages: Vec::new(),
            reorder: 0.0,
            reorder_delay: Micros::millis(5),
            duplicate: 0.0,
        }
    }
}

impl LinkConfig {
    /// A bottleneck of constant rate with a drop-tail queue of this many milliseconds at that rate.
    pub fn bottleneck(bits_per_second: u64, delay: Micros, queue_ms: u64) -> Self {
        Self {
            rate: Some(RateSchedule::constant(bits_per_second)),
            delay,
            queue: QueueConfig { bytes: bits_per_second / 8 * queue_ms / 1_000, discipline: Discipline::DropTail },
            ..Self::default()
        }
    }

    fn is_out(&self, at: Micros) -> bool {
        self.outages.iter().any(|&(start, end)| start <= at && at < end)
    }
}

/// Counters of a link. At any time
/// `offered + duplicated = delivered + dropped_* + waiting + in transmission + in flight`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets that came.
    pub offered: u64,
    /// Extra copies made.
    pub duplicated: u64,
    /// Packets that left.
    pub delivered: u64,
    /// Dropped by the policer.
    pub dropped_policer: u64,
    /// Dropped by the queue.
    pub dropped_queue: u64,
    /// Lost on the wire.
    pub dropped_loss: u64,
    /// Lost to an outage.
    pub dropped_outage: u64,
    /// Bytes that passed the bottleneck, whatever became of them.
    pub transmitted_bytes: u64,
    /// Packets waiting, in transmission or in flight now.
    pub inside: u64,
}

/// One direction of a link, carrying payloads of type `T`.
#[derive(Clone, Debug)]
pub struct Link<T> {
    config: LinkConfig,
    queue: ByteQueue<T>,
    transmitting: Option<(Micros, Waiting<T>)>,
    /// When the bottleneck was last free.
    idle_since: Micros,
    flying: BTreeMap<(Micros, u64), T>,
    flights: u64,
    last_arrival: Micros,
    loss: LossProcess,
    policer: Option<PolicerState>,
    random: Random,
    stats: LinkStats,
}

impl<T: Clone> Link<T> {
    /// A link and its generator.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            queue: ByteQueue::new(config.queue),
            transmitting: None,
            idle_since: Micros::ZERO,
            flying: BTreeMap::new(),
            flights: 0,
            last_arrival: Micros::ZERO,
            loss: LossProcess::new(config.loss.clone(), Random::fork(seed, 1)),
            policer: config.policer.map(PolicerState::new),
            random: Random::fork(seed, 2),
            stats: LinkStats::default(),
            config,
        }
    }

    /// Changes what the link does from now on. What is inside stays inside.
    pub fn reconfigure(&mut self, now: Micros, config: LinkConfig) {
        self.advance(now);
        self.queue.set_config(config.queue);
        self.loss.set_model(config.loss.clone());
        if config.policer != self.config.policer {
            self.policer = config.policer.map(PolicerState::new);
        }
        self.config = config;
    }

    /// What the link does.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// A packet enters. Times of calls must not go back.
    pub fn send(&mut self, now: Micros, bytes: u64, payload: T) {
        self.advance(now);
        self.stats.offered += 1;
        if self.config.is_out(now) {
            self.stats.dropped_outage += 1;
            return;
        }
        if self.policer.as_mut().is_some_and(|policer| !policer.passes(now, bytes)) {
            self.stats.dropped_policer += 1;
            return;
        }
        let packet = Waiting { arrived: now, bytes, payload };
        if self.transmitting.is_none() && self.queue.len() == 0 {
            self.idle_since = now;
            self.start(packet, now);
            self.advance(now);
        } else if self.queue.push(packet).is_err() {
            self.stats.dropped_queue += 1;
        }
    }

    /// The next packet that has arrived by `now`, with the time of its arrival.
    pub fn poll(&mut self, now: Micros) -> Option<(Micros, T)> {
        self.advance(now);
        let (&(at, _), _) = self.flying.first_key_value()?;
        if at > now {
            return None;
        }
        let (_, payload) = self.flying.pop_first()?;
        self.stats.delivered += 1;
        Some((at, payload))
    }

    /// When something next happens inside by itself.
    pub fn next_event(&self) -> Option<Micros> {
        let arrival = self.flying.first_key_value().map(|(&(at, _), _)| at);
        let finish = self.transmitting.as_ref().map(|(finish, _)| *finish).filter(|&at| at < Micros::NEVER);
        [arrival, finish].into_iter().flatten().min()
    }

    /// The counters, up to the last call with a time.
    pub fn stats(&self) -> LinkStats {
        let transmitting = u64::from(self.transmitting.is_some());
        LinkStats { inside: self.queue.len() as u64 + transmitting + self.flying.len() as u64, ..self.stats }
    }

    /// How long a packet that entered now would wait and be transmitted.
    pub fn queueing_delay(&mut self, now: Micros) -> Micros {
        self.advance(now);
        let Some(rate) = &self.config.rate else { return Micros::ZERO };
        let start = self.transmitting.as_ref().map_or(now, |(finish, _)| (*finish).max(now));
        if start == Micros::NEVER { start } else { rate.finish(start, self.queue.bytes()) - now }
    }

    fn start(&mut self, packet: Waiting<T>, at: Micros) {
        let finish = self.config.rate.as_ref().map_or(at, |rate| rate.finish(at, packet.bytes));
        self.transmitting = Some((finish, packet));
    }

    fn advance(&mut self, now: Micros) {
        while let Some((finish, packet)) = self.transmitting.take_if(|(finish, _)| *finish <= now) {
            self.idle_since = finish;
            self.stats.transmitted_bytes += packet.bytes;
            self.onto_the_wire(finish, packet);
            self.start_next(finish);
        }
    }

    fn start_next(&mut self, at: Micros) {
        loop {
            match self.queue.pop(at) {
                Dequeued::Empty => return,
                Dequeued::Dropped(_) => self.stats.dropped_queue += 1,
                Dequeued::Packet(packet) => return self.start(packet, at),
            }
        }
    }

    fn onto_the_wire(&mut self, at: Micros, packet: Waiting<T>) {
        if self.config.is_out(at) {
            self.stats.dropped_outage += 1;
            return;
        }
        if self.loss.loses(at) {
            self.stats.dropped_loss += 1;
            return;
        }
        let arrival = self.arrival(at, packet.bytes);
        if self.random.chance(self.config.duplicate) {
            self.stats.duplicated += 1;
            self.fly(arrival, packet.payload.clone());
        }
        self.fly(arrival, packet.payload);
    }

    fn fly(&mut self, arrival: Micros, payload: T) {
        self.flights += 1;
        self.flying.insert((arrival, self.flights), payload);
    }

    /// RFC 8868 section 4.5.2: jitter each packet, then keep each at least one serialisation behind the one before.
    fn arrival(&mut self, at: Micros, bytes: u64) -> Micros {
        if self.random.chance(self.config.reorder) {
            return at + self.config.delay + self.config.reorder_delay;
        }
        let std = self.config.jitter.0 as f64;
        let jitter = if std > 0.0 { (self.random.normal() * std).abs().min(JITTER_BOUND * std) } else { 0.0 };
        let serial = match &self.config.rate {
            Some(rate) if std > 0.0 => bytes * 8_000_000 / rate.rate_at(at).max(1_000_000).max(rate.first_rate()),
            _ => 0,
        };
        let wished = at + self.config.delay + Micros(jitter as u64);
        let arrival = wished.max(self.last_arrival + Micros(serial));
        self.last_arrival = arrival;
        arrival
    }
}
