//! Asking something of a session, so that it is recorded: the record that it was asked is appended first; then it is
//! asked, and in force; then what came of it is on the disk; then it is answered.
//!
//! If the first cannot be written nothing is asked. Only a quick exit goes on without: who must get out gets out.

use std::time::Duration;

use parlour_model::command::Requester;
use parlour_model::session::{SessionCommand, SessionReply};
use parlour_model::{Command, Identity, Refusal, SessionId};
use parlour_signal::SessionDirectory;
use parlour_store::{Action, AuditRecord, StoreError, Subject};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::gate::Arrived;
use crate::ledger::Ledger;
use crate::now_ms;
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::state::ApiState;

/// Why a session may refuse what is asked of it.
pub(crate) const REFUSALS: &[Kind] = &[
    Kind::SessionNotFound,
    Kind::SessionEnded,
    Kind::SessionNotOpen,
    Kind::ParticipantNotFound,
    Kind::ParticipantNotPresent,
    Kind::ParticipantNotWaiting,
    Kind::SessionFull,
    Kind::InCheckIn,
    Kind::NoTherapist,
    Kind::NotPossible,
    Kind::LimitReached,
    Kind::RecordFailed,
    Kind::CheckInNotFound,
    Kind::NotAllowed,
];

/// Longest wait for a worker. It answers within milliseconds, or something is very wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// How long the answer to a command that is carried out in any case waits for its record.
const GRACE: Duration = Duration::from_millis(250);

/// A command with what its record says.
pub(crate) struct Asked<'a> {
    caller: &'a Caller,
    by: Requester,
    command: SessionCommand,
    word: &'static str,
    whom: Option<&'a Identity>,
    record: Record,
    /// Opens the session if nobody has come yet.
    opens: bool,
}

/// What becomes of a command whose record cannot be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    /// It is refused.
    Needed,
    /// It is carried out.
    IfPossible,
    /// It has none.
    Never,
}

impl<'a> Asked<'a> {
    /// A command in the name of whoever calls; `word` is what the log says of it.
    pub(crate) fn by(caller: &'a Caller, command: SessionCommand, word: &'static str) -> Self {
        let by = caller.requester();
        Self { caller, by, command, word, whom: None, record: Record::Needed, opens: false }
    }

    /// About this person.
    pub(crate) fn about(mut self, whom: &'a Identity) -> Self {
        self.whom = Some(whom);
        self
    }

    /// Also when nothing can be written.
    pub(crate) fn in_any_case(mut self) -> Self {
        self.record = Record::IfPossible;
        self
    }

    /// Nobody is to know later that it was asked.
    pub(crate) fn unrecorded(mut self) -> Self {
        self.record = Record::Never;
        self
    }

    /// Also before anybody has come.
    pub(crate) fn at_any_time(mut self) -> Self {
        self.opens = true;
        self
    }
}

/// What came of it.
pub(crate) struct Done {
    /// 204, with the time until it was in force.
    pub(crate) reply: Reply,
    /// What the session said.
    pub(crate) said: SessionReply,
    /// From arrival until it was in force.
    pub(crate) after: Duration,
}

/// Asks; see the head of this file.
pub(crate) async fn ask(
    api: &ApiState,
    session: &SessionId,
    asked: Asked<'_>,
    arrived: Arrived,
) -> Result<Done, Problem> {
    let Asked { caller, by, command, word, whom, record, opens } = asked;
    let actor = caller.subject(&api.pseudonyms);
    let entry = asking(api, session, &actor, whom, word);
    let append = |ledger: Ledger| async move {
        ledger.append(move |change| -> Result<_, StoreError> { change.audit(&entry).map(drop) }).await
    };
    match record {
        Record::Needed => append(api.ledger.clone()).await?,
        // A disk that hangs keeps nobody in.
        Record::IfPossible => drop(tokio::spawn(append(api.ledger.clone()))),
        Record::Never => {}
    }
    let under_way = api.recorder.actors().asking(session, actor);
    let deadline = Instant::now() + PATIENCE;
    let request = async {
        if opens && let Some(opening) = api.find(session).await? {
            api.engine.insist(session, || Command::Open(Box::new(opening.clone())), deadline).await?;
        }
        let rule = || Command::Rule { by: by.clone(), command: command.clone() };
        api.engine.insist(session, rule, deadline).await
    };
    let said = match tokio::time::timeout_at(deadline, request).await.unwrap_or(Err(Refusal::Limit)) {
        Ok(parlour_model::Reply::Ruled { reply, .. }) => reply,
        Ok(_) => return Err(Kind::Internal.into()),
        Err(Refusal::UnknownSession) => return Err(absent(api, session).await),
        Err(refusal) => return Err(refusal.into()),
    };
    let after = arrived.0.elapsed();
    api.metrics.in_force.observe(after.as_secs_f64());
    let settling = api.recorder.settle(session);
    match record {
        Record::Needed => settling.await.map_err(|_| Kind::RecordFailed)?,
        Record::IfPossible | Record::Never => drop(tokio::time::timeout(GRACE, settling).await),
    }
    drop(under_way);
    Ok(Done { reply: Reply::done().in_force_after(after), said, after })
}

/// The record that something is asked.
pub(crate) fn asking(
    api: &ApiState,
    session: &SessionId,
    actor: &Subject,
    whom: Option<&Identity>,
    word: &'static str,
) -> AuditRecord {
    AuditRecord {
        at_ms: now_ms(),
        action: Action::CommandAsked,
        session: Some(session.clone()),
        actor: actor.clone(),
        subject: whom.map_or_else(Subject::none, |whom| Subject::person(&api.pseudonyms, whom)),
        detail: word.to_owned(),
    }
}

/// Why a worker does not know the session.
pub(crate) async fn absent(api: &ApiState, session: &SessionId) -> Problem {
    match crate::sessions::row(api, session).await {
        Ok(row) if row.ended_at_ms.is_some() => Kind::SessionEnded.into(),
        Ok(_) => Kind::SessionNotOpen.into(),
        Err(problem) => problem,
    }
}
