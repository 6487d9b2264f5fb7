//! Offer/answer (RFC 8829, RFC 3264) for a BUNDLE of one transport: what a client's description says in types, and the
//! text of ours.
//!
//! Strings are split by `sdp-types`; meaning is read in `offer` and `media`, written in `answer`.

mod answer;
mod local_offer;
mod media;
mod offer;
mod plan;
mod section;

pub use offer::OfferError;
pub use plan::{AnswerError, OfferedSection, ReceivePlan, RedUse, SectionPlan, SendPlan};
pub use section::{Direction, Feedback, Mid, OfferedCodec, Rid, RidDirection, Section, SectionKind};

pub(crate) use answer::{LocalTransport, write_answer};
pub(crate) use local_offer::{LocalSection, plan_sections, write_offer};
pub(crate) use offer::{Description, Fingerprint, parse_description};
pub(crate) use plan::{repeatable_offered, repeatable_sources};
