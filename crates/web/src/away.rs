//! Where a quick exit lands: a page that could be any server's and names nothing of ours, or the address that the
//! clinic sends people on to. The session page only knows `/away`, so it needs no outside address of its own.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("away.html");

/// Nothing of it stays in the browser, not even that it was asked for.
const FORGET: HeaderValue = HeaderValue::from_static("no-store");

/// `onward`: an absolute address, as the configuration has it.
pub(crate) fn respond(onward: Option<HeaderValue>) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, FORGET);
    match onward {
        Some(address) => {
            headers.insert(LOCATION, address);
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        None => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            (StatusCode::NOT_FOUND, headers, PAGE).into_response()
        }
    }
}
