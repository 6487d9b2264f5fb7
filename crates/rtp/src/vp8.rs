//! VP8 in RTP: the payload descriptor (RFC 7741 section 4.2) and the clear start of a frame (RFC 6386 section 9.1).
//!
//! The descriptor is written by the packetiser after a frame was encrypted end to end, so it is always readable. Of the
//! frame itself only the first bytes are read: end-to-end encryption leaves 10 (key frame) or 3 (other) in the clear.

use thiserror::Error;

use crate::wire::{BufferFull, Cursor, u8_at, u16_at, u24_at};

/// Why a payload has no valid descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the VP8 payload descriptor is truncated")]
pub struct Vp8Error;

/// A frame's number in the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureId {
    /// Seven bits.
    Narrow(u8),
    /// Fifteen bits.
    Wide(u16),
}

impl PictureId {
    /// The number.
    pub fn value(self) -> u16 {
        match self {
            Self::Narrow(id) => u16::from(id),
            Self::Wide(id) => id,
        }
    }

    /// The number `value` in the width of this one, cut to it.
    #[must_use]
    pub fn with_value(self, value: u16) -> Self {
        match self {
            Self::Narrow(_) => Self::Narrow((value & 0x7f) as u8),
            Self::Wide(_) => Self::Wide(value & 0x7fff),
        }
    }
}

/// The `TID` and `Y` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Temporal {
    /// 0..=3; 0 is the base layer.
    pub layer: u8,
    /// Depends only on the base layer: one may step up to this layer here.
    pub sync: bool,
}

/// The payload descriptor in front of each VP8 payload.
///
/// To rewrite a packet in place [`renumber`](Self::renumber) it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// `N`: no other frame depends on this one.
    pub non_reference: bool,
    /// `S`: a partition begins here.
    pub partition_start: bool,
    /// `PID`: which partition, 0..=7.
    pub partition: u8,
    /// `PictureID`.
    pub picture_id: Option<PictureId>,
    /// `TL0PICIDX`: counts frames of the base layer.
    pub tl0_picture_index: Option<u8>,
    /// `TID` and `Y`.
    pub temporal: Option<Temporal>,
    /// `KEYIDX`, 0..=31.
    pub key_index: Option<u8>,
}

impl Descriptor {
    /// Parses the front of a payload; returns the descriptor and its length, where the frame's bytes begin.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), Vp8Error> {
        let mut reader = Reader { payload, at: 0 };
        let first = reader.byte()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.parse_extension(&mut reader)?;
        }
        Ok((descriptor, reader.at))
    }

    fn parse_extension(&mut self, reader: &mut Reader<'_>) -> Result<(), Vp8Error> {
        let present = reader.byte()?;
        if present & 0x80 != 0 {
            let high = reader.byte()?;
            self.picture_id = Some(if high & 0x80 == 0 {
                PictureId::Narrow(high)
            } else {
                PictureId::Wide(u16::from_be_bytes([high & 0x7f, reader.byte()?]))
            });
        }
        if present & 0x40 != 0 {
            self.tl0_picture_index = Some(reader.byte()?);
        }
        // One byte serves both fields and is there if either is.
        if present & 0x30 != 0 {
            let byte = reader.byte()?;
            if present & 0x20 != 0 {
                self.temporal = Some(Temporal { layer: byte >> 6, sync: byte & 0x20 != 0 });
            }
            if present & 0x10 != 0 {
                self.key_index = Some(byte & 0x1f);
            }
        }
        Ok(())
    }

    /// Writes the descriptor to the front of `buffer`; returns its length. Values too large for their field are cut.
    pub fn write(&self, buffer: &mut [u8]) -> Result<usize, BufferFull> {
        let present = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_picture_index.is_some()) << 6
            | u8::from(self.temporal.is_some()) << 5
            | u8::from(self.key_index.is_some()) << 4;
        let first = u8::from(present != 0) << 7
            | u8::from(self.non_reference) << 5
            | u8::from(self.partition_start) << 4
            | self.partition & 0x07;
        let mut cursor = Cursor::new(buffer);
        cursor.put_u8(first)?;
        if present != 0 {
            cursor.put_u8(present)?;
        }
        match self.picture_id {
            Some(PictureId::Narrow(id)) => cursor.put_u8(id & 0x7f)?,
            Some(PictureId::Wide(id)) => cursor.put_u16(id | 0x8000)?,
            None => {}
        }
        if let Some(index) = self.tl0_picture_index {
            cursor.put_u8(index)?;
        }
        if present & 0x30 != 0 {
            let temporal = self.temporal.unwrap_or(Temporal { layer: 0, sync: false });
            let key_index = self.key_index.unwrap_or(0);
            cursor.put_u8(temporal.layer << 6 | u8::from(temporal.sync) << 5 | key_index & 0x1f)?;
        }
        Ok(cursor.len())
    }

    /// Puts other numbers into the descriptor in front of `payload`, where it is: into those fields that are there, cut to
    /// their width. Nothing else changes, and no field comes or goes.
    pub fn renumber(payload: &mut [u8], picture_id: u16, tl0_picture_index: u8, key_index: u8) {
        let Some(&[first, present]) = payload.first_chunk() else { return };
        if first & 0x80 == 0 {
            return;
        }
        let mut fields = payload.iter_mut().skip(2);
        if present & 0x80 != 0
            && let Some(high) = fields.next()
        {
            if *high & 0x80 == 0 {
                *high = (picture_id & 0x7f) as u8;
            } else if let Some(low) = fields.next() {
                [*high, *low] = (picture_id | 0x8000).to_be_bytes();
            }
        }
        if present & 0x40 != 0
            && let Some(index) = fields.next()
        {
            *index = tl0_picture_index;
        }
        if present & 0x10 != 0
            && let Some(byte) = fields.next()
        {
            *byte = *byte & 0xe0 | key_index & 0x1f;
        }
    }

    /// Whether a frame begins with this packet (section 4.5.1).
    pub fn starts_frame(&self) -> bool {
        self.partition_start && self.partition == 0
    }

    /// Whether this packet begins a key frame. `frame` is what follows the descriptor.
    pub fn starts_key_frame(&self, frame: &[u8]) -> bool {
        // The `P` bit, inverse key frame flag (section 4.3).
        self.starts_frame() && u8_at(frame, 0).is_some_and(|first| first & 1 == 0)
    }

    /// Picture size from the key frame that this packet begins: (width, height) in pixels.
    pub fn key_frame_size(&self, frame: &[u8]) -> Option<(u16, u16)> {
        // RFC 6386 section 9.1: three bytes frame tag, start code, then 14 bits each, little-endian, below 2 bits of scale.
        if !self.starts_key_frame(frame) || u24_at(frame, 3)? != 0x9d_01_2a {
            return None;
        }
        Some((u16_at(frame, 6)?.swap_bytes() & 0x3fff, u16_at(frame, 8)?.swap_bytes() & 0x3fff))
    }
}

struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Vp8Error> {
        let byte = u8_at(self.payload, self.at).ok_or(Vp8Error)?;
        self.at += 1;
        Ok(byte)
    }
}
