//! What arrived of one remote track: order restored, gaps waited for and then counted, frames put together and judged
//! as a VP8 decoder would (complete, and their references decoded), latency from the sender's stamp.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::audio::red_frames;
use super::histogram::Histogram;
use super::stamp::Stamp;
use super::vp8::{Descriptor, is_key};

/// A lost video packet may be repaired for this long; the server keeps one second.
const VIDEO_PATIENCE: Duration = Duration::from_millis(1_000);

/// A lost audio packet later than this is of no use to anyone.
const AUDIO_PATIENCE: Duration = Duration::from_millis(400);

/// Packets held back behind a gap; at more the gap is given up.
const HELD_MAX: usize = 4_096;

/// A jump of the key beyond this is a new beginning, not a gap.
const JUMP_MAX: u64 = 5_000;

/// Sound or picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrackKind {
    /// Opus.
    #[default]
    Audio,
    /// VP8.
    Video,
}

/// Counts of one received track.
#[derive(Clone, Debug, Default)]
pub struct TrackStats {
    /// Of which kind.
    pub kind: TrackKind,
    /// Packets, without duplicates.
    pub packets: u64,
    /// Of their payloads.
    pub bytes: u64,
    /// Never arrived, not even repaired, in the time a player would wait. For audio: frames that neither a packet nor
    /// redundancy brought.
    pub missing: u64,
    /// Came behind a later one: repaired or reordered.
    pub repaired: u64,
    /// Audio frames that only redundancy brought.
    pub recovered_by_red: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Came after they were given up (they are also missing).
    pub late: u64,
    /// Video frames whose references were decoded and which were complete; for audio: frames.
    pub frames_decoded: u64,
    /// Video frames that were incomplete or whose references were not decoded.
    pub frames_broken: u64,
    /// Picture ids that were skipped although no packet was missing.
    pub picture_id_gaps: u64,
    /// Decoded keyframes.
    pub keyframes: u64,
    /// Pauses between decoded frames beyond three average intervals or 150 ms more than one (W3C webrtc-stats).
    pub freezes: u64,
    /// Their sum.
    pub freeze_time: Duration,
    /// Packets by the encoding they came from.
    pub layers: [u64; 4],
    /// The encoding of the last frame.
    pub layer: u8,
    /// How often the encoding changed.
    pub layer_switches: u64,
    /// Changes of encoding that did not begin with a keyframe.
    pub bad_switches: u64,
    /// Payloads without a readable stamp.
    pub unreadable: u64,
    /// From making to arrival; of repaired packets too.
    pub latency: Histogram,
    /// First and last arrival.
    pub active: Option<(Instant, Instant)>,
}

impl TrackStats {
    /// Share of packets that were missing.
    pub fn loss(&self) -> f64 {
        match self.packets + self.missing {
            0 => 0.0,
            all => self.missing as f64 / all as f64,
        }
    }

    /// Average payload rate in bits per second over the time in which packets arrived.
    pub fn bitrate_bps(&self) -> f64 {
        let seconds = self.active.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        if seconds > 0.0 { self.bytes as f64 * 8.0 / seconds } else { 0.0 }
    }
}

/// Receives one remote track.
#[derive(Debug)]
pub struct TrackReceiver {
    kind: TrackKind,
    epoch: Instant,
    stats: TrackStats,
    /// Next key expected; `None` before the first packet.
    next: Option<u64>,
    highest: u64,
    held: BTreeMap<u64, Held>,
    decoder: Decoder,
    needs_key: bool,
}

#[derive(Debug)]
struct Held {
    arrived: Instant,
    part: Part,
}

/// What the decoder needs to know of a packet.
#[derive(Clone, Copy, Debug)]
struct Part {
    descriptor: Option<Descriptor>,
    key: bool,
    marker: bool,
    layer: Option<u8>,
}

impl TrackReceiver {
    /// Before the first packet. Stamps count from `epoch`.
    pub fn new(kind: TrackKind, epoch: Instant) -> Self {
        Self {
            kind,
            epoch,
            stats: TrackStats { kind, ..TrackStats::default() },
            next: None,
            highest: 0,
            held: BTreeMap::new(),
            decoder: Decoder::default(),
            needs_key: false,
        }
    }

