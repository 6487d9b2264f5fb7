//! Data channels.
use thiserror::Error;
/// Most data channels of a peer.
pub const MAX_CHANNELS: usize = 16;
/// Largest message, in bytes, either way.
pub const MAX_MESSAGE_SIZE: usize = 262_144;
/// Names a data channel of a peer: its SCTP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

/// What a channel promises (RFC 8831 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// In order, repeated until received.
    Reliable,
    /// In any order, sent once.
    Lossy,
}
/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// No such channel, or not open.
    #[error("no such channel")]
    Unknown,
    /// Too much waits to be sent; try later or drop.
    #[error("channel buffer is full")]
    Full,
    /// Larger than [`MAX_MESSAGE_SIZE`] or than the client takes.
    #[error("message too large")]
    TooLarge,
    /// [`MAX_CHANNELS`] are open.
    #[error("too many channels")]
    TooManyChannels,
    /// There is no association (yet).
    #[error("not connected")]
    NotConnected,
}
