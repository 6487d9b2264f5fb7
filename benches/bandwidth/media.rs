//! What is sent: audio, the elastic source M1 and the ladder M2, and the allocator both contestants share.

use parlour_simnet::{Micros, Random};

use crate::scenario::Model;

/// Payload bytes of a full video packet.
pub const VIDEO_PAYLOAD: u64 = 1_100;
/// Payload bytes of an audio packet: 32 kbit/s at 20 ms.
pub const AUDIO_PAYLOAD: u64 = 80;
/// IP, UDP, RTP with two header extensions, authentication tag.
pub const OVERHEAD: u64 = 28 + 12 + 8 + 16;
/// What audio takes on the wire, bit/s.
pub const AUDIO_WIRE: f64 = (AUDIO_PAYLOAD + OVERHEAD) as f64 * 8.0 * 50.0;
/// Payload rates of the ladder, bit/s.
pub const LADDER: [f64; 3] = [160e3, 450e3, 1_700e3];
/// A keyframe of the ladder in mean frames.
const KEYFRAME: f64 = 6.0;
/// Frame interval of 30 frames/s.
const INTERVAL: f64 = 33_333.0;
/// RFC 8593 figure 2.
const SCALE: f64 = 0.15;
const REACTION: Micros = Micros::millis(200);
/// RFC 8593 section 5.2 with its example: 13.5 kB at 1 Mbit/s is 3.24 mean frames; the burst lasts eight.
const TRANSIENT: (f64, u32) = (3.24, 8);
/// A new target this far from the old one starts a transient.
const ABRUPT: f64 = 0.5;
/// From asking the publisher of the ladder for a keyframe to having it: its round trip and one frame.
const KEYFRAME_WAIT: Micros = Micros::millis(40 + 33);

/// A media packet, before any transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaPacket {
    /// 0 is audio, then the pictures.
    pub stream: u8,
    /// Per stream, without gaps at its making.
    pub number: u32,
    pub frame: u32,
    /// The frame this one needs.
    pub refers: u32,
    pub index: u16,
    pub count: u16,
    pub layer: u8,
    pub temporal: u8,
    pub key: bool,
    pub made: Micros,
    pub payload: u16,
}

impl MediaPacket {
    pub fn wire(&self) -> u64 {
        u64::from(self.payload) + OVERHEAD
    }

    pub fn is_audio(&self) -> bool {
        self.stream == 0
    }
}

/// Wire rate of a video payload rate.
pub fn wire_rate(payload: f64) -> f64 {
    payload * (VIDEO_PAYLOAD + OVERHEAD) as f64 / VIDEO_PAYLOAD as f64
}

/// One video stream.
#[derive(Clone, Debug)]
pub struct Picture {
    model: Model,
    stream: u8,
    random: Random,
    number: u32,
    frame: u32,
    phase: u32,
    refers: [u32; 2],
    next: Micros,
    /// M1: payload bit/s.
    rate: f64,
    reacted: Option<Micros>,
    transient: u32,
    largest: f64,
    /// M2: rung sent, rung wanted.
    pub layer: Option<u8>,
    wanted: Option<u8>,
    key_due: Option<Micros>,
}

impl Picture {
    pub fn new(model: Model, stream: u8, largest: f64, random: Random) -> Self {
        Self {
            model,
            stream,
            random,
            number: 0,
            frame: 0,
            phase: 0,
            refers: [0; 2],
            next: Micros::ZERO,
            rate: 0.0,
            reacted: None,
            transient: 0,
            largest,
            layer: None,
            wanted: None,
            key_due: None,
        }
    }

    /// The camera goes on (at this time) or off.
    pub fn start(&mut self, now: Micros) {
        self.next = now + Micros((self.random.unit() * 10_000.0) as u64);
        self.layer = None;
        self.wanted = None;
        self.key_due = Some(now);
        self.reacted = None;
    }

    /// The rung that was asked for last.
    pub fn wanted(&self) -> Option<u8> {
        self.wanted
    }

    pub fn next_frame(&self) -> Micros {
        self.next
    }

    /// The receiver, or the sender after a flush, needs a keyframe.
    pub fn request_key(&mut self, now: Micros) {
        let wait = if self.model == Model::M1 { Micros::ZERO } else { KEYFRAME_WAIT };
        self.key_due = Some(self.key_due.map_or(now + wait, |due| due.min(now + wait)));
    }

    /// M1: a new target, payload bit/s (RFC 8593 section 5.1).
    pub fn set_rate(&mut self, now: Micros, rate: f64) {
        if self.reacted.is_some_and(|at| now < at + REACTION) {
            return;
        }
        let rate = rate.clamp(50e3, self.largest);
        if self.rate > 0.0 && (rate / self.rate - 1.0).abs() > ABRUPT {
            self.transient = TRANSIENT.1;
        }
        if (rate - self.rate).abs() > 0.005 * self.rate {
            self.rate = rate;
            self.reacted = Some(now);
        }
    }

    /// M2: the rung to send; a change waits for its keyframe.
    pub fn set_layer(&mut self, now: Micros, layer: Option<u8>) {
        if layer == self.wanted {
            return;
        }
        self.wanted = layer;
        if layer.is_none() {
            self.layer = None;
        } else {
            self.key_due = Some(now + KEYFRAME_WAIT);
        }
    }

