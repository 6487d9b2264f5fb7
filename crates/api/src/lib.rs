//! The control API: REST under `/v1`, events, webhooks, keys and tickets, and the record of what sessions do.
//!
//! It holds no rule of a session: commands go to the worker that runs it and come back decided. What it holds is the
//! order in which things become safe: the record of a command is appended before the command, what came of it is on
//! the disk before the answer.
//!
//! `operation` says what an operation is; `router` lists them; `gate` stands before each; `ledger` is the store behind
//! threads; `recorder` writes down what sessions tell; the rest are the resources, a module each.

mod audit;
mod caller;
mod check_ins;
mod commands;
mod consents;
mod demo;
mod directory;
mod documents;
mod events;
mod facts;
mod gate;
mod keys;
pub mod ledger;
pub mod limits;
pub mod metrics;
mod once;
mod openapi;
mod operation;
mod participants;
pub mod problem;
mod purge;
mod recorder;
mod reply;
mod restore;
mod router;
mod scope;
mod seal;
mod server_commands;
mod sessions;
mod state;
mod tickets;
mod touched;
mod view;
mod webhooks;
mod words;

use std::time::{SystemTime, UNIX_EPOCH};

pub use keys::{KeyRequest, create_key, revoke_key, rotate_key};
pub use ledger::Ledger;
pub use limits::{ApiLimits, Rate};
pub use metrics::ApiMetrics;
pub use openapi::document as openapi_document;
pub use restore::Restored;
pub use router::router;
pub use scope::Scope;
pub use state::{ApiConfig, ApiParts, ApiState, ServerFacts};
pub use webhooks::WebhookRules;

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
