//! Feedback on one stream: generic NACK and PLI (RFC 4585), FIR (RFC 5104), and REMB
//! (draft-alvestrand-rmcat-remb-03).

use crate::wire::{u8_at, u16_at, u32_at};

/// "REMB"
const REMB_NAME: u32 = 0x5245_4d42;

/// Where the feedback control information begins: after the two SSRCs.
const FCI_AT: usize = 8;

/// Packets missed (RFC 4585 section 6.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Of who asks.
    pub sender_ssrc: u32,
    /// The stream.
    pub media_ssrc: u32,
    entries: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let entries = body.get(FCI_AT..)?;
        (!entries.is_empty() && entries.len().is_multiple_of(4)).then_some(())?;
        Some(Self { sender_ssrc: u32_at(body, 0)?, media_ssrc: u32_at(body, 4)?, entries })
    }

    /// The sequence numbers asked for, in the order of the message. A full datagram can hold some 6,000: whoever
    /// answers must bound its work.
    pub fn sequences(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.entries.chunks_exact(4).flat_map(|entry| {
            let first = u16_at(entry, 0).unwrap_or(0);
            let following = u16_at(entry, 2).unwrap_or(0);
            let bits = (0..16).filter(move |bit| following >> bit & 1 != 0).map(move |bit| first.wrapping_add(bit + 1));
            std::iter::once(first).chain(bits)
        })
    }
}

/// Picture loss indication (RFC 4585 section 6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pli {
    /// Of who asks.
    pub sender_ssrc: u32,
    /// The stream.
    pub media_ssrc: u32,
}

impl Pli {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        Some(Self { sender_ssrc: u32_at(body, 0)?, media_ssrc: u32_at(body, 4)? })
    }
}

/// One stream in a [`Fir`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream.
    pub media_ssrc: u32,
    /// Same number, same request.
    pub sequence: u8,
}

/// Full intra request (RFC 5104 section 4.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Fir<'a> {
    /// Of who asks.
    pub sender_ssrc: u32,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let entries = body.get(FCI_AT..)?;
        (!entries.is_empty() && entries.len().is_multiple_of(8)).then_some(())?;
        Some(Self { sender_ssrc: u32_at(body, 0)?, entries })
    }

    /// Which streams.
    pub fn entries(&self) -> impl Iterator<Item = FirEntry> + use<'a> {
        self.entries
            .chunks_exact(8)
            .filter_map(|entry| Some(FirEntry { media_ssrc: u32_at(entry, 0)?, sequence: u8_at(entry, 4)? }))
    }
}

/// Receiver's estimated maximum bitrate.
#[derive(Clone, Copy, Debug)]
pub struct Remb<'a> {
    /// Of who estimates.
    pub sender_ssrc: u32,
    /// Bits per second.
    pub bitrate: u64,
    ssrcs: &'a [u8],
}

impl<'a> Remb<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        is_remb(body).then_some(())?;
        let word = u32_at(body, 12)?;
        let exponent = word >> 18 & 0x3f;
        let mantissa = u64::from(word & 0x3_ffff);
        // An exponent that shifts bits out says "no limit".
        let bitrate = if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent };
        Some(Self {
            sender_ssrc: u32_at(body, 0)?,
            bitrate,
            ssrcs: body.get(16..16 + 4 * usize::from((word >> 24) as u8))?,
        })
    }

    /// The streams the estimate is for.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.ssrcs.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0))
    }
}

/// Whether an application-layer feedback message is a REMB.
pub(crate) fn is_remb(body: &[u8]) -> bool {
    u32_at(body, FCI_AT) == Some(REMB_NAME)
}

/// The words of a REMB after the two SSRCs, without its list: name, then count, exponent and mantissa. The mantissa has 18
/// bits; what is lost below is lost (the result is at most the true rate).
pub(crate) fn remb_words(bitrate: u64, count: u8) -> [u32; 2] {
    let exponent = (u64::BITS - bitrate.leading_zeros()).saturating_sub(18);
    let mantissa = (bitrate >> exponent) as u32 & 0x3_ffff;
    [REMB_NAME, u32::from(count) << 24 | exponent << 18 | mantissa]
}
