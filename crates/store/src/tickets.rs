//! Tickets: join links, each for one person, one session and one use. Only the secret's hash is kept.

use parlour_model::{Identity, Role, SessionId};
use rusqlite::{OptionalExtension, params};
use thiserror::Error;

use crate::error::StoreError;
use crate::hash::SecretHash;
use crate::store::{Change, Store};

/// A ticket to be made.
#[derive(Clone, Debug)]
pub struct NewTicket {
    /// Our name of it, for revocation; not the secret.
    pub id: String,
    /// Where to.
    pub session: SessionId,
    /// Of the secret in the link.
    pub secret: SecretHash,
    /// For whom.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// Moves a live seat to another device.
    pub hand_over: bool,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// No use from this time on.
    pub expires_at_ms: i64,
}

/// A ticket as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Our name of it.
    pub id: String,
    /// Where to.
    pub session: SessionId,
    /// For whom.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// Moves a live seat to another device.
    pub hand_over: bool,
    /// No use from this time on.
    pub expires_at_ms: i64,
    /// When it was used.
    pub used_at_ms: Option<i64>,
    /// When it was taken back.
    pub revoked_at_ms: Option<i64>,
}

/// Why a ticket lets nobody in. Tell the bearer of an unknown one and of the others the same; the log, the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TicketRefusal {
    /// There is none with this secret.
    #[error("unknown")]
    Unknown,
    /// It let someone in before.
    #[error("used")]
    Used,
    /// It was taken back.
    #[error("revoked")]
    Revoked,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its session is over.
    #[error("session ended")]
    SessionEnded,
}

const COLUMNS: &str = "id, session, identity, role, hand_over, expires_at, used_at, revoked_at";

type Raw = (String, String, String, String, bool, i64, Option<i64>, Option<i64>);

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<Raw> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
}

fn parse((id, session, identity, role, hand_over, expires, used, revoked): Raw) -> Result<Ticket, StoreError> {
    Ok(Ticket {
        id,
        session: session.into(),
        identity: identity.into(),
        role: serde_json::from_value(role.into())?,
        hand_over,
        expires_at_ms: expires,
        used_at_ms: used,
        revoked_at_ms: revoked,
    })
}

impl Change<'_> {
    /// Makes a ticket to a session that there is.
    pub fn issue_ticket(&mut self, ticket: &NewTicket) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO ticket (id, session, secret_hash, identity, role, hand_over, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                ticket.id,
                ticket.session.as_str(),
                ticket.secret.0,
                ticket.identity.as_str(),
                ticket.role.as_str(),
                ticket.hand_over,
                ticket.created_at_ms,
                ticket.expires_at_ms
            ])?;
        Ok(())
    }

    /// Uses a ticket up, or says why not. Of two who try at once, one is let in. The refused ticket, where there is
    /// one, is given too, since the log wants to know whose link was tried twice.
    pub fn use_ticket(
        &mut self,
        secret: SecretHash,
        now_ms: i64,
    ) -> Result<Result<Ticket, (TicketRefusal, Option<Ticket>)>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM ticket WHERE secret_hash = ?1");
        let found = self.transaction.prepare_cached(&sql)?.query_row([secret.0], raw).optional()?;
        let Some(mut ticket) = found.map(parse).transpose()? else {
            return Ok(Err((TicketRefusal::Unknown, None)));
        };
        if let Some(refusal) = self.refusal_of(&ticket, now_ms)? {
            return Ok(Err((refusal, Some(ticket))));
        }
        self.transaction
            .prepare_cached("UPDATE ticket SET used_at = ?2 WHERE id = ?1")?
            .execute(params![ticket.id, now_ms])?;
        ticket.used_at_ms = Some(now_ms);
        Ok(Ok(ticket))
    }

    /// Takes a ticket back. One that was used or taken back before stays as it is.
    pub fn revoke_ticket(&mut self, session: &SessionId, id: &str, now_ms: i64) -> Result<(), StoreError> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE ticket SET revoked_at = coalesce(revoked_at, ?3) WHERE id = ?2 AND session = ?1")?
            .execute(params![session.as_str(), id, now_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    fn refusal_of(&self, ticket: &Ticket, now_ms: i64) -> Result<Option<TicketRefusal>, StoreError> {
        let session_ended: bool = self
            .transaction
            .prepare_cached("SELECT ended_at IS NOT NULL FROM session WHERE id = ?1")?
            .query_row([ticket.session.as_str()], |row| row.get(0))?;
        Ok(if ticket.revoked_at_ms.is_some() {
            Some(TicketRefusal::Revoked)
        } else if ticket.used_at_ms.is_some() {
            Some(TicketRefusal::Used)
        } else if ticket.expires_at_ms <= now_ms {
            Some(TicketRefusal::Expired)
        } else if session_ended {
            Some(TicketRefusal::SessionEnded)
        } else {
            None
        })
    }
}

impl Store {
    /// Whether there is a ticket with this secret, in force or not.
    pub fn knows_ticket(&self, secret: SecretHash) -> Result<bool, StoreError> {
        Ok(self.connection.prepare_cached("SELECT 1 FROM ticket WHERE secret_hash = ?1")?.exists([secret.0])?)
    }

    /// Until when a ticket to this session is good that was not taken back; `None`: there is none.
    pub fn last_ticket_expires_at(&self, session: &SessionId) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(expires_at) FROM ticket WHERE session = ?1 AND revoked_at IS NULL";
        Ok(self.connection.prepare_cached(sql)?.query_row([session.as_str()], |row| row.get(0))?)
    }

    /// The tickets to a session, in order of id.
    pub fn tickets(&self, session: &SessionId) -> Result<Vec<Ticket>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM ticket WHERE session = ?1 ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([session.as_str()], raw)?;
        rows.map(|row| parse(row?)).collect()
    }
}
