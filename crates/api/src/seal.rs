//! Secrets: drawing them, and sealing what must pass through strangers' hands or a file without being read there.
//!
//! Two things are sealed: the display name in a ticket, which is in the link and nowhere else, and the answers kept for
//! repeated requests, which may hold new secrets. AES-256-GCM, a key for each purpose derived from the server's signing
//! secret; who has the database or a link alone reads neither.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use crate::problem::Kind;

/// What a key is for: names and answers cannot be taken for each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    TicketName,
    SavedAnswer,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::TicketName => b"parlour ticket name 1",
            Self::SavedAnswer => b"parlour saved answer 1",
        }
    }
}

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sealer(hmac::Key);

impl Sealer {
    /// From a secret of the server.
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn key(&self, purpose: Purpose) -> Result<LessSafeKey, Kind> {
        let derived = hmac::sign(&self.0, purpose.label());
        UnboundKey::new(&AES_256_GCM, derived.as_ref()).map(LessSafeKey::new).map_err(|_| Kind::Internal)
    }

    /// Nonce and sealed bytes. Nonces are random: far fewer than 2^32 are made with one key.
    pub(crate) fn seal(&self, purpose: Purpose, plain: &[u8]) -> Result<Vec<u8>, Kind> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = plain.to_vec();
        self.key(purpose)?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .map_err(|_| Kind::Internal)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed, if this server sealed it.
    pub(crate) fn open(&self, purpose: Purpose, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, bytes) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut bytes = bytes.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = self.key(purpose).ok()?.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
        Some(plain.to_vec())
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Kind> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Kind::Internal)?;
    Ok(bytes)
}

/// Random bytes as hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> Result<String, Kind> {
    Ok(parlour_store::hex(&random::<N>()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_sealed_for_one_purpose_opens_for_that_one_and_with_that_secret_only() {
        let sealer = Sealer::new(b"secret");
        let sealed = sealer.seal(Purpose::TicketName, b"Alex").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"Alex"));
        assert_eq!(sealer.open(Purpose::TicketName, &sealed).unwrap(), b"Alex");
        assert!(sealer.open(Purpose::SavedAnswer, &sealed).is_none());
        assert!(Sealer::new(b"other").open(Purpose::TicketName, &sealed).is_none());
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(sealer.open(Purpose::TicketName, &changed).is_none());
        assert!(sealer.open(Purpose::TicketName, b"short").is_none());
    }
}
