//! Tests of lines before a session, for whoever holds a token of it: `POST /rtc/line-test` begins one, `PUT` says what
//! came of it, and `GET /rtc/line-tests` shows that to therapists. See docs/line-test.md.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use parlour_engine::LineTestRefusal;
use parlour_model::Role;
use serde::{Deserialize, Serialize};

use super::denied::Denied;
use super::line_results::LineResult;
use super::{Attempt, Query};
use crate::service::{Shared, SignalState};
use crate::token::Bearer;

/// An offer of one data channel has less than two thousand bytes, and candidates.
const MAX_BODY: usize = 16 * 1024;

pub(super) fn router(signal: SignalState) -> Router {
    Router::new()
        .route("/rtc/line-test", post(begin).put(keep))
        .route("/rtc/line-tests", get(results))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(signal)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    offer: String,
}

#[derive(Serialize)]
struct Answer {
    answer: String,
}

#[derive(Serialize)]
struct Results {
    results: BTreeMap<String, LineResult>,
}

/// Why nothing came of a request.
enum Refused {
    Denied(Denied),
    Body,
    Test(LineTestRefusal),
    NotForThisRole,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, retry_after) = match self {
            Self::Denied(denied) => return denied.into_response(),
            Self::Body | Self::Test(LineTestRefusal::Offer) => (StatusCode::BAD_REQUEST, None),
            Self::NotForThisRole => (StatusCode::FORBIDDEN, None),
            Self::Test(LineTestRefusal::Busy) => (StatusCode::SERVICE_UNAVAILABLE, Some("3")),
            Self::Test(LineTestRefusal::TooOften) => (StatusCode::TOO_MANY_REQUESTS, Some("300")),
        };
        let mut response = status.into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

/// Whose token it is. An attempt like any other: what strangers may ask is limited by their address.
fn bearer(shared: &Shared, headers: HeaderMap, extensions: Extensions) -> Result<Bearer, Refused> {
    let attempt = Attempt { headers, extensions };
    let _seat = shared
        .admission
        .admit(attempt.address(shared), Instant::now())
        .map_err(|reason| Refused::Denied(Denied::Limited(reason)))?;
    let (bearer, _, _) = attempt.bearer(&Query::default(), shared).map_err(Refused::Denied)?;
    Ok(bearer)
}

async fn begin(
    State(state): State<SignalState>,
    headers: HeaderMap,
    extensions: Extensions,
    offer: Result<Json<Offer>, JsonRejection>,
) -> Result<Json<Answer>, Refused> {
    let bearer = bearer(&state.shared, headers, extensions)?;
    let Json(Offer { offer }) = offer.map_err(|_| Refused::Body)?;
    let answer = state.shared.engine.test_line(&bearer.session, &bearer.identity, offer).await;
    answer.map(|answer| Json(Answer { answer })).map_err(Refused::Test)
}

async fn keep(
    State(state): State<SignalState>,
    headers: HeaderMap,
    extensions: Extensions,
    result: Result<Json<LineResult>, JsonRejection>,
) -> Result<StatusCode, Refused> {
    let bearer = bearer(&state.shared, headers, extensions)?;
    let Json(result) = result.map_err(|_| Refused::Body)?;
    if !result.is_plausible() {
        return Err(Refused::Body);
    }
    state.shared.line_results.keep(bearer.session, bearer.identity, result, Instant::now());
    Ok(StatusCode::NO_CONTENT)
}

async fn results(
    State(state): State<SignalState>,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Json<Results>, Refused> {
    let bearer = bearer(&state.shared, headers, extensions)?;
    if bearer.role != Role::Therapist {
        return Err(Refused::NotForThisRole);
    }
    Ok(Json(Results { results: state.shared.line_results.of(&bearer.session, Instant::now()) }))
}
