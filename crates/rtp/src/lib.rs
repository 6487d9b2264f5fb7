//! RTP and RTCP on the wire: parsing, writing, header extensions, and what a forwarding server must read and rewrite in
//! the payload formats it carries (VP8, H.264, Opus, RED, RTX).
//!
//! Bytes in, values out and back again. No state of a stream (statistics, repair and selection are `parlour-media`), no
//! encryption (`parlour-peer`), no allocation: parsed values borrow from the packet, writers fill the caller's buffer.

pub mod extension;
pub mod h264;
pub mod header;
pub mod opus;
pub mod packet;
pub mod red;
pub mod rtcp;
pub mod rtx;
pub mod seq;
pub mod vp8;
mod wire;

pub use extension::{AbsSendTime, AudioLevel, ExtensionKind, ExtensionMap, TransportSequence, VideoOrientation};
pub use header::{Front, Header, HeaderWriter};
pub use packet::{Packet, RtpError, is_rtcp};
pub use wire::BufferFull;
