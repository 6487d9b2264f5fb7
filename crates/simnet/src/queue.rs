//! The byte queue of a bottleneck: drop-tail, or CoDel (RFC 8289).

use std::collections::VecDeque;

use crate::Micros;

/// Who is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discipline {
    /// Who comes when it is full.
    #[default]
    DropTail,
    /// Who leaves after too long a stay (target 5 ms, interval 100 ms), and who comes when it is full.
    CoDel,
}

/// Size and discipline of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Most bytes that wait, the packet in transmission not counted.
    pub bytes: u64,
    /// Who is dropped.
    pub discipline: Discipline,
}

/// RFC 8289 section 4.2.
const CODEL_TARGET: Micros = Micros::millis(5);
/// RFC 8289 section 4.3.
const CODEL_INTERVAL: Micros = Micros::millis(100);
/// CoDel lets a queue of one packet be.
const CODEL_MTU: u64 = 1_500;

/// A waiting packet.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) arrived: Micros,
    pub(crate) bytes: u64,
    pub(crate) payload: T,
}

/// What a dequeue gave.
pub(crate) enum Dequeued<T> {
    Empty,
    Packet(Waiting<T>),
    Dropped(Waiting<T>),
}

#[derive(Clone, Debug, Default)]
struct CoDel {
    first_above: Option<Micros>,
    drop_next: Micros,
    count: u64,
    last_count: u64,
    dropping: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ByteQueue<T> {
    config: QueueConfig,
    waiting: VecDeque<Waiting<T>>,
    bytes: u64,
    codel: CoDel,
}

impl<T> ByteQueue<T> {
    pub(crate) fn new(config: QueueConfig) -> Self {
        Self { config, waiting: VecDeque::new(), bytes: 0, codel: CoDel::default() }
    }

    pub(crate) fn set_config(&mut self, config: QueueConfig) {
        self.config = config;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a packet in, or gives it back when there is no room.
    pub(crate) fn push(&mut self, packet: Waiting<T>) -> Result<(), Waiting<T>> {
        if self.bytes + packet.bytes > self.config.bytes {
            return Err(packet);
        }
        self.bytes += packet.bytes;
        self.waiting.push_back(packet);
        Ok(())
    }

    /// The next packet to transmit, or one that CoDel drops; call again after a drop.
    pub(crate) fn pop(&mut self, now: Micros) -> Dequeued<T> {
        let Some(packet) = self.waiting.pop_front() else {
            self.codel.first_above = None;
            self.codel.dropping = false;
            return Dequeued::Empty;
        };
        self.bytes -= packet.bytes;
        let drop = self.config.discipline == Discipline::CoDel && self.codel_drops(now, packet.arrived);
        if drop { Dequeued::Dropped(packet) } else { Dequeued::Packet(packet) }
    }

    /// RFC 8289 section 5.5, with its two loops unrolled into one decision a packet.
    fn codel_drops(&mut self, now: Micros, arrived: Micros) -> bool {
        let above = self.codel_stays_above(now, arrived);
        let codel = &mut self.codel;
        if codel.dropping {
            if !above {
                codel.dropping = false;
            } else if now >= codel.drop_next {
                codel.count += 1;
                codel.drop_next = codel_control_law(codel.drop_next, codel.count);
                return true;
            }
            return false;
        }
        if !above {
            return false;
        }
        codel.dropping = true;
        let recent = (now - codel.drop_next).0 < 16 * CODEL_INTERVAL.0;
        let delta = codel.count.saturating_sub(codel.last_count);
        codel.count = if delta > 1 && recent { delta } else { 1 };
        codel.drop_next = codel_control_law(now, codel.count);
        codel.last_count = codel.count;
        true
    }

    fn codel_stays_above(&mut self, now: Micros, arrived: Micros) -> bool {
        if (now - arrived) < CODEL_TARGET || self.bytes <= CODEL_MTU {
            self.codel.first_above = None;
            return false;
        }
        match self.codel.first_above {
            None => {
                self.codel.first_above = Some(now + CODEL_INTERVAL);
                false
            }
            Some(at) => now >= at,
        }
    }
}

fn codel_control_law(at: Micros, count: u64) -> Micros {
    at + Micros((CODEL_INTERVAL.0 as f64 / (count.max(1) as f64).sqrt()) as u64)
}
