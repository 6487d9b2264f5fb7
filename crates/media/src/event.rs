//! What comes out of a room besides packets.

use std::time::Duration;

use parlour_model::command::Leg;
use parlour_model::{Layer, ParticipantKey, PublicationKey};

/// A packet in the caller's buffer, to be sealed and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// To whom.
    pub to: ParticipantKey,
    /// On which of its connections.
    pub leg: Leg,
    /// Which protection it needs.
    pub kind: TransmitKind,
    /// How much of the buffer it fills, in bytes.
    pub len: usize,
}

/// What a transmit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitKind {
    /// An RTP packet.
    Rtp,
    /// A compound or reduced-size RTCP packet.
    Rtcp,
}

/// Something the shard should know of.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaEvent {
    /// Loudness and speaking changed: (who, 0 to 1, speaks). Of the whole room: who may be told of whom follows the
    /// audio edges, and is for the caller to keep.
    Speakers(Vec<(ParticipantKey, f32, bool)>),
    /// The layers anybody takes changed: every announced layer with yes or no.
    SubscribedLayers {
        /// Of which publication.
        publication: PublicationKey,
        /// From the smallest.
        wanted: Vec<(Layer, bool)>,
    },
    /// Video is held back for want of budget, or sent again.
    StreamState {
        /// From whom it is held back.
        receiver: ParticipantKey,
        /// Which.
        publication: PublicationKey,
        /// Held back.
        paused: bool,
    },
    /// A voice is too much for a line it goes over, or no longer.
    NarrowSpeech {
        /// Which.
        publication: PublicationKey,
        /// To be made of [`crate::NARROW_SPEECH`] at most.
        narrow: bool,
    },
    /// The first packet of a subscription was forwarded.
    FirstPacket {
        /// To whom.
        receiver: ParticipantKey,
        /// Of which publication.
        publication: PublicationKey,
    },
}

/// What is known of a participant's two directions, for its connection quality.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceiverReport {
    /// Share of its packets that did not reach us and were not repaired, 0 to 1, over the last report interval.
    pub uplink_loss: f32,
    /// Interarrival jitter of what it sends, the worst of its streams (RFC 3550, 6.4.1).
    pub uplink_jitter: Duration,
    /// Share of our packets it reports lost and that were not repeated to it, 0 to 1, the mean of its streams.
    pub downlink_loss: f32,
    /// The worst jitter it reports.
    pub downlink_jitter: Duration,
    /// Round trip by sender and receiver reports; `None` before the first.
    pub rtt: Option<Duration>,
    /// Some video it wants is held back for want of budget.
    pub held_back: bool,
}
