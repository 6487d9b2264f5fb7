//! Answers that are not problems.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::problem::Kind;

/// A whole answer, so that it can be kept and given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    status: u16,
    body: String,
    etag: Option<i64>,
    location: Option<String>,
    /// How long it took from arrival until what was asked was in force.
    #[serde(skip)]
    in_force: Option<Duration>,
}

impl Reply {
    fn new(status: StatusCode, body: String) -> Self {
        Self { status: status.as_u16(), body, etag: None, location: None, in_force: None }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: &impl Serialize) -> Result<Self, Kind> {
        Ok(Self::new(StatusCode::OK, json(body)?))
    }

    /// 201 with a body.
    pub(crate) fn created(body: &impl Serialize) -> Result<Self, Kind> {
        Ok(Self::new(StatusCode::CREATED, json(body)?))
    }

    /// 204.
    pub(crate) fn done() -> Self {
        Self::new(StatusCode::NO_CONTENT, String::new())
    }

    /// With the version of what is in it.
    pub(crate) fn version(mut self, version: i64) -> Self {
        self.etag = Some(version);
        self
    }

    /// With the address of what was made.
    pub(crate) fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// With the time until it was in force.
    pub(crate) fn in_force_after(mut self, time: Duration) -> Self {
        self.in_force = Some(time);
        self
    }

    /// Takes an answer apart, to keep it; gives it back too.
    pub(crate) async fn of(response: Response) -> Result<(Self, Response), Kind> {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Kind::Internal)?;
        let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let reply = Self {
            status: parts.status.as_u16(),
            body: String::from_utf8(bytes.to_vec()).map_err(|_| Kind::Internal)?,
            etag: text(header::ETAG).and_then(parse_etag),
            location: text(header::LOCATION).map(str::to_owned),
            in_force: None,
        };
        Ok((reply, Response::from_parts(parts, bytes.into())))
    }
}

fn json(body: &impl Serialize) -> Result<String, Kind> {
    serde_json::to_string(body).map_err(|_| Kind::Internal)
}

/// As it stands in headers.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The version an ETag names, if it is one of ours.
pub(crate) fn parse_etag(text: &str) -> Option<i64> {
    text.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.body).into_response();
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_TYPE);
        if status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let mut put = |name, value: Option<String>| {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(name, value);
            }
        };
        put(header::ETAG, self.etag.map(etag));
        put(header::LOCATION, self.location);
        let timing = self.in_force.map(|time| format!("in-force;dur={:.3}", time.as_secs_f64() * 1e3));
        put(header::HeaderName::from_static("server-timing"), timing);
        response
    }
}
