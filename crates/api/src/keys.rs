//! API keys: made, listed, given a successor, taken back.

use axum::extract::State;
use parlour_store::{Action, ApiKey, AuditRecord, Change, NewApiKey, StoreError, Subject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::caller::{Caller, new_key};
use crate::now_ms;
use crate::once::Once;
use crate::operation::{Operation, delete, get, post};
use crate::problem::{Kind, Problem, or_missing};
use crate::reply::Reply;
use crate::scope::Scope;
use crate::sessions::length;
use crate::state::ApiState;
use crate::words::{At, Body};

/// After a rotation the old key works for this long, so that programs can change over.
const CHANGE_OVER_MS: i64 = 24 * 3_600_000;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        post("/v1/keys", "createKey", "Make an API key; it is shown this once.", create)
            .key(Scope::KeysWrite)
            .takes::<NewKeyWords>()
            .gives::<MadeKeyBody>(201)
            .refuses(&[Kind::PastExpiry]),
        get("/v1/keys", "listKeys", "List the API keys, their secrets aside.", list)
            .key(Scope::KeysWrite)
            .gives::<KeysBody>(200),
        post("/v1/keys/{key}/rotate", "rotateKey", "Give a key a successor; the old one ends in 24 hours.", rotate)
            .key(Scope::KeysWrite)
            .gives::<MadeKeyBody>(201)
            .refuses(&[Kind::KeyNotFound]),
        delete("/v1/keys/{key}", "revokeKey", "Take a key back at once, for good.", revoke)
            .key(Scope::KeysWrite)
            .gives_nothing()
            .refuses(&[Kind::KeyNotFound]),
    ]
}

/// A key to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewKey")]
struct NewKeyWords {
    /// The operator's name of it, at most 128 bytes of UTF-8.
    #[serde(default)]
    #[schemars(length(max = 128))]
    label: String,
    /// What it may do.
    #[schemars(length(min = 1, max = 32))]
    scopes: Vec<Scope>,
    /// No use from this time on, milliseconds since the Unix epoch; left out: no end.
    #[serde(default)]
    #[schemars(range(min = 0))]
    expires_at_ms: Option<i64>,
}

/// A key that was made.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeKey")]
struct MadeKeyBody {
    id: String,
    /// The key itself.
    key: String,
    label: String,
    scopes: Vec<Scope>,
    expires_at_ms: Option<i64>,
}

/// What a new key is to be, for the command line and the API alike.
#[derive(Clone, Debug)]
pub struct KeyRequest {
    /// The operator's name of it.
    pub label: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// No use from this time on, milliseconds since the Unix epoch.
    pub expires_at_ms: Option<i64>,
}

/// Makes a key in a change; returns the key itself, which is shown once.
///
/// # Errors
/// When it cannot be drawn or written.
pub fn create_key(change: &mut Change<'_>, request: &KeyRequest, actor: Subject) -> Result<String, Problem> {
    let made = make(request)?;
    write(change, &made, actor, Action::KeyCreated)?;
    Ok(made.key)
}

/// Gives a key a successor in a change; returns that, which is shown once.
///
/// # Errors
/// When there is no such key in force among `keys`, or it cannot be written.
pub fn rotate_key(change: &mut Change<'_>, keys: &[ApiKey], id: &str, actor: Subject) -> Result<String, Problem> {
    let made = make(&successor_of(keys, id)?)?;
    write(change, &made, actor, Action::KeyRotated)?;
    change.expire_key(id, now_ms().saturating_add(CHANGE_OVER_MS))?;
    Ok(made.key)
}

/// Takes a key back in a change.
///
/// # Errors
/// When there is no such key, or it cannot be written.
pub fn revoke_key(change: &mut Change<'_>, id: &str, actor: Subject) -> Result<(), Problem> {
    let now = now_ms();
    change.revoke_key(id, now).map_err(or_missing(Kind::KeyNotFound))?;
    change.audit(&AuditRecord {
        at_ms: now,
        action: Action::KeyRevoked,
        session: None,
        actor,
        subject: Subject::api_key(id),
        detail: String::new(),
    })?;
    Ok(())
}

fn successor_of(keys: &[ApiKey], id: &str) -> Result<KeyRequest, Kind> {
    let old = keys.iter().find(|key| key.id == id && key.revoked_at_ms.is_none()).ok_or(Kind::KeyNotFound)?;
    Ok(KeyRequest { label: old.label.clone(), scopes: scopes_of(&old.scopes), expires_at_ms: old.expires_at_ms })
}

