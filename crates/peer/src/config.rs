//! What every peer of a worker shares: certificate, candidates, limits of time. Made once by the shell.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::dtls::DtlsSettings;
use crate::{Certificate, CertificateError};

/// Which versions of DTLS a client may choose from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtlsVersions {
    /// 1.2 (RFC 6347) and 1.3 (RFC 9147): 1.3 where the client offers it and it leads to AES-GCM for media.
    #[default]
    Both,
    /// 1.2 only.
    Only12,
    /// 1.3 only.
    Only13,
}

/// Local ICE credentials (RFC 8445 5.3). Made by whoever owns the random generator and the demultiplexer.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 `ice-char`s, unique on its worker: checks find their peer by it.
    pub ufrag: String,
    /// 22 to 256 `ice-char`s, at least 128 bits of randomness.
    pub password: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IceCredentials(…)")
    }
}

/// Settings of a peer, shared by all peers of a worker.
#[derive(Debug)]
pub struct PeerConfig {
    pub(crate) certificate: Certificate,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) dtls: DtlsSettings,
    pub(crate) times: PeerTimes,
}

/// How long a peer waits for what.
#[derive(Clone, Copy, Debug)]
pub struct PeerTimes {
    /// From a ClientHello to the end of the handshake. Then [`crate::CloseReason::HandshakeTimeout`].
    pub handshake: Duration,
    /// From the client's first description to a connected peer. Then [`crate::CloseReason::ConnectTimeout`].
    pub connect: Duration,
    /// Of silence (no valid check, no authentic packet) until [`crate::PeerEvent::ConsentLost`].
    pub consent_lost: Duration,
    /// Of silence until [`crate::CloseReason::ConsentExpired`] (RFC 7675 5.1: 30 s).
    pub consent_expired: Duration,
}

impl Default for PeerTimes {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(15),
            connect: Duration::from_secs(30),
            consent_lost: Duration::from_secs(15),
            consent_expired: Duration::from_secs(30),
        }
    }
}

impl PeerConfig {
    /// `candidates` are the addresses of this worker as clients see them, best first; they go into every answer as
    /// host candidates, and a check is accepted on whatever address it came in.
    pub fn new(
        certificate: Certificate,
        candidates: Vec<SocketAddr>,
        dtls: DtlsVersions,
        times: PeerTimes,
    ) -> Result<Arc<Self>, CertificateError> {
        let dtls = DtlsSettings::new(dtls, times.handshake)?;
        Ok(Arc::new(Self { certificate, candidates, dtls, times }))
    }

    /// How long its peers wait for what.
    pub fn times(&self) -> PeerTimes {
        self.times
    }
}
