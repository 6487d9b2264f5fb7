//! DTLS, passive (RFC 6347, RFC 9147), by crate `dimpl`: keys for SRTP (RFC 5764) and the way of SCTP (RFC 8261).
//!
//! Nothing is kept before the first datagram from an address with a valid check. No key leaves here before the client's
//! certificate is the one its description names (RFC 8122 5).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, Output, ProtocolVersion};

use crate::hello::choose_version;
use crate::sdp::Fingerprint;
use crate::srtp::SrtpProfile;
use crate::{Certificate, CertificateError, CloseReason, DtlsVersion, DtlsVersions};

/// Largest datagram we make: what passes everywhere IPv6 does, less the headers of tunnels.
pub(crate) const MTU: usize = 1200;

/// First repetition of a flight. The path was checked by ICE a moment ago, so losses are likelier than a long way.
const FIRST_REPETITION: Duration = Duration::from_millis(250);

/// Repetitions of a flight, doubling: the last before the handshake's deadline.
const REPETITIONS: usize = 6;

/// Most datagrams that wait to be polled.
const MAX_QUEUED: usize = 256;

/// Room for a usual record; grows if one needs more.
const RECORD_SIZE: usize = 2048;

/// Settings shared by all connections of a worker.
#[derive(Debug)]
pub(crate) struct DtlsSettings {
    versions: DtlsVersions,
    config: Arc<dimpl::Config>,
}

impl DtlsSettings {
    pub(crate) fn new(versions: DtlsVersions, handshake: Duration) -> Result<Self, CertificateError> {
        let config = dimpl::Config::builder()
            .mtu(MTU)
            // ICE has proven that the client receives where it sends from; a cookie would cost a round trip.
            .use_server_cookie(false)
            .flight_start_rto(FIRST_REPETITION)
            .flight_retries(REPETITIONS)
            .handshake_timeout(handshake)
            .build()
            .map_err(|_| CertificateError::Settings)?;
        Ok(Self { versions, config: Arc::new(config) })
    }

    /// The engine for the client whose first datagram this is; `None` if it is not the beginning of a ClientHello.
    fn engine(&self, certificate: &Certificate, datagram: &[u8], now: Instant) -> Option<Dtls> {
        let version = choose_version(self.versions, datagram)?;
        let (config, certificate) = (Arc::clone(&self.config), certificate.dtls());
        Some(match version {
            DtlsVersion::V12 => Dtls::new_12(config, certificate, now),
            DtlsVersion::V13 => Dtls::new_13(config, certificate, now),
        })
    }
}

/// What comes out of the connection for its owner.
#[derive(Debug)]
pub(crate) enum DtlsEvent {
    /// Done, and the certificate is the right one.
    Connected { version: DtlsVersion, profile: SrtpProfile, material: dimpl::KeyingMaterial },
    /// From the client, authentic: an SCTP packet.
    Data(Vec<u8>),
    /// The end.
    Closed(CloseReason),
}

/// One DTLS connection, server side.
pub(crate) struct DtlsTransport {
    engine: Dtls,
    /// What the client's certificate must be.
    fingerprint: Fingerprint,
    verified: bool,
    keys: Option<(SrtpProfile, dimpl::KeyingMaterial)>,
    connected: bool,
    announced: bool,
    timeout: Option<Instant>,
    datagrams: VecDeque<Vec<u8>>,
    events: VecDeque<DtlsEvent>,
    closed: bool,
}

