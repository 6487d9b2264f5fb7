//! Offer/answer (RFC 8829, RFC 3264) for a BUNDLE of one transport: what an offer says in types, and our answer's text.
//!
//! Strings are split by `sdp-types`; meaning is read in [`offer`], written in [`answer`].

mod offer;
mod plan;
mod section;

pub use offer::OfferError;
pub use plan::{AnswerError, OfferedSection, ReceivePlan, RedUse, SectionPlan, SendPlan};
pub use section::{Direction, Feedback, Mid, OfferedCodec, Rid, RidDirection, Section, SectionKind};
