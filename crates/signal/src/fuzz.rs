//! A door for `fuzz/`: the parsers of outside bytes that nobody else needs to call. Not part of the crate's interface.
//! Each panics when a promise about what it accepts is broken.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use livekit_protocol as proto;
use parlour_model::command::{AudienceMark, DataChannel};
use parlour_model::{Identity, ParticipantSid};
use prost::Message as _;

use crate::data::{DataStamp, MAX_DESTINATIONS};
use crate::joinrequest::{self, Intent, Query};
use crate::translate::request::translate;
use crate::translate::roster::View;
use crate::{roomservice, stun, wire};

/// The `join_request` of `/rtc/v1`, as it stands in the URL, and what it carries.
pub fn join_request(text: &str) {
    let mut query = Query::default();
    query.join_request = Some(text.to_owned());
    let Ok(request) = joinrequest::from_v1(&query) else { return };
    assert!(request.client.capabilities.len() <= joinrequest::MAX_CAPABILITIES);
    match request.intent {
        Intent::Join(wishes) => assert!(wishes.tracks.len() <= joinrequest::MAX_JOIN_TRACKS),
        Intent::Resume { sync, .. } => drop(sync.map(|sync| crate::translate::request::sync_state(*sync))),
    }
}

/// What is within the wrapping of a `join_request`: protobuf, packed here so that its reader is reached.
pub fn join_request_content(bytes: &[u8]) {
    let wrapped = proto::WrappedJoinRequest { compression: 0, join_request: bytes.to_vec() };
    join_request(&URL_SAFE_NO_PAD.encode(wrapped.encode_to_vec()));
}

/// A frame of the signalling WebSocket, binary or text, up to what is asked of the engine.
pub fn frame(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).ok().map(wire::decode_json);
    for message in [Some(wire::decode_binary(bytes)), text].into_iter().flatten() {
        if let Ok(Some(message)) = message {
            let _ = translate(message, &View::default());
        }
    }
}

/// A message of a data channel. What is forwarded says who sent it, and to whom is nobody else's business.
#[allow(deprecated)] // older SDKs write the old fields
pub fn data_packet(bytes: &[u8]) {
    let (sid, identity) = (ParticipantSid::from("PA_me"), Identity::from("me"));
    for channel in [DataChannel::Reliable, DataChannel::Lossy] {
        let mut stamp = DataStamp::new(sid.clone(), identity.clone());
        let Ok(out) =
            stamp.outgoing((channel, AudienceMark::default()), &Bytes::copy_from_slice(bytes), &View::default())
        else {
            continue;
        };
        assert!(out.destinations.len() <= MAX_DESTINATIONS);
        let packet = proto::DataPacket::decode(out.payload.as_ref()).unwrap_or_default();
        assert_eq!((packet.participant_sid.as_str(), packet.participant_identity.as_str()), ("PA_me", "me"));
        assert!(packet.destination_identities.is_empty());
        if let Some(proto::data_packet::Value::User(user)) = packet.value {
            assert_eq!((user.participant_sid.as_str(), user.participant_identity.as_str()), ("PA_me", "me"));
            assert!(user.destination_sids.is_empty() && user.destination_identities.is_empty());
        }
    }
}

/// A request of the server API, in both ways of writing.
pub fn room_service(bytes: &[u8]) {
    roomservice::codec::read_any(bytes);
}

/// A datagram at the STUN port.
pub fn stun(bytes: &[u8]) {
    let answer = stun::answer(bytes, ([198, 51, 100, 1], 5_000).into());
    assert!(answer.is_none_or(|answer| answer.len() <= bytes.len() + 24), "an amplifier");
}
