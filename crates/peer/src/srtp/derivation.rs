//! Session keys from a master key (RFC 3711 4.3, with the AES-CM PRF; RFC 7714 11 for GCM).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::{KeyError, MasterKey};

/// What a session key is for (RFC 3711 4.3.1, 4.3.2).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// Fills `out` with the session key of this label. The key derivation rate is zero: keys last as long as the connection.
pub(super) fn derive(master: &MasterKey<'_>, label: Label, out: &mut [u8]) -> Result<(), KeyError> {
    let algorithm = match master.key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return Err(KeyError),
    };
    // The PRF's input is the salt, 112 bits: GCM's 96 are padded with zeros on the right (RFC 7714 11), and the last
    // 16 bits of the block are the counter.
    let mut block = [0; 16];
    block.get_mut(..master.salt.len()).filter(|salt| salt.len() <= 14).ok_or(KeyError)?.copy_from_slice(master.salt);
    block[7] ^= label as u8;
    let key = UnboundCipherKey::new(algorithm, master.key).and_then(EncryptingKey::ctr).map_err(|_| KeyError)?;
    out.fill(0);
    key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(block))).map_err(|_| KeyError)?;
    Ok(())
}
