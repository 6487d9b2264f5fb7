//! H.264 in RTP (RFC 6184): where frames and key frames begin, in packetisation modes 0 and 1.
//!
//! Single NAL units, STAP-A and FU-A are read; only NAL unit headers and the first slice byte, which end-to-end
//! encryption leaves in the clear. A frame's last packet has the marker bit (section 5.1).

use crate::wire::{u8_at, u16_at};

const SLICE: u8 = 1;
const PARTITION_A: u8 = 2;
const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// More units in one STAP-A are not looked at.
const MAX_AGGREGATED: usize = 32;

/// What one payload says of the frame it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// A sequence parameter set or the beginning of an IDR slice is inside: a decoder can start here.
    pub key_frame: bool,
    /// The first packet of a frame, as far as the payload can tell: it begins a parameter set, or a slice whose
    /// `first_mb_in_slice` is 0. Packets of one frame share their timestamp, which tells with certainty.
    pub starts_frame: bool,
}

/// Reads a payload. What is empty, malformed or of another packetisation has nothing in it.
pub fn contents(payload: &[u8]) -> Contents {
    let Some(header) = u8_at(payload, 0) else { return Contents::default() };
    match header & 0x1f {
        1..=23 => unit(header & 0x1f, payload.get(1..).unwrap_or_default()),
        STAP_A => aggregated(payload.get(1..).unwrap_or_default()),
        FU_A => match u8_at(payload, 1) {
            // Only the fragment with the start bit begins anything.
            Some(fu) if fu & 0x80 != 0 => unit(fu & 0x1f, payload.get(2..).unwrap_or_default()),
            _ => Contents::default(),
        },
        _ => Contents::default(),
    }
}

fn aggregated(mut rest: &[u8]) -> Contents {
    let mut all = Contents::default();
    for index in 0..MAX_AGGREGATED {
        let Some(len) = u16_at(rest, 0) else { break };
        let Some(inner) = rest.get(2..2 + usize::from(len)) else { break };
        let Some((header, body)) = inner.split_first() else { break };
        let one = unit(header & 0x1f, body);
        all.key_frame |= one.key_frame;
        all.starts_frame |= index == 0 && one.starts_frame;
        rest = rest.get(2 + inner.len()..).unwrap_or_default();
    }
    all
}

fn unit(kind: u8, body: &[u8]) -> Contents {
    // first_mb_in_slice is the first Exp-Golomb code of a slice header: 0 is the single bit 1.
    let first_slice = u8_at(body, 0).is_some_and(|byte| byte & 0x80 != 0);
    match kind {
        SLICE | PARTITION_A => Contents { key_frame: false, starts_frame: first_slice },
        IDR => Contents { key_frame: true, starts_frame: first_slice },
        SPS => Contents { key_frame: true, starts_frame: true },
        // SEI, PPS and access unit delimiter come before the slices of their picture.
        6 | 8 | 9 => Contents { key_frame: false, starts_frame: true },
        _ => Contents::default(),
    }
}
