//! Synthetic media: what a bot sends looks like VP8 and Opus to a server, and carries what its receiver needs to judge
//! the way it took. Nothing here encodes or decodes pictures or sound.

pub mod audio;
mod decoder;
pub mod histogram;
pub mod receive;
pub mod stamp;
pub mod stats;
pub mod video;
pub mod vp8;

pub use audio::{AudioConfig, AudioSource};
pub use histogram::Histogram;
pub use receive::TrackReceiver;
pub use stamp::Stamp;
pub use stats::{TrackKind, TrackStats};
pub use video::{LayerConfig, VideoConfig, VideoSource};

/// One RTP packet of a synthetic source, before it has an SSRC.
#[derive(Clone, Debug)]
pub struct SourcePacket {
    /// Index of the encoding, from the smallest; 0 for audio.
    pub layer: usize,
    /// RTP sequence number without wrap.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Last packet of a frame, or first of a talk spurt.
    pub marker: bool,
    /// RTP payload.
    pub payload: Vec<u8>,
}
