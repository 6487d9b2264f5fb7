//! What the shard tells of a connection after each answer: which sections carry what, with which payload types, SSRCs
//! and header extensions. Plain data, already negotiated; nothing here is SDP.

use parlour_model::command::Leg;
use parlour_model::{Bitrate, Codec, Layer, LayerSpec, Medium, ParticipantKey, PublicationKey, Quality};
use parlour_rtp::ExtensionMap;

/// What a participant publishes on its connection; always the whole of it.
#[derive(Clone, Debug, Default)]
pub struct UplinkSpec {
    /// Header extensions of its connection.
    pub extensions: ExtensionMap,
    /// It wants transport-wide feedback.
    pub transport_cc: bool,
    /// Sections that carry a publication.
    pub sections: Vec<IngressSection>,
}

/// One media section that carries a publication to us.
#[derive(Clone, Debug)]
pub struct IngressSection {
    /// Its name in the SDP (RFC 9143).
    pub mid: String,
    /// What it carries.
    pub publication: PublicationKey,
    /// On whose edges it goes.
    pub medium: Medium,
    /// Of the media payload type.
    pub codec: Codec,
    /// Of the media.
    pub payload_type: u8,
    /// Of retransmissions (RFC 4588).
    pub rtx: Option<u8>,
    /// Of redundant audio (RFC 2198).
    pub red: Option<u8>,
    /// The publisher answers generic NACK (RFC 4585).
    pub nack: bool,
    /// The publisher answers PLI (RFC 4585).
    pub pli: bool,
    /// The publisher answers FIR (RFC 5104).
    pub fir: bool,
    /// The publisher holds itself to REMB (draft-alvestrand-rmcat-remb).
    pub remb: bool,
    /// Simulcast rids as offered (RFC 8853); `q`, `h`, `f` name the layers 0, 1, 2. Empty: one encoding.
    pub rids: Vec<String>,
    /// SSRCs named in the SDP with their repair SSRC, from the smallest layer; empty with rids.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// Frames are end-to-end encrypted.
    pub encrypted: bool,
    /// Sizes and rates as the publisher announced them; empty for audio.
    pub layers: Vec<LayerSpec>,
}

/// How a participant receives.
#[derive(Clone, Debug)]
pub struct DownlinkSpec {
    /// The connection it receives on: [`Leg::Publish`] when it has only one.
    pub leg: Leg,
    /// Header extensions of that connection.
    pub extensions: ExtensionMap,
    /// Transport-wide sequence numbers were negotiated.
    pub transport_cc: bool,
}

/// One section on which a publication is sent to a receiver.
#[derive(Clone, Debug)]
pub struct SubscriptionSpec {
    /// Who receives.
    pub receiver: ParticipantKey,
    /// What.
    pub publication: PublicationKey,
    /// The section's name in the SDP, sent as header extension where negotiated.
    pub mid: String,
    /// Canonical name of the publisher (RFC 3550 section 6.5.1), as the SDP has it: one for all of its streams.
    pub cname: String,
    /// Of the stream we send. Where a section that is reused keeps it, the numbering of its packets goes on.
    pub ssrc: u32,
    /// Of retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// The receiver's payload type of the publication's codec.
    pub payload_type: u8,
    /// Its payload type for retransmissions of that.
    pub rtx: Option<u8>,
    /// Its payload type for redundant audio; without, audio is unwrapped.
    pub red: Option<u8>,
    /// The receiver sends generic NACK for this section.
    pub nack: bool,
    /// This section negotiated transport-wide feedback. A stream without must not be numbered: its packets would look
    /// lost.
    pub transport_cc: bool,
}

/// Which layer a rid names; `None` for names that are not of the ladder.
pub(crate) fn layer_of_rid(rid: &str) -> Option<Layer> {
    match rid {
        "q" => Some(Layer(0)),
        "h" => Some(Layer(1)),
        "f" => Some(Layer(2)),
        _ => None,
    }
}

/// The layer a rung stands for, in a publication with simulcast.
pub(crate) fn layer_of_quality(quality: Quality) -> Layer {
    match quality {
        Quality::Low => Layer(0),
        Quality::Medium => Layer(1),
        Quality::High => Layer(2),
    }
}

/// Rates taken for a layer of which nothing is known: the ladder LiveKit clients use (160, 450, 1,700 kbit/s).
pub(crate) fn nominal_rate(layer: Layer) -> Bitrate {
    match layer.0 {
        0 => Bitrate::kbps(160),
        1 => Bitrate::kbps(450),
        _ => Bitrate::kbps(1_700),
    }
}
