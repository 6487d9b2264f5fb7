//! What happened, sent to where integrators want it: endpoints, and delivery from the store's outbox.
//!
//! `endpoints` is the API; `couriers` keeps one [`courier`] for each endpoint; `form` writes and signs; `address` judges
//! where to, and `transport` sends.

mod address;
mod courier;
mod couriers;
mod endpoints;
mod form;
mod rotate;
mod signature;
mod transport;

pub use address::WebhookRules;
pub(crate) use couriers::Couriers;

use crate::operation::{Operation, delete, get, post};
use crate::problem::Kind;
use crate::scope::Scope;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/webhook-endpoints", "createWebhookEndpoint", "Sends events to a further place", endpoints::create)
            .key(Scope::WebhooksWrite)
            .takes::<endpoints::EndpointRequest>()
            .gives::<endpoints::EndpointCreated>(201)
            .refuses(&[Kind::LimitReached, Kind::UnfitAddress, Kind::KeyNotFound]),
        get("/v1/webhook-endpoints", "listWebhookEndpoints", "Where events are sent", endpoints::list)
            .key(Scope::WebhooksWrite)
            .gives::<endpoints::EndpointList>(200),
        delete("/v1/webhook-endpoints/{endpoint}", "deleteWebhookEndpoint", "Sends no more there", endpoints::delete)
            .key(Scope::WebhooksWrite)
            .gives_nothing()
            .refuses(&[Kind::EndpointNotFound]),
        rotate::operation(),
        post("/v1/webhook-endpoints/{endpoint}/replay", "replayWebhooks", "Sends events again", endpoints::replay)
            .key(Scope::WebhooksWrite)
            .takes::<endpoints::ReplayRequest>()
            .gives::<endpoints::Replayed>(200)
            .refuses(&[Kind::EndpointNotFound, Kind::InvalidCursor]),
        get(
            "/v1/webhook-endpoints/{endpoint}/dead-letters",
            "listDeadLetters",
            "What could not be sent",
            endpoints::dead_letters,
        )
        .key(Scope::WebhooksWrite)
        .gives::<endpoints::DeadLetters>(200)
        .refuses(&[Kind::EndpointNotFound]),
    ]
}
