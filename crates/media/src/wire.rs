//! How much longer a packet is on the line than what is counted of it elsewhere.

/// IPv4 and UDP headers and the SRTP tag of AES-GCM: what a packet is longer on the line than when it is written or read.
pub(crate) const BELOW_RTP: usize = 28 + 16;

/// Of what a line carries, the share that is RTP payload at the size of video packets; the allocation counts payloads.
pub(crate) const PAYLOAD_SHARE: f64 = 0.93;
