//! Joining a server the way LiveKit's SDKs do: one WebSocket at `/rtc/v1`, protobuf frames, one peer connection whose
//! offers are all ours.
//!
//! [`session`] is the protocol without I/O, [`socket`] the WebSocket, [`token`] mints access tokens without the
//! server's code.

pub mod session;
pub mod socket;
pub mod token;

pub use session::{Left, Message, Session};
pub use socket::{Signalling, SignallingError};
pub use token::{TokenOptions, mint};
