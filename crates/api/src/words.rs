//! Reading requests: bodies, queries and paths become typed values or a problem that names our field and echoes nothing.

mod json;

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use parlour_model::SessionId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use self::json::from_json;
use crate::limits::MAX_BODY;
use crate::problem::{Kind, Problem};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Kind::UnsupportedMediaType.into());
        }
        let bytes = whole(body).await?;
        from_json(&bytes).map(Self)
    }
}

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A whole body, if it is within its bounds in size and time.
pub(crate) async fn whole(body: axum::body::Body) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY)).await;
    Ok(read.map_err(|_| Kind::RequestTimeout)?.map_err(|_| Kind::BodyTooLarge)?)
}

/// `application/json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.eq_ignore_ascii_case("application/merge-patch+json")
}

/// An object that is written as one: what serde derives takes a list of values in order too.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Strict<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Strict<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = T;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(Object(PhantomData)).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Strict<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A text or `null`, and one of them: nothing is taken away by leaving it out.
#[derive(Debug)]
pub(crate) struct TextOrNull<const MAX: u32>(pub(crate) Option<String>);

impl<'de, const MAX: u32> Deserialize<'de> for TextOrNull<MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Option<String>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or null")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Some(text.to_owned()))
            }
        }

        // Asked as an option, a field that is missing would be `null`.
        from.deserialize_any(Text).map(Self)
    }
}

impl<const MAX: u32> JsonSchema for TextOrNull<MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TextOrNull".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"], "maxLength": MAX })
    }
}

/// A query; unknown and repeated parameters are refused.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|_| Kind::InvalidParameter.into())
    }
}

/// The parts of a path.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| Kind::InvalidParameter.into())
    }
}

/// Longest id or identity in a path or body, in bytes: what tokens allow.
pub(crate) const MAX_NAME: usize = parlour_signal::token::MAX_NAME;

/// Entries of a page when nothing is said, and at most.
const PAGE: u32 = 100;
const MAX_PAGE: u32 = 1_000;

pub(crate) fn parse_limit(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(Problem::from(Kind::OutOfRange).at("limit")),
    }
}

/// The schema of a cursor.
pub(crate) fn cursor_words(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^c[0-9a-z]{1,12}$" })
}

/// Judges the name of a session in a query.
pub(crate) fn session_in_query(session: Option<String>) -> Result<Option<SessionId>, Problem> {
    match session {
        Some(name) if name.is_empty() || name.len() > MAX_NAME => Err(Problem::from(Kind::OutOfRange).at("session")),
        name => Ok(name.map(SessionId::from)),
    }
}

/// Cursors look opaque so that nobody counts with them: `c` and the number in base 36.
pub(crate) fn cursor(number: i64) -> String {
    let (mut digits, mut rest) = (Vec::new(), number.unsigned_abs());
    loop {
        digits.push(char::from_digit((rest % 36) as u32, 36).unwrap_or('0'));
        rest /= 36;
        if rest == 0 {
            break;
        }
    }
    digits.push('c');
    digits.iter().rev().collect()
}

pub(crate) fn parse_cursor(cursor: Option<&str>) -> Result<i64, Problem> {
    let Some(cursor) = cursor else { return Ok(0) };
    let digits = cursor.strip_prefix('c').filter(|digits| digits.len() <= 13 && !digits.starts_with('+'));
    digits
        .and_then(|digits| i64::from_str_radix(digits, 36).ok())
        .filter(|n| *n >= 0)
        .ok_or_else(|| Kind::InvalidCursor.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn cursors_come_back_as_they_went_and_others_are_refused() {
        for number in [0, 1, 35, 36, i64::MAX] {
            assert_eq!(parse_cursor(Some(&cursor(number))).unwrap(), number);
        }
        for wrong in ["", "c", "c-1", "c+1", "1", "czzzzzzzzzzzzz", "cé"] {
            assert_eq!(parse_cursor(Some(wrong)).unwrap_err().kind(), Kind::InvalidCursor, "{wrong}");
        }
    }
}
