//! Sessions: made, listed, read, edited, ended.

mod policy;
mod unused;
mod words;

use parlour_model::session::SessionCommand;
use parlour_model::session::SessionPhase;
use parlour_model::{Command, Reply as Answer, SessionId};
use parlour_store::{Action, AuditRecord, Change, NewSession, SessionEdit, SessionRow, StoreError, Subject};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::policy::{length, medium_words, mute_words, phase_words, role_words, same_room_words};
pub(crate) use self::unused::{Unused, minutes_after, unused_until};
pub(crate) use self::words::{BackupPlanWords, phase, planned_end};
use self::words::{NewSessionWords, SessionBody, SessionChangeWords, SessionPage};
use crate::caller::Caller;
use crate::commands::{self, Asked};
use crate::gate::Arrived;
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, Seats, get, patch, post};
use crate::problem::{Kind, Problem, or_missing};
use crate::reply::{Reply, parse_etag};
use crate::scope::Scope;
use crate::state::ApiState;
use crate::words::{At, Body, Query, cursor, cursor_words, parse_cursor, parse_limit};
use axum::extract::State;
use axum::http::{HeaderMap, header};

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/sessions", "createSession", "Make a session.", create)
            .key(Scope::SessionsWrite)
            .takes::<NewSessionWords>()
            .gives::<SessionBody>(201)
            .versioned()
            .refuses(&[Kind::SessionExists, Kind::PastSchedule]),
        get("/v1/sessions", "listSessions", "List sessions in order of creation.", list)
            .key(Scope::SessionsRead)
            .query::<ListQuery>()
            .gives::<SessionPage>(200),
        get("/v1/sessions/{session}", "getSession", "Read a session.", read)
            .seat(Scope::SessionsRead, Seats::Therapists)
            .gives::<SessionBody>(200)
            .versioned()
            .refuses(&[Kind::SessionNotFound]),
        patch("/v1/sessions/{session}", "changeSession", "Change a session; its rules also while it is live.", change)
            .key(Scope::SessionsWrite)
            .conditional()
            .takes::<SessionChangeWords>()
            .gives::<SessionBody>(200)
            .versioned()
            .refuses(&[Kind::SessionNotFound, Kind::SessionEnded, Kind::SessionInUse, Kind::PastSchedule])
            .refuses(&[Kind::NotPossible, Kind::LimitReached, Kind::RecordFailed]),
        post("/v1/sessions/{session}/end", "endSession", "End a session for all, for good.", end)
            .seat(Scope::SessionsWrite, Seats::Therapists)
            .gives_nothing()
            .refuses(&[Kind::SessionNotFound, Kind::RecordFailed, Kind::ParticipantNotFound]),
    ]
}

async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    Body(words): Body<NewSessionWords>,
) -> Result<Reply, Problem> {
    let new = words.judged(&api.config.policy, now_ms())?;
    make(&api, caller.subject(&api.pseudonyms), once, new).await
}

/// Makes a session, with its record and its answer.
pub(crate) async fn make(api: &ApiState, actor: Subject, once: Once, new: NewSession) -> Result<Reply, Problem> {
    let unused_until_ms = new.unused_until_ms;
    let made = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.audit(&AuditRecord {
            at_ms: new.created_at_ms,
            action: Action::SessionCreated,
            session: Some(new.id.clone()),
            actor,
            subject: Subject::none(),
            detail: String::new(),
        })?;
        change.create_session(&new)?;
        let row = SessionRow {
            number: 0,
            id: new.id,
            external_id: new.external_id,
            spec: new.spec,
            policy: new.policy,
            snapshot: None,
            version: 1,
            created_at_ms: new.created_at_ms,
            ended_at_ms: None,
        };
        let location = format!("/v1/sessions/{}", row.id);
        let reply = Reply::created(&SessionBody::of(&row, row.created_at_ms))?.version(row.version).at(location);
        once.keep(change, &reply)?;
        Ok(reply)
    };
    let reply = api.ledger.change(made).await?;
    api.unused.expect(unused_until_ms);
    Ok(reply)
}

/// Which sessions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct ListQuery {
    /// `next_cursor` of the page before; left out: the beginning.
    #[schemars(schema_with = "cursor_words")]
    cursor: Option<String>,
    /// Entries looked at; 100 if left out. With `phase`, a page may have fewer.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u32>,
    /// Only those that are so far.
    #[schemars(schema_with = "phase_words")]
    phase: Option<SessionPhase>,
}

