//! What the owner of a peer wants of each media section.

use parlour_model::{Codec, MediaKind};
use thiserror::Error;

use super::section::{Section, SectionKind};

/// What becomes of a section of the client's offer, in our answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SectionPlan {
    /// Nothing flows. The only plan for a rejected section.
    Inactive,
    /// The client sends.
    Receive(ReceivePlan),
    /// We send.
    Send(SendPlan),
    /// Data channels.
    Application,
}

/// What to do with an offer of RED (RFC 2198).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RedUse {
    /// Accept it and put it first: a client then sends it.
    #[default]
    Preferred,
    /// Accept it behind the bare codec.
    Accepted,
    /// Leave it out.
    Refused,
}

/// How a section is received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivePlan {
    /// Codecs to accept, in the client's order; empty accepts all of ours.
    pub codecs: Vec<Codec>,
    /// RED for audio.
    pub red: RedUse,
    /// Ask for Opus discontinuous transmission (`usedtx=1`). One payload type must mean one `fmtp` in a bundle: as soon
    /// as one received section says no, none asks.
    pub dtx: bool,
}

impl Default for ReceivePlan {
    fn default() -> Self {
        Self { codecs: Vec::new(), red: RedUse::Preferred, dtx: true }
    }
}

/// How we send on a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendPlan {
    /// First word of `a=msid`.
    pub stream_id: String,
    /// Second word of `a=msid`.
    pub track_id: String,
    /// Our source.
    pub ssrc: u32,
    /// Our source of retransmissions; left out if the client offers no RTX.
    pub rtx_ssrc: Option<u32>,
    /// Same for all sections that play in sync.
    pub cname: String,
    /// Must be offered by the section.
    pub codec: Codec,
}

/// A section of our own offer. Sections are only ever appended; what is listed again keeps its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferedSection {
    /// We send.
    Send(SendPlan),
    /// Free, to be used again later. Keeps the kind it had; a new one must not be inactive.
    Inactive,
    /// Data channels.
    Application,
}

/// Our sources that have no RTX and are repaired by repetition, of an answer to these sections.
pub(crate) fn repeatable_sources(sections: &[Section], plan: &[SectionPlan]) -> Vec<u32> {
    let repeatable = |(section, plan): (&Section, &SectionPlan)| match plan {
        SectionPlan::Send(send) => {
            section.codec(send.codec).filter(|codec| codec.rtx.is_none() && codec.feedback.nack).map(|_| send.ssrc)
        }
        SectionPlan::Inactive | SectionPlan::Receive(_) | SectionPlan::Application => None,
    };
    sections.iter().zip(plan).filter_map(repeatable).collect()
}

/// As [`repeatable_sources`], of an offer of ours. What the client will accept is not known yet; audio has no RTX.
pub(crate) fn repeatable_offered(plan: &[OfferedSection]) -> Vec<u32> {
    let repeatable = |plan: &OfferedSection| match plan {
        OfferedSection::Send(send) => (send.codec.kind() == MediaKind::Audio).then_some(send.ssrc),
        OfferedSection::Inactive | OfferedSection::Application => None,
    };
    plan.iter().filter_map(repeatable).collect()
}

/// Why there is no answer. The plan does not fit the offer: a bug of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// No offer was handled, or not since the last answer.
    #[error("no offer to answer")]
    NoOffer,
    /// An offer waits for its answer, ours or the client's.
    #[error("an offer is open")]
    OfferOpen,
    /// One plan per section is needed.
    #[error("the plan has not as many sections as the offer")]
    Count,
    /// This plan does not fit this kind of section.
    #[error("plan of section {section} does not fit its kind {kind:?}")]
    Kind {
        /// Which, from 0.
        section: usize,
        /// What it is.
        kind: SectionKind,
    },
    /// The client does not send, or does not receive, on this section.
    #[error("plan of section {section} goes against its direction")]
    Direction {
        /// Which, from 0.
        section: usize,
    },
    /// None of the plan's codecs is offered.
    #[error("plan of section {section} names a codec that is not offered")]
    Codec {
        /// Which, from 0.
        section: usize,
    },
}
