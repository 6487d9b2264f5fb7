//! The VP8 payload descriptor (RFC 7741 section 4.2) as a bot writes and reads it, and the frame header behind it.
//! Written apart from the server's parser on purpose: a shared mistake would not show.

/// The fields of a descriptor that carries all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// S and PID = 0: first packet of a frame.
    pub start: bool,
    /// N: no other frame depends on this one.
    pub droppable: bool,
    /// 15 bits.
    pub picture_id: Option<u16>,
    /// Counts frames of the base temporal layer.
    pub tl0: Option<u8>,
    /// Temporal layer, 2 bits.
    pub tid: Option<u8>,
    /// Y: depends on the base layer only.
    pub sync: bool,
    /// 5 bits.
    pub key_index: Option<u8>,
}

/// Length of what [`Descriptor::write`] writes when all fields are there.
pub const DESCRIPTOR_LEN: usize = 6;

/// Length of the uncompressed data chunk of a keyframe (RFC 6386 section 9.1).
pub const KEY_HEADER_LEN: usize = 10;

impl Descriptor {
    /// Appends the descriptor.
    pub fn write(&self, out: &mut Vec<u8>) {
        let has_temporal = self.tid.is_some();
        let has_key = self.key_index.is_some();
        out.push(0x80 | u8::from(self.droppable) << 5 | u8::from(self.start) << 4);
        let flags = [self.picture_id.is_some(), self.tl0.is_some(), has_temporal, has_key];
        out.push(flags.iter().zip([0x80, 0x40, 0x20, 0x10]).filter(|(set, _)| **set).map(|(_, bit)| bit).sum());
        if let Some(id) = self.picture_id {
            out.extend_from_slice(&(id | 0x8000).to_be_bytes());
        }
        out.extend(self.tl0);
        if has_temporal || has_key {
            let tid = self.tid.unwrap_or(0) & 3;
            out.push(tid << 6 | u8::from(self.sync) << 5 | self.key_index.unwrap_or(0) & 0x1f);
        }
    }

    /// Reads a descriptor; gives it and its length, or `None` if it is cut short.
    pub fn parse(payload: &[u8]) -> Option<(Self, usize)> {
        let mut bytes = payload.iter().copied();
        let first = bytes.next()?;
        let mut descriptor = Self {
            start: first & 0x10 != 0 && first & 0x07 == 0,
            droppable: first & 0x20 != 0,
            picture_id: None,
            tl0: None,
            tid: None,
            sync: false,
            key_index: None,
        };
        if first & 0x80 != 0 {
            let flags = bytes.next()?;
            if flags & 0x80 != 0 {
                let high = bytes.next()?;
                descriptor.picture_id = Some(match high & 0x80 {
                    0 => u16::from(high),
                    _ => u16::from(high & 0x7f) << 8 | u16::from(bytes.next()?),
                });
            }
            if flags & 0x40 != 0 {
                descriptor.tl0 = Some(bytes.next()?);
            }
            if flags & 0x30 != 0 {
                let octet = bytes.next()?;
                descriptor.tid = (flags & 0x20 != 0).then_some(octet >> 6);
                descriptor.sync = octet & 0x20 != 0;
                descriptor.key_index = (flags & 0x10 != 0).then_some(octet & 0x1f);
            }
        }
        Some((descriptor, payload.len() - bytes.len()))
    }
}

/// Appends the first bytes of a VP8 frame of `size` bytes: a whole uncompressed chunk for a keyframe, else the tag.
pub fn write_frame_header(out: &mut Vec<u8>, key: bool, size: usize, width: u32, height: u32) {
    // P (inverted key), version 0, show_frame, first partition size (19 bits).
    let tag = u32::from(!key) | 1 << 4 | ((size as u32) & 0x7_ffff) << 5;
    out.extend_from_slice(&tag.to_le_bytes()[..3]);
    if key {
        out.extend_from_slice(&[0x9d, 0x01, 0x2a]);
        out.extend_from_slice(&((width & 0x3fff) as u16).to_le_bytes());
        out.extend_from_slice(&((height & 0x3fff) as u16).to_le_bytes());
    }
}

/// Whether the VP8 frame that begins with these bytes is a keyframe.
pub fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|byte| byte & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_descriptor_reads_back(start: bool, droppable: bool, id in 0u16..0x8000, tl0: u8, tid in 0u8..4, sync: bool, key in 0u8..32) {
            let written = Descriptor {
                start, droppable, picture_id: Some(id), tl0: Some(tl0), tid: Some(tid), sync, key_index: Some(key),
            };
            let mut bytes = Vec::new();
            written.write(&mut bytes);
            prop_assert_eq!(bytes.len(), DESCRIPTOR_LEN);
            prop_assert_eq!(Descriptor::parse(&bytes), Some((written, DESCRIPTOR_LEN)));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Descriptor::parse(&bytes);
        }
    }
}
