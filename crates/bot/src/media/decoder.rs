//! Judges received video as a VP8 decoder would: a frame is worth something if it is complete and what it refers to was
//! decoded (RFC 7741 section 4.2: TL0PICIDX, TID).

use std::time::{Duration, Instant};

use super::stats::TrackStats;
use super::vp8::Descriptor;

/// What the decoder needs to know of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// `None` for audio.
    pub(super) descriptor: Option<Descriptor>,
    /// Begins a keyframe.
    pub(super) key: bool,
    /// Ends a frame.
    pub(super) marker: bool,
    /// Encoding it came from, if it says so.
    pub(super) layer: Option<u8>,
}

/// Puts video frames together, in order, and follows their references.
#[derive(Debug, Default)]
pub(super) struct Decoder {
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
    pub(super) fn lose_part(&mut self) {
        self.lost_since_last = true;
        if let Some(frame) = &mut self.frame {
            frame.complete = false;
        }
    }

    /// Everything before is forgotten.
    pub(super) fn lose(&mut self) {
        *self = Self { started: self.started, mean_interval: self.mean_interval, ..Self::default() };
    }

    /// The next packet in order; true if a keyframe is needed to go on.
    pub(super) fn handle(&mut self, now: Instant, part: Part, descriptor: Descriptor, stats: &mut TrackStats) -> bool {
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
