//! The peer: its parts joined.
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::{
    AnswerError, ChannelError, ChannelId, DatagramDrop, IceCredentials, Incoming, OfferError, OfferOutcome,
    OfferedSection, PeerConfig, PeerCounters, PeerEvent, Reliability, Route, SealError, Section, SectionPlan, Transmit,
};

/// One WebRTC endpoint of ours.
pub struct Peer;

#[expect(unused_variables)]
impl Peer {
    /// `credentials.ufrag` is unique on the worker. `seed` comes from a good generator: session id and DTLS depend on it.
    pub fn new(config: Arc<PeerConfig>, credentials: IceCredentials, seed: [u8; 32], now: Instant) -> Self {
        Self
    }

    /// By which checks find this peer, at present. See [`crate::stun_ufrag`].
    pub fn local_ufrag(&self) -> &str {
        unimplemented!()
    }

    /// Handles an offer of the client, wholly or not at all. `fresh` is used if the client restarts ICE, dropped if not.
    pub fn handle_offer(&mut self, sdp: &str, fresh: IceCredentials, now: Instant) -> Result<OfferOutcome, OfferError> {
        unimplemented!()
    }

    /// The client's media sections, of its last description. Never fewer than before, always in the same order.
    pub fn sections(&self) -> &[Section] {
        unimplemented!()
    }

    /// Answers the last offer: one plan per section, in the same order.
    pub fn answer(&mut self, plan: &[SectionPlan]) -> Result<String, AnswerError> {
        unimplemented!()
    }

    /// Makes an offer of ours (a client's receiving connection in dual mode). Sections are only ever appended to the
    /// list; mids are their indices.
    pub fn create_offer(&mut self, plan: &[OfferedSection]) -> Result<String, AnswerError> {
        unimplemented!()
    }

    /// Handles the client's answer to our last offer. [`Peer::sections`] then says what it accepted.
    pub fn handle_answer(&mut self, sdp: &str, now: Instant) -> Result<(), OfferError> {
        unimplemented!()
    }

    /// Handles what came in. Media is opened in place.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &'a mut [u8],
    ) -> Result<Incoming<'a>, DatagramDrop> {
        unimplemented!()
    }

    /// Seals the RTP packet in `buffer[..len]` in place and returns its new length: up to
    /// [`crate::srtp::MAX_OVERHEAD`] more, for which the buffer must have room.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        unimplemented!()
    }

    /// As [`Peer::seal_rtp`], for an RTCP compound.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        unimplemented!()
    }

    /// The next STUN or DTLS datagram; it replaces what is in `buffer`.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        unimplemented!()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {}

    /// When to call [`Peer::handle_timeout`] next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        unimplemented!()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        unimplemented!()
    }

    /// The pair the client nominated.
    pub fn route(&self) -> Option<Route> {
        unimplemented!()
    }

    /// Whether media can flow: ICE is up, DTLS done, SRTP keys there.
    pub fn is_connected(&self) -> bool {
        unimplemented!()
    }

    /// Opens a data channel of ours. [`PeerEvent::ChannelOpened`] tells when it can be written to. May be called before
    /// the peer is connected.
    pub fn open_channel(&mut self, label: &str, reliability: Reliability) -> Result<ChannelId, ChannelError> {
        unimplemented!()
    }

    /// Queues a message, whole or not at all.
    pub fn send_channel(&mut self, channel: ChannelId, payload: &[u8], binary: bool) -> Result<(), ChannelError> {
        unimplemented!()
    }

    /// Bytes that wait to be sent or acknowledged on a channel; 0 for an unknown one.
    pub fn buffered_amount(&mut self, channel: ChannelId) -> usize {
        unimplemented!()
    }

    /// Says goodbye (SCTP abort, DTLS close_notify) and closes. Drain [`Peer::poll_transmit`] once more.
    pub fn close(&mut self, now: Instant) {}

    /// What was counted.
    pub fn counters(&self) -> &PeerCounters {
        unimplemented!()
    }
}
