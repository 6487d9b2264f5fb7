//! A source of frames that look like VP8 simulcast from a browser: up to three encodings, temporal layers 0 2 1 2,
//! keyframes when asked for, sizes that vary and add up to the wanted rate.

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::SourcePacket;
use super::stamp::{STAMP_LEN, Stamp};
use super::vp8::{DESCRIPTOR_LEN, Descriptor, KEY_HEADER_LEN, write_frame_header};

/// Room for the payload in a datagram of 1,200 bytes beside RTP header, extensions, RTX number and SRTP tag.
const MAX_PAYLOAD: usize = 1_120;

/// A keyframe is about this many times an average frame, as in talking-head video.
const KEY_FACTOR: f64 = 4.0;

/// Below this share of its whole rate an encoding is not sent, unless it is the smallest: browsers need some 600 kbit/s
/// for 720p.
const LEAST_SHARE: f64 = 0.35;

/// One encoding.
#[derive(Clone, Debug)]
pub struct LayerConfig {
    /// Simulcast rid; empty for a source with one encoding.
    pub rid: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Bits per second.
    pub bitrate_bps: u64,
}

/// A source.
#[derive(Clone, Debug)]
pub struct VideoConfig {
    /// From the smallest.
    pub layers: Vec<LayerConfig>,
    /// Frames per second.
    pub fps: u32,
    /// 1, 2 or 3.
    pub temporal_layers: u8,
}

impl Default for VideoConfig {
    /// What `livekit-client` publishes from a 720p camera.
    fn default() -> Self {
        let layer = |rid: &str, width, height, bitrate_bps| LayerConfig { rid: rid.into(), width, height, bitrate_bps };
        Self {
            layers: vec![
                layer("q", 320, 180, 160_000),
                layer("h", 640, 360, 450_000),
                layer("f", 1280, 720, 1_700_000),
            ],
            fps: 30,
            temporal_layers: 3,
        }
    }
}

impl VideoConfig {
    /// One encoding without rid.
    pub fn single(width: u32, height: u32, bitrate_bps: u64) -> Self {
        let layer = LayerConfig { rid: String::new(), width, height, bitrate_bps };
        Self { layers: vec![layer], fps: 30, temporal_layers: 1 }
    }
}

/// Makes frames as time passes.
#[derive(Debug)]
pub struct VideoSource {
    config: VideoConfig,
    layers: Vec<LayerState>,
    rng: ChaCha8Rng,
    epoch: Instant,
    next_at: Instant,
    ticks: u64,
    keyframes: u64,
}

#[derive(Debug)]
struct LayerState {
    active: bool,
    /// Bits per second under the bound told last; zero: none are left for it.
    rate: f64,
    wants_key: bool,
    sequence: u64,
    packets: u32,
    frames: u32,
    since_key: u32,
    picture_id: u16,
    tl0: u8,
    key_index: u8,
    /// Bytes sent beyond the wanted rate, paid back by smaller frames.
    debt: f64,
}

