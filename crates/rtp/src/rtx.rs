//! Retransmission payload format (RFC 4588 section 4): the original sequence number, then the original payload.

use crate::wire::{BufferFull, u16_at};

/// Bytes of the original sequence number.
pub const OSN_LEN: usize = 2;

/// Splits a retransmission into the original sequence number and payload. `None` for padding-only probes, which some
/// senders emit on the repair stream.
pub fn split(payload: &[u8]) -> Option<(u16, &[u8])> {
    Some((u16_at(payload, 0)?, payload.get(OSN_LEN..)?))
}

/// Writes the original sequence number in front of where the original payload goes.
pub fn write_original_sequence(sequence: u16, buffer: &mut [u8]) -> Result<usize, BufferFull> {
    buffer.get_mut(..OSN_LEN).ok_or(BufferFull)?.copy_from_slice(&sequence.to_be_bytes());
    Ok(OSN_LEN)
}
