//! The OpenAPI document, and a page to read it in that needs no other host.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::openapi;
use crate::operation::{Operation, get};

/// What the reference page may do: its own style and script, and fetch the document.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
                   form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/openapi.json", "readOpenApi", "This document.", document).tag("documents").gives_json(),
        get("/v1/docs", "readDocs", "This document as a page.", page).tag("documents").gives_text("text/html"),
        get("/v1/docs/page.js", "readDocsScript", "The page's script.", script)
            .tag("documents")
            .gives_text("text/javascript"),
        get("/v1/docs/page.css", "readDocsStyle", "The page's style.", style).tag("documents").gives_text("text/css"),
    ]
}

async fn document() -> Response {
    of("application/json", DOCUMENT.as_str())
}

async fn page() -> Response {
    of("text/html; charset=utf-8", include_str!("page.html"))
}

async fn script() -> Response {
    of("text/javascript; charset=utf-8", include_str!("page.js"))
}

async fn style() -> Response {
    of("text/css; charset=utf-8", include_str!("page.css"))
}

fn of(media_type: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
