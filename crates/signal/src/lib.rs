//! LiveKit client signalling: WebSocket and protobuf towards clients, [`parlour_model`] towards the engine.
//!
//! LiveKit's words stop here. This crate holds no rule of a session: it authenticates, translates, orders and bounds.
//!
//! A participant has one task (`link`) from join to leave; WebSockets (`socket`) attach to it and detach. `http` decides
//! who gets one; `translate` is the pure dictionary between the two protocols; `roomservice` is for integrators' servers.

mod admission;
pub mod config;
mod data;
mod directory;
#[doc(hidden)]
pub mod fuzz;
mod http;
pub mod joinrequest;
mod link;
pub mod metrics;
mod rates;
mod record;
mod refresh;
mod refusals;
mod roomservice;
mod service;
mod simulate;
mod socket;
mod stun;
pub mod token;
mod translate;
mod webhook;
pub mod wire;

pub use admission::counted_as;
pub use config::{Keys, Limits, SignalConfig, StopAdvice};
pub use directory::{AdHoc, SessionDirectory};
pub use http::{client_address, router};
pub use metrics::SignalMetrics;
pub use rates::{Rate, Rates};
pub use record::{AskedCommand, CannotRecord, CommandRecord, NoRecord, OpenCommand, OpenRequest, Pending, RequestTurn};
pub use service::SignalState;
pub use stun::StunServer;
pub use token::{Claims, TokenError, VideoGrants, mint, verify};
pub use webhook::{RoomEvent, WEBHOOK_CONTENT_TYPE, Webhook, WebhookParticipant, webhook_authorization};