    /// Sound or picture.
    pub fn kind(&self) -> TrackKind {
        self.kind
    }

    /// The counts.
    pub fn stats(&self) -> &TrackStats {
        &self.stats
    }

    /// Counts from here on only; what is being waited for stays.
    pub fn reset_stats(&mut self) {
        self.stats = TrackStats { kind: self.kind, layer: self.stats.layer, ..TrackStats::default() };
    }

    /// Whether a decoder would ask for a keyframe; asking resets it.
    pub fn take_key_request(&mut self) -> bool {
        std::mem::take(&mut self.needs_key)
    }

    /// A video packet. `sequence` is the RTP sequence number without wrap.
    pub fn handle_video(&mut self, now: Instant, sequence: u64, marker: bool, payload: &[u8]) {
        let Some((descriptor, length)) = Descriptor::parse(payload) else {
            self.stats.unreadable += 1;
            return;
        };
        let frame = &payload[length..];
        let key = descriptor.start && is_key(frame);
        let header = match (descriptor.start, key) {
            (true, true) => super::vp8::KEY_HEADER_LEN,
            (true, false) => 3,
            _ => 0,
        };
        let stamp = frame.get(header..).and_then(Stamp::parse);
        let layer = stamp.map(|stamp| stamp.layer);
        if self.accept(now, sequence, Part { descriptor: Some(descriptor), key, marker, layer }) {
            self.count(now, payload.len(), stamp);
        }
        self.release(now);
    }

    /// An audio packet, with RFC 2198 redundancy or plain.
    pub fn handle_audio(&mut self, now: Instant, red: bool, payload: &[u8]) {
        let frames = if red { red_frames(payload).unwrap_or_default() } else { vec![payload] };
        let Some((primary, earlier)) = frames.split_last() else {
            self.stats.unreadable += 1;
            return;
        };
        let part = Part { descriptor: None, key: false, marker: true, layer: None };
        for frame in earlier {
            let Some(stamp) = frame.get(1..).and_then(Stamp::parse) else { continue };
            let key = u64::from(stamp.packet);
            if self.next.is_some_and(|next| key >= next) && !self.held.contains_key(&key) {
                self.accept(now, key, part);
                self.stats.recovered_by_red += 1;
            }
        }
        let stamp = primary.get(1..).and_then(Stamp::parse);
        match stamp {
            Some(stamp) => {
                // A frame that redundancy brought first still is a packet that arrived.
                self.accept(now, u64::from(stamp.packet), part);
                self.count(now, payload.len(), Some(stamp));
            }
            None => self.count(now, payload.len(), None),
        }
        self.release(now);
    }

