//! What happens, as it happens: server-sent events (HTML standard section 9.2). A stream holds nothing for its reader
//! but the page it is sending, so a slow one costs no memory, and one that comes back goes on where it was.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use futures_util::{Stream, stream};
use parlour_model::SessionId;
use parlour_store::StoredEvent;
use prometheus::IntGauge;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::news::Ear;
use crate::problem::{Kind, Problem};
use crate::state::ApiState;
use crate::words::{Query, cursor, parse_cursor};

/// Events read at once.
const PAGE: u32 = 100;
/// A comment goes out after this much silence, so that nobody in between gives the connection up.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream ends after this, and its reader, who comes back by itself, shows its key again.
const LIFE: Duration = Duration::from_secs(600);

/// Where a stream begins.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct StreamQuery {
    /// The `id` of an event: what came later, then what happens. Left out: what happens from now on. The header
    /// `Last-Event-ID` says the same and comes first.
    pub(crate) after: Option<String>,
    /// Of this session only.
    pub(crate) session: Option<String>,
}

/// `GET /v1/events/stream`
pub(crate) async fn open(
    State(api): State<ApiState>,
    Query(query): Query<StreamQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ear = api.news.listen();
    let after = match last_seen(&headers)?.or(query.after) {
        Some(after) => parse_cursor(Some(&after))?,
        None => api.ledger.read(|store| store.last_event()).await?,
    };
    let permit = api.streams.clone().try_acquire_owned().map_err(|_| Kind::Busy)?;
    let reader = Reader {
        _open: Open::new(api.metrics.streams.clone(), permit),
        ear,
        after,
        session: query.session.map(SessionId::from),
        read: VecDeque::new(),
        ends: Instant::now() + LIFE,
        api,
    };
    let mut response = Sse::new(events(reader)).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response();
    // Proxies that collect answers would hold events back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn last_seen(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Kind::InvalidCursor)?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        let envelope = Envelope::from(&event);
        let data = serde_json::to_string(&envelope).ok()?;
        // Types are words of ours, cursors digits: neither has the line breaks that would be refused.
        Some((Ok(Event::default().id(cursor(event.number)).event(envelope.kind).data(data)), reader))
    })
}

/// One stream.
struct Reader {
    _open: Open,
    api: ApiState,
    ear: Ear,
    after: i64,
    session: Option<SessionId>,
    read: VecDeque<StoredEvent>,
    ends: Instant,
}

impl Reader {
    /// The next event; `None` when the stream is over.
    async fn next(&mut self) -> Option<StoredEvent> {
        while self.read.is_empty() {
            if Instant::now() >= self.ends {
                return None;
            }
            let (after, session) = (self.after, self.session.clone());
            let found = self.api.ledger.read(move |store| store.events_after(after, session.as_ref(), PAGE)).await;
            // A store that cannot be read ends the stream: the reader comes back.
            self.read = found.ok()?.into();
            if self.read.is_empty() {
                self.ear.wait().await;
            }
        }
        let event = self.read.pop_front()?;
        self.after = event.number;
        Some(event)
    }
}

/// Counts a stream for as long as it is open.
struct Open {
    gauge: IntGauge,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(gauge: IntGauge, permit: OwnedSemaphorePermit) -> Self {
        gauge.inc();
        Self { gauge, _permit: permit }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
