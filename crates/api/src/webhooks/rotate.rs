//! Another secret for an endpoint. For a stated time the old one signs as well, so that a receiver can change over
//! without losing an event (Standard Webhooks: a delivery may carry several signatures).

use axum::extract::State;
use parlour_store::{Action, Change, Endpoint, OldSecret, WebhookForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoints::{EndpointView, missing, record};
use super::signature::Signer;
use crate::caller::Caller;
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, post};
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::state::ApiState;
use crate::words::{At, Body};

const HOUR_MS: i64 = 3_600_000;

/// As long as an old API key works on.
const DEFAULT_HOURS: u32 = 24;

/// A week: whoever needs longer rotates later.
const MAX_HOURS: u32 = 168;

/// The operation of this module.
pub(super) fn operation() -> Operation {
    post(
        "/v1/webhook-endpoints/{endpoint}/rotate",
        "rotateWebhookSecret",
        "Gives an endpoint another secret; for a while the old one signs as well",
        rotate,
    )
    .key(Scope::WebhooksWrite)
    .takes::<RotationRequest>()
    .gives::<EndpointRotated>(200)
    .refuses(&[Kind::EndpointNotFound, Kind::NotPossible])
}

/// How a secret is changed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RotationRequest {
    /// For how many hours the old secret signs as well. 0: not any more, as when it is known to others.
    #[serde(default = "default_hours")]
    #[schemars(range(min = 0, max = 168))]
    old_valid_hours: u32,
}

fn default_hours() -> u32 {
    DEFAULT_HOURS
}

/// An endpoint with its new secret.
#[derive(Debug, Serialize, JsonSchema)]
struct EndpointRotated {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// What receivers check with from now on. Shown only now.
    secret: String,
}

/// `POST /v1/webhook-endpoints/{endpoint}/rotate`
async fn rotate(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    At(id): At<String>,
    Body(wanted): Body<RotationRequest>,
) -> Result<Reply, Problem> {
    if wanted.old_valid_hours > MAX_HOURS {
        return Err(Problem::from(Kind::OutOfRange).at("old_valid_hours"));
    }
    let endpoints = api.ledger.list(parlour_store::Store::endpoints).await?;
    let before = endpoints.into_iter().find(|one| one.id == id).ok_or(Kind::EndpointNotFound)?;
    if before.form != WebhookForm::Standard {
        // Signed with a key of the configuration, which is changed there.
        return Err(Kind::NotPossible.into());
    }
    let (signer, secret) = Signer::new()?;
    let until_ms = now_ms().saturating_add(i64::from(wanted.old_valid_hours) * HOUR_MS);
    let old = OldSecret { secret: before.secret.clone(), until_ms };
    let after = Endpoint { secret: secret.clone(), old: Some(old), ..before };
    let reply = Reply::ok(&EndpointRotated { endpoint: after.into(), secret: signer.secret() })?;
    let record = record(&api, &caller, Action::WebhookRotated, &id);
    let done = api.ledger.change(move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        change.rotate_endpoint(&id, &secret, until_ms).map_err(missing)?;
        change.audit(&record)?;
        once.keep(change, &reply)?;
        Ok(reply)
    });
    let reply = done.await?;
    api.webhooks.changed().await;
    Ok(reply)
}
