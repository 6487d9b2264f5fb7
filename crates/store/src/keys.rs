//! API keys of integrators: an id that is shown, a secret of which only the hash is kept, scopes, an end.

use rusqlite::{OptionalExtension, Row, params};

use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::{Change, Store};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Shown and logged.
    pub id: String,
    /// Of the secret, which is shown once.
    pub secret: SecretHash,
    /// The operator's name of it.
    pub label: String,
    /// Words of the API.
    pub scopes: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// No use from this time on; `None`: no end.
    pub expires_at_ms: Option<i64>,
}

/// A key as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Shown and logged.
    pub id: String,
    /// The operator's name of it.
    pub label: String,
    /// Words of the API.
    pub scopes: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// No use from this time on.
    pub expires_at_ms: Option<i64>,
    /// When it was taken back.
    pub revoked_at_ms: Option<i64>,
}

const COLUMNS: &str = "id, label, scopes, created_at, expires_at, revoked_at";

impl ApiKey {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let scopes: String = row.get(2)?;
        Ok(Self {
            id: row.get(0)?,
            label: row.get(1)?,
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
            created_at_ms: row.get(3)?,
            expires_at_ms: row.get(4)?,
            revoked_at_ms: row.get(5)?,
        })
    }
}

impl Change<'_> {
    /// Makes a key. To rotate one, make another and set the old one's end.
    pub fn create_key(&mut self, key: &NewApiKey) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO api_key (id, secret_hash, label, scopes, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                key.id,
                key.secret.0,
                key.label,
                key.scopes.join(" "),
                key.created_at_ms,
                key.expires_at_ms
            ])?;
        Ok(())
    }

    /// Gives a key an end, not later than the one it has.
    pub fn expire_key(&mut self, id: &str, at_ms: i64) -> Result<(), StoreError> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE api_key SET expires_at = min(coalesce(expires_at, ?2), ?2) WHERE id = ?1")?
            .execute(params![id, at_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Takes a key back, at once and for good.
    pub fn revoke_key(&mut self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE api_key SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")?
            .execute(params![id, now_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }
}

impl Store {
    /// The key with this id, if the secret is its own and it is in force.
    pub fn authenticate_key(&self, id: &str, secret: SecretHash, now_ms: i64) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS}, secret_hash FROM api_key WHERE id = ?1");
        let found = self
            .connection
            .prepare_cached(&sql)?
            .query_row([id], |row| Ok((ApiKey::from_row(row)?, SecretHash(row.get(6)?))))
            .optional()?;
        Ok(found.and_then(|(key, kept)| {
            let in_force = key.revoked_at_ms.is_none() && key.expires_at_ms.is_none_or(|at| now_ms < at);
            (kept == secret && in_force).then_some(key)
        }))
    }

    /// All keys, in order of id.
    pub fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("SELECT {COLUMNS} FROM api_key ORDER BY id"))?;
        let rows = statement.query_map([], ApiKey::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
