//! Whether one of several encodings still flows. Browsers stop their largest without a word when their line falls short, and
//! whoever is shown it would see it stand still. It shows by its silence while frames of the others go on: where the line
//! stalls, or the camera, all of them are silent.

use std::time::{Duration, Instant};

use crate::inbound::Inbound;
use crate::publication::dynacast::LAYERS;

/// So many frames of one other encoding without a packet of this one. Frames leave a browser in all encodings, one after the
/// other: after a stall, or at a loss, one or two of another come before this one's.
const PASSED: u8 = 3;

/// Silence is measured by the encoding's own frames: so many of their intervals, and of what these differ in the mean.
/// A camera at 30 frames a second is given the least, one in the dark at 5 has 600 ms.
const INTERVALS: f32 = 3.0;
const DEVIATIONS: f32 = 4.0;

/// Encoders leave frames out for a moment after a large one.
const LEAST: Duration = Duration::from_millis(200);

/// How fast interval and difference follow (as round trips in RFC 6298, 2.3).
const INTERVAL_GAIN: f32 = 0.125;
const DEVIATION_GAIN: f32 = 0.25;

/// An encoding that stops so soon after it began does not hold: the next time it has to flow for [`HOLDS`] before it is
/// shown. One that held is shown at once, as it returns with a keyframe; each stop costs whoever is shown it a moment.
const SHAKY: Duration = Duration::from_secs(10);
const HOLDS: Duration = Duration::from_secs(3);

/// See the head of this file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    state: State,
    newest: Instant,
    /// When its newest frame began, and the seconds from one frame to the next: mean and mean difference.
    frame: Option<Instant>,
    interval: Option<f32>,
    deviation: f32,
    /// By encoding: frames that began since the newest packet of this one.
    passed: [u8; LAYERS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flows {
        since: Instant,
    },
    /// `shaky`: so soon after it began.
    Stopped {
        shaky: bool,
    },
    /// It is back after it did not hold.
    Returns {
        since: Instant,
    },
}

impl Life {
    /// With its first packet.
    pub fn new(now: Instant) -> Self {
        Self {
            state: State::Flows { since: now },
            newest: now,
            frame: None,
            interval: None,
            deviation: 0.0,
            passed: [0; LAYERS],
        }
    }

    /// It can be shown.
    pub fn flows(&self) -> bool {
        matches!(self.state, State::Flows { .. })
    }

    /// How long nothing came.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.newest)
    }

    /// A packet of it came; whether it can be shown again.
    pub fn handle_packet(&mut self, packet: &Inbound, ceiling: Duration) -> bool {
        let now = packet.arrived;
        (self.newest, self.passed) = (now, [0; LAYERS]);
        if packet.frame.start {
            self.note_frame(now, ceiling);
        }
        let next = match self.state {
            State::Flows { .. } => return false,
            State::Stopped { shaky: true } => State::Returns { since: now },
            State::Returns { since } if now.saturating_duration_since(since) < HOLDS => return false,
            State::Stopped { shaky: false } | State::Returns { .. } => State::Flows { since: now },
        };
        self.state = next;
        self.flows()
    }

    fn note_frame(&mut self, now: Instant, ceiling: Duration) {
        let Some(before) = self.frame.replace(now) else { return };
        if matches!(self.state, State::Stopped { .. }) {
            return;
        }
        let sample = now.saturating_duration_since(before).min(ceiling).as_secs_f32();
        let Some(interval) = &mut self.interval else {
            (self.interval, self.deviation) = (Some(sample), sample / 2.0);
            return;
        };
        self.deviation += ((sample - *interval).abs() - self.deviation) * DEVIATION_GAIN;
        *interval += (sample - *interval) * INTERVAL_GAIN;
    }

    /// How long it may be silent.
    fn patience(&self, ceiling: Duration) -> Duration {
        let Some(interval) = self.interval else { return ceiling };
        let usual = INTERVALS * interval + DEVIATIONS * self.deviation;
        Duration::from_secs_f32(usual).max(LEAST).min(ceiling)
    }

    /// A frame of another encoding began; whether this one was shown until now and stopped. `wanted`: its publisher was told
    /// that somebody takes it.
    pub fn handle_other(&mut self, layer: u8, wanted: bool, ceiling: Duration, now: Instant) -> bool {
        let Some(passed) = self.passed.get_mut(usize::from(layer)) else { return false };
        *passed = passed.saturating_add(1);
        if *passed < PASSED || self.silence(now) < self.patience(ceiling) {
            return false;
        }
        let (shaky, was_shown) = match self.state {
            State::Flows { since } => (wanted && now.saturating_duration_since(since) < SHAKY, true),
            State::Stopped { .. } => return false,
            State::Returns { .. } => (wanted, false),
        };
        self.state = State::Stopped { shaky };
        was_shown
    }
}

#[cfg(test)]
mod tests;
