//! Opening what the client sends.

use std::fmt;

use super::cipher::Cipher;
use super::index::{MAX_RTP_INDEX, Window};
use super::packet::{RtpPrefix, rtcp_ssrc};
use super::{KeyError, MAX_SOURCES, MasterKey, SrtpProfile};
use crate::DatagramDrop;

/// The receiving half of a connection's SRTP.
pub struct Inbound {
    rtp: Cipher,
    rtcp: Cipher,
    /// Sorted by source. A source gets in with its first authentic packet.
    rtp_sources: Vec<(u32, Window)>,
    rtcp_sources: Vec<(u32, Window)>,
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
            rtp_sources: Vec::new(),
            rtcp_sources: Vec::new(),
        })
    }

    /// Opens an RTP packet in place; returns its length without the tag. On an error the packet's payload is undefined
    /// and nothing else has changed.
    pub fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, DatagramDrop> {
        let RtpPrefix { header_len, sequence, ssrc } = RtpPrefix::read(packet).ok_or(DatagramDrop::TooShort)?;
        if packet.len() < header_len + self.rtp.tag_len() {
            return Err(DatagramDrop::TooShort);
        }
        let place = find(&self.rtp_sources, ssrc)?;
        let index = match place {
            Place::Known(at) => {
                let window = &self.rtp_sources[at].1;
                let index = window.guess(sequence).filter(|&index| index <= MAX_RTP_INDEX);
                fresh(window, index.ok_or(DatagramDrop::Replayed)?)?
            }
            Place::New(_) => u64::from(sequence),
        };
        let len = self.rtp.open_rtp(packet, header_len, ssrc, index).map_err(|_| DatagramDrop::NotAuthentic)?;
        record(&mut self.rtp_sources, place, ssrc, index);
        Ok(len)
    }

    /// Opens an RTCP compound in place; returns its length without tag and index.
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, DatagramDrop> {
        let ssrc = rtcp_ssrc(packet).ok_or(DatagramDrop::TooShort)?;
        let index = self.rtcp.rtcp_index(packet).ok_or(DatagramDrop::TooShort)?;
        let place = find(&self.rtcp_sources, ssrc)?;
        if let Place::Known(at) = place {
            fresh(&self.rtcp_sources[at].1, u64::from(index))?;
        }
        let len = self.rtcp.open_rtcp(packet, ssrc, index).map_err(|_| DatagramDrop::NotAuthentic)?;
        record(&mut self.rtcp_sources, place, ssrc, u64::from(index));
        Ok(len)
    }
}

#[derive(Clone, Copy)]
enum Place {
    Known(usize),
    New(usize),
}

fn find(sources: &[(u32, Window)], ssrc: u32) -> Result<Place, DatagramDrop> {
    match sources.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc) {
        Ok(at) => Ok(Place::Known(at)),
        Err(_) if sources.len() >= MAX_SOURCES => Err(DatagramDrop::TooManySources),
        Err(at) => Ok(Place::New(at)),
    }
}

fn fresh(window: &Window, index: u64) -> Result<u64, DatagramDrop> {
    window.is_fresh(index).then_some(index).ok_or(DatagramDrop::Replayed)
}

fn record(sources: &mut Vec<(u32, Window)>, place: Place, ssrc: u32, index: u64) {
    match place {
        Place::Known(at) => sources[at].1.mark(index),
        Place::New(at) => sources.insert(at, (ssrc, Window::starting_at(index))),
    }
}
