//! One WebRTC endpoint of ours: SDP offer/answer, ICE-lite, DTLS, SRTP/SRTCP and data channels.
//!
//! Bytes and time go in, bytes and events come out. It knows no rooms, and of RTP no more than SRTP needs.
//!
//! The owner, after any call that mutates, drains [`Peer::poll_transmit`] and [`Peer::poll_event`], then asks
//! [`Peer::poll_timeout`].

mod certificate;
mod channels;
mod config;
mod dtls;
mod event;
#[doc(hidden)]
pub mod fuzz;
mod hello;
mod ice;
mod liveness;
mod negotiation;
mod peer;
mod sdp;
pub mod srtp;

pub use certificate::{Certificate, CertificateError};
pub use channels::{ChannelError, ChannelId, MAX_CHANNELS, MAX_MESSAGE_SIZE, Reliability};
pub use config::{DtlsVersions, IceCredentials, PeerConfig, PeerTimes};
pub use event::{
    CloseReason, DatagramDrop, DtlsVersion, Incoming, PeerCounters, PeerEvent, Route, SealError, Transmit,
};
pub use ice::stun_ufrag;
pub use negotiation::{IceChange, OfferOutcome};
pub use peer::Peer;
pub use sdp::{
    AnswerError, Direction, Feedback, Mid, OfferError, OfferedCodec, OfferedSection, ReceivePlan, RedUse, Rid,
    RidDirection, Section, SectionKind, SectionPlan, SendPlan,
};
pub use srtp::{MAX_SOURCES, SrtpProfile};
