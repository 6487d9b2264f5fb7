//! Requests that may come twice: the answer to an `Idempotency-Key` is kept and given again.

use rusqlite::{OptionalExtension, params};

use crate::error::StoreError;
use crate::hash::sha256;
use crate::store::{Change, Store};

/// What a key stands for so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the request may be carried out, and its answer must be saved (or the claim given up).
    New,
    /// The same request is being carried out.
    InFlight,
    /// It was carried out; this was the answer.
    Answered(SavedResponse),
    /// The key was used for another request.
    OtherRequest,
}

/// An answer given before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedResponse {
    /// Of HTTP.
    pub status: u16,
    /// As it was sent.
    pub body: Vec<u8>,
}

/// Hash of the request, and its answer once there is one.
type Kept = ([u8; 32], Option<u16>, Option<Vec<u8>>);

impl Store {
    /// Whether this key stands for something in the name of `scope`.
    pub fn knows_key(&self, scope: &str, key: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM idempotency WHERE scope = ?1 AND key = ?2";
        Ok(self.connection.prepare_cached(sql)?.exists([scope, key])?)
    }
}

impl Change<'_> {
    /// Asks for a key in the name of `scope` (an API key's id, a session token's). `request` is what must be the same:
    /// method, path and body.
    pub fn claim(&mut self, scope: &str, key: &str, request: &[u8], now_ms: i64) -> Result<Claim, StoreError> {
        let request = sha256(request);
        let sql = "SELECT request, status, response FROM idempotency WHERE scope = ?1 AND key = ?2";
        let found: Option<Kept> = self
            .transaction
            .prepare_cached(sql)?
            .query_row([scope, key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(match found {
            Some((earlier, _, _)) if earlier != request => Claim::OtherRequest,
            Some((_, Some(status), body)) => Claim::Answered(SavedResponse { status, body: body.unwrap_or_default() }),
            Some((_, None, _)) => Claim::InFlight,
            None => {
                self.transaction
                    .prepare_cached("INSERT INTO idempotency (scope, key, request, at) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![scope, key, request, now_ms])?;
                Claim::New
            }
        })
    }

    /// Keeps the answer of a claimed key. Do it in the change that carries the request out.
    pub fn save_response(&mut self, scope: &str, key: &str, response: &SavedResponse) -> Result<(), StoreError> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE idempotency SET status = ?3, response = ?4 WHERE scope = ?1 AND key = ?2")?
            .execute(params![scope, key, response.status, response.body])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Gives a claim up: the request was not carried out.
    pub fn give_up_claim(&mut self, scope: &str, key: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM idempotency WHERE scope = ?1 AND key = ?2 AND status IS NULL")?
            .execute([scope, key])?;
        Ok(())
    }

    /// At a start: what was in flight when the process ended is not any more.
    pub fn give_up_all_claims(&mut self) -> Result<(), StoreError> {
        self.transaction.execute("DELETE FROM idempotency WHERE status IS NULL", [])?;
        Ok(())
    }
}
