//! Sessions: what they were made with, and what a restart needs of them.

use parlour_model::session::{Modality, Schedule, SessionKind, SessionPhase, SessionPolicy, SessionSnapshot};
use parlour_model::{Redacted, SessionId};
use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::store::{Change, Store};

/// Sessions a listing gives at most.
const MAX_PAGE: u32 = 1_000;

const COLUMNS: &str = "number, id, external_id, spec, policy, snapshot, version, created_at, ended_at";

/// What a session is, its rules aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSpec {
    /// For whom.
    pub kind: SessionKind,
    /// In what.
    pub modality: Modality,
    /// When.
    pub schedule: Option<Schedule>,
    /// Shown to participants when media fails.
    pub backup_plan: Redacted<Option<BackupPlan>>,
    /// What the policy's consent is given to, in full.
    pub consent_text: Option<String>,
}

/// What people do when the call does not work.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPlan {
    /// In words.
    pub text: String,
    /// Whom to call; empty: nobody.
    pub phone: String,
}

/// A session to be made.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its name.
    pub id: SessionId,
    /// The integrator's, opaque.
    pub external_id: Option<String>,
    /// What it is.
    pub spec: SessionSpec,
    /// Its rules.
    pub policy: SessionPolicy,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// When it is over if nobody comes.
    pub unused_until_ms: i64,
}

/// What a session becomes by an edit.
#[derive(Clone, Debug)]
pub struct SessionEdit {
    /// What it is.
    pub spec: SessionSpec,
    /// Its rules.
    pub policy: SessionPolicy,
    /// When it is over if nobody comes.
    pub unused_until_ms: i64,
}

/// A session as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// In order of creation; the cursor of a listing.
    pub number: i64,
    /// Its name.
    pub id: SessionId,
    /// The integrator's, opaque.
    pub external_id: Option<String>,
    /// What it is.
    pub spec: SessionSpec,
    /// Its rules.
    pub policy: SessionPolicy,
    /// What a restart needs; `None` until somebody came.
    pub snapshot: Option<SessionSnapshot>,
    /// Grows with each edit, not with what happens in the session.
    pub version: i64,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Likewise; `None`: it may still be held.
    pub ended_at_ms: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct SpecText {
    kind: SessionKind,
    modality: Modality,
    schedule: Option<Schedule>,
    backup_plan: Option<BackupPlan>,
    #[serde(default)]
    consent_text: Option<String>,
}

impl SessionSpec {
    fn to_json(&self) -> Result<String, StoreError> {
        let Self { kind, modality, schedule, backup_plan: Redacted(backup_plan), consent_text } = self.clone();
        Ok(serde_json::to_string(&SpecText { kind, modality, schedule, backup_plan, consent_text })?)
    }

    fn from_json(text: &str) -> Result<Self, StoreError> {
        let SpecText { kind, modality, schedule, backup_plan, consent_text } = serde_json::from_str(text)?;
        Ok(Self { kind, modality, schedule, backup_plan: Redacted(backup_plan), consent_text })
    }
}

/// A row before its texts are parsed.
struct Raw {
    number: i64,
    id: String,
    external_id: Option<String>,
    spec: String,
    policy: String,
    snapshot: Option<String>,
    version: i64,
    created_at_ms: i64,
    ended_at_ms: Option<i64>,
}

impl Raw {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            id: row.get(1)?,
            external_id: row.get(2)?,
            spec: row.get(3)?,
            policy: row.get(4)?,
            snapshot: row.get(5)?,
            version: row.get(6)?,
            created_at_ms: row.get(7)?,
            ended_at_ms: row.get(8)?,
        })
    }

    fn parse(self) -> Result<SessionRow, StoreError> {
        Ok(SessionRow {
            number: self.number,
            id: self.id.into(),
            external_id: self.external_id,
            spec: SessionSpec::from_json(&self.spec)?,
            policy: serde_json::from_str(&self.policy)?,
            snapshot: self.snapshot.as_deref().map(serde_json::from_str).transpose()?,
            version: self.version,
            created_at_ms: self.created_at_ms,
            ended_at_ms: self.ended_at_ms,
        })
    }
}

