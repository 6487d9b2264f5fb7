//! What one person, or a server key, may see of a session: once, or as a stream that says so whenever it changed.
//!
//! The session decides what is in it. Here the texts are added that the worker does not hold, and a session that nobody
//! has come to yet is shown from what is kept of it.

mod kept;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use parlour_model::session::SessionPhase;
use parlour_model::view::Viewer;
use parlour_model::{Command, Refusal, Reply as EngineReply, SessionId, SessionView};
use parlour_store::{hex, sha256};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::caller::Caller;
use crate::operation::{Operation, Seats, get};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::{self, BackupPlanWords};
use crate::state::ApiState;
use crate::words::At;

/// Silence after which a stream says that it is alive, and looks again in case something changed that nobody told of.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/sessions/{session}/view", "viewSession", "What the asking one may see of the session now.", once)
            .tag("views")
            .seat(Scope::SessionsRead, Seats::Everyone)
            .gives::<ViewBody>(200)
            .refuses(&[Kind::SessionNotFound]),
        get(
            "/v1/sessions/{session}/view/stream",
            "streamSessionView",
            "The same as a stream of server-sent events named `view`: now, and whenever it changed.",
            stream,
        )
        .tag("views")
        .seat(Scope::SessionsRead, Seats::Everyone)
        .gives_text("text/event-stream")
        .refuses(&[Kind::SessionNotFound]),
        get("/v1/sessions/{session}/participants", "listParticipants", "Everyone known to the session.", people)
            .tag("participants")
            .seat(Scope::SessionsRead, Seats::Therapists)
            .gives::<PeopleBody>(200)
            .refuses(&[Kind::SessionNotFound]),
    ]
}

/// The schema of a view; the type itself is the session's.
struct ViewBody;

/// People, as a view has them.
struct PeopleBody;

fn view_schema() -> Value {
    serde_json::from_str(include_str!("view.schema.json")).unwrap_or_default()
}

impl JsonSchema for ViewBody {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "View".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        view_schema().try_into().unwrap_or_default()
    }
}

impl JsonSchema for PeopleBody {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Participants".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let people = view_schema().pointer("/properties/people").cloned().unwrap_or_default();
        schemars::json_schema!({
            "type": "object",
            "properties": { "participants": people },
            "required": ["participants"],
            "additionalProperties": false,
        })
    }
}

/// Whose view it is.
fn viewer_of(caller: &Caller) -> Viewer {
    match caller {
        Caller::Bearer { identity, role, .. } => Viewer::Person { identity: identity.clone(), role: *role },
        Caller::Key { .. } | Caller::Nobody => Viewer::Server,
    }
}

async fn once(State(api): State<ApiState>, caller: Caller, At(session): At<SessionId>) -> Result<Reply, Problem> {
    let view = of(&api, &session, viewer_of(&caller)).await?;
    let texts = Texts::of(&api, &session).await?;
    Ok(Reply::ok(&texts.with(view)?)?)
}

async fn people(State(api): State<ApiState>, At(session): At<SessionId>) -> Result<Reply, Problem> {
    let view = of(&api, &session, Viewer::Server).await?;
    Ok(Reply::ok(&BTreeMap::from([("participants", view.people.unwrap_or_default())]))?)
}

/// A session as one viewer sees it.
pub(crate) async fn of(api: &ApiState, session: &SessionId, viewer: Viewer) -> Result<SessionView, Problem> {
    match api.engine.request(session, Command::View { viewer: viewer.clone() }).await {
        Ok(EngineReply::View(view)) => Ok(*view),
        Ok(_) => Err(Kind::Internal.into()),
        Err(Refusal::UnknownSession | Refusal::Ended) => kept::kept(api, session, viewer).await,
        Err(refusal) => Err(refusal.into()),
    }
}

/// What the worker does not hold.
struct Texts {
    backup_plan: Option<BackupPlanWords>,
    /// With its SHA-256.
    consent: Option<(String, String)>,
}

/// A view with its texts.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    view: Value,
    backup_plan: Option<BackupPlanWords>,
}

impl Texts {
    async fn of(api: &ApiState, session: &SessionId) -> Result<Self, Problem> {
        match sessions::row(api, session).await {
            Ok(row) => Ok(Self {
                backup_plan: row.spec.backup_plan.0.as_ref().map(BackupPlanWords::from),
                consent: row.spec.consent_text.map(|text| (hex(&sha256(text.as_bytes())), text)),
            }),
            // A room opened by a token alone has none.
            Err(problem) if problem.kind() == Kind::SessionNotFound => Ok(Self { backup_plan: None, consent: None }),
            Err(problem) => Err(problem),
        }
    }

