//! The rate and frame rate of one encoding, by temporal layer, as measured; what allocation counts with.

use std::time::{Duration, Instant};

use parlour_model::{Bitrate, DataSize};

use crate::inbound::Inbound;

/// VP8 has two bits for the temporal layer.
pub(crate) const TEMPORAL_LAYERS: usize = 4;

/// A window this long has a few dozen frames and rarely more than one keyframe.
const WINDOW: Duration = Duration::from_secs(1);

/// Windows without a packet after which what was measured before is forgotten. A layer that was found too dear and is no
/// longer sent must not look cheap again the moment it is off.
const MEMORY: u32 = 60;

/// A window whose last so long was silent may say how long a layer was on, not what it takes: it goes on until that is
/// known, or for so long at most. So may one that begins with the layer and is shorter than this.
const TAIL: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);
const HEAD: Duration = Duration::from_millis(500);

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
    newest: Instant,
    bytes: [u64; TEMPORAL_LAYERS],
    frames: [u32; TEMPORAL_LAYERS],
    measured: Option<[Rung; TEMPORAL_LAYERS]>,
    idle: u32,
}

impl RateMeter {
    pub fn new(now: Instant) -> Self {
        Self {
            began: now,
            newest: now,
            bytes: [0; TEMPORAL_LAYERS],
            frames: [0; TEMPORAL_LAYERS],
            measured: None,
            idle: 0,
        }
    }

    /// Counts a packet.
    pub fn count(&mut self, packet: &Inbound) {
        if self.idle > 0 && self.bytes == [0; TEMPORAL_LAYERS] {
            self.began = packet.arrived;
        }
        self.newest = packet.arrived;
        let layer = usize::from(packet.frame.temporal).min(TEMPORAL_LAYERS - 1);
        if let (Some(bytes), Some(frames)) = (self.bytes.get_mut(layer), self.frames.get_mut(layer)) {
            *bytes += packet.size as u64;
            *frames += u32::from(packet.frame.start);
        }
    }

    /// Ends the window if it is over.
    pub fn roll(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        // After a pause the window begins with the first packet.
        if elapsed < if self.idle > 0 { HEAD } else { WINDOW } {
            return;
        }
        let silent = now.saturating_duration_since(self.newest);
        let is_tail = self.measured.is_some() && self.bytes != [0; TEMPORAL_LAYERS] && silent > TAIL;
        if is_tail && silent < WINDOW && elapsed < LONGEST {
            return;
        }
        if is_tail && silent >= WINDOW {
            (self.bytes, self.frames) = Default::default();
        }
        let mut total = Rung::default();
        let mut rungs = [Rung::default(); TEMPORAL_LAYERS];
        for ((rung, &bytes), &frames) in rungs.iter_mut().zip(&self.bytes).zip(&self.frames) {
            total.rate += DataSize::bytes(bytes).per(elapsed);
            total.frames_per_second += frames as f32 / elapsed.as_secs_f32();
            *rung = total;
        }
        self.began = now;
        if total.rate == Bitrate::ZERO {
            self.idle = self.idle.saturating_add(1);
            self.measured = self.measured.filter(|_| self.idle < MEMORY);
            return;
        }
        self.idle = 0;
        (self.bytes, self.frames) = Default::default();
        // Half of the old after a second: one keyframe should not make a layer look twice its size.
        if let Some(old) = self.measured {
            let kept = 0.5_f64.powf(elapsed.as_secs_f64());
            for (rung, old) in rungs.iter_mut().zip(old) {
                rung.rate = rung.rate.scaled(1.0 - kept) + old.rate.scaled(kept);
                rung.frames_per_second += (old.frames_per_second - rung.frames_per_second) * kept as f32;
            }
        }
        self.measured = Some(rungs);
    }

    /// What is measured is of now, not of before a pause.
    pub fn is_fresh(&self) -> bool {
        self.idle == 0 && self.measured.is_some()
    }

    /// What each temporal layer takes, or took when it was last sent, those below included; `None` if nothing came lately.
    pub fn measured(&self) -> Option<[Rung; TEMPORAL_LAYERS]> {
        self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::Frame;
    use crate::tests::epoch;

    fn film(meter: &mut RateMeter, from: Instant, seconds: u32) -> Instant {
        let frame = |index: u32| [0, 2, 1, 2].get(index as usize % 4).copied().unwrap_or(0);
        for index in 0..seconds * 40 {
            let at = from + Duration::from_millis(25) * index;
            let frame = Frame { start: true, temporal: frame(index), ..Frame::default() };
            let packet = Inbound { layer: 0, sequence: 0, timestamp: 0, arrived: at, size: 1_000, frame };
            meter.roll(at);
            meter.count(&packet);
        }
        from + Duration::from_secs(1) * seconds
    }

    #[test]
    fn each_temporal_layer_is_measured_with_those_below() {
        let mut meter = RateMeter::new(epoch());
        let end = film(&mut meter, epoch(), 10);
        meter.roll(end);
        let rungs = meter.measured().unwrap();
        for (rung, (kbps, fps)) in rungs.iter().zip([(80.0, 10.0), (160.0, 20.0), (320.0, 40.0), (320.0, 40.0)]) {
            assert!((rung.rate.as_bps() as f32 / 1_000.0 - kbps).abs() < kbps / 10.0, "{rung:?}");
            assert!((rung.frames_per_second - fps).abs() < fps / 10.0, "{rung:?}");
        }
    }

    #[test]
    fn a_layer_does_not_look_cheap_because_it_went_off_or_came_back_within_a_window() {
        let mut meter = RateMeter::new(epoch());
        let end = film(&mut meter, epoch(), 5);
        let mut now = end;
        // On for a fifth of the window, off, and on again for the last fifth of another.
        for (at, on) in [(0, 8), (1_000, 0), (2_000, 0), (3_800, 8)] {
            for index in 0..on {
                let arrived = now + Duration::from_millis(at) + Duration::from_millis(25) * index;
                let frame = Frame { start: true, temporal: 0, ..Frame::default() };
                meter.count(&Inbound { layer: 0, sequence: 0, timestamp: 0, arrived, size: 1_000, frame });
            }
            meter.roll(now + Duration::from_millis(at / 1_000 * 1_000 + 1_000));
            let whole = meter.measured().unwrap()[TEMPORAL_LAYERS - 1].rate;
            assert!(whole > Bitrate::kbps(280), "{whole:?} after {at} ms");
        }
        now = film(&mut meter, now + Duration::from_secs(4), 1);
        meter.roll(now);
        assert!(meter.measured().is_some_and(|rungs| rungs[2].rate > Bitrate::kbps(280)));
    }

    #[test]
    fn a_layer_that_is_off_keeps_its_price_for_a_minute() {
        let mut meter = RateMeter::new(epoch());
        let end = film(&mut meter, epoch(), 5);
        for second in 0..50 {
            meter.roll(end + Duration::from_secs(second));
        }
        assert!(meter.measured().is_some_and(|rungs| rungs[2].rate > Bitrate::kbps(280)));
        for second in 50..70 {
            meter.roll(end + Duration::from_secs(second));
        }
        assert_eq!(meter.measured(), None);
    }
}
