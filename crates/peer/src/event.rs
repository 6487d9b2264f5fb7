//! What a peer tells its owner, and what it counts.

use std::net::SocketAddr;

use bytes::Bytes;
use thiserror::Error;

use crate::channels::ChannelId;
use crate::srtp::SrtpProfile;

/// The pair of addresses that media goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Ours: where the client's check arrived.
    pub local: SocketAddr,
    /// The client's, as we see it.
    pub remote: SocketAddr,
}

/// Where a datagram goes and from which of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Ours.
    pub from: SocketAddr,
    /// The client's.
    pub to: SocketAddr,
}

/// What a datagram turned out to be. STUN, DTLS and SCTP are dealt with inside.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// Nothing for the owner.
    None,
    /// An authentic RTP packet in the clear, the authentication tag cut off.
    Rtp(&'a mut [u8]),
    /// An authentic RTCP compound in the clear, index and tag cut off.
    Rtcp(&'a mut [u8]),
}

/// The DTLS version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsVersion {
    /// RFC 6347.
    V12,
    /// RFC 9147.
    V13,
}

/// What happened to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// Media can flow: ICE is up and the SRTP keys are there.
    Connected {
        /// As negotiated.
        dtls: DtlsVersion,
        /// As negotiated.
        srtp: SrtpProfile,
    },
    /// The client nominated a pair, the first or another.
    RouteChanged(Route),
    /// The ufrag of before an ICE restart is no longer answered to.
    UfragRetired(String),
    /// A data channel can be written to.
    ChannelOpened {
        /// Names it in later calls.
        id: ChannelId,
        /// As its opener chose. Not empty of meaning: `_reliable`, `_lossy`.
        label: String,
        /// Messages arrive in order.
        ordered: bool,
        /// Messages are repeated until received.
        reliable: bool,
    },
    /// A message came in, whole.
    ChannelMessage {
        /// On which channel.
        id: ChannelId,
        /// At most [`crate::MAX_MESSAGE_SIZE`] bytes.
        payload: Bytes,
        /// Binary, or text.
        binary: bool,
    },
    /// A data channel is gone.
    ChannelClosed(ChannelId),
    /// Nothing authentic was heard for [`crate::PeerTimes::consent_lost`]; stop sending media.
    ConsentLost,
    /// Heard again.
    ConsentBack,
    /// The end; nothing follows.
    Closed(CloseReason),
}

/// Why a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// [`crate::Peer::close`] was called.
    Local,
    /// The client said goodbye (DTLS close_notify).
    Remote,
    /// The client's certificate is not the one its SDP names.
    FingerprintMismatch,
    /// The DTLS handshake did not end in time.
    HandshakeTimeout,
    /// The DTLS handshake or connection failed.
    HandshakeFailed,
    /// The client negotiated no SRTP profile.
    NoSrtpProfile,
    /// Not connected in time.
    ConnectTimeout,
    /// Silence for too long.
    ConsentExpired,
}

/// Why a datagram was dropped. Counted in [`PeerCounters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum DatagramDrop {
    /// Its first byte belongs to no protocol of RFC 7983, or it is too short for the one it names.
    #[error("not a protocol of this port")]
    Unknown,
    /// STUN that does not parse, or is no binding request.
    #[error("malformed STUN")]
    MalformedStun,
    /// A check for credentials that are not ours.
    #[error("STUN for other credentials")]
    StunCredentials,
    /// A check whose MESSAGE-INTEGRITY is wrong.
    #[error("STUN integrity")]
    StunIntegrity,
    /// A check that claims the role that is ours.
    #[error("STUN role conflict")]
    StunRole,
    /// More checks than replies can wait.
    #[error("too many checks at once")]
    StunFlood,
    /// DTLS from an address without a valid check, before the client's fingerprint is known, or not beginning with the
    /// beginning of a ClientHello.
    #[error("DTLS out of place")]
    DtlsOutOfPlace,
    /// DTLS that ended the connection.
    #[error("DTLS failed")]
    DtlsFailed,
    /// SCTP that does not parse or belongs to no association.
    #[error("malformed SCTP")]
    Sctp,
    /// Media before its keys.
    #[error("media before keys")]
    BeforeKeys,
    /// Shorter than its headers and tag.
    #[error("media too short")]
    TooShort,
    /// Wrong authentication tag.
    #[error("media not authentic")]
    NotAuthentic,
    /// Seen before, or too old to tell.
    #[error("media replayed")]
    Replayed,
    /// One synchronization source too many.
    #[error("too many sources")]
    TooManySources,
    /// The peer is closed.
    #[error("closed")]
    Closed,
}

