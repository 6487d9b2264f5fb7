//! For each RTP packet and each receiver: whether and how it is forwarded.
//!
//! One [`Room`] holds the publications of its participants and the edges between them. Packets and time go in; packets,
//! ready to be sealed, and events come out. Layer selection, rewriting, repair, pacing, reports, feedback and speaker
//! detection are here. SDP, sockets, SRTP and the rules of a session are not.
//!
//! Words are those of RFC 7656: a source is an incoming RTP stream, a stream an outgoing one.

mod allocation;
pub mod config;
pub mod counters;
mod egress;
pub mod error;
pub mod event;
mod inbound;
pub mod ingress;
mod narrow;
mod publication;
mod ring;
pub mod room;
mod rtcp_outbox;
mod slots;
pub mod spec;
#[cfg(test)]
mod tests;
mod tick;
mod wire;

pub use config::MediaConfig;
pub use counters::MediaCounters;
pub use egress::lines::Home;
pub use error::{ForwardDrop, RtcpDrop, RtpDrop};
pub use event::{MediaEvent, ReceiverReport, Transmit, TransmitKind};
pub use narrow::NARROW_SPEECH;
pub use parlour_estimator::TracePoint;
pub use room::Room;
pub use spec::{DownlinkSpec, IngressSection, SubscriptionSpec, UplinkSpec};
