//! What forwarding needs to know of a packet that came in, read once for all its receivers.

use std::time::Instant;

use parlour_model::Codec;
use parlour_rtp::{h264, vp8};

/// The numbers of a VP8 frame that a receiver must see without gaps (RFC 7741, 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    /// PictureID, 15 bits of it.
    pub id: u16,
    /// TL0PICIDX.
    pub tl0: u8,
    /// KEYIDX, 5 bits of it.
    pub key: u8,
}

/// A packet of a publication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound {
    /// Index of the encoding it belongs to.
    pub layer: u8,
    /// Extended.
    pub sequence: u64,
    pub timestamp: u32,
    pub arrived: Instant,
    /// Its payload, in bytes.
    pub size: usize,
    pub frame: Frame,
}

/// What the payload tells of its frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// A keyframe begins here; audio is always one.
    pub key: bool,
    /// A frame begins here.
    pub start: bool,
    /// Temporal layer; 0 is needed by all.
    pub temporal: u8,
    /// One may step up to its temporal layer here.
    pub sync: bool,
    /// VP8 only, and only if the descriptor numbers its pictures.
    pub picture: Option<Picture>,
}

impl Frame {
    /// Reads a payload; one that cannot be read is an ordinary part of some frame.
    pub fn read(codec: Codec, payload: &[u8]) -> Self {
        match codec {
            Codec::Opus => Self { key: true, start: true, ..Self::default() },
            Codec::H264 => {
                let contents = h264::contents(payload);
                Self { key: contents.key_frame, start: contents.starts_frame, ..Self::default() }
            }
            Codec::Vp8 => Self::read_vp8(payload).unwrap_or_default(),
        }
    }

    fn read_vp8(payload: &[u8]) -> Option<Self> {
        let (descriptor, len) = vp8::Descriptor::parse(payload).ok()?;
        let frame = payload.get(len..).unwrap_or_default();
        let temporal = descriptor.temporal.unwrap_or(vp8::Temporal { layer: 0, sync: false });
        let picture = descriptor.picture_id.map(|id| Picture {
            id: id.value(),
            tl0: descriptor.tl0_picture_index.unwrap_or(0),
            key: descriptor.key_index.unwrap_or(0),
        });
        Some(Self {
            key: descriptor.starts_key_frame(frame),
            start: descriptor.starts_frame(),
            temporal: temporal.layer,
            sync: temporal.sync,
            picture,
        })
    }
}
