//! Who asks: an API key or the bearer of a session token. Roles come from tokens that we or an integrator's key signed;
//! nothing in a request can raise one.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parlour_model::command::Requester;
use parlour_model::{Identity, Role, SessionId};
use parlour_store::{PseudonymKey, SecretHash, Subject};

use crate::now_ms;
use crate::problem::{Kind, Problem};
use crate::scope::Scope;
use crate::state::ApiState;

/// What API keys begin with, so that scanners of leaked secrets find them.
pub(crate) const KEY_PREFIX: &str = "pk_";

/// Longer than any key of ours.
const MAX_KEY: usize = 128;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// An integrator's program.
    Key {
        /// Shown and logged.
        id: String,
        /// What it may do.
        scopes: Vec<Scope>,
    },
    /// Someone's browser.
    Bearer {
        /// The only session this is good for.
        session: SessionId,
        /// Who.
        identity: Identity,
        /// As what.
        role: Role,
    },
    /// A stranger.
    Nobody,
}

impl Caller {
    /// Reads who is asking from the `Authorization` header.
    pub(crate) async fn of(headers: &HeaderMap, api: &ApiState) -> Result<Self, Problem> {
        let unauthenticated = || Problem::from(Kind::Unauthenticated);
        let header = headers.get(header::AUTHORIZATION).ok_or_else(unauthenticated)?;
        let header = header.to_str().map_err(|_| unauthenticated())?;
        let (scheme, secret) = header.split_once(' ').ok_or_else(unauthenticated)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(unauthenticated());
        }
        match secret.trim() {
            key if key.starts_with(KEY_PREFIX) => Self::of_key(key, api).await,
            token => Self::of_token(token, api),
        }
    }

    async fn of_key(key: &str, api: &ApiState) -> Result<Self, Problem> {
        let (id, secret) = parse_key(key).ok_or(Kind::Unauthenticated)?;
        let (id, hash) = (id.to_owned(), SecretHash::of(secret));
        let found = api.ledger.read(move |store| store.authenticate_key(&id, hash, now_ms())).await?;
        let key = found.ok_or(Kind::Unauthenticated)?;
        Ok(Self::Key { id: key.id, scopes: key.scopes.iter().filter_map(|word| Scope::parse(word)).collect() })
    }

    fn of_token(token: &str, api: &ApiState) -> Result<Self, Problem> {
        let now = u64::try_from(now_ms() / 1_000).unwrap_or_default();
        let claims = parlour_signal::verify(token, &api.signing.keys, now).map_err(|_| Kind::Unauthenticated)?;
        let bearer = claims.bearer().map_err(|_| Kind::Unauthenticated)?;
        Ok(Self::Bearer { session: bearer.session, identity: bearer.identity, role: bearer.role })
    }

    /// As the audit log names them.
    pub(crate) fn subject(&self, key: &PseudonymKey) -> Subject {
        match self {
            Self::Key { id, .. } => Subject::api_key(id),
            Self::Bearer { identity, .. } => Subject::person(key, identity),
            Self::Nobody => Subject::none(),
        }
    }

    /// As the session judges them.
    pub(crate) fn requester(&self) -> Requester {
        match self {
            Self::Bearer { identity, .. } => Requester::Identity(identity.clone()),
            Self::Key { .. } | Self::Nobody => Requester::Server,
        }
    }

    /// Under whose name repeated requests are remembered, and requests counted.
    pub(crate) fn account(&self, key: &PseudonymKey) -> String {
        match self {
            Self::Key { id, .. } => format!("key {id}"),
            Self::Bearer { session, identity, .. } => format!("seat {session} {}", key.pseudonym(identity)),
            Self::Nobody => "nobody".to_owned(),
        }
    }
}

/// `pk_<id>_<secret>` into id and secret.
fn parse_key(key: &str) -> Option<(&str, &[u8])> {
    if key.len() > MAX_KEY {
        return None;
    }
    let (id, secret) = key.strip_prefix(KEY_PREFIX)?.split_once('_')?;
    Some((id, secret.as_bytes()))
}

/// A new key's id and the whole key, which is shown once.
pub(crate) fn new_key() -> Result<(String, String, SecretHash), Kind> {
    let id = crate::seal::random_hex::<8>()?;
    let secret = URL_SAFE_NO_PAD.encode(crate::seal::random::<32>()?);
    let hash = SecretHash::of(secret.as_bytes());
    let whole = format!("{KEY_PREFIX}{id}_{secret}");
    Ok((id, whole, hash))
}
