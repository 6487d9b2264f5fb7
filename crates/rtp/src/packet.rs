//! RTP packets (RFC 3550 section 5.1) with header extensions (RFC 8285).

use thiserror::Error;

use crate::extension::{self, Extensions};
use crate::header::Header;
use crate::wire::{u8_at, u16_at};

/// Bytes of a header without contributing sources and extensions.
pub const FIXED_HEADER_LEN: usize = 12;

/// Why bytes are not an RTP packet. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RtpError {
    /// Ends inside the header, the contributing sources or the extension.
    #[error("the packet ends inside its header")]
    Truncated,
    /// Not version 2.
    #[error("not RTP version 2")]
    Version,
    /// Padding announced but longer than the payload, or of no length.
    #[error("the padding does not fit the payload")]
    Padding,
}

/// Whether a datagram in the RTP range (first byte 128..=191) is RTCP (RFC 5761 section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(u8_at(datagram, 1), Some(192..=223))
}

/// A parsed packet, borrowing from its datagram.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// For video: the last packet of a frame. For audio: the first after silence.
    pub marker: bool,
    /// 0..=127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Of the stream.
    pub ssrc: u32,
    /// Fixed header, contributing sources and extension together: the offset of the payload.
    pub header_len: usize,
    /// Without padding; empty for a packet that is only padding.
    pub payload: &'a [u8],
    /// Bytes of padding that were taken off the end.
    pub padding_len: usize,
    extensions: Extensions<'a>,
}

impl<'a> Packet<'a> {
    /// Parses a packet that is not, or no longer, encrypted.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let prefix = Prefix::parse(bytes)?;
        let body = bytes.get(prefix.header_len..).ok_or(RtpError::Truncated)?;
        let padding_len = if prefix.padded { padding(body)? } else { 0 };
        let payload = body.get(..body.len() - padding_len).ok_or(RtpError::Padding)?;
        let Header { marker, payload_type, sequence, timestamp, ssrc } = prefix.header;
        Ok(Self {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc,
            header_len: prefix.header_len,
            payload,
            padding_len,
            extensions: prefix.extensions,
        })
    }

    /// The fixed fields.
    pub fn header(&self) -> Header {
        Header {
            marker: self.marker,
            payload_type: self.payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        }
    }

    /// Header extension elements as (id, value), in order. Ends early where an element is malformed.
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }

    /// The first element with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|&(found, _)| found == id).map(|(_, value)| value)
    }
}

fn padding(body: &[u8]) -> Result<usize, RtpError> {
    let len = usize::from(*body.last().ok_or(RtpError::Padding)?);
    if len == 0 || len > body.len() { Err(RtpError::Padding) } else { Ok(len) }
}

/// What can be read of a packet whose payload is still encrypted: everything but the padding, whose length SRTP hides.
#[derive(Clone, Copy, Debug)]
pub struct Prefix<'a> {
    /// Fixed fields.
    pub header: Header,
    /// Where the payload, and with it SRTP encryption, begins.
    pub header_len: usize,
    /// The padding bit.
    pub padded: bool,
    extensions: Extensions<'a>,
}

impl<'a> Prefix<'a> {
    /// Parses the header and leaves the rest alone.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let fixed = bytes.first_chunk::<FIXED_HEADER_LEN>().ok_or(RtpError::Truncated)?;
        let &[first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(first & 0x0f);
        let mut extensions = Extensions::default();
        if first & 0x10 != 0 {
            let profile = u16_at(bytes, header_len).ok_or(RtpError::Truncated)?;
            let words = u16_at(bytes, header_len + 2).ok_or(RtpError::Truncated)?;
            let start = header_len + 4;
            header_len = start + 4 * usize::from(words);
            extensions = extension::elements(profile, bytes.get(start..header_len).ok_or(RtpError::Truncated)?);
        }
        if bytes.len() < header_len {
            return Err(RtpError::Truncated);
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
        };
        Ok(Self { header, header_len, padded: first & 0x20 != 0, extensions })
    }

    /// As [`Packet::extensions`].
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions
    }
}
