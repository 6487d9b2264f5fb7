//! Where events are sent: endpoints, and the secrets that sign for them.

use rusqlite::params;

use crate::error::StoreError;
use crate::store::{Change, Store};
use crate::webhook_form::WebhookForm;

/// An endpoint to be made.
#[derive(Clone)]
pub struct NewEndpoint {
    /// Our name of it.
    pub id: String,
    /// Where to.
    pub url: String,
    /// How.
    pub form: WebhookForm,
    /// Signs what is sent.
    pub secret: Vec<u8>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
}

/// An endpoint as kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Our name of it.
    pub id: String,
    /// Where to.
    pub url: String,
    /// How.
    pub form: WebhookForm,
    /// Signs what is sent.
    pub secret: Vec<u8>,
    /// Signs as well, after a rotation.
    pub old: Option<OldSecret>,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Nothing is delivered to it since.
    pub disabled_at_ms: Option<i64>,
    /// Deliveries on their way to it.
    pub pending: u32,
    /// Deliveries laid aside.
    pub dead: u32,
}

/// The secret before the last rotation.
#[derive(Clone, PartialEq, Eq)]
pub struct OldSecret {
    /// As it was.
    pub secret: Vec<u8>,
    /// No use from this time on, milliseconds since the Unix epoch.
    pub until_ms: i64,
}

impl Change<'_> {
    /// Makes an endpoint; it is sent what happens from now on.
    pub fn create_endpoint(&mut self, endpoint: &NewEndpoint) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("INSERT INTO endpoint (id, url, form, secret, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                endpoint.id,
                endpoint.url,
                endpoint.form.as_str(),
                endpoint.secret,
                endpoint.created_at_ms
            ])?;
        Ok(())
    }

    /// Takes an endpoint away, and what was on its way to it.
    pub fn delete_endpoint(&mut self, id: &str) -> Result<(), StoreError> {
        let deleted = self.transaction.prepare_cached("DELETE FROM endpoint WHERE id = ?1")?.execute([id])?;
        if deleted == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Sends nothing to an endpoint from now on, and keeps no events for it.
    pub fn disable_endpoint(&mut self, id: &str, now_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE endpoint SET disabled_at = coalesce(disabled_at, ?2) WHERE id = ?1";
        let changed = self.transaction.prepare_cached(sql)?.execute(params![id, now_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Sends to it again: what was on its way, and what happens from now on. What happened between comes by replay.
    pub fn enable_endpoint(&mut self, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE endpoint SET disabled_at = NULL WHERE id = ?1";
        let changed = self.transaction.prepare_cached(sql)?.execute([id])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Gives an endpoint another secret; the one it had signs as well until `old_until_ms`, one from before that no more.
    pub fn rotate_endpoint(&mut self, id: &str, secret: &[u8], old_until_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE endpoint SET old_secret = secret, old_until = ?3, secret = ?2 WHERE id = ?1";
        let changed = self.transaction.prepare_cached(sql)?.execute(params![id, secret, old_until_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Takes old secrets away whose time is over.
    pub(crate) fn forget_old_secrets(&mut self, now_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE endpoint SET old_secret = NULL, old_until = NULL WHERE old_until <= ?1";
        self.transaction.prepare_cached(sql)?.execute([now_ms])?;
        Ok(())
    }
}

impl Store {
    /// All endpoints, in order of id.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>, StoreError> {
        let sql = "SELECT id, url, form, secret, created_at, disabled_at, old_secret, old_until, pending,
             (SELECT count(*) FROM delivery WHERE endpoint = id AND state = 'dead') FROM endpoint ORDER BY id";
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let form: String = row.get(2)?;
            let unknown = || rusqlite::Error::InvalidColumnType(2, "form".to_owned(), rusqlite::types::Type::Text);
            Ok(Endpoint {
                id: row.get(0)?,
                url: row.get(1)?,
                form: WebhookForm::parse(&form).ok_or_else(unknown)?,
                secret: row.get(3)?,
                created_at_ms: row.get(4)?,
                disabled_at_ms: row.get(5)?,
                old: row
                    .get::<_, Option<Vec<u8>>>(6)?
                    .zip(row.get(7)?)
                    .map(|(secret, until_ms)| OldSecret { secret, until_ms }),
                pending: row.get(8)?,
                dead: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
