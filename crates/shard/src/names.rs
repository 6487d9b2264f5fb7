//! Everything random that a shard makes, from one seed: sids, ICE credentials, SSRCs.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// Letters of sids and ICE credentials; the 64 characters of RFC 8839's ice-char without `+` and `/` keep URLs and logs
/// readable.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// 12 of 62: 71 bits, enough that sids never meet.
const SID_LETTERS: usize = 12;

/// 8 letters: 47 bits. Larger than RFC 8445's 24 because one worker's fragments share one table.
const UFRAG_LETTERS: usize = 8;

/// 24 letters: 142 bits; RFC 8445 section 5.3 asks for at least 128.
const PASSWORD_LETTERS: usize = 24;

/// A seeded source of names. ChaCha20, because ICE passwords are secrets.
pub(crate) struct Names {
    random: ChaCha20Rng,
    participants: u32,
    publications: u32,
}

impl Names {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { random: ChaCha20Rng::from_seed(seed), participants: 0, publications: 0 }
    }

    /// A sid such as `PA_…`.
    pub(crate) fn sid(&mut self, prefix: &str) -> String {
        format!("{prefix}_{}", self.letters(SID_LETTERS))
    }

    pub(crate) fn ufrag(&mut self) -> String {
        self.letters(UFRAG_LETTERS)
    }

    pub(crate) fn password(&mut self) -> String {
        self.letters(PASSWORD_LETTERS)
    }

    /// An SSRC; zero and all ones are left out because some stacks treat them as unset.
    pub(crate) fn ssrc(&mut self) -> u32 {
        self.random.random_range(1..u32::MAX)
    }

    /// The next participant key.
    pub(crate) fn next_participant(&mut self) -> u32 {
        self.participants += 1;
        self.participants
    }

    /// The next publication key.
    pub(crate) fn next_publication(&mut self) -> u32 {
        self.publications += 1;
        self.publications
    }

    pub(crate) fn seed(&mut self) -> [u8; 32] {
        self.random.random()
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.random.random()
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(ALPHABET[self.random.random_range(0..ALPHABET.len())])).collect()
    }
}