    /// Gives up gaps that have waited long enough.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.release(now);
    }

    /// When the oldest gap is given up.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, held)| held.arrived + self.patience())
    }

    fn patience(&self) -> Duration {
        match self.kind {
            TrackKind::Audio => AUDIO_PATIENCE,
            TrackKind::Video => VIDEO_PATIENCE,
        }
    }

    /// Puts a packet in its place; false if it is not new.
    fn accept(&mut self, now: Instant, key: u64, part: Part) -> bool {
        let next = *self.next.get_or_insert(key);
        if key < next {
            let of_the_past = next - key <= JUMP_MAX;
            if of_the_past {
                // Cannot tell a repeated one from one given up; the transport already drops repeated ones.
                self.stats.late += 1;
                return false;
            }
            self.restart(key);
        } else if key > next + JUMP_MAX {
            self.restart(key);
        }
        if self.held.contains_key(&key) {
            self.stats.duplicates += 1;
            return false;
        }
        if key < self.highest {
            self.stats.repaired += 1;
        }
        self.highest = self.highest.max(key);
        self.held.insert(key, Held { arrived: now, part });
        true
    }

    fn restart(&mut self, key: u64) {
        self.held.clear();
        self.next = Some(key);
        self.highest = key;
        self.decoder.lose();
    }

    fn count(&mut self, now: Instant, bytes: usize, stamp: Option<Stamp>) {
        self.stats.packets += 1;
        self.stats.bytes += bytes as u64;
        let first = self.stats.active.map_or(now, |(first, _)| first);
        self.stats.active = Some((first, now));
        let Some(stamp) = stamp else {
            // Only packets that begin without a stamp come here; parts of a frame all carry one.
            self.stats.unreadable += 1;
            return;
        };
        let made = self.epoch + Duration::from_micros(stamp.sent_us);
        self.stats.latency.record(now.saturating_duration_since(made));
        if let Some(count) = self.stats.layers.get_mut(usize::from(stamp.layer)) {
            *count += 1;
        }
    }

    fn release(&mut self, now: Instant) {
        while let Some(entry) = self.held.first_entry() {
            let key = *entry.key();
            let next = self.next.unwrap_or(key);
            let waited = now.saturating_duration_since(entry.get().arrived);
            if key > next {
                if waited < self.patience() && self.held.len() < HELD_MAX {
                    break;
                }
                self.stats.missing += key - next;
                self.decoder.lose_part();
            }
            let Some((key, held)) = self.held.pop_first() else { break };
            self.next = Some(key + 1);
            match held.part.descriptor {
                Some(descriptor) => {
                    let wants_key = self.decoder.handle(now, held.part, descriptor, &mut self.stats);
                    self.needs_key |= wants_key;
                }
                None => self.stats.frames_decoded += 1,
            }
        }
    }
}

/// Puts video frames together, in order, and follows their references.
#[derive(Debug, Default)]
struct Decoder {
    frame: Option<Frame>,
    last_picture_id: Option<u16>,
    /// Base layer index of the last decoded base frame; `None` needs a keyframe.
    base: Option<u8>,
    lost_since_last: bool,
    last_decoded_at: Option<Instant>,
    mean_interval: Duration,
    started: bool,
}

#[derive(Debug)]
struct Frame {
    first: Part,
    descriptor: Descriptor,
    complete: bool,
}

impl Decoder {
    /// A packet before the next one never came.
    fn lose_part(&mut self) {
        self.lost_since_last = true;
        if let Some(frame) = &mut self.frame {
            frame.complete = false;
        }
    }

    /// Everything before is forgotten.
    fn lose(&mut self) {
        *self = Self { started: self.started, mean_interval: self.mean_interval, ..Self::default() };
    }

    /// The next packet in order; true if a keyframe is needed to go on.
    fn handle(&mut self, now: Instant, part: Part, descriptor: Descriptor, stats: &mut TrackStats) -> bool {
        let mut wants_key = false;
        if descriptor.start {
            if self.frame.take().is_some() {
                // The end of the frame before was lost.
                stats.frames_broken += 1;
                wants_key |= self.base.take().is_some();
            }
            self.frame = Some(Frame { first: part, descriptor, complete: true });
        }
        if !part.marker {
            return wants_key;
        }
        match self.frame.take() {
            Some(frame) if frame.complete => wants_key | !self.decode(now, &frame, stats),
            _ => {
                stats.frames_broken += 1;
                let base_hit = descriptor.tid.unwrap_or(0) == 0;
                if base_hit {
                    self.base = None;
                }
                wants_key | base_hit
            }
        }
    }

    /// Judges a complete frame; true if it was decoded or does not matter.
    fn decode(&mut self, now: Instant, frame: &Frame, stats: &mut TrackStats) -> bool {
        let descriptor = frame.descriptor;
        self.follow_picture_id(descriptor, stats);
        let layer = frame.first.layer.unwrap_or(stats.layer);
        let switched = self.started && layer != stats.layer;
        if switched {
            stats.layer_switches += 1;
            stats.bad_switches += u64::from(!frame.first.key);
        }
        stats.layer = layer;
        let tl0 = descriptor.tl0.unwrap_or(0);
        let has_references = match (self.base, descriptor.tid.unwrap_or(0)) {
            _ if frame.first.key => true,
            (None, _) => false,
            (Some(base), 0) => descriptor.tl0.is_none() || tl0 == base.wrapping_add(1),
            (Some(base), _) => tl0 == base,
        };
        if !has_references {
            stats.frames_broken += 1;
            if descriptor.tid.unwrap_or(0) == 0 {
                self.base = None;
            }
            return false;
        }
        if descriptor.tid.unwrap_or(0) == 0 {
            self.base = Some(tl0);
        }
        self.started = true;
        stats.frames_decoded += 1;
        stats.keyframes += u64::from(frame.first.key);
        self.note_interval(now, stats);
        true
    }

