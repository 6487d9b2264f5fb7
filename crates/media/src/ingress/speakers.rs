//! Who speaks, from the loudness that senders put into their packets (RFC 6464). One detector per room.
//!
//! Every [`STEP`] each participant's last [`WINDOW`] is judged: loud is who was above the threshold for 40 % of its
//! packets, at the level that 40 % exceed. The level is smoothed; speaking begins and ends at different thresholds, so
//! that a pause for breath does not end it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parlour_model::ParticipantKey;
use parlour_rtp::AudioLevel;

/// How far back a judgement looks.
pub const WINDOW: Duration = Duration::from_millis(400);

/// How often it is made.
pub const STEP: Duration = Duration::from_millis(200);

/// Participants watched; more are not (a session has at most 12).
pub const MAX_PARTICIPANTS: usize = 32;

/// Levels kept for each: a window of 10 ms packets.
const MAX_LEVELS: usize = 40;

/// Loud from here, in -dBov: a soft voice close to the microphone.
const LOUD: u8 = 35;

/// Once speaking, loud until here.
const STILL_LOUD: u8 = 42;

/// Of a window that must be loud: 2 in 5.
const SHARE: (usize, usize) = (2, 5);

/// Fewer loud packets than this are a click.
const MIN_LOUD: usize = 3;

/// Judgements without loudness until speaking ends: pauses between words and sentences.
const HANGOVER: u8 = 4;

/// Weight of the newest judgement in the level.
const SMOOTHING: f32 = 0.5;

/// A level has to change by this much to be told, unless speaking itself changes.
const TOLD_STEP: f32 = 1.0 / 8.0;

#[derive(Clone, Debug)]
struct Voice {
    key: ParticipantKey,
    levels: VecDeque<(Instant, u8)>,
    level: f32,
    told: f32,
    active: bool,
    quiet: u8,
}

impl Voice {
    fn new(key: ParticipantKey) -> Self {
        Self { key, levels: VecDeque::with_capacity(MAX_LEVELS), level: 0.0, told: 0.0, active: false, quiet: 0 }
    }

    /// Returns whether what others should know has changed.
    fn judge(&mut self, now: Instant) -> bool {
        while self.levels.front().is_some_and(|&(at, _)| now.saturating_duration_since(at) > WINDOW) {
            self.levels.pop_front();
        }
        let threshold = if self.active { STILL_LOUD } else { LOUD };
        let loudness = self.exceeded().filter(|&level| level <= threshold);
        let target = loudness.map_or(0.0, linear);
        self.level += (target - self.level) * SMOOTHING;
        if self.level < 0.001 {
            self.level = 0.0;
        }
        self.quiet = if loudness.is_some() { 0 } else { self.quiet.saturating_add(1) };
        let active = loudness.is_some() || self.active && self.quiet < HANGOVER;
        let changed = active != self.active || active && (self.level - self.told).abs() >= TOLD_STEP;
        self.active = active;
        changed
    }

    /// The level that two fifths of the window's packets reach; `None` if too few came.
    fn exceeded(&self) -> Option<u8> {
        let mut levels = [0; MAX_LEVELS];
        let levels = levels.get_mut(..self.levels.len())?;
        levels.iter_mut().zip(&self.levels).for_each(|(slot, &(_, level))| *slot = level);
        let needed = (levels.len() * SHARE.0).div_ceil(SHARE.1).max(MIN_LOUD);
        if levels.len() < needed {
            return None;
        }
        Some(*levels.select_nth_unstable(needed - 1).1)
    }

    fn tell(&mut self) -> (ParticipantKey, f32, bool) {
        let level = if self.active { self.level } else { 0.0 };
        self.told = level;
        (self.key, level, self.active)
    }
}

/// Amplitude, 0 to 1, of a level in -dBov.
fn linear(level_dbov: u8) -> f32 {
    10_f32.powf(-f32::from(level_dbov) / 20.0)
}

/// Watches the voices of one room.
#[derive(Clone, Debug, Default)]
pub struct Speakers {
    /// Ascending by key.
    voices: Vec<Voice>,
    due: Option<Instant>,
    /// Those that fell silent by being taken out.
    gone: Vec<ParticipantKey>,
    refused: u64,
}

impl Speakers {
    /// Nobody is here.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of this participant's microphone was this loud.
    pub fn handle_level(&mut self, key: ParticipantKey, level: AudioLevel, now: Instant) {
        let index = match self.voices.binary_search_by_key(&key, |voice| voice.key) {
            Ok(index) => index,
            Err(_) if self.voices.len() >= MAX_PARTICIPANTS => {
                self.refused += 1;
                return;
            }
            Err(index) => {
                self.voices.insert(index, Voice::new(key));
                index
            }
        };
        let Some(voice) = self.voices.get_mut(index) else { return };
        if voice.levels.len() == MAX_LEVELS {
            voice.levels.pop_front();
        }
        voice.levels.push_back((now, level.level_dbov));
        self.due.get_or_insert(now + STEP);
    }

    /// Muted, unpublished or gone: does not speak from now on.
    pub fn remove(&mut self, key: ParticipantKey, now: Instant) {
        let Ok(index) = self.voices.binary_search_by_key(&key, |voice| voice.key) else { return };
        if self.voices.remove(index).active {
            self.gone.push(key);
            self.due = Some(now);
        }
    }

    /// When [`Self::poll_changes`] has to be called next; `None` while everyone is silent.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Judges everyone, if it is time, and tells who changed: (who, loudness 0 to 1, speaks). Empty if nobody did.
    pub fn poll_changes(&mut self, now: Instant) -> Vec<(ParticipantKey, f32, bool)> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let mut changes: Vec<_> = self.gone.drain(..).map(|key| (key, 0.0, false)).collect();
        for voice in &mut self.voices {
            if voice.judge(now) {
                changes.push(voice.tell());
            }
        }
        let busy = self.voices.iter().any(|voice| voice.active || !voice.levels.is_empty());
        self.due = busy.then(|| now + STEP);
        changes
    }

    /// Levels of participants beyond [`MAX_PARTICIPANTS`].
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests;
