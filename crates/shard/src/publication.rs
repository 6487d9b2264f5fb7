//! One track that a participant publishes, between its announcement and its end.

use parlour_media::IngressSection;
use parlour_model::{Codec, MediaKind, Medium, ParticipantKey, PublicationKey, TrackRecord, TrackSid};
use parlour_peer::{OfferedCodec, Section};

/// A published track.
pub(crate) struct Publication {
    pub(crate) key: PublicationKey,
    pub(crate) sid: TrackSid,
    pub(crate) publisher: ParticipantKey,
    pub(crate) kind: MediaKind,
    pub(crate) codec: Codec,
    /// How it comes in.
    pub(crate) ingress: IngressSection,
    /// Somebody receives it; told to the publisher once.
    pub(crate) heard: bool,
    /// The control plane was told of it, and not yet of its end.
    pub(crate) listed: bool,
}

/// Binds an announced track to the section of the publisher's connection that carries it.
pub(crate) fn ingress_section(
    track: &TrackRecord,
    publication: PublicationKey,
    section: &Section,
    offered: &OfferedCodec,
) -> IngressSection {
    IngressSection {
        mid: section.mid.as_str().to_owned(),
        publication,
        medium: medium_of(track),
        codec: offered.codec,
        payload_type: offered.payload_type,
        rtx: offered.rtx,
        red: offered.red,
        nack: offered.feedback.nack,
        pli: offered.feedback.pli,
        fir: offered.feedback.fir,
        remb: offered.feedback.remb,
        rids: section.sent_rids().map(|rid| rid.as_str().to_owned()).collect(),
        ssrcs: section.ssrcs.clone(),
        encrypted: track.encryption != parlour_model::Encryption::None,
        layers: track.layers.clone(),
    }
}

/// The medium on whose edges a track goes.
pub(crate) fn medium_of(track: &TrackRecord) -> Medium {
    track.source.medium(track.kind)
}
