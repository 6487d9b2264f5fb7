//! Reading what happened, a page at a time.

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use crate::problem::Problem;
use crate::reply::Reply;
use crate::state::ApiState;
use crate::words::{Query, cursor, cursor_words, parse_cursor, parse_limit, session_in_query};

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EventQuery {
    /// The `id` of an event or `next_after` of a page: what came later. Left out: from the oldest kept.
    #[schemars(schema_with = "cursor_words")]
    pub(crate) after: Option<String>,
    /// Events at most; 100 if left out.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) limit: Option<u32>,
    /// Of this session only.
    #[schemars(length(min = 1, max = 256))]
    pub(crate) session: Option<String>,
}

/// Events, oldest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EventPage {
    /// The events.
    events: Vec<Envelope>,
    /// Where to go on: with nothing new the page after it is empty.
    next_after: String,
}

/// `GET /v1/events`
pub(crate) async fn list(State(api): State<ApiState>, Query(query): Query<EventQuery>) -> Result<Reply, Problem> {
    let (after, limit) = (parse_cursor(query.after.as_deref())?, parse_limit(query.limit)?);
    let session = session_in_query(query.session)?;
    let found = api.ledger.list(move |store| store.events_after(after, session.as_ref(), limit)).await?;
    let last = found.last().map_or(after, |event| event.number);
    let page = EventPage { events: found.iter().map(Envelope::from).collect(), next_after: cursor(last) };
    Ok(Reply::ok(&page)?)
}
