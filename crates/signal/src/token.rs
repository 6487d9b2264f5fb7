//! Access tokens: LiveKit's JWTs (RFC 7519, HS256 only) with one claim of ours, the role.
//!
//! What a bearer may do comes from the role; LiveKit's grants only narrow it. Nothing here reads a clock: the time is
//! an argument, in seconds since the Unix epoch.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Deserialize;
use thiserror::Error;

pub use self::claims::{Bearer, Claims, ParlourClaim, VideoGrants};
pub(crate) use self::claims::{attributes_fit, permitted_attributes};
use crate::config::Keys;

mod claims;

/// Clock difference forgiven for `exp` and `nbf`.
pub const LEEWAY_SECONDS: u64 = 5;
/// A token longer than this is not looked at. Metadata (64 KiB at most) travels in it.
pub const MAX_TOKEN: usize = 256 * 1024;
/// Longest session name and identity, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest metadata, and longest sum of all attributes, in bytes.
pub const MAX_METADATA: usize = 64 * 1024;
/// Most attributes.
pub const MAX_ATTRIBUTES: usize = 64;
/// Attributes that only the server sets begin with this.
pub const RESERVED_ATTRIBUTE_PREFIX: &str = "parlour.";

/// Why a token does not open the door. The text echoes nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TokenError {
    /// There is none.
    #[error("no access token given")]
    Missing,
    /// Not a JWT, or its claims are not of the right shape.
    #[error("the access token is malformed")]
    Malformed,
    /// `none`, an asymmetric or another symmetric algorithm.
    #[error("the access token must be signed with HS256")]
    Algorithm,
    /// `iss` is not an API key of this server.
    #[error("the access token's issuer is unknown")]
    UnknownIssuer,
    /// Forged or damaged.
    #[error("the access token's signature is wrong")]
    Signature,
    /// `exp` is past.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// It does not grant `roomJoin`, or names no room.
    #[error("the access token does not allow joining a room")]
    NoJoin,
    /// It is for another room.
    #[error("the access token is for another room")]
    WrongRoom,
    /// It asks for a hidden participant: there are none.
    #[error("hidden participants are not possible")]
    Hidden,
    /// `parlour.role` is not one of ours.
    #[error("the access token's role is unknown")]
    UnknownRole,
    /// Identity or room is missing or too long, or metadata or attributes are over their bounds.
    #[error("a claim of the access token is out of bounds")]
    Bounds,
}

impl TokenError {
    /// Whether the bearer was recognized, but may not do this (HTTP 403 rather than 401).
    pub fn is_permission(self) -> bool {
        matches!(self, Self::NoJoin | Self::WrongRoom | Self::Hidden | Self::UnknownRole | Self::Bounds)
    }

    /// Stable word for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::Algorithm => "token_algorithm",
            Self::UnknownIssuer => "token_issuer",
            Self::Signature => "token_signature",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::NoJoin => "token_no_join",
            Self::WrongRoom => "token_wrong_room",
            Self::Hidden => "token_hidden",
            Self::UnknownRole => "token_role",
            Self::Bounds => "token_bounds",
        }
    }
}

/// Signs claims with the secret of their `iss`.
///
/// # Errors
/// [`TokenError::UnknownIssuer`] when `keys` has no such key, [`TokenError::Malformed`] when the claims cannot be written.
pub fn mint(claims: &Claims, keys: &Keys) -> Result<String, TokenError> {
    let secret = keys.secret(&claims.iss).ok_or(TokenError::UnknownIssuer)?;
    let key = EncodingKey::from_secret(secret.0.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).map_err(|_| TokenError::Malformed)
}

/// Checks signature and times. What the claims allow is asked of [`Claims::bearer`].
///
/// # Errors
/// Why it is not valid.
pub fn verify(token: &str, keys: &Keys, now: u64) -> Result<Claims, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let issuer = unverified_issuer(token)?;
    let secret = keys.secret(&issuer).ok_or(TokenError::UnknownIssuer)?;
    let claims =
        jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(secret.0.as_bytes()), &signature_only())
            .map_err(|error| match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
                jsonwebtoken::errors::ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
                _ => TokenError::Malformed,
            })?
            .claims;
    check_times(&claims, now)?;
    Ok(claims)
}

/// [`verify`] for a request that names its room.
///
/// # Errors
/// As [`verify`], and [`TokenError::WrongRoom`].
pub fn verify_for(token: &str, keys: &Keys, now: u64, room: &str) -> Result<Claims, TokenError> {
    let claims = verify(token, keys, now)?;
    if claims.video.room == room { Ok(claims) } else { Err(TokenError::WrongRoom) }
}

/// The same claims for `lifetime` seconds more. Who came by a hand-over is in, and comes back like anyone.
pub(crate) fn refreshed(claims: &Claims, now: u64, lifetime: u64) -> Claims {
    let mut claims = Claims { exp: Some(now.saturating_add(lifetime)), nbf: None, ..claims.clone() };
    claims.parlour.entry.clear();
    claims
}

fn check_times(claims: &Claims, now: u64) -> Result<(), TokenError> {
    let exp = claims.exp.ok_or(TokenError::Malformed)?;
    if exp.saturating_add(LEEWAY_SECONDS) <= now {
        return Err(TokenError::Expired);
    }
    if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(LEEWAY_SECONDS)) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

/// Times are checked by [`check_times`], which takes the clock as an argument.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// Which key to check with. The algorithm is looked at first, so that `none` has its own error.
fn unverified_issuer(token: &str) -> Result<String, TokenError> {
    #[derive(Deserialize)]
    struct Alg {
        alg: String,
    }
    #[derive(Deserialize)]
    struct Iss {
        #[serde(default)]
        iss: String,
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(TokenError::Malformed);
    };
    let Alg { alg } = json_part(header)?;
    if alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    let Iss { iss } = json_part(payload)?;
    Ok(iss)
}

fn json_part<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests;