impl fmt::Debug for DtlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsTransport").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl DtlsTransport {
    /// A connection for the client whose first datagram this is; `None` if it is not the beginning of a ClientHello.
    /// The datagram is still to be handled.
    pub(crate) fn begin(
        settings: &DtlsSettings,
        certificate: &Certificate,
        fingerprint: Fingerprint,
        datagram: &[u8],
        now: Instant,
    ) -> Option<Self> {
        Some(Self {
            engine: settings.engine(certificate, datagram, now)?,
            fingerprint,
            verified: false,
            keys: None,
            connected: false,
            announced: false,
            timeout: None,
            datagrams: VecDeque::new(),
            events: VecDeque::new(),
            closed: false,
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connected && !self.closed
    }

    /// Handles a datagram; `false` if it came after the end or made the connection fail. A goodbye is no failure.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        if self.closed {
            return false;
        }
        let handled = self.engine.handle_timeout(now).and_then(|()| self.engine.handle_packet(datagram));
        self.settle(handled);
        let ended = self.events.iter().any(|event| matches!(event, DtlsEvent::Closed(CloseReason::Remote)));
        ended || !self.closed
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.closed && self.timeout.is_some_and(|timeout| timeout <= now) {
            let handled = self.engine.handle_timeout(now);
            self.settle(handled);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timeout.filter(|_| !self.closed)
    }

    /// Sends an SCTP packet. Dropped when too many datagrams wait: SCTP repeats what matters.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        if !self.is_connected() || self.datagrams.len() >= MAX_QUEUED {
            return;
        }
        let sent = self.engine.send_application_data(packet).map(|_| ());
        self.settle(sent);
    }

    /// Room for more in [`Self::send`].
    pub(crate) fn has_room(&self) -> bool {
        self.is_connected() && self.datagrams.len() < MAX_QUEUED
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        if !self.closed && self.engine.close().is_ok() {
            self.drain();
        }
        self.closed = true;
        self.events.clear();
    }

    pub(crate) fn poll_datagram(&mut self) -> Option<Vec<u8>> {
        self.datagrams.pop_front()
    }

    pub(crate) fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    fn settle(&mut self, handled: Result<(), dimpl::Error>) {
        // What the engine has to say comes before what ended it (an alert, above all).
        self.drain();
        match handled {
            Ok(()) => {}
            Err(dimpl::Error::Timeout(_)) => self.end(CloseReason::HandshakeTimeout),
            Err(_) => self.end(CloseReason::HandshakeFailed),
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if !self.closed {
            self.closed = true;
            self.events.push_back(DtlsEvent::Closed(reason));
        }
    }

    fn drain(&mut self) {
        // Not kept: most connections have nothing to say for most of their time.
        let mut record = vec![0; RECORD_SIZE];
        while !self.closed {
            match self.engine.poll_output(&mut record) {
                Output::Packet(datagram) if self.datagrams.len() < MAX_QUEUED => {
                    self.datagrams.push_back(datagram.to_vec());
                }
                // Dropped, as the network might: what matters is repeated.
                Output::Packet(_) => {}
                Output::BufferTooSmall { needed } => record.resize(needed, 0),
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    if self.connected && !self.announced {
                        self.end(CloseReason::NoSrtpProfile);
                    }
                    return;
                }
                Output::PeerCert(der) => {
                    self.verified = self.fingerprint.is_of(der);
                    if !self.verified {
                        self.end(CloseReason::FingerprintMismatch);
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    self.keys = srtp_profile(profile).map(|profile| (profile, material));
                }
                Output::Connected => self.connected = true,
                Output::ApplicationData(data) => self.events.push_back(DtlsEvent::Data(data.to_vec())),
                Output::CloseNotify => self.end(CloseReason::Remote),
                // The enum may grow; what is new asks nothing of us.
                _ => {}
            }
            self.announce();
        }
    }

    /// Hands the keys out once, when handshake, certificate and keys are all there. `dimpl` reports "connected" before
    /// the keys, in the same round of polls.
    fn announce(&mut self) {
        if !(self.connected && self.verified) || self.closed {
            return;
        }
        let Some((profile, material)) = self.keys.take() else { return };
        let version = match self.engine.protocol_version() {
            Some(ProtocolVersion::DTLS1_3) => DtlsVersion::V13,
            _ => DtlsVersion::V12,
        };
        self.announced = true;
        self.events.push_back(DtlsEvent::Connected { version, profile, material });
    }
}

fn srtp_profile(profile: dimpl::SrtpProfile) -> Option<SrtpProfile> {
    match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Some(SrtpProfile::AeadAes128Gcm),
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Some(SrtpProfile::AeadAes256Gcm),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Some(SrtpProfile::Aes128CmSha1_80),
        _ => None,
    }
}
