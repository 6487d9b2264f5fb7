//! Sealing what we send.

use std::fmt;

use super::cipher::Cipher;
use super::index::{MAX_RTP_INDEX, Window};
use super::packet::{RtpPrefix, rtcp_ssrc};
use super::{KeyError, MAX_SOURCES, MasterKey, SrtpProfile};
use crate::SealError;

/// Largest SRTCP index (RFC 3711 3.4): 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// The sending half of a connection's SRTP.
pub struct Outbound {
    rtp: Cipher,
    rtcp: Cipher,
    /// Sorted by source.
    sources: Vec<(u32, Window)>,
    /// One counter for all sources: the source is part of the nonce, and for each of them it only grows.
    next_rtcp_index: u32,
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
            sources: Vec::new(),
            next_rtcp_index: 0,
        })
    }

    /// Seals the RTP packet in `buffer[..len]` in place; returns its new length. An index is sealed once.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        let packet = buffer.get(..len).ok_or(SealError::TooShort)?;
        let RtpPrefix { header_len, sequence, ssrc } = RtpPrefix::read(packet).ok_or(SealError::TooShort)?;
        if buffer.len() - len < self.rtp.tag_len() {
            return Err(SealError::TooShort);
        }
        let index = match self.sources.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc) {
            Ok(at) => {
                let window = &mut self.sources[at].1;
                let index = window.guess(sequence).ok_or(SealError::IndexUsed)?;
                if !window.is_fresh(index) {
                    return Err(SealError::IndexUsed);
                }
                if index > MAX_RTP_INDEX {
                    return Err(SealError::Exhausted);
                }
                window.mark(index);
                index
            }
            Err(_) if self.sources.len() >= MAX_SOURCES => return Err(SealError::TooManySources),
            Err(at) => {
                let index = u64::from(sequence);
                self.sources.insert(at, (ssrc, Window::starting_at(index)));
                index
            }
        };
        self.rtp.seal_rtp(buffer, header_len, len, ssrc, index).map_err(|_| SealError::TooShort)
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
