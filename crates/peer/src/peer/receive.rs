//! What comes in, from the datagram to what it means.

use std::time::Instant;

use super::{Keys, Peer, Phase};
use crate::channels::ChannelEvent;
use crate::config::PeerConfig;
use crate::dtls::{DtlsEvent, DtlsTransport};
use crate::srtp::{ExportedKeys, Inbound, Outbound};
use crate::{CloseReason, DatagramDrop, DtlsVersion, Incoming, PeerEvent, Route, SrtpProfile};

impl Peer {
    /// RFC 7983 7, by the first byte.
    pub(super) fn sort_datagram<'a>(
        &mut self,
        now: Instant,
        route: Route,
        datagram: &'a mut [u8],
    ) -> Result<Incoming<'a>, DatagramDrop> {
        if self.phase == Phase::Closed {
            return Err(DatagramDrop::Closed);
        }
        match datagram.first() {
            Some(0..=3) => self.handle_check(now, route, datagram).map(|()| Incoming::None),
            Some(20..=63) => self.handle_dtls(now, route, datagram).map(|()| Incoming::None),
            Some(128..=191) => self.open(now, datagram),
            _ => Err(DatagramDrop::Unknown),
        }
    }

    fn handle_check(&mut self, now: Instant, route: Route, datagram: &[u8]) -> Result<(), DatagramDrop> {
        let outcome = self.ice.handle_check(now, route, datagram)?;
        self.counters.checks += 1;
        self.hear(now);
        self.events.extend(outcome.retired.map(PeerEvent::UfragRetired));
        if let Some(route) = outcome.route {
            self.counters.routes += 1;
            self.events.push_back(PeerEvent::RouteChanged(route));
            self.announce(now);
        }
        Ok(())
    }

    fn handle_dtls(&mut self, now: Instant, route: Route, datagram: &[u8]) -> Result<(), DatagramDrop> {
        let remote = self.negotiation.remote().filter(|_| self.ice.is_valid(route));
        let remote = remote.ok_or(DatagramDrop::DtlsOutOfPlace)?;
        if self.dtls.is_none() {
            let PeerConfig { dtls: settings, certificate, .. } = &*self.config;
            self.dtls = DtlsTransport::begin(settings, certificate, remote.fingerprint.clone(), datagram, now);
        }
        let dtls = self.dtls.as_mut().ok_or(DatagramDrop::DtlsOutOfPlace)?;
        self.counters.dtls_in += 1;
        let alive = dtls.handle_datagram(now, datagram);
        self.follow_dtls(now);
        alive.then_some(()).ok_or(DatagramDrop::DtlsFailed)
    }

    /// Carries on what DTLS brought.
    pub(super) fn follow_dtls(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(DtlsTransport::poll_event) {
            match event {
                DtlsEvent::Connected { version, profile, material } => {
                    self.take_keys(version, profile, &material);
                    self.announce(now);
                }
                DtlsEvent::Data(packet) => {
                    self.hear(now);
                    if self.channels.handle_packet(now, packet).is_err() {
                        self.counters.count(DatagramDrop::Sctp);
                    }
                }
                DtlsEvent::Closed(reason) => self.end(reason),
            }
        }
        self.follow_channels();
    }

    pub(super) fn follow_channels(&mut self) {
        while let Some(event) = self.channels.poll_event() {
            self.events.push_back(match event {
                ChannelEvent::Opened { id, label, ordered, reliable } => {
                    PeerEvent::ChannelOpened { id, label, ordered, reliable }
                }
                ChannelEvent::Message { id, payload, binary } => {
                    self.counters.messages_in += 1;
                    PeerEvent::ChannelMessage { id, payload, binary }
                }
                ChannelEvent::Closed(id) => PeerEvent::ChannelClosed(id),
            });
        }
        self.counters.messages_dropped = self.channels.dropped();
    }

    fn take_keys(&mut self, dtls: DtlsVersion, profile: SrtpProfile, material: &[u8]) {
        let keys = ExportedKeys::split(profile, material).and_then(|exported| {
            let inbound = Inbound::new(profile, &exported.client)?;
            Ok(Keys { inbound, outbound: Outbound::new(profile, &exported.server)?, dtls, profile })
        });
        match keys {
            Ok(keys) => {
                self.keys = Some(keys);
                self.follow_plan();
            }
            Err(_) => self.end(CloseReason::HandshakeFailed),
        }
    }

    /// Tells once that media can flow.
    fn announce(&mut self, now: Instant) {
        let Some(Keys { dtls, profile, .. }) = self.keys.as_ref().filter(|_| self.ice.route().is_some()) else {
            return;
        };
        if self.phase == Phase::Connecting {
            self.phase = Phase::Connected;
            self.events.push_back(PeerEvent::Connected { dtls: *dtls, srtp: *profile });
            self.liveness.connected(now);
        }
    }

    pub(super) fn open<'a>(&mut self, now: Instant, packet: &'a mut [u8]) -> Result<Incoming<'a>, DatagramDrop> {
        if self.phase == Phase::Closed {
            return Err(DatagramDrop::Closed);
        }
        let keys = self.keys.as_mut().ok_or(DatagramDrop::BeforeKeys)?;
        let is_rtcp = parlour_rtp::is_rtcp(packet);
        let len = if is_rtcp { keys.inbound.open_rtcp(packet)? } else { keys.inbound.open_rtp(packet)? };
        let packet = packet.get_mut(..len).ok_or(DatagramDrop::TooShort)?;
        self.hear(now);
        if is_rtcp {
            self.counters.rtcp_in += 1;
            return Ok(Incoming::Rtcp(packet));
        }
        self.counters.rtp_in += 1;
        Ok(Incoming::Rtp(packet))
    }

    fn hear(&mut self, now: Instant) {
        if self.liveness.hear(now) {
            self.events.push_back(PeerEvent::ConsentBack);
        }
    }
}
