//! The built-in session page, embedded in the binary and served by [`router`].
//!
//! The page itself is TypeScript in `client/`, built by npm into `client/dist`. It speaks to this server only, through
//! the same signalling as any LiveKit client; nothing here knows sessions, tokens or people. Tokens of join links are
//! in the fragment of the address, which browsers do not send: no request served here carries one.

mod assets;
mod away;
mod headers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::assets::Assets;

/// Routes of the page: `/` and `/join` (the page), `/assets/…` (kept by browsers for a year, names carry a hash),
/// `/favicon.svg`, `/robots.txt`, `/away` (where a quick exit lands). `HEAD` works on all of them; `/` may be asked from any origin, as LiveKit's
/// JavaScript client does before it connects. No fallback route is set, so the router can be merged with others.
pub fn router() -> Router {
    router_with_way_out(None)
}

/// As [`router`], with the absolute address that `/away` sends people on to.
pub fn router_with_way_out(onward: Option<HeaderValue>) -> Router {
    Router::new()
        .route("/away", get(move || async move { away::respond(onward) }))
        .route("/", get(page))
        .route("/join", get(page))
        .route("/assets/{*path}", get(asset))
        .route(
            "/favicon.svg",
            get(|assets: State<Arc<Assets>>, headers: HeaderMap| file("favicon.svg", assets, headers)),
        )
        .route("/robots.txt", get(|assets: State<Arc<Assets>>, headers: HeaderMap| file("robots.txt", assets, headers)))
        .layer(axum::middleware::map_response(headers::harden))
        .with_state(Arc::new(Assets::embedded()))
}

/// What every address answers that there is not. It is the page that a quick exit lands on, which nobody can tell from it.
pub async fn not_found() -> Response {
    headers::harden(away::respond(None)).await
}

/// Whether the page was built before the server was; if not, `/` serves a note instead.
pub fn is_page_built() -> bool {
    Assets::embedded().has_page()
}

async fn page(State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    let mut response = assets.page().respond(&headers);
    headers::allow_any_origin(&mut response);
    response
}

async fn asset(Path(path): Path<String>, assets: State<Arc<Assets>>, headers: HeaderMap) -> Response {
    file(&format!("assets/{path}"), assets, headers).await
}

async fn file(path: &str, State(assets): State<Arc<Assets>>, headers: HeaderMap) -> Response {
    match assets.find(path) {
        Some(asset) => asset.respond(&headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests;
