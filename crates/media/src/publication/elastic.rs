//! How far the top layer of a publication can be bent to the lines of those who take it: a publisher that holds itself to
//! REMB makes it at the rate it is asked for, instead of one that nobody can take.

use std::time::{Duration, Instant};

use parlour_estimator::{DISTINCT, publisher_caps};
use parlour_model::{Bitrate, Layer, MediaKind};

use crate::publication::Publication;
use crate::spec::nominal_rate;

/// A picture made at less than this share of its whole rate is worse than the next smaller one at all of its rate: 720p of
/// 1.7 Mbit/s under 765 kbit/s beside 360p of 450.
const LEAST: f64 = 0.45;
/// It is begun at no less than this: between the two, what is shown stays.
const BEGIN: f64 = 0.6;
/// Where there is no smaller one, anything down to this is better than nothing.
const LEAST_SINGLE: Bitrate = Bitrate::kbps(150);
/// And what one receiver's line makes of it for all of them: no less than this share of what the others' have.
const SHARED_SINGLE: f64 = 0.3;
/// An encoder follows within a frame or two, but what is on its way is as it was: a larger fall is for a smaller layer.
const FALL: f64 = 0.75;
/// A publisher that sends this much more than it was asked to, so long after, does not do as it is asked.
const DISOBEYS: f64 = 1.4;
const TIME_TO_FOLLOW: Duration = Duration::from_secs(6);
/// It sends, if it did within this time.
const SENDS: Duration = Duration::from_millis(500);
/// It is asked again after this long.
const STIFF_FOR: Duration = Duration::from_secs(60);
/// Smaller changes are not told.
const TELLING_CHANGE: f64 = 0.03;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Elastic {
    asked: Option<Asked>,
    /// It did not do as it was asked; until then nothing is asked.
    stiff_until: Option<Instant>,
}

/// What a publisher is asked for.
#[derive(Clone, Copy, Debug)]
struct Asked {
    layer: u8,
    rate: Bitrate,
    /// Since when it is asked for no more than this.
    since: Instant,
}

impl Elastic {
    /// What is asked for of this layer.
    pub fn asked(&self, layer: u8) -> Option<Bitrate> {
        self.asked.filter(|asked| asked.layer == layer).map(|asked| asked.rate)
    }

    /// Whether it changed.
    fn ask(&mut self, wish: Option<(u8, Bitrate)>, now: Instant) -> bool {
        let Some((layer, rate)) = wish else { return self.asked.take().is_some() };
        let same = self.asked.filter(|asked| asked.layer == layer);
        let moved = same.is_none_or(|asked| {
            asked.rate.as_bps().abs_diff(rate.as_bps()) as f64 > asked.rate.as_bps() as f64 * TELLING_CHANGE
        });
        if moved {
            let since = same.filter(|asked| rate >= asked.rate).map_or(now, |asked| asked.since);
            self.asked = Some(Asked { layer, rate, since });
        }
        moved
    }
}

impl Publication {
    /// Whether its publisher does as it is asked.
    pub fn bends(&self) -> bool {
        self.section.remb && self.elastic.stiff_until.is_none() && self.codec().kind() == MediaKind::Video
    }

    /// What the publisher said that a layer takes.
    pub fn announced_rate(&self, layer: Layer) -> Option<Bitrate> {
        self.layer_spec(layer).map(|spec| spec.bitrate).filter(|&rate| rate > Bitrate::ZERO)
    }

    /// What a layer takes where nothing holds it back.
    pub fn whole_rate(&self, layer: Layer) -> Bitrate {
        let usual = nominal_rate(if self.is_single() { Layer(2) } else { layer });
        self.announced_rate(layer).unwrap_or(usual)
    }

    fn is_single(&self) -> bool {
        self.layers().len() <= 1
    }

    /// What a layer takes now, or took when it was last sent.
    pub fn measured_rate(&self, layer: u8) -> Option<Bitrate> {
        let rungs = self.encoding(layer)?.meter.measured()?;
        rungs.last().map(|rung| rung.rate)
    }

    /// The least rate at which a layer is worth having, for a receiver that is shown it or is not. `others`: what the line
    /// of another has for it.
    pub fn least_rate(&self, layer: Layer, is_shown: bool, others: Option<Bitrate>) -> Bitrate {
        let whole = self.whole_rate(layer);
        let single = self.is_single();
        let least = match (single, is_shown) {
            (true, _) => LEAST_SINGLE,
            (false, true) => whole.scaled(LEAST),
            (false, false) => whole.scaled(BEGIN),
        };
        let fall = self.measured_rate(layer.0).filter(|_| is_shown && !single).map(|rate| rate.scaled(FALL));
        let shared = others.map(|rate| rate.min(whole).scaled(if single { SHARED_SINGLE } else { DISTINCT }));
        [fall, shared].into_iter().flatten().fold(least, Bitrate::max)
    }

    /// Follows what the lines of those who take the top layer have for it; whether the publisher should be told.
    pub fn bend(&mut self, layer: u8, rooms: &[Bitrate], now: Instant) -> bool {
        let whole = self.whole_rate(Layer(layer));
        let most = self.measured_rate(layer).map_or(whole, |rate| rate.max(whole));
        // One encoding is for all of them.
        let cap = if self.is_single() { rooms.iter().min().copied().into_iter().collect() } else { rooms.to_vec() };
        let cap = publisher_caps(&cap, Bitrate::bps(u64::MAX)).first().copied();
        let bends = self.bends();
        let wish = cap.filter(|&cap| bends && cap < most).map(|cap| (layer, cap.max(LEAST_SINGLE)));
        self.elastic.ask(wish, now)
    }

    /// Sees whether the publisher does as it is asked; whether that changed what it is asked.
    pub fn judge_obedience(&mut self, now: Instant) -> bool {
        if self.elastic.stiff_until.is_some_and(|until| until <= now) {
            self.elastic.stiff_until = None;
        }
        let Some(asked) = self.elastic.asked else { return false };
        // What is remembered of a layer that is off is no disobedience.
        let sent = self.encoding(asked.layer).map(|encoding| encoding.life.silence(now));
        let ignored = sent.is_some_and(|silence| silence < SENDS)
            && self.measured_rate(asked.layer).is_some_and(|rate| rate > asked.rate.scaled(DISOBEYS));
        if !ignored || now.saturating_duration_since(asked.since) < TIME_TO_FOLLOW {
            return false;
        }
        self.elastic = Elastic { asked: None, stiff_until: Some(now + STIFF_FOR) };
        true
    }
}
