//! SCTP packets from without (RFC 9260 3): what `sctp-proto` neither does nor tells. It drops what it cannot read and gives an
//! association up without a word; here the one is noticed and for the other an ABORT is written.

use bytes::Bytes;
use crc::{CRC_32_ISCSI, Crc};

use super::STREAMS;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

const HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
const DATA: u8 = 0;
const INIT: u8 = 1;
const ABORT: u8 = 6;
const SHUTDOWN_COMPLETE: u8 = 14;
/// DATA to COOKIE ACK, SHUTDOWN COMPLETE; RE-CONFIG (RFC 6525), FORWARD TSN (RFC 3758), I-FORWARD-TSN (RFC 8260).
const KNOWN: [u8; 16] = [0, INIT, 2, 3, 4, 5, ABORT, 7, 8, 9, 10, 11, SHUTDOWN_COMPLETE, 130, 192, 194];

/// Flag of a chunk that ends its message.
const ENDS_MESSAGE: u8 = 1;
/// Number, stream, place in it, protocol.
const DATA_HEADER: usize = 12;
/// Clients cut a message where a packet is full: only the first piece, behind other chunks, may be smaller.
const SMALL: usize = 256;

/// Why an association ends (RFC 9260 3.3.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// We wish so.
    UserInitiated = 12,
    /// The client's fault.
    ProtocolViolation = 13,
}

/// What can be seen of a packet without an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    /// By which the client knows the association, if this is its INIT.
    pub(super) initiate_tag: Option<u32>,
    /// The client ends the association.
    pub(super) ends: bool,
    /// Pieces of messages, not the last ones, that are smaller than [`SMALL`].
    pub(super) small_pieces: u32,
}

/// Looks at a packet; `None` if its chunks do not fill it, one is of a kind unknown here, or one is for a stream that was not
/// agreed on (RFC 9260 6.5): `sctp-proto` would make it, and walks over all there are for each chunk.
pub(super) fn look(packet: &[u8]) -> Option<Outside> {
    let mut chunks = packet.get(HEADER..).filter(|chunks| !chunks.is_empty())?;
    let mut outside = Outside { initiate_tag: None, ends: false, small_pieces: 0 };
    while let Some((kind, flags, body, rest)) = next_chunk(chunks) {
        if kind == DATA && stream_of(body).is_some_and(|stream| stream >= STREAMS) {
            return None;
        }
        let is_piece = kind == DATA && flags & ENDS_MESSAGE == 0;
        outside.small_pieces += u32::from(is_piece && body.len() < DATA_HEADER + SMALL);
        if kind == INIT {
            outside.initiate_tag = body.first_chunk().copied().map(u32::from_be_bytes);
        }
        outside.ends |= matches!(kind, ABORT | SHUTDOWN_COMPLETE);
        chunks = rest;
    }
    chunks.is_empty().then_some(outside)
}

/// The first chunk's kind, flags and value, and what follows. Its padding may lack at the end of a packet.
fn next_chunk(chunks: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let [kind, flags, length @ ..] = *chunks.first_chunk::<CHUNK_HEADER>()?;
    let length = usize::from(u16::from_be_bytes(length));
    let body = chunks.get(CHUNK_HEADER..length).filter(|_| KNOWN.contains(&kind))?;
    Some((kind, flags, body, chunks.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// The stream of a DATA chunk: behind its number.
fn stream_of(data: &[u8]) -> Option<u16> {
    data.get(4..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Ends the association that the client knows by `tag`.
pub(super) fn abort(tag: u32, ports: [u8; 4], cause: Cause) -> Bytes {
    let mut packet = ports.to_vec();
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([ABORT, 0, 0, 8, 0, cause as u8, 0, 4]);
    let sum = CRC.checksum(&packet);
    packet[8..HEADER].copy_from_slice(&sum.to_le_bytes());
    Bytes::from(packet)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PORTS: [u8; 4] = [0x13, 0x88, 0x13, 0x88];

    #[test]
    fn an_abort_is_laid_out_as_in_rfc_9260_and_read_again() {
        let packet = abort(7, PORTS, Cause::UserInitiated);
        assert_eq!(packet[..8], [0x13, 0x88, 0x13, 0x88, 0, 0, 0, 7]);
        assert_eq!(packet[HEADER..], [6, 0, 0, 8, 0, 12, 0, 4]);
        assert_eq!(look(&packet), Some(Outside { initiate_tag: None, ends: true, small_pieces: 0 }));
    }

    #[test]
    fn chunks_must_fill_their_packet() {
        let packet = |chunks: &[u8]| [&[0; HEADER], chunks].concat();
        assert!(look(&packet(&[11, 0, 0, 4])).is_some());
        assert!(look(&packet(&[11, 0, 0, 4, 3, 0, 0, 5, 9])).is_some(), "padding may lack");
        for wrong in [&[][..], &[11, 0, 0], &[11, 0, 0, 3], &[11, 0, 0, 8, 1], &[11, 0, 0, 4, 3], &[99, 0, 0, 4]] {
            assert_eq!(look(&packet(wrong)), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn looking_never_panics(bytes in prop::collection::vec(0u8..20, 0..60)) {
            let _ = look(&bytes);
        }
    }
}
