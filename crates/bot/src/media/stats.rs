//! Counts of one received track.

use std::time::{Duration, Instant};

use super::histogram::Histogram;

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
