//! The transforms: AES-GCM (RFC 7714 8, 9) and AES counter mode with HMAC-SHA1 (RFC 3711 4.1.1, 4.2.1).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::derivation::{Label, derive};
use super::packet::RTCP_HEADER;
use super::{KeyError, MasterKey, SrtpProfile};

/// Tag of both GCM profiles.
pub(super) const GCM_TAG: usize = 16;
/// Tag of the 80-bit HMAC profile.
pub(super) const HMAC_TAG: usize = 10;
/// The word that carries "encrypted" and the index of an SRTCP packet (RFC 3711 3.4).
pub(super) const INDEX_WORD: usize = 4;
/// "E": the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// The tag is wrong, or there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// One direction's expanded keys for RTP or for RTCP.
pub(super) enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Rare, and its HMAC key large: boxed.
    CounterMode(Box<CounterMode>),
}

/// AES in counter mode, and what authenticates it.
pub(super) struct CounterMode {
    pub(super) key: EncryptingKey,
    pub(super) salt: [u8; 14],
    pub(super) authentication: hmac::Key,
}

impl Cipher {
    pub(super) fn rtp(profile: SrtpProfile, master: &MasterKey<'_>) -> Result<Self, KeyError> {
        Self::new(profile, master, [Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt])
    }

    pub(super) fn rtcp(profile: SrtpProfile, master: &MasterKey<'_>) -> Result<Self, KeyError> {
        Self::new(profile, master, [Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt])
    }

    fn new(
        profile: SrtpProfile,
        master: &MasterKey<'_>,
        [encryption, authentication, salting]: [Label; 3],
    ) -> Result<Self, KeyError> {
        if master.key.len() != profile.key_len() || master.salt.len() != profile.salt_len() {
            return Err(KeyError);
        }
        let mut key = [0; 32];
        let key = &mut key[..profile.key_len()];
        derive(master, encryption, key)?;
        let gcm = |algorithm, key: &[u8]| -> Result<Self, KeyError> {
            let mut salt = [0; 12];
            derive(master, salting, &mut salt)?;
            let key = UnboundKey::new(algorithm, key).map_err(|_| KeyError)?;
            Ok(Self::Gcm { key: LessSafeKey::new(key), salt })
        };
        match profile {
            SrtpProfile::AeadAes128Gcm => gcm(&AES_128_GCM, key),
            SrtpProfile::AeadAes256Gcm => gcm(&AES_256_GCM, key),
            SrtpProfile::Aes128CmSha1_80 => {
                let (mut salt, mut secret) = ([0; 14], [0; 20]);
                derive(master, salting, &mut salt)?;
                derive(master, authentication, &mut secret)?;
                let key = UnboundCipherKey::new(&AES_128, key).and_then(EncryptingKey::ctr).map_err(|_| KeyError)?;
                let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
                Ok(Self::CounterMode(Box::new(CounterMode { key, salt, authentication })))
            }
        }
    }

