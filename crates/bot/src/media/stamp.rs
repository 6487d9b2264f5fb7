//! What a bot writes into each payload so that its receiver can tell when it was sent and what it was part of.
//!
//! Fixed layout, network byte order, 24 bytes: magic (4), layer (1), index in frame (1), packets in frame (1),
//! reserved (1), frame number (4), packet number (4), microseconds since the bots' common epoch (8).

/// Bytes a [`Stamp`] takes.
pub const STAMP_LEN: usize = 24;

const MAGIC: [u8; 4] = *b"PLB1";

/// Where and when a packet left its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Encoding, from the smallest.
    pub layer: u8,
    /// Place within its frame.
    pub index: u8,
    /// Packets of its frame.
    pub count: u8,
    /// Frames sent before on this encoding.
    pub frame: u32,
    /// Packets sent before on this encoding.
    pub packet: u32,
    /// Microseconds between the epoch and sending.
    pub sent_us: u64,
}

impl Stamp {
    /// As bytes.
    pub fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.layer;
        bytes[5] = self.index;
        bytes[6] = self.count;
        bytes[8..12].copy_from_slice(&self.frame.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.packet.to_be_bytes());
        bytes[16..].copy_from_slice(&self.sent_us.to_be_bytes());
        bytes
    }

    /// Reads a stamp from the front of `bytes`; `None` if there is none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; STAMP_LEN] = bytes.first_chunk()?;
        if bytes[..4] != MAGIC {
            return None;
        }
        Some(Self {
            layer: bytes[4],
            index: bytes[5],
            count: bytes[6],
            frame: u32::from_be_bytes(bytes[8..12].try_into().ok()?),
            packet: u32::from_be_bytes(bytes[12..16].try_into().ok()?),
            sent_us: u64::from_be_bytes(bytes[16..].try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_stamp_reads_back(layer: u8, index: u8, count: u8, frame: u32, packet: u32, sent_us: u64) {
            let stamp = Stamp { layer, index, count, frame, packet, sent_us };
            prop_assert_eq!(Stamp::parse(&stamp.to_bytes()), Some(stamp));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Stamp::parse(&bytes);
        }
    }
}