async fn list(State(api): State<ApiState>, Query(query): Query<ListQuery>) -> Result<Reply, Problem> {
    let (after, limit) = (parse_cursor(query.cursor.as_deref())?, parse_limit(query.limit)?);
    let wanted = query.phase;
    // Made where it was read: a thousand sessions are no work for the runtime's own threads.
    let page = api
        .ledger
        .list(move |store| {
            let now = now_ms();
            let rows = store.sessions_after(after, limit)?;
            let is_full = rows.len() == limit as usize;
            let next_cursor = rows.last().filter(|_| is_full).map(|row| cursor(row.number));
            let wanted = |row: &&SessionRow| wanted.is_none_or(|wanted| phase(row, now) == wanted);
            let sessions = rows.iter().filter(wanted).map(|row| SessionBody::of(row, now)).collect();
            Ok(Reply::ok(&SessionPage { sessions, next_cursor }))
        })
        .await?;
    Ok(page?)
}

/// The session as it is kept.
pub(crate) async fn row(api: &ApiState, session: &SessionId) -> Result<SessionRow, Problem> {
    let session = session.clone();
    api.ledger.read(move |store| store.session(&session)).await.map_err(or_missing(Kind::SessionNotFound))
}

/// The session as it is kept and, if it is being held, as it is now: someone who has just been let in reads so.
async fn current(api: &ApiState, session: &SessionId) -> Result<SessionRow, Problem> {
    let mut row = row(api, session).await?;
    if let Ok(Answer::Snapshot(snapshot)) = api.engine.request(session, Command::Snapshot).await {
        row.snapshot = Some(*snapshot);
    }
    Ok(row)
}

async fn read(State(api): State<ApiState>, At(session): At<SessionId>) -> Result<Reply, Problem> {
    let row = current(&api, &session).await?;
    Ok(Reply::ok(&SessionBody::of(&row, now_ms()))?.version(row.version))
}

async fn change(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    headers: HeaderMap,
    At(session): At<SessionId>,
    Body(words): Body<SessionChangeWords>,
) -> Result<Reply, Problem> {
    let expected = headers.get(header::IF_MATCH).ok_or(Kind::PreconditionRequired)?;
    let expected = expected.to_str().ok().and_then(parse_etag).ok_or(Kind::PreconditionFailed)?;
    let before = row(&api, &session).await?;
    if before.version != expected {
        return Err(Kind::PreconditionFailed.into());
    }
    if before.ended_at_ms.is_some() {
        return Err(Kind::SessionEnded.into());
    }
    let is_open = api.engine.request(&session, Command::Snapshot).await.is_ok();
    if words.schedule.is_some() && (is_open || before.snapshot.is_some()) {
        return Err(Kind::SessionInUse.into());
    }
    let (spec, policy) = words.applied(&before, now_ms())?;
    let other_rules = policy != before.policy;
    let record = AuditRecord {
        at_ms: now_ms(),
        action: if other_rules { Action::PolicyChanged } else { Action::SessionChanged },
        session: Some(session.clone()),
        actor: caller.subject(&api.pseudonyms),
        subject: Subject::none(),
        detail: String::new(),
    };
    let (unused_until_ms, _) = unused_until(&spec, &policy, now_ms());
    let (id, edit) = (session.clone(), SessionEdit { spec, policy: policy.clone(), unused_until_ms });
    let edit = move |change: &mut Change<'_>| -> Result<(), StoreError> {
        change.audit(&record)?;
        change.edit_session(&id, expected, &edit).map(drop)
    };
    api.ledger.change(edit).await.map_err(or_missing(Kind::SessionNotFound))?;
    api.unused.expect(unused_until_ms);
    if other_rules && is_open {
        let asked = Asked::by(&caller, SessionCommand::SetPolicy(Box::new(policy)), "set_policy");
        // Refused: the session's own rules are kept again when it settles.
        commands::ask(&api, &session, asked, arrived).await?;
    }
    let row = current(&api, &session).await?;
    Ok(Reply::ok(&SessionBody::of(&row, now_ms()))?.version(row.version))
}

async fn end(
    State(api): State<ApiState>,
    caller: Caller,
    arrived: Arrived,
    At(session): At<SessionId>,
) -> Result<Reply, Problem> {
    match commands::ask(&api, &session, Asked::by(&caller, SessionCommand::End, "end"), arrived).await {
        Err(problem) if problem.kind() == Kind::SessionNotOpen => unused::end_by_command(&api, &caller, &session).await,
        // It is so.
        Err(problem) if problem.kind() == Kind::SessionEnded => Ok(Reply::done()),
        other => other.map(|done| done.reply),
    }
}
