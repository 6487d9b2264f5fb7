//! What ops teams ask: is it alive, may it get work, what is it doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parlour_engine::EngineMetrics;
use prometheus::{Registry, TextEncoder};

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Ops {
    pub(crate) registry: Registry,
    pub(crate) engine: EngineMetrics,
    /// The server takes new participants.
    pub(crate) ready: Arc<AtomicBool>,
}

/// `/healthz`: the process answers. `/readyz`: it takes new participants. `/metrics`: Prometheus text.
pub(crate) fn router(ops: Ops) -> Router {
    health(ops.clone()).merge(Router::new().route("/metrics", get(metrics)).with_state(ops))
}

/// Only what a load balancer asks.
pub(crate) fn health(ops: Ops) -> Router {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready)).with_state(ops)
}

async fn ready(State(ops): State<Ops>) -> Response {
    if ops.ready.load(Ordering::Relaxed) {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    }
}

async fn metrics(State(ops): State<Ops>) -> Response {
    ops.engine.refresh();
    match TextEncoder::new().encode_to_string(&ops.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