    /// The frame that is due: its packets. Empty when nothing is sent.
    pub fn make_frame(&mut self, now: Micros) -> Vec<MediaPacket> {
        let jitter = if self.model == Model::M1 { self.random.laplace(SCALE).clamp(-0.8, 1.5) } else { 0.0 };
        self.next = now + Micros((INTERVAL * (1.0 + jitter)) as u64);
        let key = self.key_due.is_some_and(|due| due <= now);
        if key && self.model == Model::M2 {
            self.layer = self.wanted;
        }
        let Some(bytes) = self.frame_bytes(key) else { return Vec::new() };
        if key {
            self.key_due = None;
        }
        self.packets(now, bytes, key)
    }

    fn frame_bytes(&mut self, key: bool) -> Option<f64> {
        let variation = 1.0 + self.random.laplace(SCALE).clamp(-0.7, 1.5);
        match self.model {
            Model::M1 => {
                let mean = self.rate / 8.0 * INTERVAL / 1e6;
                if key {
                    self.transient = TRANSIENT.1;
                }
                let factor = match self.transient {
                    0 => variation,
                    left => {
                        self.transient -= 1;
                        let rest = (f64::from(TRANSIENT.1) - TRANSIENT.0) / f64::from(TRANSIENT.1 - 1);
                        if left == TRANSIENT.1 { TRANSIENT.0 } else { rest * variation }
                    }
                };
                (self.rate > 0.0).then_some(mean * factor)
            }
            Model::M2 => {
                let mean = LADDER[usize::from(self.layer?)] / 8.0 * INTERVAL / 1e6;
                Some(if key { mean * KEYFRAME } else { mean * variation })
            }
        }
    }

    /// Temporal layers 0, 2, 1, 2: the second and fourth frame of four are needed by none, the third by the fourth.
    fn packets(&mut self, made: Micros, bytes: f64, key: bool) -> Vec<MediaPacket> {
        self.frame += 1;
        self.phase = if key { 0 } else { (self.phase + 1) % 4 };
        let temporal = [0, 2, 1, 2][self.phase as usize];
        let refers = match self.phase {
            0 => self.refers[0],
            1 | 2 => self.refers[0],
            _ => self.refers[1],
        };
        match temporal {
            0 => self.refers = [self.frame; 2],
            1 => self.refers[1] = self.frame,
            _ => {}
        }
        let bytes = bytes.max(60.0) as u64;
        let count = bytes.div_ceil(VIDEO_PAYLOAD);
        (0..count)
            .map(|index| {
                self.number += 1;
                MediaPacket {
                    stream: self.stream,
                    number: self.number,
                    frame: self.frame,
                    refers,
                    index: index as u16,
                    count: count as u16,
                    layer: self.layer.unwrap_or(2),
                    temporal,
                    key,
                    made,
                    payload: (bytes * (index + 1) / count - bytes * index / count) as u16,
                }
            })
            .collect()
    }
}

/// The audio stream.
#[derive(Clone, Debug, Default)]
pub struct Audio {
    number: u32,
}

impl Audio {
    pub fn make(&mut self, made: Micros) -> MediaPacket {
        self.number += 1;
        MediaPacket {
            stream: 0,
            number: self.number,
            frame: self.number,
            refers: 0,
            index: 0,
            count: 1,
            layer: 0,
            temporal: 0,
            key: true,
            made,
            payload: AUDIO_PAYLOAD as u16,
        }
    }
}

/// What a contestant says may be sent, wire bit/s.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    /// Now.
    pub now: f64,
    /// Once a passing queue is gone.
    pub lasting: f64,
}

/// Chooses rungs for the pictures of one receiver.
#[derive(Clone, Debug, Default)]
pub struct Allocator {
    short_since: Option<Micros>,
}

/// Up only with this much to spare.
const UP_MARGIN: f64 = 1.03;
/// A shortage of less than `DEEP` is waited out for this long.
const PATIENCE: Micros = Micros::millis(500);
const DEEP: f64 = 0.8;

impl Allocator {
    /// New rungs for a budget, given the present ones.
    pub fn choose(&mut self, now: Micros, budget: f64, present: &[Option<u8>]) -> Vec<Option<u8>> {
        let cost = |layers: &[Option<u8>]| -> f64 {
            layers.iter().flatten().map(|&layer| wire_rate(LADDER[usize::from(layer)])).sum()
        };
        let spent = cost(present);
        if spent > budget {
            let since = *self.short_since.get_or_insert(now);
            if budget > DEEP * spent && now < since + PATIENCE {
                return present.to_vec();
            }
            return best(budget, present.len());
        }
        self.short_since = None;
        let wanted = best(budget / UP_MARGIN, present.len());
        if cost(&wanted) > spent { wanted } else { present.to_vec() }
    }
}

/// Lifts pictures one rung at a time, the lowest first, while the budget lasts.
pub fn best(budget: f64, pictures: usize) -> Vec<Option<u8>> {
    let mut chosen: Vec<Option<u8>> = vec![None; pictures];
    let mut left = budget;
    loop {
        let lowest = (0..pictures).filter(|&p| chosen[p] != Some(2)).min_by_key(|&p| chosen[p].map_or(0, |l| l + 1));
        let Some(picture) = lowest else { return chosen };
        let next = chosen[picture].map_or(0, |layer| layer + 1);
        let price =
            wire_rate(LADDER[usize::from(next)]) - chosen[picture].map_or(0.0, |l| wire_rate(LADDER[usize::from(l)]));
        if price > left {
            return chosen;
        }
        left -= price;
        chosen[picture] = Some(next);
    }
}