    fn follow_picture_id(&mut self, descriptor: Descriptor, stats: &mut TrackStats) {
        let lost = std::mem::take(&mut self.lost_since_last);
        let Some(id) = descriptor.picture_id else { return };
        let gap = self.last_picture_id.replace(id).is_some_and(|last| id != (last.wrapping_add(1) & 0x7fff));
        stats.picture_id_gaps += u64::from(gap && !lost);
    }

    fn note_interval(&mut self, now: Instant, stats: &mut TrackStats) {
        let Some(last) = self.last_decoded_at.replace(now) else { return };
        let interval = now.saturating_duration_since(last);
        let mean = self.mean_interval;
        if !mean.is_zero() && interval > (mean * 3).max(mean + Duration::from_millis(150)) {
            stats.freezes += 1;
            stats.freeze_time += interval;
            return;
        }
        self.mean_interval = if mean.is_zero() { interval } else { (mean * 29 + interval) / 30 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{SourcePacket, VideoConfig, VideoSource};

    fn frames(seconds: u64) -> (Instant, Vec<(Instant, SourcePacket)>) {
        let start = Instant::now();
        let mut source = VideoSource::new(VideoConfig::single(640, 360, 500_000), 3, start, start);
        let mut packets = Vec::new();
        while source.poll_timeout() < start + Duration::from_secs(seconds) {
            let at = source.poll_timeout();
            let mut out = Vec::new();
            source.handle_timeout(at, &mut out);
            packets.extend(out.into_iter().map(|p| (at, p)));
        }
        (start, packets)
    }

    fn feed(receiver: &mut TrackReceiver, at: Instant, packet: &SourcePacket) {
        receiver.handle_video(at, packet.sequence, packet.marker, &packet.payload);
    }

    #[test]
    fn a_clean_stream_decodes_whole() {
        let (start, packets) = frames(5);
        let mut receiver = TrackReceiver::new(TrackKind::Video, start);
        for (at, packet) in &packets {
            feed(&mut receiver, *at, packet);
        }
        let stats = receiver.stats();
        let sent = packets.iter().filter(|(_, packet)| packet.marker).count() as u64;
        assert_eq!((stats.frames_decoded, stats.frames_broken, stats.missing, stats.freezes), (sent, 0, 0, 0));
        assert_eq!(stats.unreadable, 0);
    }

    #[test]
    fn a_packet_that_comes_late_is_repaired_and_one_that_never_comes_is_missing() {
        let (start, packets) = frames(5);
        let mut receiver = TrackReceiver::new(TrackKind::Video, start);
        for (index, (at, packet)) in packets.iter().enumerate() {
            if index != 40 && index != 60 {
                feed(&mut receiver, *at, packet);
            }
            if index == 45 {
                feed(&mut receiver, *at, &packets[40].1);
            }
        }
        let stats = receiver.stats();
        assert_eq!((stats.repaired, stats.missing), (1, 1));
        assert!(stats.frames_broken > 0 && stats.freezes <= 1);
        assert!(receiver.take_key_request());
    }

    #[test]
    fn a_rewriter_that_skips_a_picture_id_is_noticed() {
        let (start, packets) = frames(2);
        let mut receiver = TrackReceiver::new(TrackKind::Video, start);
        for (at, packet) in &packets {
            let mut packet = packet.clone();
            if *at > start + Duration::from_secs(1) {
                let id = u16::from_be_bytes([packet.payload[2], packet.payload[3]]).wrapping_add(1) | 0x8000;
                packet.payload[2..4].copy_from_slice(&id.to_be_bytes());
            }
            feed(&mut receiver, *at, &packet);
        }
        assert_eq!(receiver.stats().picture_id_gaps, 1);
    }
}
