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
