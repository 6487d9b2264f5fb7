//! How secrets and people are written down so that the file alone betrays neither.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use parlour_model::Identity;

/// SHA-256 of a secret that was drawn from at least 128 random bits, so that no slow hash is needed.
#[derive(Clone, Copy)]
pub struct SecretHash(pub(crate) [u8; 32]);

impl SecretHash {
    /// Of a secret.
    pub fn of(secret: &[u8]) -> Self {
        Self(sha256(secret))
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretHash {}

impl Hash for SecretHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// The key under which people are named in the audit log. Kept beside the database, not in it: the log alone, copied
/// or leaked, names nobody; destroying the key makes all of it anonymous.
#[derive(Clone)]
pub struct PseudonymKey(hmac::Key);

impl PseudonymKey {
    /// Bytes of a key.
    pub const LEN: usize = 32;

    /// From secret bytes.
    pub fn new(bytes: &[u8; Self::LEN]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// For a store that is in memory: its log names nobody once the process is gone.
    pub fn random() -> io::Result<Self> {
        Ok(Self::new(&random_bytes()?))
    }

    /// From a file, which is made (readable by its owner only) if it is not there.
    pub fn load_or_create(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "a pseudonym key has 32 bytes");
                Ok(Self::new(&<[u8; Self::LEN]>::try_from(bytes.as_slice()).map_err(wrong)?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    /// A person's name in the log: 128 bits, in hex.
    pub fn pseudonym(&self, identity: &Identity) -> String {
        let tag = hmac::sign(&self.0, identity.as_str().as_bytes());
        hex(&tag.as_ref()[..16])
    }

    fn create(path: &Path) -> io::Result<Self> {
        let bytes = random_bytes()?;
        let mut file = private().write(true).create_new(true).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(Self::new(&bytes))
    }
}

impl fmt::Debug for PseudonymKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudonymKey(…)")
    }
}

fn random_bytes() -> io::Result<[u8; PseudonymKey::LEN]> {
    let mut bytes = [0; PseudonymKey::LEN];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(bytes)
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// In hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