/// Why a packet could not be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum SealError {
    /// No keys yet, or no more.
    #[error("no keys")]
    NoKeys,
    /// No RTP or RTCP header, or no room for the tag behind it.
    #[error("packet or buffer too short")]
    TooShort,
    /// This sequence number of this source was sealed before and is not kept, or is too far back to tell. Sealing it
    /// again would use a nonce twice (RFC 7714 8.1), which gives the authentication key away.
    #[error("index already used")]
    IndexUsed,
    /// Far more sources than one connection comes to in its life.
    #[error("too many sources")]
    TooManySources,
    /// The index space is used up; a new connection is needed.
    #[error("key exhausted")]
    Exhausted,
}

/// What a peer counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// RTP packets opened.
    pub rtp_in: u64,
    /// RTCP packets opened.
    pub rtcp_in: u64,
    /// RTP packets sealed.
    pub rtp_out: u64,
    /// RTCP packets sealed.
    pub rtcp_out: u64,
    /// Valid checks answered.
    pub checks: u64,
    /// Times the nominated pair changed, the first included.
    pub routes: u64,
    /// DTLS datagrams in.
    pub dtls_in: u64,
    /// Channel messages in.
    pub messages_in: u64,
    /// Channel messages out.
    pub messages_out: u64,
    /// Channel messages dropped because too large, on no open channel, or over the number of channels.
    pub messages_dropped: u64,
    /// [`DatagramDrop::Unknown`]
    pub drop_unknown: u64,
    /// [`DatagramDrop::MalformedStun`]
    pub drop_malformed_stun: u64,
    /// [`DatagramDrop::StunCredentials`]
    pub drop_stun_credentials: u64,
    /// [`DatagramDrop::StunIntegrity`]
    pub drop_stun_integrity: u64,
    /// [`DatagramDrop::StunRole`]
    pub drop_stun_role: u64,
    /// [`DatagramDrop::StunFlood`]
    pub drop_stun_flood: u64,
    /// [`DatagramDrop::DtlsOutOfPlace`]
    pub drop_dtls_out_of_place: u64,
    /// [`DatagramDrop::DtlsFailed`]
    pub drop_dtls_failed: u64,
    /// [`DatagramDrop::Sctp`]
    pub drop_sctp: u64,
    /// [`DatagramDrop::BeforeKeys`]
    pub drop_before_keys: u64,
    /// [`DatagramDrop::TooShort`]
    pub drop_too_short: u64,
    /// [`DatagramDrop::NotAuthentic`]
    pub drop_not_authentic: u64,
    /// [`DatagramDrop::Replayed`]
    pub drop_replayed: u64,
    /// [`DatagramDrop::TooManySources`]
    pub drop_too_many_sources: u64,
    /// [`DatagramDrop::Closed`]
    pub drop_closed: u64,
}

impl PeerCounters {
    pub(crate) fn count(&mut self, drop: DatagramDrop) {
        let counter = match drop {
            DatagramDrop::Unknown => &mut self.drop_unknown,
            DatagramDrop::MalformedStun => &mut self.drop_malformed_stun,
            DatagramDrop::StunCredentials => &mut self.drop_stun_credentials,
            DatagramDrop::StunIntegrity => &mut self.drop_stun_integrity,
            DatagramDrop::StunRole => &mut self.drop_stun_role,
            DatagramDrop::StunFlood => &mut self.drop_stun_flood,
            DatagramDrop::DtlsOutOfPlace => &mut self.drop_dtls_out_of_place,
            DatagramDrop::DtlsFailed => &mut self.drop_dtls_failed,
            DatagramDrop::Sctp => &mut self.drop_sctp,
            DatagramDrop::BeforeKeys => &mut self.drop_before_keys,
            DatagramDrop::TooShort => &mut self.drop_too_short,
            DatagramDrop::NotAuthentic => &mut self.drop_not_authentic,
            DatagramDrop::Replayed => &mut self.drop_replayed,
            DatagramDrop::TooManySources => &mut self.drop_too_many_sources,
            DatagramDrop::Closed => &mut self.drop_closed,
        };
        *counter += 1;
    }
}
