//! Requests and answers on the wire: protobuf, or protobuf's JSON (camel or snake case), answered in kind.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::twirp::TwirpError;
use crate::wire::{Depth, within_bounds};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/protobuf";

/// How a caller writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Json,
    Protobuf,
}

impl Codec {
    /// As the content type says; parameters such as the character set change nothing.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, TwirpError> {
        let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match said.split(';').next().unwrap_or_default().trim() {
            kind if kind.eq_ignore_ascii_case(JSON) => Ok(Self::Json),
            kind if kind.eq_ignore_ascii_case(PROTOBUF) => Ok(Self::Protobuf),
            _ => Err(TwirpError::bad_route("the content type must be application/json or application/protobuf")),
        }
    }

    /// Decodes a request, has it done, and encodes the answer.
    pub(super) async fn answer<Q, A, W>(self, body: &[u8], work: impl FnOnce(Q) -> W) -> Result<Encoded, TwirpError>
    where
        Q: Message + Default + DeserializeOwned,
        A: Message + Serialize,
        W: Future<Output = Result<A, TwirpError>>,
    {
        let answer = work(self.decode(body)?).await?;
        self.encode(&answer)
    }

    fn decode<Q: Message + Default + DeserializeOwned>(self, body: &[u8]) -> Result<Q, TwirpError> {
        match self {
            Self::Json => serde_json::from_slice(body)
                .map_err(|_| TwirpError::malformed("the body is not the JSON of this request")),
            Self::Protobuf if !within_bounds(body, Depth::Request) => {
                Err(TwirpError::malformed("the request has too many fields"))
            }
            Self::Protobuf => {
                Q::decode(body).map_err(|_| TwirpError::malformed("the body is not the protobuf of this request"))
            }
        }
    }

    fn encode<A: Message + Serialize>(self, answer: &A) -> Result<Encoded, TwirpError> {
        let body = match self {
            Self::Json => serde_json::to_vec(answer).map_err(|_| TwirpError::internal())?,
            Self::Protobuf => answer.encode_to_vec(),
        };
        Ok(Encoded { codec: self, body })
    }

    /// As the content type says it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Protobuf => PROTOBUF,
        }
    }
}

/// A whole answer.
pub(super) struct Encoded {
    pub(super) codec: Codec,
    pub(super) body: Vec<u8>,
}

impl IntoResponse for Encoded {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(self.codec.as_str()))], self.body).into_response()
    }
}

/// Reads a body as the requests with most in them; for [`crate::fuzz`].
pub(crate) fn read_any(body: &[u8]) {
    for codec in [Codec::Json, Codec::Protobuf] {
        let _ = codec.decode::<livekit_protocol::UpdateParticipantRequest>(body);
        let _ = codec.decode::<livekit_protocol::CreateRoomRequest>(body);
        let _ = codec.decode::<livekit_protocol::SendDataRequest>(body);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use livekit_protocol as proto;
    use proptest::prelude::{any, proptest};

    use super::*;

    fn codec(content_type: &'static str) -> Result<Codec, TwirpError> {
        Codec::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]))
    }

    #[test]
    fn the_content_type_chooses_and_no_other_will_do() {
        assert_eq!(codec("application/json; charset=utf-8").unwrap(), Codec::Json);
        assert_eq!(codec("Application/Protobuf").unwrap(), Codec::Protobuf);
        assert!(codec("text/plain").is_err() && Codec::of(&HeaderMap::new()).is_err());
    }

    #[test]
    fn both_cases_of_json_and_protobuf_say_the_same() {
        let wanted = proto::MuteRoomTrackRequest { room: "r".into(), track_sid: "TR_1".into(), ..Default::default() };
        for text in [r#"{"room":"r","trackSid":"TR_1"}"#, r#"{"room":"r","track_sid":"TR_1","of_tomorrow":[{}]}"#] {
            assert_eq!(Codec::Json.decode::<proto::MuteRoomTrackRequest>(text.as_bytes()).unwrap(), wanted);
        }
        let bytes = wanted.encode_to_vec();
        assert_eq!(Codec::Protobuf.decode::<proto::MuteRoomTrackRequest>(&bytes).unwrap(), wanted);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            read_any(&bytes);
        }
    }
}
