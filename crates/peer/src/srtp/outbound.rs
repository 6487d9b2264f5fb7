//! Sealing what we send.

use std::fmt;

use super::cipher::Cipher;
use super::index::MAX_RTP_INDEX;
use super::packet::{RtpPrefix, rtcp_ssrc};
use super::repeat::Sealed;
use super::sources::Sources;
use super::{KeyError, MAX_SOURCES, MasterKey, SrtpProfile};
use crate::SealError;

/// Largest SRTCP index (RFC 3711 3.4): 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// The sending half of a connection's SRTP.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    sources: Sources<Repair>,
    /// Of the sources that are repaired by repetition.
    repeatable: Vec<Sealed>,
    /// One counter for all sources: the source is part of the nonce, and for each of them it only grows.
    next_rtcp_index: u32,
}

/// How a stream that we send is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repair {
    /// Its packets are kept: said here so that those of the others need not look.
    ByRepetition,
    Elsewhere,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound").field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Expands the keys of what we send.
    pub fn new(profile: SrtpProfile, master: &MasterKey<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            rtp: Cipher::rtp(profile, master)?,
            rtcp: Cipher::rtcp(profile, master)?,
            sources: Sources::new(),
            repeatable: Vec::new(),
            next_rtcp_index: 0,
        })
    }

    /// Names the sources that are repaired by repetition, at most [`MAX_SOURCES`]: their last packets are kept.
    pub fn set_repeatable(&mut self, ssrcs: &[u32]) {
        self.repeatable.retain(|sealed| ssrcs.contains(&sealed.ssrc));
        for &ssrc in ssrcs.iter().take(MAX_SOURCES) {
            if self.repeatable.iter().all(|sealed| sealed.ssrc != ssrc) {
                self.repeatable.push(Sealed::of(ssrc));
            }
        }
        for source in self.sources.iter_mut() {
            source.tag = repair_of(&self.repeatable, source.ssrc);
        }
    }

    /// Seals the RTP packet in `buffer[..len]` in place; returns its new length. An index is sealed once: asked again, a
    /// source of [`Self::set_repeatable`] gives the packet as it was sealed, any other an error.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        let packet = buffer.get(..len).ok_or(SealError::TooShort)?;
        let RtpPrefix { header_len, sequence, ssrc } = RtpPrefix::read(packet).ok_or(SealError::TooShort)?;
        if buffer.len() - len < self.rtp.tag_len() {
            return Err(SealError::TooShort);
        }
        let (index, repeatable) = match self.claim(ssrc, sequence)? {
            Claim::Fresh { index, repeatable } => (index, repeatable),
            Claim::Used(index) => return self.repeat(ssrc, index, buffer),
        };
        let sealed = self.rtp.seal_rtp(buffer, header_len, len, ssrc, index).map_err(|_| SealError::TooShort)?;
        if repeatable && let Some(kept) = self.repeatable.iter_mut().find(|kept| kept.ssrc == ssrc) {
            kept.keep(index, &buffer[..sealed]);
        }
        Ok(sealed)
    }

    /// The index for a sequence number, marked as used.
    fn claim(&mut self, ssrc: u32, sequence: u16) -> Result<Claim, SealError> {
        let place = self.sources.find(ssrc).ok_or(SealError::TooManySources)?;
        let index = match self.sources.index(place, sequence) {
            Ok(index) if index > MAX_RTP_INDEX => return Err(SealError::Exhausted),
            Ok(index) => index,
            Err(used) => return used.map(Claim::Used).ok_or(SealError::IndexUsed),
        };
        let source = self.sources.mark(place, ssrc, index, || repair_of(&self.repeatable, ssrc));
        Ok(Claim::Fresh { index, repeatable: source.tag == Repair::ByRepetition })
    }

    fn repeat(&self, ssrc: u32, index: u64, buffer: &mut [u8]) -> Result<usize, SealError> {
        let kept = self.repeatable.iter().find(|kept| kept.ssrc == ssrc);
        let packet = kept.and_then(|kept| kept.find(index)).ok_or(SealError::IndexUsed)?;
        buffer.get_mut(..packet.len()).ok_or(SealError::TooShort)?.copy_from_slice(packet);
        Ok(packet.len())
    }

    /// Seals the RTCP compound in `buffer[..len]` in place; returns its new length.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        let ssrc = buffer.get(..len).and_then(rtcp_ssrc).ok_or(SealError::TooShort)?;
        if self.next_rtcp_index > MAX_RTCP_INDEX {
            return Err(SealError::Exhausted);
        }
        let sealed = self.rtcp.seal_rtcp(buffer, len, ssrc, self.next_rtcp_index).map_err(|_| SealError::TooShort)?;
        self.next_rtcp_index += 1;
        Ok(sealed)
    }
}

fn repair_of(repeatable: &[Sealed], ssrc: u32) -> Repair {
    let is_kept = repeatable.iter().any(|sealed| sealed.ssrc == ssrc);
    if is_kept { Repair::ByRepetition } else { Repair::Elsewhere }
}

/// Whether an index may be sealed.
enum Claim {
    Fresh { index: u64, repeatable: bool },
    Used(u64),
}
