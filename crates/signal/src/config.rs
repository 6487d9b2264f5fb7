//! What signalling needs to know, and its bounds. Values arrive valid: files and environment are parsed by the binary.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use parlour_model::Redacted;
use parlour_model::session::SessionPolicy;

/// How often a client pings us (whole seconds, told in the join response). What every LiveKit SDK is used to.
pub const PING_INTERVAL: Duration = Duration::from_secs(5);
/// Silence after which either side gives the WebSocket up: three pings lost.
pub const PING_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest WebSocket message taken. The largest honest one is a `sync_state` with two SDPs of twelve people's
/// sections, about 250 KiB.
pub const MAX_FRAME: usize = 512 * 1024;
/// `join_request` before inflation. Observed: 2.1 to 2.8 kB.
pub const MAX_JOIN_REQUEST_COMPRESSED: usize = 64 * 1024;
/// `join_request` after inflation. Observed: 14 to 18 kB.
pub const MAX_JOIN_REQUEST: usize = 512 * 1024;
/// One data channel message. SDKs send at most 15 kB a chunk, or what the SDP allows: 64 KiB.
pub const MAX_DATA_PACKET: usize = 64 * 1024;
/// How long a client is waited for when it does not take what is sent to it.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the engine may take to let someone in: SDKs wait 5 s for the first message.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(4);

/// The API keys that may sign tokens, with their secrets.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, Redacted<String>>);

impl Keys {
    /// From (key, secret) pairs.
    pub fn new<K: Into<String>, S: Into<String>>(pairs: impl IntoIterator<Item = (K, S)>) -> Self {
        Self(pairs.into_iter().map(|(key, secret)| (key.into(), Redacted(secret.into()))).collect())
    }

    /// The secret of a key.
    pub fn secret(&self, key: &str) -> Option<&Redacted<String>> {
        self.0.get(key)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// What clients are told to do when this server stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopAdvice {
    /// The call is over.
    #[default]
    Disconnect,
    /// Come back at once: another node, or this one restarted, will take them.
    Reconnect,
}

/// Settings of the signalling service.
#[derive(Clone, Debug)]
pub struct SignalConfig {
    /// Who may sign tokens.
    pub keys: Keys,
    /// STUN URLs given to clients (`stun:host:port`), all of them ours. Never empty in production: with an empty list
    /// some SDKs ask public servers, which shows their users' addresses to strangers.
    pub ice_urls: Vec<String>,
    /// Name of this node, shown to clients for support.
    pub node: String,
    /// Region of this node; empty when there is only one.
    pub region: String,
    /// Bounds.
    pub limits: Limits,
    /// The rules of rooms that an integrator's server makes without naming any.
    pub room_policy: SessionPolicy,
    /// Whether `X-Forwarded-For` tells the client's address: only behind a proxy that sets it.
    pub behind_proxy: bool,
}

impl SignalConfig {
    /// Defaults around the two things that have none.
    pub fn new(keys: Keys, ice_urls: Vec<String>) -> Self {
        Self {
            keys,
            ice_urls,
            node: "parlour".to_owned(),
            region: String::new(),
            limits: Limits::default(),
            room_policy: SessionPolicy::default(),
            behind_proxy: false,
        }
    }
}

/// Bounds of what strangers and clients can make us hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// WebSockets open at once.
    pub sockets: usize,
    /// Of them, from one address (IPv6: one /64). A clinic behind one address has a few dozen.
    pub sockets_per_address: usize,
    /// Connection attempts per second and address, sustained.
    pub attempts_per_second: f64,
    /// Attempts that may come at once.
    pub attempt_burst: f64,
    /// Addresses remembered for the two above.
    pub addresses: usize,
    /// Silence of a client after which its WebSocket is given up.
    pub silence: Duration,
    /// Messages waiting for one client.
    pub queued_messages: usize,
    /// Bytes waiting for one client.
    pub queued_bytes: usize,
    /// Requests of one client per second, sustained; beyond it, reading pauses.
    pub requests_per_second: f64,
    /// Requests that may come at once.
    pub request_burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 10_000,
            sockets_per_address: 1_000,
            attempts_per_second: 20.0,
            attempt_burst: 200.0,
            addresses: 65_536,
            silence: PING_TIMEOUT,
            queued_messages: 1_024,
            queued_bytes: 4 * 1024 * 1024,
            requests_per_second: 100.0,
            request_burst: 500.0,
        }
    }
}
