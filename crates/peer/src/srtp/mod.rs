//! SRTP and SRTCP (RFC 3711, RFC 7714) for one connection, keyed by DTLS (RFC 5764).
//!
//! Packets are opened and sealed in place. Expanded keys are kept; per source there is an index and a window of 1,024
//! bits. Not here: MKI, key derivation rates, unencrypted profiles.

mod cipher;
mod derivation;
mod inbound;
mod index;
mod outbound;
mod packet;
mod repeat;
mod sources;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use inbound::Inbound;
pub use outbound::Outbound;

/// Most sources per direction at a time. A participant of a large room sends a handful and receives some 40.
pub const MAX_SOURCES: usize = 64;

/// Most bytes that sealing adds: SRTCP under GCM has a tag of 16 and an index of 4.
pub const MAX_OVERHEAD: usize = 20;

/// How media is protected (RFC 5764 4.1.2, RFC 7714 14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SrtpProfile {
    /// AEAD_AES_128_GCM
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM
    AeadAes256Gcm,
    /// AES128_CM_HMAC_SHA1_80
    Aes128CmSha1_80,
}

impl SrtpProfile {
    /// Bytes of a master key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmSha1_80 => 14,
        }
    }
}

/// Keying material of the wrong length, or refused by the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unusable SRTP keying material")]
pub struct KeyError;

/// A master key and salt of one direction.
#[derive(Clone, Copy)]
pub struct MasterKey<'a> {
    /// [`SrtpProfile::key_len`] bytes.
    pub key: &'a [u8],
    /// [`SrtpProfile::salt_len`] bytes.
    pub salt: &'a [u8],
}

impl fmt::Debug for MasterKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Both directions' master keys out of what DTLS exported (RFC 5764 4.2): client key, server key, client salt, server salt.
#[derive(Clone, Copy, Debug)]
pub struct ExportedKeys<'a> {
    /// Protects what the DTLS client sends.
    pub client: MasterKey<'a>,
    /// Protects what the DTLS server sends.
    pub server: MasterKey<'a>,
}

impl<'a> ExportedKeys<'a> {
    /// Splits exported keying material.
    pub fn split(profile: SrtpProfile, material: &'a [u8]) -> Result<Self, KeyError> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        if material.len() != 2 * (key + salt) {
            return Err(KeyError);
        }
        let (keys, salts) = material.split_at(2 * key);
        let (client_key, server_key) = keys.split_at(key);
        let (client_salt, server_salt) = salts.split_at(salt);
        Ok(Self {
            client: MasterKey { key: client_key, salt: client_salt },
            server: MasterKey { key: server_key, salt: server_salt },
        })
    }
}
