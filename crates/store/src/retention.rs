//! What is no longer to be kept, and taking it away.

use rusqlite::params;

use crate::audit::{Action, AuditRecord, Subject};
use crate::error::StoreError;
use crate::store::{Change, Store};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Rows one step takes away, so that it is over before a live session's command has waited for long.
const STEP: u32 = 500;

/// Days each class of records is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Ended sessions with their tickets, from their end.
    pub sessions_days: u32,
    /// Tickets, from their expiry.
    pub tickets_days: u32,
    /// Consents.
    pub consents_days: u32,
    /// Events, delivered or not.
    pub events_days: u32,
    /// Audit records.
    pub audit_days: u32,
    /// Answers to repeated requests.
    pub idempotency_days: u32,
}

impl Default for Retention {
    /// Short for what is only technical; what a clinic may be asked about later is kept for a year, and is its to set.
    fn default() -> Self {
        Self {
            sessions_days: 30,
            tickets_days: 7,
            consents_days: 365,
            events_days: 30,
            audit_days: 365,
            idempotency_days: 1,
        }
    }
}

/// How many rows of each class were taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Sessions.
    pub sessions: usize,
    /// Tickets.
    pub tickets: usize,
    /// Consents.
    pub consents: usize,
    /// Events.
    pub events: usize,
    /// Audit records.
    pub audit: usize,
    /// Answers.
    pub idempotency: usize,
}

impl Purged {
    /// All of them.
    pub fn total(self) -> usize {
        self.sessions + self.tickets + self.consents + self.events + self.audit + self.idempotency
    }

    /// With those of another step.
    pub fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.tickets += other.tickets;
        self.consents += other.consents;
        self.events += other.events;
        self.audit += other.audit;
        self.idempotency += other.idempotency;
    }
}

impl Store {
    /// Takes away what is over its time, in steps; between them other writers have their turn. That it was done, and
    /// how much, is written into the log.
    pub fn purge(&mut self, retention: &Retention, now_ms: i64) -> Result<Purged, StoreError> {
        let mut purged = Purged::default();
        loop {
            let step = self.change(|change| change.purge_step(retention, now_ms))?;
            purged.add(step);
            if step.total() == 0 {
                break;
            }
        }
        self.finish_purge(purged, now_ms)?;
        Ok(purged)
    }

    /// After the last [`Change::purge_step`]: says in the log what was taken away, and empties the write-ahead log,
    /// which holds it in the clear until it is overwritten.
    pub fn finish_purge(&mut self, purged: Purged, now_ms: i64) -> Result<(), StoreError> {
        if purged.total() > 0 {
            self.change(|change| change.audit(&record_of(purged, now_ms)))?;
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }
}

impl Change<'_> {
    /// Takes a few rows of each class away; nothing was left when its total is zero.
    pub fn purge_step(&mut self, retention: &Retention, now_ms: i64) -> Result<Purged, StoreError> {
        let before = |days: u32| now_ms.saturating_sub(i64::from(days) * DAY_MS);
        self.forget_old_secrets(now_ms)?;
        Ok(Purged {
            sessions: self.purge_from("session", "number", "ended_at", before(retention.sessions_days))?,
            tickets: self.purge_from("ticket", "id", "expires_at", before(retention.tickets_days))?,
            consents: self.purge_from(
                "consent",
                "(session, identity, text_id, sha256)",
                "accepted_at",
                before(retention.consents_days),
            )?,
            events: self.purge_from("event", "number", "at", before(retention.events_days))?,
            audit: self.purge_audit(before(retention.audit_days))?,
            idempotency: self.purge_from("idempotency", "(scope, key)", "at", before(retention.idempotency_days))?,
        })
    }

    /// The names are ours, never input.
    fn purge_from(&mut self, table: &str, key: &str, time: &str, before_ms: i64) -> Result<usize, StoreError> {
        let columns = key.trim_matches(['(', ')']);
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN
             (SELECT {columns} FROM {table} WHERE {time} IS NOT NULL AND {time} < ?1 LIMIT ?2)"
        );
        Ok(self.transaction.prepare_cached(&sql)?.execute(params![before_ms, STEP])?)
    }

    /// Only from the beginning and without a gap: the chain then begins where the last of them ended. Records stand
    /// in order of writing; one with a time before its predecessor's stays as long as that does.
    fn purge_audit(&mut self, before_ms: i64) -> Result<usize, StoreError> {
        let sql = "SELECT seq, hash, at FROM audit ORDER BY seq LIMIT ?1";
        let mut last = None;
        {
            let mut statement = self.transaction.prepare_cached(sql)?;
            let mut rows = statement.query([STEP])?;
            while let Some(row) = rows.next()? {
                let (seq, hash, at): (i64, [u8; 32], i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                if at >= before_ms {
                    break;
                }
                last = Some((seq, hash));
            }
        }
        let Some((seq, hash)) = last else { return Ok(0) };
        self.transaction.execute("UPDATE audit_bounds SET base_seq = ?1, base_hash = ?2", params![seq, hash])?;
        Ok(self.transaction.execute("DELETE FROM audit WHERE seq <= ?1", [seq])?)
    }
}

fn record_of(purged: Purged, now_ms: i64) -> AuditRecord {
    AuditRecord {
        at_ms: now_ms,
        action: Action::Purged,
        session: None,
        actor: Subject::system(),
        subject: Subject::none(),
        detail: format!(
            "sessions={} tickets={} consents={} events={} audit={}",
            purged.sessions, purged.tickets, purged.consents, purged.events, purged.audit
        ),
    }
}
