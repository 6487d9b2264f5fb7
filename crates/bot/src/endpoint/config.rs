//! How an endpoint is made, and what it tells.

use std::net::SocketAddr;
use std::time::Instant;

use thiserror::Error;

/// How an endpoint is made.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The address its socket is bound to: its only candidate.
    pub local: SocketAddr,
    /// Stamps count from here; the same for all bots that receive from each other.
    pub epoch: Instant,
    /// For sizes and first sequence numbers.
    pub seed: u64,
    /// Receive-only audio sections of the first offer.
    pub receive_audio: u32,
    /// Receive-only video sections of the first offer.
    pub receive_video: u32,
    /// Offer RFC 2198 redundancy for Opus.
    pub red: bool,
}

impl EndpointConfig {
    /// As `livekit-client` begins: three sections of each kind.
    pub fn new(local: SocketAddr, epoch: Instant, seed: u64) -> Self {
        Self { local, epoch, seed, receive_audio: 3, receive_video: 3, red: true }
    }
}

/// What happened to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointEvent {
    /// ICE and DTLS are up.
    Connected,
    /// ICE lost its peer.
    Disconnected,
    /// The transport is closed for good.
    Closed,
    /// A data channel can be written to.
    ChannelOpen(Channel),
    /// A message arrived.
    Message(Channel, Vec<u8>),
}

/// The two data channels of a LiveKit client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Label `_reliable`.
    Reliable,
    /// Label `_lossy`.
    Lossy,
}

impl Channel {
    /// The label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Reliable => "_reliable",
            Self::Lossy => "_lossy",
        }
    }
}

/// A datagram to send from the endpoint's socket.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// An offer to bring to the server.
#[derive(Clone, Debug)]
pub struct Offer {
    /// To be echoed with the answer.
    pub id: u32,
    /// SDP.
    pub sdp: String,
}

/// Why an endpoint cannot go on.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// The local address cannot be a candidate.
    #[error("the local address cannot be a candidate")]
    Address,
    /// An answer without a pending offer of that number.
    #[error("no offer {0} is pending")]
    NoOffer(u32),
    /// `str0m` refused something.
    #[error("webrtc: {0}")]
    Rtc(#[from] str0m::RtcError),
    /// An answer that does not parse.
    #[error("the answer does not parse: {0}")]
    Sdp(#[from] str0m::error::SdpError),
}
