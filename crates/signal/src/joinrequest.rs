//! What a client says when it connects: the `join_request` of `/rtc/v1`, or the query parameters of `/rtc` (v0).
//!
//! Everything here comes from a bearer of a valid token, and is still bounded: base64, gzip and protobuf can each make
//! little into much.

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use livekit_protocol as proto;
use parlour_model::participant::ClientTraits;
use parlour_model::{ParticipantSid, Redacted};
use prost::Message as _;
use serde::Deserialize;
use thiserror::Error;

use crate::config::{MAX_JOIN_REQUEST, MAX_JOIN_REQUEST_COMPRESSED};
use crate::wire::{self, Depth};

/// Most tracks announced with a join.
pub const MAX_JOIN_TRACKS: usize = 16;
/// Most capabilities of a client that are kept.
pub const MAX_CAPABILITIES: usize = 32;

const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, FORGIVING);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, FORGIVING);

/// Why what the client said could not be understood. Its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinRequestError {
    /// Not base64.
    #[error("join_request is not base64url")]
    Base64,
    /// Not gzip though it says so, or an unknown compression.
    #[error("join_request cannot be inflated")]
    Inflate,
    /// More than is ever needed.
    #[error("join_request is too large")]
    TooLarge,
    /// Not the protobuf message it should be.
    #[error("join_request is not valid")]
    Protobuf,
}

/// What the client wants.
#[derive(Debug)]
pub(crate) enum Intent {
    /// Come in.
    Join(Box<Wishes>),
    /// Go on after a break of signalling.
    Resume {
        /// The stay to go on with.
        participant: ParticipantSid,
        /// What it still has, when it says so already here.
        sync: Option<Box<proto::SyncState>>,
    },
}

/// What a joining client says besides its token.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// Replaces the token's when not empty.
    pub(crate) metadata: Redacted<String>,
    /// Added to the token's.
    pub(crate) attributes: Redacted<BTreeMap<String, String>>,
    /// Tracks announced at once.
    pub(crate) tracks: Vec<proto::AddTrackRequest>,
    /// The first offer.
    pub(crate) offer: Option<proto::SessionDescription>,
}

/// A connection's first words, understood.
#[derive(Debug)]
pub(crate) struct ConnectRequest {
    pub(crate) auto_subscribe: bool,
    pub(crate) client: ClientTraits,
    pub(crate) intent: Intent,
}

/// The query of `/rtc` and `/rtc/v1`. Unknown parameters are ignored. It holds a secret and is never printed.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Query {
    pub(crate) access_token: String,
    pub(crate) join_request: Option<String>,
    auto_subscribe: Option<String>,
    client_protocol: Option<String>,
    capabilities: Option<String>,
    reconnect: Option<String>,
    sid: Option<String>,
}

/// Understands the `join_request` of `/rtc/v1`; a missing one asks for nothing special.
pub(crate) fn from_v1(query: &Query) -> Result<ConnectRequest, JoinRequestError> {
    let request = match query.join_request.as_deref() {
        None | Some("") => proto::JoinRequest::default(),
        Some(text) => decode(text)?,
    };
    if request.add_track_requests.len() > MAX_JOIN_TRACKS {
        return Err(JoinRequestError::TooLarge);
    }
    let client = request.client_info.as_ref().map(traits).unwrap_or_default();
    let auto_subscribe = request.connection_settings.as_ref().is_none_or(|settings| settings.auto_subscribe);
    let intent = if request.reconnect {
        Intent::Resume {
            participant: ParticipantSid::from(request.participant_sid),
            sync: request.sync_state.map(Box::new),
        }
    } else {
        Intent::Join(Box::new(Wishes {
            metadata: Redacted(request.metadata),
            attributes: Redacted(request.participant_attributes.into_iter().collect()),
            tracks: request.add_track_requests,
            offer: request.publisher_offer,
        }))
    };
    Ok(ConnectRequest { auto_subscribe, client, intent })
}

/// Understands the parameters of `/rtc`.
pub(crate) fn from_v0(query: &Query) -> ConnectRequest {
    let capabilities = query.capabilities.as_deref().unwrap_or_default();
    let client = ClientTraits {
        client_protocol: query.client_protocol.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default(),
        capabilities: capabilities
            .split(',')
            .filter_map(proto::client_info::Capability::from_str_name)
            .map(i32::from)
            .take(MAX_CAPABILITIES)
            .collect(),
    };
    let intent = if query.reconnect.as_deref().is_some_and(is_true) {
        Intent::Resume { participant: ParticipantSid::from(query.sid.clone().unwrap_or_default()), sync: None }
    } else {
        Intent::Join(Box::default())
    };
    ConnectRequest { auto_subscribe: query.auto_subscribe.as_deref().is_none_or(is_true), client, intent }
}

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "true")
}

fn traits(info: &proto::ClientInfo) -> ClientTraits {
    ClientTraits {
        client_protocol: info.client_protocol,
        capabilities: info.capabilities.iter().copied().take(MAX_CAPABILITIES).collect(),
    }
}

fn decode(text: &str) -> Result<proto::JoinRequest, JoinRequestError> {
    if text.len() > MAX_JOIN_REQUEST_COMPRESSED / 3 * 4 {
        return Err(JoinRequestError::TooLarge);
    }
    // Some SDKs forget the URL alphabet; the two never mean different things.
    let engine = if text.contains(['+', '/']) { &BASE64 } else { &BASE64_URL };
    let wrapped = engine.decode(text).map_err(|_| JoinRequestError::Base64)?;
    let wrapped = proto::WrappedJoinRequest::decode(wrapped.as_slice()).map_err(|_| JoinRequestError::Protobuf)?;
    let bytes = match wrapped.compression() {
        proto::wrapped_join_request::Compression::None => wrapped.join_request,
        proto::wrapped_join_request::Compression::Gzip => inflate(&wrapped.join_request)?,
    };
    if !wire::within_bounds(&bytes, Depth::Request) {
        return Err(JoinRequestError::TooLarge);
    }
    proto::JoinRequest::decode(bytes.as_slice()).map_err(|_| JoinRequestError::Protobuf)
}

/// Inflates at most [`MAX_JOIN_REQUEST`] bytes and stops there: a bomb costs no more than an honest request.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, JoinRequestError> {
    let mut inflated = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(bytes).take(MAX_JOIN_REQUEST as u64 + 1);
    reader.read_to_end(&mut inflated).map_err(|_| JoinRequestError::Inflate)?;
    if inflated.len() > MAX_JOIN_REQUEST { Err(JoinRequestError::TooLarge) } else { Ok(inflated) }
}

#[cfg(test)]
mod tests;
