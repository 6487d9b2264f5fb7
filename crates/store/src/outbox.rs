//! Events and their way to webhook endpoints (`endpoints`): kept in the change that made them, delivered per session in order,
//! retried over days, then laid aside as dead until replayed.

use parlour_model::SessionId;
use rusqlite::{OptionalExtension, Row, params};

use crate::error::StoreError;
use crate::store::{Change, Store};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Waits after each failed attempt, as Standard Webhooks suggests: quick at first, over three days in all.
const RETRIES: [i64; 9] =
    [5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 20 * HOUR, 36 * HOUR];

/// By how much a wait may be stretched, so that endpoints that failed together are not all tried together again.
const MAX_JITTER_PERCENT: u8 = 20;

/// A receiver may put an attempt off for this long. Who asks for more is tried before.
const MAX_ASKED: i64 = 24 * HOUR;

/// Rows a read gives at most.
const MAX_PAGE: u32 = 1_000;

/// Deliveries on their way to one endpoint. An endpoint that is so far behind gets what follows by replay: it is laid
/// aside as dead at once.
const MAX_PENDING: u32 = 10_000;

/// An event as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Over all sessions, ascending: the cursor of a reader.
    pub number: i64,
    /// Of which session.
    pub session: SessionId,
    /// 1, 2, 3 … within it.
    pub seq: i64,
    /// A word of the API.
    pub kind: String,
    /// JSON, thin: ids and times.
    pub body: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// Something to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What.
    pub event: StoredEvent,
    /// Failed before.
    pub attempts: u32,
}

/// What a wait depends on beside how often it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wait {
    /// 0 to 255: stretches it.
    pub chance: u8,
    /// The receiver asked for this long, in milliseconds.
    pub asked_ms: i64,
}

impl Wait {
    /// As planned or longer, never shorter: a receiver must not spend its attempts in a moment.
    fn instead_of(self, planned: i64) -> i64 {
        let stretch = planned * i64::from(MAX_JITTER_PERCENT) / 100 * i64::from(self.chance) / i64::from(u8::MAX);
        (planned + stretch).max(self.asked_ms.min(MAX_ASKED))
    }
}

fn event_from_row(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        number: row.get(0)?,
        session: row.get::<_, String>(1)?.into(),
        seq: row.get(2)?,
        kind: row.get(3)?,
        body: row.get(4)?,
        at_ms: row.get(5)?,
    })
}

impl Change<'_> {
    /// Keeps an event of a session and puts it on its way to every endpoint in use. Returns its number.
    pub fn emit(&mut self, session: &SessionId, kind: &str, body: &str, now_ms: i64) -> Result<i64, StoreError> {
        let seq = self.next_event_seq(session)?;
        let number: i64 = self
            .transaction
            .prepare_cached(
                "INSERT INTO event (session, seq, kind, body, at) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING number",
            )?
            .query_row(params![session.as_str(), seq, kind, body, now_ms], |row| row.get(0))?;
        self.transaction
            .prepare_cached(
                "INSERT INTO delivery (endpoint, event, session, state, next_at)
                 SELECT id, ?1, ?2, CASE WHEN pending < ?4 THEN 'pending' ELSE 'dead' END, ?3
                 FROM endpoint WHERE disabled_at IS NULL",
            )?
            .execute(params![number, session.as_str(), now_ms, MAX_PENDING])?;
        Ok(number)
    }

    /// A room that was opened by a token alone has no row of its own: its events count on from the last one kept.
    fn next_event_seq(&mut self, session: &SessionId) -> Result<i64, StoreError> {
        let counted: Option<i64> = self
            .transaction
            .prepare_cached("UPDATE session SET event_seq = event_seq + 1 WHERE id = ?1 RETURNING event_seq")?
            .query_row([session.as_str()], |row| row.get(0))
            .optional()?;
        match counted {
            Some(seq) => Ok(seq),
            None => Ok(self
                .transaction
                .prepare_cached("SELECT coalesce(max(seq), 0) + 1 FROM event WHERE session = ?1")?
                .query_row([session.as_str()], |row| row.get(0))?),
        }
    }

    /// It arrived.
    pub fn delivered(&mut self, endpoint: &str, event: i64) -> Result<(), StoreError> {
        let sql = "UPDATE delivery SET state = 'delivered' WHERE endpoint = ?1 AND event = ?2 AND state = 'pending'";
        self.transaction.prepare_cached(sql)?.execute(params![endpoint, event])?;
        Ok(())
    }

    /// It did not arrive: tried again later, or, after the last time, laid aside so that the session's next events
    /// are not kept back for ever. Returns when it is tried again.
    pub fn delivery_failed(
        &mut self,
        endpoint: &str,
        event: i64,
        wait: Wait,
        now_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        let attempts: u32 = self
            .transaction
            .prepare_cached(
                "UPDATE delivery SET attempts = attempts + 1
                 WHERE endpoint = ?1 AND event = ?2 AND state = 'pending' RETURNING attempts",
            )?
            .query_row(params![endpoint, event], |row| row.get(0))?;
        let planned = usize::try_from(attempts).ok().and_then(|n| RETRIES.get(n.saturating_sub(1)));
        let next_at = planned.map(|planned| now_ms.saturating_add(wait.instead_of(*planned)));
        self.transaction
            .prepare_cached(
                "UPDATE delivery SET state = CASE WHEN ?3 IS NULL THEN 'dead' ELSE 'pending' END,
                 next_at = coalesce(?3, next_at) WHERE endpoint = ?1 AND event = ?2",
            )?
            .execute(params![endpoint, event, next_at])?;
        Ok(next_at)
    }

    /// Puts everything after this event back on its way to an endpoint, whatever became of it: the oldest, as many as
    /// may be on their way. Returns how many, and the last.
    pub fn replay(&mut self, endpoint: &str, after_event: i64, now_ms: i64) -> Result<(usize, i64), StoreError> {
        let last = "SELECT coalesce(max(number), ?1) FROM
             (SELECT number FROM event WHERE number > ?1 ORDER BY number LIMIT ?2)";
        let last = self
            .transaction
            .prepare_cached(last)?
            .query_row(params![after_event, MAX_PENDING], |row| row.get::<_, i64>(0))?;
        let sql = "INSERT INTO delivery (endpoint, event, session, state, next_at)
             SELECT ?1, number, session, 'pending', ?4 FROM event WHERE number > ?2 AND number <= ?3
             ON CONFLICT (endpoint, event) DO UPDATE SET state = 'pending', attempts = 0, next_at = ?4";
        let count = self.transaction.prepare_cached(sql)?.execute(params![endpoint, after_event, last, now_ms])?;
        Ok((count, last))
    }

    /// Puts what was laid aside for an endpoint back on its way: the oldest, as many as may be on their way. Returns
    /// how many.
    pub fn replay_dead(&mut self, endpoint: &str, now_ms: i64) -> Result<usize, StoreError> {
        let sql = "UPDATE delivery SET state = 'pending', attempts = 0, next_at = ?3
             WHERE endpoint = ?1 AND state = 'dead' AND event IN
             (SELECT event FROM delivery WHERE endpoint = ?1 AND state = 'dead' ORDER BY event LIMIT ?2)";
        Ok(self.transaction.prepare_cached(sql)?.execute(params![endpoint, MAX_PENDING, now_ms])?)
    }
}

