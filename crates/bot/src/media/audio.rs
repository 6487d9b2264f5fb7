//! A source of packets that look like Opus speech: 20 ms, constant rate, a level for RFC 6464, RFC 2198 redundancy
//! when wanted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::SourcePacket;
use super::stamp::Stamp;

/// Duration of a packet.
pub const FRAME: Duration = Duration::from_millis(20);

/// 48 kHz.
const SAMPLES_PER_FRAME: u32 = 960;

/// Opus TOC: SILK wideband 20 ms mono, one frame (RFC 6716 section 3.1).
const TOC: u8 = 9 << 3;

/// A source.
#[derive(Clone, Copy, Debug)]
pub struct AudioConfig {
    /// Bits per second of Opus payload.
    pub bitrate_bps: u64,
    /// Loudness told in the header extension, in dBov (0 loudest, -127 silence).
    pub level: i8,
    /// Earlier frames repeated in each packet, if RED is negotiated; 0 sends plain Opus.
    pub redundancy: usize,
}

impl Default for AudioConfig {
    fn default() -> Self {
        Self { bitrate_bps: 32_000, level: -30, redundancy: 0 }
    }
}

/// Makes packets as time passes.
#[derive(Debug)]
pub struct AudioSource {
    config: AudioConfig,
    most_bps: Option<u64>,
    epoch: Instant,
    next_at: Instant,
    sequence: u64,
    timestamp: u32,
    frames: u32,
    earlier: VecDeque<Vec<u8>>,
}

impl AudioSource {
    /// A source whose first packet is due at `now`. Stamps count from `epoch`.
    pub fn new(config: AudioConfig, seed: u64, epoch: Instant, now: Instant) -> Self {
        Self {
            config,
            most_bps: None,
            epoch,
            next_at: now,
            sequence: seed & 0xffff,
            timestamp: (seed >> 16) as u32,
            frames: 0,
            earlier: VecDeque::new(),
        }
    }

    /// What it was made with.
    pub fn config(&self) -> &AudioConfig {
        &self.config
    }

    /// Another loudness from now on.
    pub fn set_level(&mut self, level: i8) {
        self.config.level = level;
    }

    /// No more bits per second than this from now on; `None`: as configured.
    pub fn set_most(&mut self, most_bps: Option<u64>) {
        self.most_bps = most_bps;
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// Makes what is due, with redundancy (payload type of RED) if `red`, else plain.
    pub fn handle_timeout(&mut self, now: Instant, red: bool, out: &mut Vec<SourcePacket>) {
        if now < self.next_at {
            return;
        }
        self.next_at = if now >= self.next_at + FRAME * 10 { now + FRAME } else { self.next_at + FRAME };
        let frame = self.frame(now);
        let payload = if red { self.with_redundancy(&frame) } else { frame.clone() };
        out.push(SourcePacket {
            layer: 0,
            sequence: self.sequence,
            timestamp: self.timestamp,
            marker: self.frames == 0,
            payload,
        });
        self.earlier.push_front(frame);
        self.earlier.truncate(self.config.redundancy);
        self.sequence += 1;
        self.timestamp = self.timestamp.wrapping_add(SAMPLES_PER_FRAME);
        self.frames = self.frames.wrapping_add(1);
    }

    fn frame(&self, now: Instant) -> Vec<u8> {
        let stamp = Stamp {
            layer: 0,
            index: 0,
            count: 1,
            frame: self.frames,
            packet: self.frames,
            sent_us: now.saturating_duration_since(self.epoch).as_micros() as u64,
        };
        let mut frame = vec![TOC];
        frame.extend_from_slice(&stamp.to_bytes());
        let bitrate = self.most_bps.map_or(self.config.bitrate_bps, |most| most.min(self.config.bitrate_bps));
        let wanted = bitrate as usize * FRAME.as_millis() as usize / 8_000;
        frame.resize(wanted.clamp(frame.len(), 1_000), 0x5a);
        frame
    }

    /// RFC 2198 section 3: headers from the oldest, then the primary's, then the data in the same order.
    fn with_redundancy(&self, primary: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (index, block) in self.earlier.iter().enumerate().rev() {
            let offset = SAMPLES_PER_FRAME * (index as u32 + 1);
            let header = (1 << 31) | u32::from(OPUS_PAYLOAD_TYPE) << 24 | offset << 10 | block.len() as u32;
            payload.extend_from_slice(&header.to_be_bytes());
        }
        payload.push(OPUS_PAYLOAD_TYPE);
        for block in self.earlier.iter().rev() {
            payload.extend_from_slice(block);
        }
        payload.extend_from_slice(primary);
        payload
    }
}

/// The payload type bots offer for Opus.
pub const OPUS_PAYLOAD_TYPE: u8 = 111;

/// The frames of an RFC 2198 payload, oldest first; `None` if it is malformed.
pub fn red_frames(payload: &[u8]) -> Option<Vec<&[u8]>> {
    let mut lengths = Vec::new();
    let mut rest = payload;
    while rest.first()? & 0x80 != 0 {
        let (header, after) = rest.split_first_chunk::<4>()?;
        lengths.push((u32::from_be_bytes(*header) & 0x3ff) as usize);
        rest = after;
    }
    rest = rest.get(1..)?;
    let mut frames = Vec::new();
    for length in lengths {
        frames.push(rest.get(..length)?);
        rest = rest.get(length..)?;
    }
    frames.push(rest);
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn redundancy_repeats_the_frames_before() {
        let start = Instant::now();
        let config = AudioConfig { redundancy: 2, ..AudioConfig::default() };
        let mut source = AudioSource::new(config, 1, start, start);
        let mut packets = Vec::new();
        for _ in 0..4 {
            source.handle_timeout(source.poll_timeout(), true, &mut packets);
        }
        let numbers = |packet: &SourcePacket| -> Vec<u32> {
            let frames = red_frames(&packet.payload).unwrap();
            frames.iter().map(|f| Stamp::parse(&f[1..]).unwrap().packet).collect()
        };
        assert_eq!(
            packets.iter().map(numbers).collect::<Vec<_>>(),
            [vec![0], vec![0, 1], vec![0, 1, 2], vec![1, 2, 3]]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = red_frames(&bytes);
        }
    }
}
