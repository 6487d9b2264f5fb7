//! ICE checks and the DTLS handshake of a load client: the controlling side against a lite one, without candidates.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use is::stun::{StunMessage, TransId};
use parlour_peer::SrtpProfile;
use parlour_peer::srtp::{ExportedKeys, Inbound, Outbound};

/// Before the first answer, and after it: the server takes 5 s of silence as a lost line.
const CHECK_EVERY: Duration = Duration::from_millis(100);
const CONSENT_EVERY: Duration = Duration::from_millis(2_500);

/// What goes out.
pub type Datagrams = Vec<Vec<u8>>;

/// Consent, and before it the search for it.
pub struct Checks {
    username: String,
    password: String,
    answered: bool,
    next: Instant,
}

impl Checks {
    /// `remote` and `local` are ufrags.
    pub fn new(remote: &str, local: &str, password: &str, now: Instant) -> Self {
        Self { username: format!("{remote}:{local}"), password: password.to_owned(), answered: false, next: now }
    }

    pub fn is_answered(&self) -> bool {
        self.answered
    }

    /// A STUN datagram came.
    pub fn handle(&mut self, datagram: &[u8]) {
        let authentic = StunMessage::parse(datagram).is_ok_and(|message| {
            message.is_successful_binding_response() && message.verify(self.password.as_bytes(), hmac_sha1)
        });
        self.answered |= authentic;
    }

    /// The next check, if it is time.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<u8>> {
        if now < self.next {
            return None;
        }
        self.next = now + if self.answered { CONSENT_EVERY } else { CHECK_EVERY };
        let priority = 0x7e7f_ffff;
        let request = StunMessage::binding_request(&self.username, TransId::new(), true, 7, priority, true);
        let mut bytes = vec![0; 256];
        let len = request.to_bytes(Some(self.password.as_bytes()), &mut bytes, hmac_sha1).ok()?;
        bytes.truncate(len);
        Some(bytes)
    }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

/// The DTLS client.
pub struct Handshake {
    dtls: Dtls,
    started: bool,
    timeout: Option<Instant>,
}

impl Handshake {
    pub fn new(config: Arc<Config>, certificate: DtlsCertificate, now: Instant) -> Self {
        let mut dtls = Dtls::new_12(config, certificate, now);
        dtls.set_active(true);
        Self { dtls, started: false, timeout: None }
    }

    /// Begins, and repeats what is lost.
    pub fn poll(&mut self, now: Instant) -> Result<(Datagrams, Option<(Inbound, Outbound)>), dimpl::Error> {
        if !self.started || self.timeout.is_some_and(|timeout| timeout <= now) {
            self.started = true;
            self.dtls.handle_timeout(now)?;
        }
        Ok(self.drain())
    }

    /// A DTLS datagram came.
    pub fn handle(
        &mut self,
        datagram: &[u8],
        now: Instant,
    ) -> Result<(Datagrams, Option<(Inbound, Outbound)>), dimpl::Error> {
        self.dtls.handle_timeout(now)?;
        self.dtls.handle_packet(datagram)?;
        Ok(self.drain())
    }

    fn drain(&mut self) -> (Datagrams, Option<(Inbound, Outbound)>) {
        let mut datagrams = Vec::new();
        let mut keys = None;
        let mut buffer = vec![0; 2_048];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => datagrams.push(datagram.to_vec()),
                Output::BufferTooSmall { needed } => buffer.resize(needed, 0),
                Output::Timeout(at) => {
                    self.timeout = Some(at);
                    return (datagrams, keys);
                }
                Output::KeyingMaterial(material, profile) => keys = ciphers(&material, profile),
                _ => {}
            }
        }
    }
}

fn ciphers(material: &[u8], profile: dimpl::SrtpProfile) -> Option<(Inbound, Outbound)> {
    let profile = match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
        _ => return None,
    };
    let keys = ExportedKeys::split(profile, material).ok()?;
    Some((Inbound::new(profile, &keys.server).ok()?, Outbound::new(profile, &keys.client).ok()?))
}
