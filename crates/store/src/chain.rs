//! What makes the audit log a chain, and whether it still is one.
//!
//! `hash(n) = SHA-256(hash(n-1) ‖ record(n))`, so a record that was changed, taken out or put in between is found by
//! whoever walks the chain. Who can write the file can also compute a whole new chain: note the head (it is printed by
//! `parlour audit verify` and shown by the API) somewhere else from time to time, and compare.

use std::fmt;

use crate::audit::AuditEntry;
use crate::error::StoreError;
use crate::hash::{hex, sha256};
use crate::store::Store;

/// SHA-256 of everything up to and with one record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What a record's hash covers.
pub(crate) struct Link<'a> {
    pub seq: i64,
    pub at_ms: i64,
    pub action: &'a str,
    pub session: &'a str,
    pub actor: &'a str,
    pub subject: &'a str,
    pub detail: &'a str,
}

impl Link<'_> {
    /// Each text with its length before it: no two records are written the same.
    pub fn hash(&self, before: &ChainHash) -> ChainHash {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&before.0);
        bytes.extend_from_slice(&self.seq.to_be_bytes());
        bytes.extend_from_slice(&self.at_ms.to_be_bytes());
        for text in [self.action, self.session, self.actor, self.subject, self.detail] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        ChainHash(sha256(&bytes))
    }
}

/// The result of walking the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Whole records, from the first that retention left.
    pub records: u64,
    /// The last whole record's number; zero if none was ever written.
    pub head_seq: i64,
    /// Its hash, to be noted elsewhere.
    pub head: ChainHash,
    /// Where the chain is not whole, if anywhere: the first place.
    pub broken: Option<Break>,
}

/// Where and how a chain is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// This record is not there.
    Missing(i64),
    /// This record, or one before it that the base should vouch for, is not what was written.
    Altered(i64),
    /// Records after this one were cut off, or put on without the log's knowledge.
    Tail(i64),
}

impl Store {
    /// Walks the whole log.
    pub fn verify_audit(&self) -> Result<Chain, StoreError> {
        let bounds = "SELECT base_seq, base_hash, head_seq, head_hash FROM audit_bounds";
        let (base_seq, base, head_seq, head): (i64, [u8; 32], i64, [u8; 32]) =
            self.connection.query_row(bounds, [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
        let mut chain = Chain { records: 0, head_seq: base_seq, head: ChainHash(base), broken: None };
        let mut statement = self
            .connection
            .prepare("SELECT seq, at, action, session, actor, subject, detail, hash FROM audit ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // A record whose fields are not even of their types was not written by us.
            let Ok(entry) = AuditEntry::from_row(row) else {
                chain.broken = Some(Break::Altered(chain.head_seq.saturating_add(1)));
                return Ok(chain);
            };
            chain.broken = chain.next(&entry);
            if chain.broken.is_some() {
                return Ok(chain);
            }
        }
        if chain.head_seq != head_seq || chain.head != ChainHash(head) {
            chain.broken = Some(Break::Tail(chain.head_seq));
        }
        Ok(chain)
    }
}

impl Chain {
    /// Takes the next record in, or says what is wrong with it.
    fn next(&mut self, entry: &AuditEntry) -> Option<Break> {
        let expected = self.head_seq.saturating_add(1);
        if entry.seq != expected {
            return Some(Break::Missing(expected));
        }
        let link = Link {
            seq: entry.seq,
            at_ms: entry.at_ms,
            action: &entry.action,
            session: &entry.session,
            actor: &entry.actor,
            subject: &entry.subject,
            detail: &entry.detail,
        };
        if link.hash(&self.head) != entry.hash {
            return Some(Break::Altered(entry.seq));
        }
        (self.records, self.head_seq, self.head) = (self.records + 1, entry.seq, entry.hash);
        None
    }
}