impl Change<'_> {
    /// Makes a session; its version is 1.
    pub fn create_session(&mut self, session: &NewSession) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO session (id, external_id, spec, policy, created_at, unused_until)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                session.id.as_str(),
                session.external_id,
                session.spec.to_json()?,
                serde_json::to_string(&session.policy)?,
                session.created_at_ms,
                session.unused_until_ms
            ])?;
        Ok(())
    }

    /// Changes what a client of the API may change, if it is still at `expected`; returns the new version.
    pub fn edit_session(&mut self, id: &SessionId, expected: i64, edit: &SessionEdit) -> Result<i64, StoreError> {
        let SessionEdit { spec, policy, unused_until_ms } = edit;
        let edited: Option<i64> = self
            .transaction
            .prepare_cached(
                "UPDATE session SET spec = ?3, policy = ?4, unused_until = ?5, version = version + 1
                 WHERE id = ?1 AND version = ?2 RETURNING version",
            )?
            .query_row(
                params![id.as_str(), expected, spec.to_json()?, serde_json::to_string(policy)?, unused_until_ms],
                |row| row.get(0),
            )
            .optional()?;
        match edited {
            Some(version) => Ok(version),
            None if self.knows_session(id)? => Err(StoreError::VersionConflict),
            None => Err(StoreError::NotFound),
        }
    }

    /// Keeps how a session is now. Its rules in the snapshot become its rules; `Ended` ends it, for good.
    pub fn save_snapshot(&mut self, id: &SessionId, snapshot: &SessionSnapshot, now_ms: i64) -> Result<(), StoreError> {
        let ended_at = (snapshot.phase == SessionPhase::Ended).then_some(now_ms);
        let changed = self
            .transaction
            .prepare_cached(
                "UPDATE session SET snapshot = ?2, policy = ?3, ended_at = coalesce(ended_at, ?4) WHERE id = ?1",
            )?
            .execute(params![
                id.as_str(),
                serde_json::to_string(snapshot)?,
                serde_json::to_string(&snapshot.policy)?,
                ended_at
            ])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Ends a session that nobody is in; one that ended before stays as it is.
    pub fn end_session(&mut self, id: &SessionId, now_ms: i64) -> Result<(), StoreError> {
        let changed = self
            .transaction
            .prepare_cached("UPDATE session SET ended_at = coalesce(ended_at, ?2) WHERE id = ?1")?
            .execute(params![id.as_str(), now_ms])?;
        if changed == 0 { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// Ends a session for good, if it has not ended; whether it was so.
    pub fn end_session_once(&mut self, id: &SessionId, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE session SET ended_at = ?2 WHERE id = ?1 AND ended_at IS NULL";
        Ok(self.transaction.prepare_cached(sql)?.execute(params![id.as_str(), now_ms])? > 0)
    }

    /// Ends a session that nobody came to, if its time is over and still nobody came; whether it was so.
    pub fn end_unused_session(&mut self, id: &SessionId, now_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE session SET ended_at = ?2
             WHERE id = ?1 AND ended_at IS NULL AND snapshot IS NULL AND unused_until <= ?2";
        Ok(self.transaction.prepare_cached(sql)?.execute(params![id.as_str(), now_ms])? > 0)
    }

    /// Keeps a session that nobody came to for longer.
    pub fn keep_unused_session(&mut self, id: &SessionId, until_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE session SET unused_until = max(unused_until, ?2) WHERE id = ?1";
        self.transaction.prepare_cached(sql)?.execute(params![id.as_str(), until_ms])?;
        Ok(())
    }

    /// Its rules as they are kept now.
    pub fn policy_of(&self, id: &SessionId) -> Result<SessionPolicy, StoreError> {
        let sql = "SELECT policy FROM session WHERE id = ?1";
        let text: String = self.transaction.prepare_cached(sql)?.query_row([id.as_str()], |row| row.get(0))?;
        Ok(serde_json::from_str(&text)?)
    }

    fn knows_session(&self, id: &SessionId) -> Result<bool, StoreError> {
        let mut statement = self.transaction.prepare_cached("SELECT 1 FROM session WHERE id = ?1")?;
        Ok(statement.exists([id.as_str()])?)
    }
}

impl Store {
    /// One session.
    pub fn session(&self, id: &SessionId) -> Result<SessionRow, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM session WHERE id = ?1");
        self.connection.prepare_cached(&sql)?.query_row([id.as_str()], Raw::from_row)?.parse()
    }

    /// Sessions in order of creation, after the given number; at most 1,000 a call.
    pub fn sessions_after(&self, number: i64, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM session WHERE number > ?1 ORDER BY number LIMIT ?2");
        self.collect(&sql, number, limit)
    }

    /// Those that were not ended, in order of creation, after the given number: what a start brings back.
    pub fn running_sessions_after(&self, number: i64, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        let sql =
            format!("SELECT {COLUMNS} FROM session WHERE ended_at IS NULL AND number > ?1 ORDER BY number LIMIT ?2");
        self.collect(&sql, number, limit)
    }

    /// Those that nobody came to and whose time is over, the longest ago first.
    pub fn unused_sessions(&self, now_ms: i64, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM session WHERE ended_at IS NULL AND snapshot IS NULL AND unused_until <= ?1
             ORDER BY unused_until LIMIT ?2"
        );
        self.collect(&sql, now_ms, limit)
    }

    /// When the next session that nobody came to is over; those whose time is over already are passed by.
    pub fn next_unused_session_at(&self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(unused_until) FROM session
             WHERE ended_at IS NULL AND snapshot IS NULL AND unused_until > ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([now_ms], |row| row.get(0))?)
    }

    fn collect(&self, sql: &str, number: i64, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![number, limit.min(MAX_PAGE)], Raw::from_row)?;
        rows.map(|row| row.map_err(StoreError::from)?.parse()).collect()
    }
}
