//! Access tokens, minted apart from the server's code so that a shared mistake would show.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// What a token says.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// Issuer.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// Room, in LiveKit's words.
    pub session: String,
    /// Subject.
    pub identity: String,
    /// `therapist`, `client`, `guest` or `service`.
    pub role: String,
    /// From now on.
    pub valid_for: Duration,
}

/// An HS256 token.
///
/// # Errors
/// When the secret cannot be used as a key.
pub fn mint(options: &TokenOptions) -> Result<String, jsonwebtoken::errors::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": options.key,
        "sub": options.identity,
        "name": options.identity,
        "nbf": now.saturating_sub(5),
        "exp": now + options.valid_for.as_secs(),
        "video": { "room": options.session, "roomJoin": true },
        "parlour": { "role": options.role },
    });
    sign(&claims, options.secret.as_bytes())
}

/// Signs any claims, also wrong ones.
///
/// # Errors
/// When the secret cannot be used as a key.
pub fn sign(claims: &Value, secret: &[u8]) -> Result<String, jsonwebtoken::errors::Error> {
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
}
