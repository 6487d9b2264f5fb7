//! SRTP.
/// Most sources per direction.
pub const MAX_SOURCES: usize = 64;
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
