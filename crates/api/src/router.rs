//! Every operation of the API, and the routes made of them.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::routing::any;

use crate::gate::{Gate, gate};
use crate::operation::Operation;
use crate::problem::{Kind, Problem};
use crate::state::ApiState;
use crate::{
    audit, check_ins, consents, documents, events, facts, keys, participants, sessions, tickets, view, webhooks,
};

/// Everything there is, in the order of the document.
pub(crate) fn operations() -> Vec<Operation> {
    [
        sessions::operations(),
        tickets::operations(),
        participants::operations(),
        check_ins::operations(),
        consents::operations(),
        view::operations(),
        events::operations(),
        webhooks::operations(),
        audit::operations(),
        keys::operations(),
        facts::operations(),
        documents::operations(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The routes under `/v1`. Serve them with `into_make_service_with_connect_info::<SocketAddr>()`, or every stranger
/// counts as one address.
pub fn router(api: ApiState) -> Router {
    let mut router = Router::new();
    for Operation { facts, handler } in operations() {
        let path = facts.path;
        let gate_of_it = Gate { api: api.clone(), operation: Arc::new(facts) };
        router = router.route(path, handler.layer(middleware::from_fn_with_state(gate_of_it, gate)));
    }
    router
        .method_not_allowed_fallback(|| async { Problem::from(Kind::MethodNotAllowed) })
        .route("/v1/{*rest}", any(|| async { Problem::from(Kind::NotFound) }))
        .layer(middleware::map_response(private))
        .with_state(api)
}

/// Answers are for who asked, once.
async fn private(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
