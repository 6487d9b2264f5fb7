//! WebRTC clients for tests and load.
//!
//! [`endpoint`] is one client's media without any I/O, on `str0m`; it runs in virtual time as well as over sockets.
//! Around it, [`signalling`] and [`client`] join a server as LiveKit's own SDKs do. Nothing here is used by the
//! server.

pub mod client;
#[cfg(feature = "direct")]
pub mod direct;
pub mod endpoint;
pub mod load;
pub mod media;
pub mod signalling;

pub use client::{Client, ClientError, ClientOptions, Snapshot};
