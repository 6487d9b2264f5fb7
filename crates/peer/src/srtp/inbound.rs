//! Opening what the client sends.

use std::fmt;

use super::cipher::Cipher;
use super::index::MAX_RTP_INDEX;
use super::packet::{RtpPrefix, rtcp_ssrc};
use super::sources::Sources;
use super::{KeyError, MasterKey, SrtpProfile};
use crate::DatagramDrop;

/// The receiving half of a connection's SRTP.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    /// A source gets in with its first authentic packet.
    rtp_sources: Sources<()>,
    rtcp_sources: Sources<()>,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbound").field("sources", &self.rtp_sources.len()).finish_non_exhaustive()
    }
}

impl Inbound {
    /// Expands the keys of what the other side sends.
    pub fn new(profile: SrtpProfile, master: &MasterKey<'_>) -> Result<Self, KeyError> {
        Ok(Self {
            rtp: Cipher::rtp(profile, master)?,
            rtcp: Cipher::rtcp(profile, master)?,
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
        })
    }

    /// Opens an RTP packet in place; returns its length without the tag. On an error the packet's payload is undefined
    /// and nothing else has changed.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DatagramDrop> {
        let RtpPrefix { header_len, sequence, ssrc } = RtpPrefix::read(packet).ok_or(DatagramDrop::TooShort)?;
        if packet.len() < header_len + self.rtp.tag_len() {
            return Err(DatagramDrop::TooShort);
        }
        let place = self.rtp_sources.find(ssrc).ok_or(DatagramDrop::TooManySources)?;
        let index = self.rtp_sources.index(place, sequence).ok().filter(|&index| index <= MAX_RTP_INDEX);
        let index = index.ok_or(DatagramDrop::Replayed)?;
        let len = self.rtp.open_rtp(packet, header_len, ssrc, index).map_err(|_| DatagramDrop::NotAuthentic)?;
        self.rtp_sources.mark(place, ssrc, index, || ());
        Ok(len)
    }

    /// Opens an RTCP compound in place; returns its length without tag and index.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DatagramDrop> {
        let ssrc = rtcp_ssrc(packet).ok_or(DatagramDrop::TooShort)?;
        let index = self.rtcp.rtcp_index(packet).ok_or(DatagramDrop::TooShort)?;
        let place = self.rtcp_sources.find(ssrc).ok_or(DatagramDrop::TooManySources)?;
        if !self.rtcp_sources.is_fresh(place, u64::from(index)) {
            return Err(DatagramDrop::Replayed);
        }
        let len = self.rtcp.open_rtcp(packet, ssrc, index).map_err(|_| DatagramDrop::NotAuthentic)?;
        self.rtcp_sources.mark(place, ssrc, u64::from(index), || ());
        Ok(len)
    }
}
