//! Frames of the signalling WebSocket: protobuf in binary frames, protobuf's JSON in text frames, answered in kind.
//!
//! Decoding can make a two-byte field into a struct of several hundred bytes; fields are counted before.

use axum::extract::ws::Message as Frame;
use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use thiserror::Error;

/// Fields in one message, its own and those of the message it carries. The largest honest count, a `sync_state` of
/// twelve people's tracks, is below 200.
pub const MAX_FIELDS: usize = 2_048;

/// How a client writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// Protobuf.
    #[default]
    Binary,
    /// Protobuf's JSON.
    Json,
}

/// A frame that is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Not protobuf.
    #[error("the frame is not a protobuf message")]
    Protobuf,
    /// Not JSON of it.
    #[error("the frame is not a JSON message")]
    Json,
    /// Too many fields.
    #[error("the message has too many fields")]
    TooManyFields,
}

/// Decodes a binary frame. `None`: a request newer than we are.
pub(crate) fn decode_binary(bytes: &[u8]) -> Result<Option<proto::signal_request::Message>, WireError> {
    if !within_bounds(bytes, Depth::Request) {
        return Err(WireError::TooManyFields);
    }
    proto::SignalRequest::decode(bytes).map(|request| request.message).map_err(|_| WireError::Protobuf)
}

/// Decodes a text frame.
pub(crate) fn decode_json(text: &str) -> Result<Option<proto::signal_request::Message>, WireError> {
    // An object begins with a brace and an array element is followed by a comma; both bound what is allocated.
    if text.bytes().filter(|byte| matches!(byte, b'{' | b',')).count() > MAX_FIELDS * 4 {
        return Err(WireError::TooManyFields);
    }
    serde_json::from_str::<proto::SignalRequest>(text).map(|request| request.message).map_err(|_| WireError::Json)
}

/// Encodes a response the way its client writes.
pub(crate) fn encode(message: proto::signal_response::Message, format: Format) -> Frame {
    let response = proto::SignalResponse { message: Some(message) };
    match format {
        Format::Binary => Frame::Binary(Bytes::from(response.encode_to_vec())),
        // Our own messages have no number or key that JSON lacks.
        Format::Json => Frame::Text(serde_json::to_string(&response).unwrap_or_default().into()),
    }
}

/// How deep to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// A message's fields and those of the messages within it.
    Request,
    /// Only its own.
    Message,
}

/// Whether `bytes` has at most [`MAX_FIELDS`] protobuf fields. What does not parse is left to the decoder.
pub(crate) fn within_bounds(bytes: &[u8], depth: Depth) -> bool {
    count(bytes, depth, MAX_FIELDS).is_some()
}

/// The number of fields, `None` when over `limit`.
fn count(mut bytes: &[u8], depth: Depth, limit: usize) -> Option<usize> {
    let mut fields = 0;
    while !bytes.is_empty() {
        fields += 1;
        if fields > limit {
            return None;
        }
        let Some(inner) = next_field(&mut bytes) else { break };
        // Text can look like a message, so it is left alone. That opens no way around the count: a field that costs its
        // sender little has a length byte below 9, which no text contains.
        if depth == Depth::Request && !is_text(inner) {
            fields += count(inner, Depth::Message, limit)?;
        }
    }
    (fields <= limit).then_some(fields)
}

/// Printable text is a string field, not a message.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t')))
}

/// Takes one field from the front; its content when it has a length.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (_, wire_type) = decode_key(bytes).ok()?;
    let length = match wire_type {
        WireType::Varint => {
            decode_varint(bytes).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (inner, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    if wire_type == WireType::LengthDelimited { Some(inner) } else { Some(&[]) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::{any, proptest};
    use proto::signal_request::Message;

    use super::*;

    fn bytes(message: Message) -> Vec<u8> {
        proto::SignalRequest { message: Some(message) }.encode_to_vec()
    }

    #[test]
    fn both_ways_of_writing_say_the_same() {
        let mute = proto::MuteTrackRequest { sid: "TR_1".into(), muted: true };
        let message = Some(Message::Mute(mute));
        let json = r#"{"mute":{"sid":"TR_1","muted":true}}"#;
        assert_eq!(decode_binary(&bytes(message.clone().unwrap())).unwrap(), message);
        assert_eq!(decode_json(json).unwrap(), message);
    }

    #[test]
    fn answers_are_written_as_the_client_writes() {
        let pong = proto::signal_response::Message::Pong(7);
        assert!(matches!(encode(pong.clone(), Format::Binary), Frame::Binary(_)));
        let Frame::Text(text) = encode(pong, Format::Json) else { panic!("not text") };
        assert_eq!(text.as_str(), r#"{"pong":"7"}"#);
    }

    #[test]
    fn tiny_fields_cannot_make_large_structs() {
        let tracks = vec![proto::TrackPublishedResponse::default(); MAX_FIELDS + 1];
        let sync = Message::SyncState(proto::SyncState { publish_tracks: tracks, ..Default::default() });
        assert_eq!(decode_binary(&bytes(sync)), Err(WireError::TooManyFields));
        let text = format!(r#"{{"syncState":{{"publishTracks":[{}{{}}]}}}}"#, "{},".repeat(MAX_FIELDS * 4));
        assert_eq!(decode_json(&text), Err(WireError::TooManyFields));
    }

    #[test]
    fn a_long_text_is_not_counted_as_fields() {
        let sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\na=x:\t1\r\n".repeat(5_000);
        let offer = Message::Offer(proto::SessionDescription { sdp, ..Default::default() });
        assert!(decode_binary(&bytes(offer)).is_ok());
    }

    #[test]
    fn junk_is_an_error_and_the_unknown_is_not() {
        assert_eq!(decode_binary(&[0xff; 16]), Err(WireError::Protobuf));
        assert_eq!(decode_json("hello"), Err(WireError::Json));
        // Field 999, a string: a request from the future.
        assert_eq!(decode_binary(&[0xba, 0x3e, 0x01, b'x']), Ok(None));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), text in any::<String>()) {
            let _ = decode_binary(&bytes);
            let _ = decode_json(&text);
        }
    }
}
