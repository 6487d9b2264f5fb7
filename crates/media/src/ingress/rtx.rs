//! Turns a retransmission (RFC 4588 section 4) back into the packet it repeats, in place.

use parlour_rtp::rtx::OSN_LEN;
use parlour_rtp::{Packet, RtpError};
use thiserror::Error;

/// Why a packet of a repair stream repeats nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoverError {
    /// Not RTP.
    #[error("not an RTP packet")]
    Malformed(#[from] RtpError),
    /// Padding only: publishers probe their path with such packets.
    #[error("holds no packet")]
    Empty,
}

/// Rewrites the header of `packet` to that of the packet it repeats, and returns that packet: a part of the same bytes.
/// The header moves over the original sequence number; the payload stays where it is.
pub fn recover(packet: &mut [u8], ssrc: u32, payload_type: u8) -> Result<&mut [u8], RecoverError> {
    let parsed = Packet::parse(packet)?;
    let (original, _) = parlour_rtp::rtx::split(parsed.payload).ok_or(RecoverError::Empty)?;
    let (marker, header_len) = (parsed.marker, parsed.header_len);
    packet.copy_within(..header_len, OSN_LEN);
    let recovered = packet.get_mut(OSN_LEN..).unwrap_or_default();
    if let Some([_, second, sequence @ ..]) = recovered.first_chunk_mut::<4>() {
        *second = u8::from(marker) << 7 | payload_type & 0x7f;
        *sequence = original.to_be_bytes();
    }
    if let Some(field) = recovered.get_mut(8..12) {
        field.copy_from_slice(&ssrc.to_be_bytes());
    }
    Ok(recovered)
}

#[cfg(test)]
mod tests;
