//! The few header fields SRTP looks at (RFC 3550 5.1, 6.1).

/// Where encryption starts, and whose packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RtpPrefix {
    pub(super) header_len: usize,
    pub(super) sequence: u16,
    pub(super) ssrc: u32,
}

impl RtpPrefix {
    /// `None` if the packet is no RTP, or shorter than its header.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; 12] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut header_len = 12 + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension: &[u8; 4] = packet.get(header_len..)?.first_chunk()?;
            header_len += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        (header_len <= packet.len()).then(|| Self {
            header_len,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        })
    }
}

/// The clear part of an RTCP compound: the first header and its sender.
pub(super) const RTCP_HEADER: usize = 8;

/// Sender of an RTCP compound; `None` if it is none.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let header: &[u8; RTCP_HEADER] = packet.first_chunk()?;
    (header[0] >> 6 == 2).then(|| u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}
