//! Whether a larger picture gets so little of its publisher's uplink that the next smaller one looks better. Browsers serve
//! their smallest encodings first: when an uplink falls short the largest is made of what is left, 540 lines of 360 kbit/s
//! beside 360 lines of 450.

use parlour_model::{Bitrate, Layer, Medium, VideoSize};

use crate::publication::Publication;

/// What a picture takes to look alike grows with its pixels to this power: what browsers' own ladders come from (180 lines
/// of 160 kbit/s, 360 of 450, 720 of 1,270).
const LOOKS_ALIKE: f64 = 0.75;
/// A larger picture is worth having at this share of what would look like the smaller one, as a top layer that is bent
/// (`elastic.rs`: 720 lines at 765 kbit/s beside 360 at 450); one that was left is taken up again at the second.
const LEAST: f64 = 0.6;
const AGAIN: f64 = 0.8;
/// For so many looks, one a second: encoders begin low, and rates breathe.
const LASTS: u8 = 4;
/// What was asked for is given at this share: then it is the server's wish and not the uplink.
const AS_ASKED: f64 = 0.8;

/// One that is off, as nobody takes it, is tried again after so many looks, twice as many each time it was thin again: uplinks
/// recover, and each trial costs two keyframes.
const AWAY: (u8, u8) = (15, 60);

/// Of one encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Thin {
    /// Looks in a row at which it was thin, up to [`LASTS`].
    looks: u8,
    /// Looks at which it was off since then, and at how many it is tried again.
    away: u8,
    patience: u8,
}

impl Thin {
    /// The next smaller picture is better.
    pub fn is_certain(self) -> bool {
        self.looks >= LASTS
    }

    /// `thin`: what was seen; `None`: it is off. `compared`: the next smaller one flows.
    fn note(&mut self, thin: Option<bool>, compared: bool) {
        let was_certain = self.is_certain();
        match thin {
            Some(true) => self.looks = (self.looks + 1).min(LASTS),
            Some(false) => *self = Self::default(),
            None if was_certain && compared && self.away < self.patience => self.away += 1,
            None => self.looks = 0,
        }
        if self.is_certain() && !was_certain {
            self.away = 0;
            self.patience = self.patience.saturating_mul(2).clamp(AWAY.0, AWAY.1);
        }
    }
}

impl Publication {
    /// The next smaller layer is better than this one.
    pub fn is_thin(&self, layer: Layer) -> bool {
        self.encoding(layer.0).is_some_and(|encoding| encoding.thin.is_certain())
    }

    /// Once a second, after rates were measured. Only of a camera: text is read at its full size, however seldom it comes.
    pub fn look_for_thin_layers(&mut self) {
        if self.medium() != Medium::Camera {
            return;
        }
        let layers = self.layers();
        for pair in layers.windows(2) {
            let &[smaller, layer] = pair else { continue };
            let thin = self.compare(smaller, layer);
            let compared = self.flows(smaller);
            if let Some(encoding) = self.encoding_mut(layer.0) {
                encoding.thin.note(thin, compared);
            }
        }
    }

    fn flows(&self, layer: Layer) -> bool {
        self.encoding(layer.0).is_some_and(|encoding| encoding.life.flows() && encoding.meter.is_fresh())
    }

    /// Whether a layer is thin beside the next smaller one; `None`: one of them is off.
    fn compare(&self, smaller: Layer, layer: Layer) -> Option<bool> {
        if !self.flows(smaller) || !self.flows(layer) {
            return None;
        }
        let rates = (self.measured_rate(smaller.0)?, self.measured_rate(layer.0)?);
        if self.elastic.asked(layer.0).is_some_and(|asked| rates.1 >= asked.scaled(AS_ASKED)) {
            return Some(false);
        }
        let share = if self.is_thin(layer) { AGAIN } else { LEAST };
        let sizes = (self.layer_spec(smaller)?.size, self.layer_spec(layer)?.size);
        Some(rates.1 < looks_alike(rates.0, sizes)?.scaled(share))
    }
}

/// What a picture of the second size takes to look like one of the first at this rate; `None` where sizes are not told.
fn looks_alike(rate: Bitrate, sizes: (VideoSize, VideoSize)) -> Option<Bitrate> {
    let pixels = |size: VideoSize| f64::from(size.width) * f64::from(size.height);
    let (from, to) = (pixels(sizes.0), pixels(sizes.1));
    (from > 0.0 && to > from).then(|| rate.scaled((to / from).powf(LOOKS_ALIKE)))
}
