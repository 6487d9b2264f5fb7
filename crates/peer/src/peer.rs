//! The peer: its parts joined. What comes in is carried through them in `receive`.

mod receive;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::channels::Channels;
use crate::dtls::DtlsTransport;
use crate::ice::IceLite;
use crate::liveness::{Liveness, Verdict};
use crate::negotiation::Negotiation;
use crate::srtp::{Inbound, Outbound};
use crate::{
    AnswerError, ChannelError, ChannelId, CloseReason, DatagramDrop, DtlsVersion, IceChange, IceCredentials, Incoming,
    OfferError, OfferOutcome, OfferedSection, PeerConfig, PeerCounters, PeerEvent, Reliability, Route, SealError,
    Section, SectionKind, SectionPlan, SrtpProfile, Transmit,
};

/// SRTP of a connection, once DTLS gave the keys.
struct Keys {
    inbound: Inbound,
    outbound: Outbound,
    dtls: DtlsVersion,
    profile: SrtpProfile,
}

/// How far a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Connected,
    Closed,
}

/// One WebRTC endpoint of ours.
pub struct Peer {
    config: Arc<PeerConfig>,
    negotiation: Negotiation,
    ice: IceLite,
    dtls: Option<DtlsTransport>,
    keys: Option<Keys>,
    channels: Channels,
    liveness: Liveness,
    phase: Phase,
    events: VecDeque<PeerEvent>,
    counters: PeerCounters,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("phase", &self.phase).field("dtls", &self.dtls).finish_non_exhaustive()
    }
}

impl Peer {
    /// `credentials.ufrag` is unique on the worker. `seed` comes from a good generator; the SDP session id is made of it.
    pub fn new(config: Arc<PeerConfig>, credentials: IceCredentials, seed: [u8; 32], _now: Instant) -> Self {
        let liveness = Liveness::new(config.times);
        let session_id = seed.first_chunk().copied().map_or(0, u64::from_be_bytes);
        Self {
            config,
            negotiation: Negotiation::new(session_id),
            ice: IceLite::new(credentials),
            dtls: None,
            keys: None,
            channels: Channels::new(),
            liveness,
            phase: Phase::Connecting,
            events: VecDeque::new(),
            counters: PeerCounters::default(),
        }
    }

