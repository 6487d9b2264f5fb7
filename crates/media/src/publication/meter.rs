//! The rate and frame rate of one encoding, by temporal layer, as measured; what allocation counts with.

use std::time::{Duration, Instant};

use parlour_model::{Bitrate, DataSize};

use crate::inbound::Inbound;

/// VP8 has two bits for the temporal layer.
pub(crate) const TEMPORAL_LAYERS: usize = 4;

/// A window this long has a few dozen frames and rarely more than one keyframe.
const WINDOW: Duration = Duration::from_secs(1);

/// What a temporal layer and all below it take.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rung {
    pub rate: Bitrate,
    pub frames_per_second: f32,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct RateMeter {
    began: Instant,
    bytes: [u64; TEMPORAL_LAYERS],
    frames: [u32; TEMPORAL_LAYERS],
    measured: Option<[Rung; TEMPORAL_LAYERS]>,
}

impl RateMeter {
    pub fn new(now: Instant) -> Self {
        Self { began: now, bytes: [0; TEMPORAL_LAYERS], frames: [0; TEMPORAL_LAYERS], measured: None }
    }

    /// Counts a packet.
    pub fn count(&mut self, packet: &Inbound) {
        let layer = usize::from(packet.frame.temporal).min(TEMPORAL_LAYERS - 1);
        if let (Some(bytes), Some(frames)) = (self.bytes.get_mut(layer), self.frames.get_mut(layer)) {
            *bytes += packet.size as u64;
            *frames += u32::from(packet.frame.start);
        }
    }

    /// Ends the window if it is over.
    pub fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed < WINDOW {
            return;
        }
        let mut total = Rung::default();
        let mut rungs = [Rung::default(); TEMPORAL_LAYERS];
        for ((rung, &bytes), &frames) in rungs.iter_mut().zip(&self.bytes).zip(&self.frames) {
            total.rate += DataSize::bytes(bytes).per(elapsed);
            total.frames_per_second += frames as f32 / elapsed.as_secs_f32();
            *rung = total;
        }
        // Half of the old: one keyframe should not make a layer look twice its size.
        if let Some(old) = self.measured.filter(|_| total.rate > Bitrate::ZERO) {
            for (rung, old) in rungs.iter_mut().zip(old) {
                rung.rate = (rung.rate + old.rate).scaled(0.5);
                rung.frames_per_second = (rung.frames_per_second + old.frames_per_second) / 2.0;
            }
        }
        self.measured = (total.rate > Bitrate::ZERO).then_some(rungs);
        self.bytes = [0; TEMPORAL_LAYERS];
        self.frames = [0; TEMPORAL_LAYERS];
        self.began = now;
    }

    /// What each temporal layer takes, those below included; `None` while nothing comes.
    pub fn measured(&self) -> Option<[Rung; TEMPORAL_LAYERS]> {
        self.measured
    }
}