    /// Whether the text that this view asks to be accepted is among them.
    fn have_that_of(&self, view: &SessionView) -> bool {
        let known = self.consent.as_ref().map(|(sha256, _)| sha256.as_str());
        view.consent.as_ref().is_none_or(|asked| known == Some(asked.sha256.as_str()))
    }

    /// A text is shown under its own hash only: the session may ask for another one by now.
    fn with(&self, view: SessionView) -> Result<Whole, Kind> {
        let text = self.consent.as_ref().filter(|_| self.have_that_of(&view)).map(|(_, text)| text.as_str());
        let mut view = serde_json::to_value(view).map_err(|_| Kind::Internal)?;
        if let (Some(consent), Some(text)) = (view.get_mut("consent").and_then(Value::as_object_mut), text) {
            consent.insert("text".to_owned(), text.into());
        }
        Ok(Whole { view, backup_plan: self.backup_plan.clone() })
    }
}

async fn stream(
    State(api): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    At(session): At<SessionId>,
) -> Result<Response, Problem> {
    let seat = api.stream_seat(&caller)?;
    let viewer = viewer_of(&caller);
    let texts = Texts::of(&api, &session).await?;
    let news = api.touched.watch(&session);
    // Refused as a problem, not as an empty stream.
    of(&api, &session, viewer.clone()).await?;
    let watch = Watch { api, session, viewer, texts, news, last: last_seen(&headers), is_over: false, _seat: seat };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    Ok(sse(events))
}

/// Who comes back to a stream says which view was the last: it is sent again only when it changed. What is none of ours
/// matches nothing.
fn last_seen(headers: &HeaderMap) -> String {
    let said = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    said.filter(|id| id.len() == VIEW_ID).unwrap_or_default().to_owned()
}

/// Digits of a view's id.
const VIEW_ID: usize = 32;

/// The same for equal views. It says nothing that the view does not.
fn id_of(json: &str) -> String {
    let mut digits = hex(&sha256(json.as_bytes()));
    digits.truncate(VIEW_ID);
    digits
}

/// Server-sent events that proxies pass on at once.
pub(crate) fn sse(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let keep_alive = KeepAlive::new().interval(HEARTBEAT);
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// One open stream.
struct Watch {
    api: ApiState,
    session: SessionId,
    viewer: Viewer,
    texts: Texts,
    news: Arc<Notify>,
    /// The id of the last view sent.
    last: String,
    is_over: bool,
    _seat: StreamSeat,
}

impl Watch {
    /// Waits until the view is another than the last one sent.
    async fn next(&mut self) -> Option<Event> {
        while !self.is_over {
            let news = self.news.clone();
            // Listens before it looks, so that nothing falls in between.
            let told = news.notified();
            let view = of(&self.api, &self.session, self.viewer.clone()).await.ok()?;
            self.is_over = view.session.phase == SessionPhase::Ended;
            if !self.texts.have_that_of(&view) {
                self.texts = Texts::of(&self.api, &self.session).await.ok()?;
            }
            let json = serde_json::to_string(&self.texts.with(view).ok()?).ok()?;
            let id = id_of(&json);
            if id != self.last {
                self.last.clone_from(&id);
                return Some(Event::default().id(id).event("view").data(json));
            }
            // Nobody told, or it did not concern this viewer.
            let _ = tokio::time::timeout(HEARTBEAT, told).await;
        }
        None
    }
}

/// The right to one open stream.
pub(crate) struct StreamSeat {
    api: ApiState,
    account: String,
    _permit: OwnedSemaphorePermit,
}

/// Streams that one seat may have open: a page has one, and opens the next before the last is known to be gone.
const STREAMS_PER_SEAT: u32 = 8;

/// Streams that one API key may have open.
const STREAMS_PER_KEY: u32 = 256;

impl ApiState {
    /// Takes one, if there is one for this caller.
    pub(crate) fn stream_seat(&self, caller: &Caller) -> Result<StreamSeat, Problem> {
        let account = caller.account(&self.pseudonyms);
        let most = if matches!(caller, Caller::Key { .. }) { STREAMS_PER_KEY } else { STREAMS_PER_SEAT };
        let permit = self.streams.clone().try_acquire_owned().map_err(|_| Kind::Busy)?;
        let mut open = self.streams_of.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = open.entry(account.clone()).or_default();
        if *count >= most {
            return Err(Problem::from(Kind::TooManyRequests).retry_after(5));
        }
        *count += 1;
        drop(open);
        self.metrics.streams.inc();
        Ok(StreamSeat { api: self.clone(), account, _permit: permit })
    }
}

impl Drop for StreamSeat {
    fn drop(&mut self) {
        self.api.metrics.streams.dec();
        let mut open = self.api.streams_of.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.account);
            }
        }
    }
}