struct Made {
    id: String,
    key: String,
    new: NewApiKey,
}

fn make(request: &KeyRequest) -> Result<Made, Kind> {
    let (id, key, secret) = new_key()?;
    let mut scopes = request.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let new = NewApiKey {
        id: id.clone(),
        secret,
        label: request.label.clone(),
        scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created_at_ms: now_ms(),
        expires_at_ms: request.expires_at_ms,
    };
    Ok(Made { id, key, new })
}

fn write(change: &mut Change<'_>, made: &Made, actor: Subject, action: Action) -> Result<(), StoreError> {
    change.audit(&AuditRecord {
        at_ms: made.new.created_at_ms,
        action,
        session: None,
        actor,
        subject: Subject::api_key(&made.id),
        detail: made.new.scopes.join(" "),
    })?;
    change.create_key(&made.new)
}

fn reply(made: &Made) -> Result<Reply, Kind> {
    let body = MadeKeyBody {
        id: made.id.clone(),
        key: made.key.clone(),
        label: made.new.label.clone(),
        scopes: scopes_of(&made.new.scopes),
        expires_at_ms: made.new.expires_at_ms,
    };
    Ok(Reply::created(&body)?.at(format!("/v1/keys/{}", made.id)))
}

fn scopes_of(words: &[String]) -> Vec<Scope> {
    words.iter().filter_map(|word| Scope::parse(word)).collect()
}

async fn create(
    State(api): State<ApiState>,
    caller: Caller,
    once: Once,
    Body(words): Body<NewKeyWords>,
) -> Result<Reply, Problem> {
    length(&words.label, 0, 128, "label")?;
    if words.scopes.is_empty() || words.scopes.len() > 32 {
        return Err(Problem::from(Kind::OutOfRange).at("scopes"));
    }
    match words.expires_at_ms {
        Some(at) if at < 0 => return Err(Problem::from(Kind::OutOfRange).at("expires_at_ms")),
        Some(at) if at <= now_ms() => return Err(Kind::PastExpiry.into()),
        _ => {}
    }
    let request = KeyRequest { label: words.label, scopes: words.scopes, expires_at_ms: words.expires_at_ms };
    let (made, actor) = (make(&request)?, caller.subject(&api.pseudonyms));
    let create = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        write(change, &made, actor, Action::KeyCreated)?;
        let reply = reply(&made)?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    api.ledger.change(create).await
}

/// All keys.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Keys")]
struct KeysBody {
    keys: Vec<KeyBody>,
}

/// A key, its secret aside.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Key")]
struct KeyBody {
    id: String,
    label: String,
    scopes: Vec<Scope>,
    created_at_ms: i64,
    expires_at_ms: Option<i64>,
    revoked_at_ms: Option<i64>,
}

impl From<ApiKey> for KeyBody {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, label, scopes, created_at_ms, expires_at_ms, revoked_at_ms } = key;
        Self { id, label, scopes: scopes_of(&scopes), created_at_ms, expires_at_ms, revoked_at_ms }
    }
}

async fn list(State(api): State<ApiState>) -> Result<Reply, Problem> {
    let keys = api.ledger.list(|store| store.keys()).await?;
    Ok(Reply::ok(&KeysBody { keys: keys.into_iter().map(KeyBody::from).collect() })?)
}

async fn rotate(State(api): State<ApiState>, caller: Caller, once: Once, At(id): At<String>) -> Result<Reply, Problem> {
    let keys = api.ledger.list(|store| store.keys()).await?;
    let request = successor_of(&keys, &id)?;
    let (made, actor) = (make(&request)?, caller.subject(&api.pseudonyms));
    let rotate = move |change: &mut Change<'_>| -> Result<Reply, Problem> {
        write(change, &made, actor, Action::KeyRotated)?;
        change.expire_key(&id, now_ms().saturating_add(CHANGE_OVER_MS))?;
        let reply = reply(&made)?;
        once.keep(change, &reply)?;
        Ok(reply)
    };
    api.ledger.change(rotate).await
}

async fn revoke(State(api): State<ApiState>, caller: Caller, At(id): At<String>) -> Result<Reply, Problem> {
    let actor = caller.subject(&api.pseudonyms);
    api.ledger.change(move |change| revoke_key(change, &id, actor)).await?;
    Ok(Reply::done())
}
