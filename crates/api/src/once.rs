//! `Idempotency-Key`: the answer to a POST is kept for a day and given again.
//!
//! The key itself is not kept, only its hash; the answer, which may hold new secrets, is sealed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use parlour_store::{Change, Claim, SavedResponse, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};
use crate::seal::{Purpose, Sealer};
use crate::state::ApiState;

/// The header.
pub(crate) const HEADER: &str = "idempotency-key";

/// Longest key.
const MAX_KEY: usize = 128;

/// The right to carry a request out once. Keep the answer in the change that carries it out: a request that was carried
/// out is then never carried out again, also if the server ends in between.
#[derive(Clone, Default)]
pub(crate) struct Once(Option<Arc<Claimed>>);

struct Claimed {
    account: String,
    key: String,
    sealer: Sealer,
    kept: AtomicBool,
}

/// What a key turned out to be.
pub(crate) enum Turn<T> {
    /// Carry the request out.
    First(Once),
    /// This was the answer.
    Again(Box<T>),
}

/// The header's value, if there is one.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Kind::InvalidIdempotencyKey)?.trim();
    let fits = (1..=MAX_KEY).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Some(value.to_owned())) } else { Err(Kind::InvalidIdempotencyKey.into()) }
}

/// Whether a key stands for something in the name of an account. Nothing is written.
pub(crate) async fn is_known(api: &ApiState, account: &str, key: &str) -> Result<bool, Problem> {
    let (account, key) = (account.to_owned(), kept_as(api, key));
    Ok(api.ledger.read(move |store| store.knows_key(&account, &key)).await?)
}

fn kept_as(api: &ApiState, key: &str) -> String {
    api.pseudonyms.pseudonym(&format!("idempotency {key}").into())
}

/// Asks for a key in the name of an account. `request` is all that must be the same.
pub(crate) async fn claim<T: DeserializeOwned>(
    api: &ApiState,
    account: String,
    key: &str,
    request: Vec<u8>,
) -> Result<Turn<T>, Problem> {
    let key = kept_as(api, key);
    let claimed = Claimed { account, key, sealer: api.signing.sealer.clone(), kept: AtomicBool::new(false) };
    let (account, key) = (claimed.account.clone(), claimed.key.clone());
    let now = crate::now_ms();
    let claim = api
        .ledger
        .append(move |change| -> Result<Claim, StoreError> { change.claim(&account, &key, &request, now) })
        .await?;
    match claim {
        Claim::New => Ok(Turn::First(Once(Some(Arc::new(claimed))))),
        Claim::InFlight => Err(Kind::IdempotencyInFlight.into()),
        Claim::OtherRequest => Err(Kind::IdempotencyMismatch.into()),
        Claim::Answered(saved) => {
            let plain = claimed.sealer.open(Purpose::SavedAnswer, &saved.body).ok_or(Kind::Internal)?;
            let reply = serde_json::from_slice(&plain).map_err(|_| Kind::Internal)?;
            Ok(Turn::Again(Box::new(reply)))
        }
    }
}

impl Once {
    /// Keeps the answer with the change that it is the answer to.
    pub(crate) fn keep(&self, change: &mut Change<'_>, reply: &impl Serialize) -> Result<(), Problem> {
        let Some(claimed) = &self.0 else { return Ok(()) };
        let plain = serde_json::to_vec(reply).map_err(|_| Kind::Internal)?;
        let body = claimed.sealer.seal(Purpose::SavedAnswer, &plain)?;
        change.save_response(&claimed.account, &claimed.key, &SavedResponse { status: 200, body })?;
        claimed.kept.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// After the request: what was not carried out may be tried again; an answer that nobody kept is kept.
    pub(crate) async fn close<T: Serialize + Send + 'static>(self, api: &ApiState, reply: Option<T>) {
        let Some(claimed) = &self.0 else { return };
        if claimed.kept.load(Ordering::Relaxed) && reply.is_some() {
            return;
        }
        let once = self.clone();
        let (account, key) = (claimed.account.clone(), claimed.key.clone());
        let done = api.ledger.change(move |change| -> Result<(), Problem> {
            match &reply {
                Some(reply) => once.keep(change, reply),
                None => Ok(change.give_up_claim(&account, &key)?),
            }
        });
        // If this fails the key stays in flight until the next start: refused, not carried out twice.
        let _ = done.await;
    }
}

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
