//! The first message to a client that came in or came back.

use livekit_protocol as proto;
use livekit_protocol::signal_response::Message;
use parlour_model::Codec;
use parlour_model::command::{Joined, Topology};

use super::{roster, track};
use crate::config::{PING_INTERVAL, PING_TIMEOUT, SignalConfig};

/// The version of LiveKit's server that we claim to be as good as. SDKs compare it: below 1.8.0 they refuse to call
/// RPC methods; above 1.13.6 JS sends VP9 and AV1 as rid simulcast, which we do not forward.
pub const COMPATIBLE_SERVER_VERSION: &str = "1.9.0";
/// LiveKit's protocol number that we claim. From 18 on, the Rust SDKs use negotiated data channels without DCEP.
pub const SERVER_PROTOCOL: i32 = 17;

/// What clients may publish. That it is not empty makes JS announce a track and offer it in parallel.
pub(crate) fn publish_codecs() -> Vec<proto::Codec> {
    [track::mime_type(Codec::Vp8), track::mime_type(Codec::H264), track::mime_type(Codec::Opus), "audio/red"]
        .into_iter()
        .map(|mime| proto::Codec { mime: mime.to_owned(), fmtp_line: String::new() })
        .collect()
}

fn ice_servers(config: &SignalConfig) -> Vec<proto::IceServer> {
    if config.ice_urls.is_empty() {
        return Vec::new();
    }
    vec![proto::IceServer { urls: config.ice_urls.clone(), ..Default::default() }]
}

fn server_info(config: &SignalConfig) -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard.into(),
        version: COMPATIBLE_SERVER_VERSION.to_owned(),
        protocol: SERVER_PROTOCOL,
        region: config.region.clone(),
        node_id: config.node.clone(),
        debug_info: concat!("parlour ", env!("CARGO_PKG_VERSION")).to_owned(),
        ..Default::default()
    }
}

/// Welcome.
pub(crate) fn response(joined: &Joined, topology: Topology, config: &SignalConfig) -> Message {
    Message::Join(proto::JoinResponse {
        room: Some(roster::room(&joined.session)),
        participant: Some(roster::info(&joined.participant)),
        other_participants: joined.others.iter().map(roster::info).collect(),
        server_version: COMPATIBLE_SERVER_VERSION.to_owned(),
        server_region: config.region.clone(),
        ice_servers: ice_servers(config),
        subscriber_primary: topology == Topology::Dual,
        ping_timeout: PING_TIMEOUT.as_secs() as i32,
        ping_interval: PING_INTERVAL.as_secs() as i32,
        server_info: Some(server_info(config)),
        enabled_publish_codecs: publish_codecs(),
        // Who may publish offers at once, one offer after the other. Without it the Rust SDK (and Python's, on top of it)
        // collects offers for 150 ms, and forgets a track that it announces in the moment it makes one: never heard.
        fast_publish: joined.participant.grants.may_publish_any(),
        ..Default::default()
    })
}

/// Welcome back. `last_message_seq`: the last reliable data message that arrived from this client.
pub(crate) fn reconnect(config: &SignalConfig, last_message_seq: u32) -> Message {
    Message::Reconnect(proto::ReconnectResponse {
        ice_servers: ice_servers(config),
        client_configuration: None,
        server_info: Some(server_info(config)),
        last_message_seq,
    })
}
