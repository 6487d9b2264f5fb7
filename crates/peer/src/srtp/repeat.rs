//! Packets as they were sealed, for sources that are repaired by repetition (RFC 4585 NACK without RFC 4588).
//!
//! Sealing an index again would use its nonce twice; sending the same bytes again does not. Header extensions of a
//! repetition are therefore those of the first time.

/// Packets kept of each source. Audio older than 200 ms is not asked for; packets are 10 ms or longer.
const KEPT: u64 = 24;

/// Largest packet kept, sealed. Opus with redundancy stays far below.
const MAX_KEPT: usize = 1_500;

/// The last sealed packets of one source.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    pub(super) ssrc: u32,
    /// By index modulo [`KEPT`]; buffers are used again.
    packets: Vec<(u64, Vec<u8>)>,
}

impl Sealed {
    pub(super) fn of(ssrc: u32) -> Self {
        Self { ssrc, packets: Vec::new() }
    }

    pub(super) fn keep(&mut self, index: u64, packet: &[u8]) {
        if packet.len() > MAX_KEPT {
            return;
        }
        self.packets.resize_with(KEPT as usize, || (u64::MAX, Vec::new()));
        if let Some((kept, bytes)) = self.packets.get_mut((index % KEPT) as usize) {
            *kept = index;
            bytes.clear();
            bytes.extend_from_slice(packet);
        }
    }

    /// The packet of this index as it was sealed.
    pub(super) fn find(&self, index: u64) -> Option<&[u8]> {
        let (kept, bytes) = self.packets.get((index % KEPT) as usize)?;
        (*kept == index).then_some(bytes)
    }
}
