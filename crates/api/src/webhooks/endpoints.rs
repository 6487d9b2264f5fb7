//! Where events are sent: endpoints made, listed, taken away and sent to again.

use axum::extract::State;
use parlour_store::{Action, AuditRecord, Endpoint, NewEndpoint, StoreError, Subject, WebhookForm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::address::{MAX_URL, Target};
use super::signature::Signer;
use crate::caller::Caller;
use crate::events::envelope::Envelope;
use crate::now_ms;
use crate::once::Once;
use crate::problem::{Kind, Problem};
use crate::reply::Reply;
use crate::seal::random_hex;
use crate::state::ApiState;
use crate::words::{At, Body, cursor, parse_cursor};

/// Endpoints of a server. Each has its own courier.
const MAX_ENDPOINTS: usize = 32;

/// How an endpoint's events are written and signed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndpointForm {
    /// Standard Webhooks: everything that happens.
    #[default]
    Standard,
    /// As LiveKit's servers send them: rooms, participants and tracks.
    Livekit,
}

/// An endpoint to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndpointRequest {
    /// Where to: `https:` and public, unless the server's settings allow more.
    #[schemars(length(min = 1, max = MAX_URL))]
    url: String,
    /// How.
    #[serde(default)]
    form: EndpointForm,
    /// With the form `livekit`: which of the configuration's keys signs; the first if left out.
    #[serde(default)]
    key: Option<String>,
}

/// An endpoint as it was made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EndpointCreated {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// With the form `standard`: what receivers check with. Shown only now.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// An endpoint.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
pub(crate) struct EndpointView {
    /// Our name of it.
    id: String,
    /// Where to.
    url: String,
    /// How.
    form: EndpointForm,
    /// With the form `standard`: what receivers can check with instead of the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    /// With the form `livekit`: which key signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// After a rotation: until when the secret from before it signs as well, milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_until_ms: Option<i64>,
    /// Milliseconds since the Unix epoch.
    created_at_ms: i64,
    /// Since when nothing is sent to it: it answered that it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at_ms: Option<i64>,
    /// Events on their way to it.
    pending: u32,
    /// Events laid aside after days of trying, or because too many were on their way.
    dead: u32,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        let (form, public_key, key) = match endpoint.form {
            WebhookForm::Standard => {
                (EndpointForm::Standard, Signer::kept(&endpoint.secret).map(|signer| signer.public_key()), None)
            }
            WebhookForm::Livekit => (EndpointForm::Livekit, None, String::from_utf8(endpoint.secret).ok()),
        };
        Self {
            id: endpoint.id,
            url: endpoint.url,
            form,
            public_key,
            key,
            old_until_ms: endpoint.old.map(|old| old.until_ms).filter(|until_ms| now_ms() < *until_ms),
            created_at_ms: endpoint.created_at_ms,
            disabled_at_ms: endpoint.disabled_at_ms,
            pending: endpoint.pending,
            dead: endpoint.dead,
        }
    }
}

/// All endpoints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EndpointList {
    /// In order of id.
    endpoints: Vec<EndpointView>,
}

/// What is sent again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    /// Everything that came after this event, as the `id` of an event or `next_after` of a page says it; `c0` is the
    /// beginning. Left out: what was laid aside.
    #[serde(default)]
    after: Option<String>,
}

/// What was put back on its way.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Replayed {
    /// How many events.
    events: u64,
    /// With `after`: where to go on. It is the `after` that was given when there is nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<String>,
}

/// What was laid aside.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DeadLetters {
    /// The oldest of it, at most 1,000.
    events: Vec<Envelope>,
}

/// `POST /v1/webhook-endpoints`
pub(crate) async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    Body(wanted): Body<EndpointRequest>,
) -> Result<Reply, Problem> {
    let (new, secret) = new_endpoint(&api, wanted)?;
    let made = Endpoint {
        id: new.id.clone(),
        url: new.url.clone(),
        form: new.form,
        secret: new.secret.clone(),
        old: None,
        created_at_ms: new.created_at_ms,
        disabled_at_ms: None,
        pending: 0,
        dead: 0,
    };
    let created = EndpointCreated { endpoint: made.into(), secret };
    let reply = Reply::created(&created)?.at(format!("/v1/webhook-endpoints/{}", new.id));
    let kept = reply.clone();
    let record = record(&api, &caller, Action::WebhookCreated, &new.id);
    // On the thread that writes, so that nobody makes one in between.
    let done = api.ledger.with_store(move |store| {
        if store.endpoints()?.len() >= MAX_ENDPOINTS {
            return Ok(Err(Problem::from(Kind::LimitReached)));
        }
        Ok(store.change(|change| {
            change.create_endpoint(&new)?;
            change.audit(&record)?;
            once.keep(change, &kept)
        }))
    });
    done.await??;
    api.webhooks.changed().await;
    Ok(reply)
}

