//! Why a packet went no further. Every reason has its counter in [`crate::MediaCounters`].

use thiserror::Error;

/// Why an RTP packet was not taken in. Whose fault: the sender's, or that of the time between a change and its news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum RtpDrop {
    /// The sender is not in this room.
    #[error("not a participant of this room")]
    UnknownParticipant,
    /// Not RTP.
    #[error("not an RTP packet")]
    Malformed,
    /// More than any path carries.
    #[error("larger than a packet may be")]
    TooLarge,
    /// No section claims this SSRC.
    #[error("no section carries this stream")]
    UnknownSource,
    /// A payload type the section did not negotiate.
    #[error("payload type was not negotiated")]
    UnknownPayload,
    /// This packet came before.
    #[error("came twice")]
    Duplicate,
    /// Too old to be of use.
    #[error("too late")]
    Late,
    /// A retransmission that does not hold a packet.
    #[error("retransmission without a packet")]
    BadRepair,
    /// Padding to probe the path; it ends here.
    #[error("padding only")]
    Padding,
}

impl RtpDrop {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 9] = [
        Self::UnknownParticipant,
        Self::Malformed,
        Self::TooLarge,
        Self::UnknownSource,
        Self::UnknownPayload,
        Self::Duplicate,
        Self::Late,
        Self::BadRepair,
        Self::Padding,
    ];

    /// Stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownParticipant => "unknown_participant",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::UnknownSource => "unknown_source",
            Self::UnknownPayload => "unknown_payload",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::BadRepair => "bad_repair",
            Self::Padding => "padding",
        }
    }
}

/// Why an RTCP packet was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum RtcpDrop {
    /// The sender is not in this room.
    #[error("not a participant of this room")]
    UnknownParticipant,
    /// Not RTCP, or cut short. What stood before the fault was used.
    #[error("not an RTCP packet")]
    Malformed,
}

/// Why a packet that came in was not sent to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForwardDrop {
    /// Of a layer the receiver does not take; the ordinary work of a selector.
    Layer,
    /// Of a temporal layer above the receiver's.
    Temporal,
    /// The stream waits for a keyframe.
    AwaitsKeyframe,
    /// Too old to have a place in the outgoing numbering.
    Late,
    /// Video waited too long for its turn.
    PacerOverflow,
    /// Nobody fetched what was ready.
    OutboxOverflow,
    /// Left the repair cache before it was sent.
    Expired,
    /// The edge was cut while it waited.
    EdgeCut,
    /// The publication is redundant audio that could not be unwrapped.
    Unwrap,
    /// The caller's buffer was too small.
    Buffer,
}

impl ForwardDrop {
    /// Every reason, in the order of the counters.
    pub const ALL: [Self; 10] = [
        Self::Layer,
        Self::Temporal,
        Self::AwaitsKeyframe,
        Self::Late,
        Self::PacerOverflow,
        Self::OutboxOverflow,
        Self::Expired,
        Self::EdgeCut,
        Self::Unwrap,
        Self::Buffer,
    ];

    /// Stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Temporal => "temporal",
            Self::AwaitsKeyframe => "awaits_keyframe",
            Self::Late => "late",
            Self::PacerOverflow => "pacer_overflow",
            Self::OutboxOverflow => "outbox_overflow",
            Self::Expired => "expired",
            Self::EdgeCut => "edge_cut",
            Self::Unwrap => "unwrap",
            Self::Buffer => "buffer",
        }
    }
}