impl Store {
    /// Events after the given number, of one session or all; at most 1,000 a call.
    pub fn events_after(
        &self,
        number: i64,
        session: Option<&SessionId>,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number, session, seq, kind, body, at FROM event
             WHERE number > ?1 AND (?2 IS NULL OR session = ?2) ORDER BY number LIMIT ?3",
        )?;
        let session = session.map(SessionId::as_str);
        let rows = statement.query_map(params![number, session, limit.min(MAX_PAGE)], event_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of the last event there is; zero if there is none.
    pub fn last_event(&self) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(max(number), 0) FROM event";
        Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// What is to be sent to an endpoint now: of each session only the oldest, so that order is kept.
    pub fn due_deliveries(&self, endpoint: &str, now_ms: i64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.number, e.session, e.seq, e.kind, e.body, e.at, d.attempts
             FROM (SELECT endpoint, min(event) AS event FROM delivery
                   WHERE endpoint = ?1 AND state = 'pending' GROUP BY session) oldest
             JOIN delivery d ON d.endpoint = oldest.endpoint AND d.event = oldest.event
             JOIN event e ON e.number = d.event
             WHERE d.next_at <= ?2 AND d.endpoint IN (SELECT id FROM endpoint WHERE disabled_at IS NULL)
             ORDER BY d.event LIMIT ?3",
        )?;
        let rows = statement.query_map(params![endpoint, now_ms, limit.min(MAX_PAGE)], |row| {
            Ok(Delivery { event: event_from_row(row)?, attempts: row.get(6)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// When something that is not due yet is to be sent to an endpoint; `None`: nothing else is on its way.
    pub fn next_delivery_at(&self, endpoint: &str, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(d.next_at) FROM
             (SELECT endpoint, min(event) AS event FROM delivery
              WHERE endpoint = ?1 AND state = 'pending' GROUP BY session) oldest
             JOIN delivery d ON d.endpoint = oldest.endpoint AND d.event = oldest.event
             WHERE d.next_at > ?2 AND d.endpoint IN (SELECT id FROM endpoint WHERE disabled_at IS NULL)";
        Ok(self.connection.prepare_cached(sql)?.query_row(params![endpoint, now_ms], |row| row.get(0))?)
    }

    /// What was laid aside for an endpoint, oldest first; at most 1,000 a call.
    pub fn dead_letters(&self, endpoint: &str) -> Result<Vec<StoredEvent>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.number, e.session, e.seq, e.kind, e.body, e.at
             FROM delivery d JOIN event e ON e.number = d.event
             WHERE d.endpoint = ?1 AND d.state = 'dead' ORDER BY e.number LIMIT ?2",
        )?;
        let rows = statement.query_map(params![endpoint, MAX_PAGE], event_from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
