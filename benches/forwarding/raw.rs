//! SRTP's AES-GCM with a preset key, without derivation, rollover, replay window or anything else to keep. The key has
//! 256 bits because that is what the clients' DTLS agrees on with Parlour.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;

/// Bytes that sealing adds.
pub const TAG: usize = 16;

/// One direction of one participant.
pub struct RawCipher(LessSafeKey);

/// Which way a key protects.
#[derive(Clone, Copy)]
pub enum Way {
    ToServer = 1,
    ToClient = 2,
}

impl RawCipher {
    /// The key both sides know for this participant.
    pub fn preset(participant: usize, way: Way) -> Result<Self, Unspecified> {
        let mut key = [way as u8; 32];
        key[..8].copy_from_slice(&participant.to_be_bytes());
        Ok(Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key)?)))
    }

    /// Opens in place; the length without the tag.
    pub fn open(&self, packet: &mut [u8], header_len: usize) -> Result<usize, Unspecified> {
        let nonce = nonce(packet).ok_or(Unspecified)?;
        let (header, sealed) = packet.split_at_mut_checked(header_len).ok_or(Unspecified)?;
        self.0.open_in_place(nonce, Aad::from(&*header), sealed).map(|payload| header_len + payload.len())
    }

    /// Seals `buffer[..len]` in place; the length with the tag.
    pub fn seal(&self, buffer: &mut [u8], header_len: usize, len: usize) -> Result<usize, Unspecified> {
        let nonce = nonce(buffer).ok_or(Unspecified)?;
        let (packet, rest) = buffer.split_at_mut_checked(len).ok_or(Unspecified)?;
        let (header, payload) = packet.split_at_mut_checked(header_len).ok_or(Unspecified)?;
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)?;
        rest.get_mut(..TAG).ok_or(Unspecified)?.copy_from_slice(tag.as_ref());
        Ok(len + TAG)
    }
}

/// Source and sequence number. Numbers do not wrap within a run.
fn nonce(packet: &[u8]) -> Option<Nonce> {
    let mut bytes = [0; 12];
    bytes[2..6].copy_from_slice(packet.get(8..12)?);
    bytes[10..].copy_from_slice(packet.get(2..4)?);
    Some(Nonce::assume_unique_for_key(bytes))
}
