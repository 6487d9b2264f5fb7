//! What arrived of one remote track: order restored, gaps waited for and then counted, latency from the sender's stamp.
//! What it is worth to a decoder is judged in [`super::decoder`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::audio::red_frames;
use super::decoder::{Decoder, Part};
use super::stamp::Stamp;
use super::stats::{TrackKind, TrackStats};
use super::vp8::{Descriptor, is_key};

/// A lost video packet may be repaired for this long; the server keeps one second.
const VIDEO_PATIENCE: Duration = Duration::from_millis(1_000);

/// A lost audio packet later than this is of no use to anyone.
const AUDIO_PATIENCE: Duration = Duration::from_millis(400);

/// Packets held back behind a gap; at more the gap is given up.
const HELD_MAX: usize = 4_096;

/// A jump of the key beyond this is a new beginning, not a gap.
const JUMP_MAX: u64 = 5_000;

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

    /// The track comes on another RTP stream from now on, with numbers of its own.
    pub fn begin_stream(&mut self) {
        (self.next, self.highest) = (None, 0);
        self.held.clear();
        self.decoder = Decoder::default();
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
