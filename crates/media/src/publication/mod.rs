//! One publication: what its section negotiated, its encodings, and who may be interested.

pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod dynacast;
pub(crate) mod elastic;
pub(crate) mod encoding;
pub(crate) mod life;
pub(crate) mod meter;
pub(crate) mod thin;

use std::time::{Duration, Instant};

use parlour_model::{Bitrate, Codec, Layer, LayerSpec, Medium, PublicationKey};

use crate::config::MediaConfig;
use crate::egress::rewriter::Source;
use crate::publication::clock::ticks_between;
use crate::publication::dynacast::{Dynacast, LAYERS};
use crate::publication::elastic::Elastic;
pub(crate) use crate::publication::encoding::Encoding;
use crate::spec::{IngressSection, layer_of_quality, layer_of_rid};

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Publication {
    pub key: PublicationKey,
    /// Index of the participant that publishes it.
    pub owner: u16,
    pub section: IngressSection,
    pub muted: bool,
    pub priority: u8,
    /// (participant, stream): indices of those bound to it.
    pub audience: Vec<(u16, u16)>,
    pub encodings: [Option<Box<Encoding>>; LAYERS],
    pub dynacast: Dynacast,
    pub elastic: Elastic,
    /// A voice that was asked to be narrow: what it took before.
    pub narrow: Option<Bitrate>,
}

impl Publication {
    pub fn new(section: IngressSection, owner: u16, config: &MediaConfig, now: Instant) -> Self {
        Self {
            key: section.publication,
            owner,
            section,
            muted: false,
            priority: 1,
            audience: Vec::new(),
            encodings: [const { None }; LAYERS],
            dynacast: Dynacast::new(config.dynacast_delay, now),
            elastic: Elastic::default(),
            narrow: None,
        }
    }

    pub fn codec(&self) -> Codec {
        self.section.codec
    }

    pub fn medium(&self) -> Medium {
        self.section.medium
    }

    pub fn encoding(&self, layer: u8) -> Option<&Encoding> {
        self.encodings.get(usize::from(layer))?.as_deref()
    }

    pub fn encoding_mut(&mut self, layer: u8) -> Option<&mut Encoding> {
        self.encodings.get_mut(usize::from(layer))?.as_deref_mut()
    }

    /// By layer: the number that the next packet has at least.
    pub fn next_numbers(&self) -> [u64; LAYERS] {
        let next = |encoding: &Option<Box<Encoding>>| encoding.as_ref().map_or(0, |encoding| encoding.newest() + 1);
        self.encodings.each_ref().map(next)
    }

    /// What feeds a stream from this layer.
    pub fn source(&self, layer: u8) -> Source {
        let generation = self.encoding(layer).map_or(0, |encoding| encoding.generation);
        Source { publication: self.key.0, generation, layer }
    }

    /// Layers that are announced, from the smallest: by rid, else by SSRC, else one.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers: Vec<Layer> = self.section.rids.iter().filter_map(|rid| layer_of_rid(rid)).collect();
        if layers.is_empty() {
            let count = self.section.rids.len().max(self.section.ssrcs.len()).clamp(1, LAYERS);
            layers.extend((0..count).map(|layer| Layer(layer as u8)));
        }
        layers.sort();
        layers.dedup();
        layers
    }

    /// What the publisher said of a layer.
    pub fn layer_spec(&self, layer: Layer) -> Option<&LayerSpec> {
        if self.section.rids.is_empty() && self.section.ssrcs.len() <= 1 {
            return self.section.layers.iter().max_by_key(|spec| spec.quality);
        }
        self.section.layers.iter().find(|spec| layer_of_quality(spec.quality) == layer)
    }

    /// This layer can be shown. A layer does not count as stopped because all of them are silent: then the camera is off,
    /// or the line is, and falling down would help nobody.
    pub fn is_alive(&self, layer: u8) -> bool {
        self.encoding(layer).is_some_and(|encoding| encoding.life.flows())
    }

    /// A frame of this layer began; whether another one is seen by it to have stopped.
    pub fn pass(&mut self, layer: u8, timeout: Duration, now: Instant) -> bool {
        let mut stopped = false;
        for (other, encoding) in (0u8..).zip(&mut self.encodings) {
            let Some(encoding) = encoding.as_mut().filter(|_| other != layer) else { continue };
            stopped |= encoding.life.handle_other(layer, self.dynacast.is_told(other), timeout, now);
        }
        stopped
    }

    /// How many ticks a packet of `layer` is after a timestamp of `earlier`, by the sender's clocks.
    pub fn ticks_since(&self, earlier: Source, timestamp: u32, layer: u8, later: u32) -> Option<i64> {
        if earlier.publication != self.key.0 {
            return None;
        }
        if earlier == self.source(layer) {
            return Some(i64::from(later.wrapping_sub(timestamp) as i32));
        }
        let from = self.encoding(earlier.layer)?.clock.as_ref()?;
        let to = self.encoding(layer)?.clock.as_ref()?;
        Some(ticks_between((from, timestamp), (to, later), self.codec().clock_rate()))
    }
}
