//! A request that comes twice is carried out once: LiveKit's server SDKs name each of theirs, and repeat one that got no
//! answer under the same name.

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::codec::{Codec, Encoded};
use super::twirp::TwirpError;
use super::{Call, dispatch};
use crate::record::RequestTurn;

/// Where a request's id is; the first there is counts. The second is what LiveKit's SDKs send.
const HEADERS: [&str; 2] = ["idempotency-key", "x-livekit-request-id"];

/// Longest id.
const MAX_ID: usize = 128;

/// The id of a request, if it has one.
pub(super) fn id_of(headers: &HeaderMap) -> Result<Option<String>, TwirpError> {
    let Some(value) = HEADERS.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    let id = value.to_str().unwrap_or_default();
    let fits = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Some(id.to_owned())) } else { Err(TwirpError::malformed("the request's id is not valid")) }
}

/// Carries it out, or answers as before. What was refused may be tried again.
pub(super) async fn carry_out(
    call: &Call<'_>,
    id: &str,
    method: &str,
    codec: Codec,
    body: &[u8],
) -> Result<Response, TwirpError> {
    let request = [method.as_bytes(), b"\n", codec.as_str().as_bytes(), b"\n", body].concat();
    let claimed = call.shared.record.claim(&call.access.key, id, &request).await;
    let unwritten = |_| TwirpError::unavailable("the record of this cannot be written now; nothing was changed");
    let open = match claimed.map_err(unwritten)? {
        RequestTurn::First(open) => open,
        RequestTurn::Again(body) => return Ok(Encoded { codec, body }.into_response()),
        RequestTurn::InFlight => return Err(TwirpError::aborted("the request with this id is being carried out")),
        RequestTurn::OtherRequest => return Err(TwirpError::invalid("the id was used for another request")),
    };
    match dispatch(call, method, codec, body).await {
        Ok(answer) => {
            open.close(Some(answer.body.clone())).await;
            Ok(answer.into_response())
        }
        Err(error) => {
            open.close(None).await;
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn id(name: &'static str, value: &str) -> Result<Option<String>, TwirpError> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        id_of(&headers)
    }

    #[test]
    fn an_id_is_bounded_and_visible() {
        assert_eq!(id("x-livekit-request-id", "8f-1").unwrap().as_deref(), Some("8f-1"));
        assert_eq!(id("idempotency-key", "k").unwrap().as_deref(), Some("k"));
        assert!(id_of(&HeaderMap::new()).unwrap().is_none());
        for wrong in ["", "a b", &"x".repeat(MAX_ID + 1)] {
            assert!(id("idempotency-key", wrong).is_err(), "{wrong}");
        }
    }
}
