//! The audit log: what was done, when, by whom, to whom. Appended only; each record carries the hash of the one before.

use parlour_model::{Identity, SessionId};
use rusqlite::{Row, params};

use crate::chain::{ChainHash, Link};
use crate::error::StoreError;
use crate::hash::PseudonymKey;
use crate::store::{Change, Store};

/// Records a read gives at most.
const MAX_PAGE: u32 = 1_000;

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $($(#[$doc])* $name,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The word in the log; never changes, since the chain covers it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }
        }
    };
}

actions! {
    /// An API key was made.
    KeyCreated = "key.created",
    /// An API key was taken back.
    KeyRevoked = "key.revoked",
    /// An API key was given a successor and an end.
    KeyRotated = "key.rotated",
    /// The server began; who was in a session is held.
    ServerStarted = "server.started",
    /// Something is asked of a session; what came of it follows.
    CommandAsked = "command.asked",
    /// Events are sent to a further place.
    WebhookCreated = "webhook.created",
    /// What signs them is another secret.
    WebhookRotated = "webhook.rotated",
    /// And no longer.
    WebhookDeleted = "webhook.deleted",
    /// The server runs with another configuration.
    ConfigChanged = "config.changed",
    /// A session was made.
    SessionCreated = "session.created",
    /// A session was edited.
    SessionChanged = "session.changed",
    /// A session ended.
    SessionEnded = "session.ended",
    /// A session has other rules.
    PolicyChanged = "session.policy_changed",
    /// A join link was made.
    TicketIssued = "ticket.issued",
    /// And used.
    TicketUsed = "ticket.used",
    /// And not taken: used before, over, taken back.
    TicketRefused = "ticket.refused",
    /// And taken back.
    TicketRevoked = "ticket.revoked",
    /// Someone came.
    Joined = "participant.joined",
    /// Someone was let in.
    Admitted = "participant.admitted",
    /// Someone was not let in.
    Denied = "participant.denied",
    /// Someone is alone for a while.
    Held = "participant.held",
    /// And no longer.
    Resumed = "participant.resumed",
    /// Someone is in another space.
    Moved = "participant.moved",
    /// Someone went.
    Left = "participant.left",
    /// Someone was sent out.
    Removed = "participant.removed",
    /// A sealed conversation began.
    CheckInStarted = "check_in.started",
    /// And ended.
    CheckInEnded = "check_in.ended",
    /// Who is heard changed.
    FloorChanged = "floor.changed",
    /// Two people sit in one room, or no longer.
    SameRoomChanged = "same_room.changed",
    /// Nobody new comes in, or people may again.
    LockChanged = "session.lock_changed",
    /// The session ends at another time.
    EndMoved = "session.end_moved",
    /// Someone's microphone or camera was muted for them.
    Muted = "participant.muted",
    /// Someone's seat may move to another device.
    HandOverOffered = "participant.hand_over_offered",
    /// And did.
    HandedOver = "participant.handed_over",
    /// A text was accepted.
    ConsentAccepted = "consent.accepted",
    /// Someone agrees to a recorder, or no longer does.
    RecordingAgreement = "consent.recording",
    /// A quality or audit report was read.
    ReportRead = "report.read",
    /// Someone failed to show who they are.
    AuthenticationFailed = "authentication.failed",
    /// Retention took records away.
    Purged = "retention.purged",
}

/// Somebody, as the log names them. Not made from text of the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Nobody in particular.
    pub fn none() -> Self {
        Self(String::new())
    }

    /// The server itself: a timer, a start.
    pub fn system() -> Self {
        Self("system".to_owned())
    }

    /// A person, by pseudonym.
    pub fn person(key: &PseudonymKey, identity: &Identity) -> Self {
        Self(key.pseudonym(identity))
    }

    /// An API key, by the id we gave it.
    pub fn api_key(id: &str) -> Self {
        Self(format!("server:{id}"))
    }

    /// A key of the configuration that signs tokens, by the operator's name of it.
    pub fn signing_key(name: &str) -> Self {
        Self(format!("signing:{name}"))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What.
    pub action: Action,
    /// In which session.
    pub session: Option<SessionId>,
    /// By whom.
    pub actor: Subject,
    /// To whom.
    pub subject: Subject,
    /// Further words of ours (a floor, a check-in's number, a role), never anything that was typed.
    pub detail: String,
}

/// Something that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// 1, 2, 3 … without a gap.
    pub seq: i64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What, as [`Action::as_str`] says it.
    pub action: String,
    /// In which session; empty: none.
    pub session: String,
    /// By whom.
    pub actor: String,
    /// To whom; empty: nobody.
    pub subject: String,
    /// Further words.
    pub detail: String,
    /// Of the record before it and of this one.
    pub hash: ChainHash,
}

impl AuditEntry {
    pub(crate) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            action: row.get(2)?,
            session: row.get(3)?,
            actor: row.get(4)?,
            subject: row.get(5)?,
            detail: row.get(6)?,
            hash: ChainHash(row.get(7)?),
        })
    }
}

impl Change<'_> {
    /// Writes it down, behind everything before it. If this cannot be done, what it records must not be done either:
    /// let the error end the change.
    pub fn audit(&mut self, record: &AuditRecord) -> Result<ChainHash, StoreError> {
        let (head_seq, head_hash): (i64, [u8; 32]) = self
            .transaction
            .prepare_cached("SELECT head_seq, head_hash FROM audit_bounds")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let link = Link {
            seq: head_seq + 1,
            at_ms: record.at_ms,
            action: record.action.as_str(),
            session: record.session.as_ref().map_or("", SessionId::as_str),
            actor: record.actor.as_str(),
            subject: record.subject.as_str(),
            detail: &record.detail,
        };
        let hash = link.hash(&ChainHash(head_hash));
        self.transaction.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?.execute(
            params![link.seq, link.at_ms, link.action, link.session, link.actor, link.subject, link.detail, hash.0],
        )?;
        self.transaction
            .prepare_cached("UPDATE audit_bounds SET head_seq = ?1, head_hash = ?2")?
            .execute(params![link.seq, hash.0])?;
        Ok(hash)
    }
}

impl Store {
    /// Records after `seq` in order, of one session or all; at most 1,000 a call.
    pub fn audit_after(
        &self,
        seq: i64,
        session: Option<&SessionId>,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, at, action, session, actor, subject, detail, hash FROM audit
             WHERE seq > ?1 AND (?2 IS NULL OR session = ?2) ORDER BY seq LIMIT ?3",
        )?;
        let session = session.map(SessionId::as_str);
        let rows = statement.query_map(params![seq, session, limit.min(MAX_PAGE)], AuditEntry::from_row)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