    /// By which checks find this peer, at present. See [`crate::stun_ufrag`].
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local().ufrag
    }

    /// Handles an offer of the client, wholly or not at all. `fresh` is used if the client restarts ICE, dropped if not.
    pub fn handle_offer(&mut self, sdp: &str, fresh: IceCredentials, now: Instant) -> Result<OfferOutcome, OfferError> {
        if self.phase == Phase::Closed {
            return Err(OfferError::Closed);
        }
        let outcome = self.negotiation.take_offer(sdp, self.dtls.is_some())?;
        if outcome.ice == IceChange::Restarted {
            self.restart_ice(fresh);
        }
        self.follow_description(now);
        Ok(outcome)
    }

    /// Restarts ICE from our side; the next offer of ours says so, and one that is still open counts no more.
    /// [`Peer::local_ufrag`] is new, the former one is answered to until [`PeerEvent::UfragRetired`].
    pub fn restart_ice(&mut self, fresh: IceCredentials) {
        self.negotiation.withdraw();
        let retired = self.ice.restart(fresh);
        self.events.extend(retired.map(PeerEvent::UfragRetired));
    }

    fn follow_description(&mut self, now: Instant) {
        if let Some(remote) = self.negotiation.remote() {
            self.ice.set_remote(&remote.ufrag);
        }
        let application = self.negotiation.sections().iter().find(|section| section.kind == SectionKind::Application);
        if let Some(section) = application {
            self.channels.set_client_takes(section.max_message_size);
        }
        self.liveness.expect(now);
    }

    /// The client's media sections, of its last description. Never fewer than before, always in the same order.
    pub fn sections(&self) -> &[Section] {
        self.negotiation.sections()
    }

    /// Answers the last offer: one plan per section, in the same order.
    pub fn answer(&mut self, plan: &[SectionPlan]) -> Result<String, AnswerError> {
        let answer = self.negotiation.answer(&self.config, self.ice.local(), plan)?;
        self.follow_plan();
        Ok(answer)
    }

    /// Makes an offer of ours (a client's receiving connection in dual mode). Sections are only ever appended to the
    /// list; mids are their indices.
    pub fn create_offer(&mut self, plan: &[OfferedSection]) -> Result<String, AnswerError> {
        let offer = self.negotiation.offer(&self.config, self.ice.local(), plan)?;
        self.follow_plan();
        Ok(offer)
    }

    fn follow_plan(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.outbound.set_repeatable(self.negotiation.repeatable());
        }
    }

    /// Handles the client's answer to our last offer. [`Peer::sections`] then says what it accepted.
    pub fn handle_answer(&mut self, sdp: &str, now: Instant) -> Result<(), OfferError> {
        if self.phase == Phase::Closed {
            return Err(OfferError::Closed);
        }
        self.negotiation.take_answer(sdp, self.dtls.is_some())?;
        self.follow_description(now);
        Ok(())
    }

    /// Handles what came in. Media is opened in place.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        datagram: &'a mut [u8],
    ) -> Result<Incoming<'a>, DatagramDrop> {
        let handled = self.sort_datagram(now, Route { local: to, remote: from }, datagram);
        if let Err(drop) = handled {
            self.counters.count(drop);
        }
        handled
    }

    /// Handles what came in where it is known to be media (RFC 7983: 128 to 191): it is opened in place, wherever it came
    /// from.
    pub fn handle_media<'a>(&mut self, now: Instant, datagram: &'a mut [u8]) -> Result<Incoming<'a>, DatagramDrop> {
        let handled = self.open(now, datagram);
        if let Err(drop) = handled {
            self.counters.count(drop);
        }
        handled
    }

    /// Seals the RTP packet in `buffer[..len]` in place and returns its new length: up to
    /// [`crate::srtp::MAX_OVERHEAD`] more, for which the buffer must have room.
    pub fn seal_rtp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        let keys = self.keys.as_mut().ok_or(SealError::NoKeys)?;
        let sealed = keys.outbound.seal_rtp(buffer, len)?;
        self.counters.rtp_out += 1;
        Ok(sealed)
    }

    /// As [`Peer::seal_rtp`], for an RTCP compound.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, SealError> {
        let keys = self.keys.as_mut().ok_or(SealError::NoKeys)?;
        let sealed = keys.outbound.seal_rtcp(buffer, len)?;
        self.counters.rtcp_out += 1;
        Ok(sealed)
    }

    /// The next STUN or DTLS datagram; it replaces what is in `buffer`.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (transmit, datagram) = self.ice.poll_reply().or_else(|| {
            let Route { local, remote } = self.ice.best_route()?;
            let dtls = self.dtls.as_mut()?;
            while dtls.has_room()
                && let Some(packet) = self.channels.poll_packet(now)
            {
                dtls.send(&packet);
            }
            Some((Transmit { from: local, to: remote }, dtls.poll_datagram()?))
        })?;
        buffer.clear();
        buffer.extend_from_slice(&datagram);
        Some(transmit)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.phase == Phase::Closed {
            return;
        }
        match self.liveness.handle_timeout(now) {
            Some(Verdict::Lost) => self.events.push_back(PeerEvent::ConsentLost),
            Some(Verdict::Dead(reason)) => return self.end(reason),
            None => {}
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
        }
        self.channels.handle_timeout(now);
        self.follow_dtls(now);
    }

    /// When to call [`Peer::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.phase == Phase::Closed {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(DtlsTransport::poll_timeout);
        [self.liveness.poll_timeout(), dtls, self.channels.poll_timeout()].into_iter().flatten().min()
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// The pair the client nominated.
    pub fn route(&self) -> Option<Route> {
        self.ice.route()
    }

    /// Whether media can flow: ICE is up, DTLS done, SRTP keys there.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Opens a data channel of ours. [`PeerEvent::ChannelOpened`] tells when it can be written to. May be called before
    /// the peer is connected.
    pub fn open_channel(&mut self, label: &str, reliability: Reliability) -> Result<ChannelId, ChannelError> {
        if self.phase == Phase::Closed {
            return Err(ChannelError::NotConnected);
        }
        let id = self.channels.open(label, reliability)?;
        self.follow_channels();
        Ok(id)
    }

    /// Queues a message, whole or not at all.
    pub fn send_channel(&mut self, channel: ChannelId, payload: &[u8], binary: bool) -> Result<(), ChannelError> {
        self.channels.send(channel, payload, binary)?;
        self.counters.messages_out += 1;
        Ok(())
    }

    /// Bytes that wait to be sent or acknowledged on a channel; 0 for an unknown one.
    pub fn buffered_amount(&mut self, channel: ChannelId) -> usize {
        self.channels.buffered(channel)
    }

    /// Says goodbye (SCTP ABORT, DTLS close_notify) and closes. Drain [`Peer::poll_transmit`] once more.
    pub fn close(&mut self, _now: Instant) {
        self.end(CloseReason::Local);
    }

    fn end(&mut self, reason: CloseReason) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        let abort = self.channels.close();
        self.keys = None;
        if let Some(dtls) = &mut self.dtls {
            abort.into_iter().for_each(|packet| dtls.send(&packet));
            dtls.close();
        }
        self.events.push_back(PeerEvent::Closed(reason));
    }

    /// What was counted.
    pub fn counters(&self) -> &PeerCounters {
        &self.counters
    }
}
