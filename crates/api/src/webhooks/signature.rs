//! Signatures of Standard Webhooks (https://github.com/standard-webhooks/standard-webhooks, version 1.0): an HMAC that
//! receivers check with the secret they were shown once (`v1`), and an Ed25519 signature that they check with a public
//! key (`v1a`), so that a receiver need not hold a secret at all.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::problem::Kind;
use crate::seal::random;

const HALF: usize = 32;

/// What signs an endpoint's events.
pub(crate) struct Signer {
    secret: [u8; HALF],
    keys: Ed25519KeyPair,
}

impl Signer {
    /// A new one, and what the store keeps of it.
    pub(crate) fn new() -> Result<(Self, Vec<u8>), Kind> {
        let kept = random::<{ 2 * HALF }>()?.to_vec();
        let signer = Self::kept(&kept).ok_or(Kind::Internal)?;
        Ok((signer, kept))
    }

    /// From what the store kept.
    pub(crate) fn kept(kept: &[u8]) -> Option<Self> {
        let (secret, seed) = kept.split_first_chunk::<HALF>()?;
        Some(Self { secret: *secret, keys: Ed25519KeyPair::from_seed_unchecked(seed).ok()? })
    }

    /// As receivers' libraries take it.
    pub(crate) fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.secret))
    }

    /// As receivers' libraries take it.
    pub(crate) fn public_key(&self) -> String {
        format!("whpk_{}", STANDARD.encode(self.keys.public_key()))
    }

    /// The header `webhook-signature`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.secret), signed.as_bytes());
        let signature = self.keys.sign(signed.as_bytes());
        format!("v1,{} v1a,{}", STANDARD.encode(code), STANDARD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_symmetric_signature_is_the_one_of_the_specification() {
        // The example that the reference libraries test with.
        let secret: [u8; 24] = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap().try_into().unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signed = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        let code = STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        assert_eq!(code, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn both_signatures_hold_for_what_was_signed_and_nothing_else() {
        let (signer, kept) = Signer::new().unwrap();
        let header = Signer::kept(&kept).unwrap().sign("evt_1", 7, "{}");
        assert_eq!(header, signer.sign("evt_1", 7, "{}"));
        let asymmetric = header.split_once(" v1a,").unwrap().1;
        let public = STANDARD.decode(signer.public_key().strip_prefix("whpk_").unwrap()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, public);
        let signature = STANDARD.decode(asymmetric).unwrap();
        assert!(key.verify(b"evt_1.7.{}", &signature).is_ok());
        for other in [b"evt_2.7.{}", b"evt_1.8.{}", b"evt_1.7.[]"] {
            assert!(key.verify(other, &signature).is_err());
        }
        assert_ne!(header, signer.sign("evt_2", 7, "{}"));
    }
}