fn new_endpoint(api: &ApiState, wanted: EndpointRequest) -> Result<(NewEndpoint, Option<String>), Problem> {
    let EndpointRequest { url, form, key } = wanted;
    Target::parse(&url, api.config.webhooks).map_err(|_| Problem::from(Kind::UnfitAddress).at("url"))?;
    let (form, kept, secret) = match (form, key) {
        (EndpointForm::Standard, None) => {
            let (signer, kept) = Signer::new()?;
            (WebhookForm::Standard, kept, Some(signer.secret()))
        }
        (EndpointForm::Livekit, key) => {
            let key = key.unwrap_or_else(|| api.signing.key.clone());
            api.signing.keys.secret(&key).ok_or_else(|| Problem::from(Kind::KeyNotFound).at("key"))?;
            (WebhookForm::Livekit, key.into_bytes(), None)
        }
        (EndpointForm::Standard, Some(_)) => return Err(Problem::from(Kind::KeyNotFound).at("key")),
    };
    let id = format!("we_{}", random_hex::<8>()?);
    Ok((NewEndpoint { id, url, form, secret: kept, created_at_ms: now_ms() }, secret))
}

pub(super) fn record(api: &ApiState, caller: &Caller, action: Action, id: &str) -> AuditRecord {
    AuditRecord {
        at_ms: now_ms(),
        action,
        session: None,
        actor: caller.subject(&api.pseudonyms),
        subject: Subject::none(),
        detail: id.to_owned(),
    }
}

/// `GET /v1/webhook-endpoints`
pub(crate) async fn list(State(api): State<ApiState>) -> Result<Reply, Problem> {
    let endpoints = api.ledger.list(parlour_store::Store::endpoints).await?;
    Ok(Reply::ok(&EndpointList { endpoints: endpoints.into_iter().map(EndpointView::from).collect() })?)
}

/// `DELETE /v1/webhook-endpoints/{endpoint}`
pub(crate) async fn delete(
    State(api): State<ApiState>,
    caller: Caller,
    At(endpoint): At<String>,
) -> Result<Reply, Problem> {
    // Refused before the log is written: what is in the log is ours, never what was sent.
    exists(&api, &endpoint).await?;
    let record = record(&api, &caller, Action::WebhookDeleted, &endpoint);
    let done = api.ledger.change(move |change| -> Result<(), StoreError> {
        change.delete_endpoint(&endpoint)?;
        change.audit(&record).map(drop)
    });
    done.await.map_err(missing)?;
    api.webhooks.changed().await;
    Ok(Reply::done())
}

/// `POST /v1/webhook-endpoints/{endpoint}/replay`
pub(crate) async fn replay(
    State(api): State<ApiState>,
    once: Once,
    At(endpoint): At<String>,
    Body(wanted): Body<ReplayRequest>,
) -> Result<Reply, Problem> {
    let after = wanted.after.map(|after| parse_cursor(Some(&after))).transpose()?;
    exists(&api, &endpoint).await?;
    let done = api.ledger.change(move |change| -> Result<Reply, Problem> {
        change.enable_endpoint(&endpoint).map_err(missing)?;
        let (count, next_after) = match after {
            Some(after) => {
                let (count, last) = change.replay(&endpoint, after, now_ms())?;
                (count, Some(cursor(last)))
            }
            None => (change.replay_dead(&endpoint, now_ms())?, None),
        };
        let reply = Reply::ok(&Replayed { events: count as u64, next_after })?;
        once.keep(change, &reply)?;
        Ok(reply)
    });
    let reply = done.await?;
    api.webhooks.changed().await;
    api.news.tell();
    Ok(reply)
}

/// `GET /v1/webhook-endpoints/{endpoint}/dead-letters`
pub(crate) async fn dead_letters(State(api): State<ApiState>, At(endpoint): At<String>) -> Result<Reply, Problem> {
    exists(&api, &endpoint).await?;
    let dead = api.ledger.list(move |store| store.dead_letters(&endpoint)).await?;
    Ok(Reply::ok(&DeadLetters { events: dead.iter().map(Envelope::from).collect() })?)
}

async fn exists(api: &ApiState, endpoint: &str) -> Result<(), Problem> {
    let endpoints = api.ledger.list(parlour_store::Store::endpoints).await?;
    let found = endpoints.iter().any(|one| one.id == endpoint);
    if found { Ok(()) } else { Err(Kind::EndpointNotFound.into()) }
}

pub(super) fn missing(error: StoreError) -> Problem {
    crate::problem::or_missing(Kind::EndpointNotFound)(error)
}