    pub(super) fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG,
            Self::CounterMode(_) => HMAC_TAG,
        }
    }

    /// Opens an RTP packet in place; returns the length without the tag.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, NotAuthentic> {
        let len = packet.len().checked_sub(self.tag_len()).filter(|&len| len >= header_len).ok_or(NotAuthentic)?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, sealed) = packet.split_at_mut(header_len);
                let nonce = rtp_nonce(salt, ssrc, index);
                key.open_in_place(nonce, Aad::from(&*header), sealed).map_err(|_| NotAuthentic)?;
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, salt, authentication } = &**mode;
                let (body, tag) = packet.split_at_mut(len);
                verify(&rtp_tag(authentication, body, index), tag)?;
                apply_counter_mode(key, salt, ssrc, index, &mut body[header_len..])?;
            }
        }
        Ok(len)
    }

    /// Seals the RTP packet in `buffer[..len]`; the buffer has room for the tag. Returns the new length.
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header_len: usize,
        len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, NotAuthentic> {
        let sealed_len = len + self.tag_len();
        let (body, tag) = buffer.get_mut(..sealed_len).ok_or(NotAuthentic)?.split_at_mut(len);
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = body.split_at_mut(header_len);
                let nonce = rtp_nonce(salt, ssrc, index);
                let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
                tag.copy_from_slice(sealed.map_err(|_| NotAuthentic)?.as_ref());
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, salt, authentication } = &**mode;
                apply_counter_mode(key, salt, ssrc, index, &mut body[header_len..])?;
                tag.copy_from_slice(&rtp_tag(authentication, body, index));
            }
        }
        Ok(sealed_len)
    }

    /// Index of an SRTCP packet, before it is known to be authentic.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let after = match self {
            Self::Gcm { .. } => 0,
            Self::CounterMode(_) => HMAC_TAG,
        };
        let at = packet.len().checked_sub(INDEX_WORD + after)?;
        let word: &[u8; INDEX_WORD] = packet.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*word) & !ENCRYPTED)
    }

    /// Opens an RTCP compound in place; returns the length without tag and index.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<usize, NotAuthentic> {
        let trailer = self.tag_len() + INDEX_WORD;
        let len = packet.len().checked_sub(trailer).filter(|&len| len >= RTCP_HEADER).ok_or(NotAuthentic)?;
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let (packet, word) = packet.split_at_mut(len + GCM_TAG);
                // RFC 7714 9.2, 9.3: what is not encrypted is associated data, the index word always.
                let opened = if word[0] & 0x80 != 0 {
                    let (header, sealed) = packet.split_at_mut(RTCP_HEADER);
                    key.open_in_place(nonce, Aad::from(rtcp_associated(header, word)), sealed)
                } else {
                    let (clear, tag) = packet.split_at_mut(len);
                    key.open_in_place(nonce, Aad::from([clear, word].concat()), tag)
                };
                opened.map_err(|_| NotAuthentic)?;
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, salt, authentication } = &**mode;
                let (body, tag) = packet.split_at_mut(len + INDEX_WORD);
                verify(&truncated(hmac::sign(authentication, body)), tag)?;
                if body[len] & 0x80 != 0 {
                    apply_counter_mode(key, salt, ssrc, u64::from(index), &mut body[RTCP_HEADER..len])?;
                }
            }
        }
        Ok(len)
    }

    /// Seals the RTCP compound in `buffer[..len]`, encrypted. Returns the new length.
    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        len: usize,
        ssrc: u32,
        index: u32,
    ) -> Result<usize, NotAuthentic> {
        let sealed_len = len + self.tag_len() + INDEX_WORD;
        let word = (index | ENCRYPTED).to_be_bytes();
        let (body, trailer) = buffer.get_mut(..sealed_len).ok_or(NotAuthentic)?.split_at_mut(len);
        let (header, payload) = body.split_at_mut_checked(RTCP_HEADER).ok_or(NotAuthentic)?;
        match self {
            Self::Gcm { key, salt } => {
                let nonce = rtcp_nonce(salt, ssrc, index);
                let associated = rtcp_associated(header, &word);
                let sealed = key.seal_in_place_separate_tag(nonce, Aad::from(associated), payload);
                trailer[..GCM_TAG].copy_from_slice(sealed.map_err(|_| NotAuthentic)?.as_ref());
                trailer[GCM_TAG..].copy_from_slice(&word);
            }
            Self::CounterMode(mode) => {
                let CounterMode { key, salt, authentication } = &**mode;
                apply_counter_mode(key, salt, ssrc, u64::from(index), payload)?;
                trailer[..INDEX_WORD].copy_from_slice(&word);
                let (signed, tag) = buffer[..sealed_len].split_at_mut(len + INDEX_WORD);
                tag.copy_from_slice(&truncated(hmac::sign(authentication, signed)));
            }
        }
        Ok(sealed_len)
    }
}

/// RFC 7714 8.1: zeros (16 bits), SSRC, rollover counter, sequence number; xor salt.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let [a, b, c, d] = ssrc.to_be_bytes();
    let [_, _, e, f, g, h, i, j] = index.to_be_bytes();
    let varying = [0, 0, a, b, c, d, e, f, g, h, i, j];
    Nonce::assume_unique_for_key(std::array::from_fn(|at| salt[at] ^ varying[at]))
}

/// RFC 7714 9.1: zeros (16 bits), SSRC, zeros (16 bits), index; xor salt.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut nonce = *salt;
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[8..12], &index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// RFC 7714 9.2: the clear header and the index word.
fn rtcp_associated(header: &[u8], word: &[u8]) -> [u8; RTCP_HEADER + INDEX_WORD] {
    let mut associated = [0; RTCP_HEADER + INDEX_WORD];
    let (first, second) = associated.split_at_mut(RTCP_HEADER);
    first.copy_from_slice(header);
    second.copy_from_slice(word);
    associated
}

/// RFC 3711 4.1.1: the same call encrypts and decrypts.
fn apply_counter_mode(
    key: &EncryptingKey,
    salt: &[u8; 14],
    ssrc: u32,
    index: u64,
    payload: &mut [u8],
) -> Result<(), NotAuthentic> {
    if payload.is_empty() {
        return Ok(());
    }
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    xor(&mut block[4..8], &ssrc.to_be_bytes());
    xor(&mut block[8..14], &index.to_be_bytes()[2..]);
    key.less_safe_encrypt(payload, EncryptionContext::Iv128(FixedLength::from(block))).map_err(|_| NotAuthentic)?;
    Ok(())
}

/// RFC 3711 4.2: over the packet and its rollover counter.
fn rtp_tag(key: &hmac::Key, body: &[u8], index: u64) -> [u8; HMAC_TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(body);
    context.update(&((index >> 16) as u32).to_be_bytes());
    truncated(context.sign())
}

fn truncated(tag: hmac::Tag) -> [u8; HMAC_TAG] {
    // SHA-1 gives 20 bytes.
    tag.as_ref().first_chunk().copied().unwrap_or_default()
}

fn verify(expected: &[u8], tag: &[u8]) -> Result<(), NotAuthentic> {
    verify_slices_are_equal(expected, tag).map_err(|_| NotAuthentic)
}

fn xor(target: &mut [u8], with: &[u8]) {
    target.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}