impl VideoSource {
    /// A source whose first frames are due at `now`. Stamps count from `epoch`.
    pub fn new(config: VideoConfig, seed: u64, epoch: Instant, now: Instant) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let layers = config
            .layers
            .iter()
            .map(|layer| LayerState {
                active: true,
                rate: layer.bitrate_bps as f64,
                wants_key: true,
                // Starting anywhere makes runs cross the wrap of sequence number and picture id.
                sequence: u64::from(rng.random::<u16>()),
                packets: 0,
                frames: 0,
                since_key: 0,
                picture_id: rng.random::<u16>() & 0x7fff,
                tl0: rng.random(),
                key_index: 0,
                debt: 0.0,
            })
            .collect();
        Self { config, layers, rng, epoch, next_at: now, ticks: 0, keyframes: 0 }
    }

    /// The encodings.
    pub fn config(&self) -> &VideoConfig {
        &self.config
    }

    /// Keyframes made so far, over all encodings.
    pub fn keyframes(&self) -> u64 {
        self.keyframes
    }

    /// The next frame of this encoding will be a keyframe.
    pub fn request_key(&mut self, layer: usize) {
        if let Some(layer) = self.layers.get_mut(layer) {
            layer.wants_key = true;
        }
    }

    /// Whether an encoding is sent; one that begins again begins with a keyframe.
    pub fn set_active(&mut self, layer: usize, active: bool) {
        if let Some(layer) = self.layers.get_mut(layer) {
            layer.wants_key |= active && !layer.active;
            layer.active = active;
        }
    }

    /// All encodings together take no more than this from now on: the smaller ones first, as browsers do it.
    pub fn set_bound(&mut self, bits_per_second: f64) {
        let mut left = bits_per_second;
        let layers = self.config.layers.iter().zip(&mut self.layers).filter(|(_, layer)| layer.active);
        for (rank, (config, layer)) in layers.enumerate() {
            let full = config.bitrate_bps as f64;
            let rate = full.min(left.max(0.0));
            let given = if rank > 0 && rate < LEAST_SHARE * full { 0.0 } else { rate };
            let before = std::mem::replace(&mut layer.rate, given);
            layer.wants_key |= before == 0.0;
            left -= layer.rate;
        }
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_at
    }

    /// Makes what is due. Frames that were missed while nobody called are not made up for.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<SourcePacket>) {
        if now < self.next_at {
            return;
        }
        let interval = Duration::from_secs(1) / self.config.fps.max(1);
        self.next_at = if now >= self.next_at + interval * 4 { now + interval } else { self.next_at + interval };
        let tick = self.ticks;
        self.ticks += 1;
        for index in 0..self.layers.len() {
            if self.layers[index].active && self.layers[index].rate > 0.0 {
                self.make_frame(index, tick, now, out);
            }
        }
    }

    fn make_frame(&mut self, index: usize, tick: u64, now: Instant, out: &mut Vec<SourcePacket>) {
        let key = std::mem::take(&mut self.layers[index].wants_key);
        let tid = if key { 0 } else { temporal_id(self.config.temporal_layers, self.layers[index].since_key + 1) };
        let size = self.frame_size(index, key, tid);
        let since_epoch = now.saturating_duration_since(self.epoch);
        let layer_config = &self.config.layers[index];
        let layer = &mut self.layers[index];
        layer.begin_frame(key, tid);
        self.keyframes += u64::from(key);

        let room = MAX_PAYLOAD - DESCRIPTOR_LEN - KEY_HEADER_LEN - STAMP_LEN;
        let count = size.div_ceil(room).clamp(1, 255);
        for part in 0..count {
            let descriptor = Descriptor {
                start: part == 0,
                droppable: tid == 2,
                picture_id: Some(layer.picture_id),
                tl0: Some(layer.tl0),
                tid: Some(tid),
                // As libwebrtc: of each pattern the first frame of either upper layer leans on the base layer only.
                sync: tid != 0 && matches!(layer.since_key % 4, 1 | 2),
                key_index: Some(layer.key_index),
            };
            let mut payload = Vec::with_capacity(MAX_PAYLOAD);
            descriptor.write(&mut payload);
            if part == 0 {
                write_frame_header(&mut payload, key, size, layer_config.width, layer_config.height);
            }
            let stamp = Stamp {
                layer: index as u8,
                index: part as u8,
                count: count as u8,
                frame: layer.frames,
                packet: layer.packets,
                sent_us: since_epoch.as_micros() as u64,
            };
            payload.extend_from_slice(&stamp.to_bytes());
            payload.resize(payload.len() + size / count, 0xa5);
            out.push(SourcePacket {
                layer: index,
                sequence: layer.sequence,
                timestamp: rtp_time(since_epoch, tick),
                marker: part + 1 == count,
                payload,
            });
            layer.sequence += 1;
            layer.packets = layer.packets.wrapping_add(1);
        }
        layer.frames = layer.frames.wrapping_add(1);
    }

    fn frame_size(&mut self, index: usize, key: bool, tid: u8) -> usize {
        let mean = self.layers[index].rate / 8.0 / f64::from(self.config.fps.max(1));
        let shape = match (key, tid, self.config.temporal_layers) {
            (true, ..) => KEY_FACTOR,
            (_, _, 1) => 1.0,
            (_, 0, _) => 1.4,
            (_, 2, _) => 0.8,
            _ => 1.0,
        };
        let noise = self.rng.random_range(0.8..1.2);
        let layer = &mut self.layers[index];
        let wanted = mean * shape * noise;
        let payback = if key { 0.0 } else { layer.debt.clamp(0.0, wanted / 3.0) };
        let size = (wanted - payback).max(40.0);
        layer.debt += size - mean;
        size as usize
    }
}

impl LayerState {
    fn begin_frame(&mut self, key: bool, tid: u8) {
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7fff;
        if tid == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        if key {
            self.key_index = (self.key_index + 1) & 0x1f;
            self.since_key = 0;
        } else {
            self.since_key += 1;
        }
    }
}

/// Temporal layer of the nth frame after a keyframe: 0 2 1 2, or 0 1, or 0.
fn temporal_id(layers: u8, since_key: u32) -> u8 {
    match (layers, since_key % 4) {
        (3, 1 | 3) => 2,
        (3, 2) => 1,
        (2, 1 | 3) => 1,
        _ => 0,
    }
}

/// 90 kHz, with the tick added so that two frames never share a timestamp.
fn rtp_time(since_epoch: Duration, tick: u64) -> u32 {
    ((since_epoch.as_micros() as u64 * 9 / 100) + (tick & 1)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: VideoConfig, seconds: u32) -> Vec<SourcePacket> {
        let start = Instant::now();
        let mut source = VideoSource::new(config, 7, start, start);
        let mut packets = Vec::new();
        while source.poll_timeout() < start + Duration::from_secs(1) * seconds {
            source.handle_timeout(source.poll_timeout(), &mut packets);
        }
        packets
    }

    #[test]
    fn each_encoding_keeps_its_rate_within_a_tenth() {
        let config = VideoConfig::default();
        let packets = run(config.clone(), 20);
        for (index, layer) in config.layers.iter().enumerate() {
            let bytes: usize = packets.iter().filter(|p| p.layer == index).map(|p| p.payload.len()).sum();
            let rate = bytes as f64 * 8.0 / 20.0;
            // The smallest encoding is mostly descriptor and stamp.
            let overhead = 30.0 * 8.0 * 50.0 * 2.0;
            let wanted = layer.bitrate_bps as f64;
            assert!(rate > wanted * 0.9 && rate < wanted * 1.1 + overhead, "{index}: {rate} for {wanted}");
        }
    }

    #[test]
    fn sequence_numbers_and_picture_ids_have_no_gap() {
        let packets = run(VideoConfig::default(), 5);
        for index in 0..3 {
            let of_layer: Vec<_> = packets.iter().filter(|p| p.layer == index).collect();
            for pair in of_layer.windows(2) {
                assert_eq!(pair[1].sequence, pair[0].sequence + 1);
                let id = |p: &SourcePacket| Descriptor::parse(&p.payload).and_then(|(d, _)| d.picture_id).unwrap();
                let step = id(pair[1]).wrapping_sub(id(pair[0])) & 0x7fff;
                assert_eq!(step, u16::from(pair[0].marker));
            }
        }
    }

    #[test]
    fn payloads_fit_a_datagram() {
        assert!(run(VideoConfig::default(), 5).iter().all(|p| p.payload.len() <= MAX_PAYLOAD));
    }
}
