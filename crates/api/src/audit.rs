//! The audit log, read and verified. Reading it is in it.

use axum::extract::State;
use parlour_store::{Action, AuditEntry, AuditRecord, Break, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::now_ms;
use crate::operation::{Operation, get};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::state::ApiState;
use crate::words::{Query, parse_limit, session_in_query};

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/audit", "readAudit", "Read the audit log in order.", read)
            .key(Scope::AuditRead)
            .query::<AuditQuery>()
            .gives::<AuditPage>(200),
        get("/v1/audit/verification", "verifyAudit", "Walk the chain of the whole log.", verify)
            .key(Scope::AuditRead)
            .gives::<VerificationBody>(200),
    ]
}

/// Which records.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct AuditQuery {
    /// Those behind this `seq`; left out: from the first that is kept.
    #[schemars(range(min = 0))]
    after: Option<i64>,
    /// At most; 100 if left out.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Of this session only.
    #[schemars(length(min = 1, max = 256))]
    session: Option<String>,
}

/// Records in order.
#[derive(Serialize, JsonSchema)]
struct AuditPage {
    records: Vec<RecordBody>,
    /// `after` of the next page; `null`: there are no more now.
    next_after: Option<i64>,
}

/// A record.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditRecord")]
struct RecordBody {
    /// 1, 2, 3 … without a gap.
    seq: i64,
    at_ms: i64,
    /// What was done.
    action: String,
    /// In which session; empty: none.
    session: String,
    /// By whom: a pseudonym, `server:<key id>`, `signing:<key>` (who asks in LiveKit's words), `system`, or empty.
    actor: String,
    /// To whom: a pseudonym or empty.
    subject: String,
    /// Further words of ours.
    detail: String,
    /// SHA-256 of the record before and this one, in hexadecimal.
    hash: String,
}

impl From<AuditEntry> for RecordBody {
    fn from(entry: AuditEntry) -> Self {
        let AuditEntry { seq, at_ms, action, session, actor, subject, detail, hash } = entry;
        Self { seq, at_ms, action, session, actor, subject, detail, hash: hash.to_string() }
    }
}

async fn read(State(api): State<ApiState>, caller: Caller, Query(query): Query<AuditQuery>) -> Result<Reply, Problem> {
    let (after, limit) = (query.after.unwrap_or(0), parse_limit(query.limit)?);
    if after < 0 {
        return Err(Problem::from(Kind::OutOfRange).at("after"));
    }
    let session = session_in_query(query.session)?;
    record_reading(&api, &caller, "audit").await?;
    let entries = api.ledger.list(move |store| store.audit_after(after, session.as_ref(), limit)).await?;
    let next_after = entries.last().filter(|_| entries.len() == limit as usize).map(|last| last.seq);
    Ok(Reply::ok(&AuditPage { records: entries.into_iter().map(RecordBody::from).collect(), next_after })?)
}

/// Who reads what is said of others is itself on record, or does not read.
async fn record_reading(api: &ApiState, caller: &Caller, what: &str) -> Result<(), Problem> {
    let record = AuditRecord {
        at_ms: now_ms(),
        action: Action::ReportRead,
        session: None,
        actor: caller.subject(&api.pseudonyms),
        subject: Subject::none(),
        detail: what.to_owned(),
    };
    Ok(api.ledger.append(move |change| change.audit(&record).map(drop)).await?)
}

/// Whether the chain is whole.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Verification")]
struct VerificationBody {
    whole: bool,
    /// Records walked.
    records: u64,
    /// The last whole record.
    head_seq: i64,
    /// Its hash: note it elsewhere from time to time, and compare.
    head: String,
    /// Where the chain is not whole.
    broken: Option<BreakBody>,
}

/// A place where the chain is not whole.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ChainBreak")]
struct BreakBody {
    /// `missing`, `altered` or `tail`.
    how: &'static str,
    /// At which record.
    seq: i64,
}

async fn verify(State(api): State<ApiState>, caller: Caller) -> Result<Reply, Problem> {
    record_reading(&api, &caller, "verification").await?;
    let chain = api.ledger.list(|store| store.verify_audit()).await?;
    let broken = chain.broken.map(|broken| match broken {
        Break::Missing(seq) => BreakBody { how: "missing", seq },
        Break::Altered(seq) => BreakBody { how: "altered", seq },
        Break::Tail(seq) => BreakBody { how: "tail", seq },
    });
    let body = VerificationBody {
        whole: broken.is_none(),
        records: chain.records,
        head_seq: chain.head_seq,
        head: chain.head.to_string(),
        broken,
    };
    Ok(Reply::ok(&body)?)
}
