//! What a shard counts, in plain integers: one thread owns them, and whoever watches gets a copy.

use std::time::Duration;

use parlour_peer::{DtlsVersion, SrtpProfile};

/// Why a datagram went no further than the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardDrop {
    /// Its first byte is of no protocol we speak (RFC 7983).
    UnknownProtocol,
    /// From an address that belongs to no peer.
    UnknownAddress,
    /// A STUN message for no fragment of ours.
    UnknownUfrag,
    /// The outbox could not take it.
    OutboxFull,
    /// The peer has no route yet.
    NoRoute,
    /// It could not be sealed.
    Seal,
    /// The room is gone.
    NoRoom,
}

impl ShardDrop {
    /// Every reason, in the order of [`ShardCounters::drops`].
    pub const ALL: [Self; 7] = [
        Self::UnknownProtocol,
        Self::UnknownAddress,
        Self::UnknownUfrag,
        Self::OutboxFull,
        Self::NoRoute,
        Self::Seal,
        Self::NoRoom,
    ];

    /// Stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownProtocol => "unknown_protocol",
            Self::UnknownAddress => "unknown_address",
            Self::UnknownUfrag => "unknown_ufrag",
            Self::OutboxFull => "outbox_full",
            Self::NoRoute => "no_route",
            Self::Seal => "seal",
            Self::NoRoom => "no_room",
        }
    }
}

/// Totals since the shard was made.
#[derive(Clone, Debug, Default)]
pub struct ShardCounters {
    /// Datagrams that came.
    pub datagrams_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Datagrams that went.
    pub datagrams_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// By [`ShardDrop`].
    pub drops: [u64; ShardDrop::ALL.len()],
    /// Participants that came in.
    pub joins: u64,
    /// Participants that came back.
    pub resumes: u64,
    /// Participants that went, by any way.
    pub leaves: u64,
    /// Peer connections that were closed by their own fault or silence.
    pub peers_closed: u64,
    /// Offers and answers of clients that could not be taken.
    pub offers_refused: u64,
    /// Offers and answers of ours that could not be made: bugs.
    pub answers_failed: u64,
    /// Candidates that clients sent by signalling; not needed by ICE-lite.
    pub trickled: u64,
    /// Times that nothing was heard of a peer for too long.
    pub consent_lost: u64,
    /// Connections that came up, by DTLS version (1.2, 1.3).
    pub connected_dtls: [u64; 2],
    /// Connections that came up, by SRTP profile (AES-128-GCM, AES-256-GCM, AES-128-CM with HMAC-SHA1-80).
    pub connected_srtp: [u64; 3],
    /// Things told of sessions that were given up because nobody read them.
    pub session_events_dropped: u64,
    /// Bugs contained.
    pub panics: u64,
    /// Data messages passed on, once per receiver.
    pub data_out: u64,
    /// Data messages not passed on: no edge, no channel, or a full buffer.
    pub data_dropped: u64,
    /// Data messages not passed on because their sender may not have known of the receiver when it sent them.
    pub data_withheld: u64,
    /// Messages and descriptions not looked at, because one client sent too many.
    pub over_allowance: u64,
    /// For each participant the time from joining to the first packet of media, since last taken.
    pub first_media: Vec<Duration>,
}

impl ShardCounters {
    /// A connection came up.
    pub(crate) fn connected(&mut self, dtls: DtlsVersion, srtp: SrtpProfile) {
        self.connected_dtls[match dtls {
            DtlsVersion::V12 => 0,
            DtlsVersion::V13 => 1,
        }] += 1;
        self.connected_srtp[match srtp {
            SrtpProfile::AeadAes128Gcm => 0,
            SrtpProfile::AeadAes256Gcm => 1,
            SrtpProfile::Aes128CmSha1_80 => 2,
        }] += 1;
    }

    pub(crate) fn drop(&mut self, reason: ShardDrop) {
        self.drops[reason as usize] += 1;
    }

    /// Drops for this reason.
    pub fn dropped(&self, reason: ShardDrop) -> u64 {
        self.drops[reason as usize]
    }
}
