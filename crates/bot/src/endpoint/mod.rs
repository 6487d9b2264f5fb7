//! One client's peer connection, without I/O: `str0m` in RTP mode, with synthetic tracks out and judged tracks in.
//!
//! Datagrams, answers and time come in; datagrams, offers and events go out. Time is an argument, so an endpoint runs
//! over simulated links as well as over a socket. Its keys come from the system's randomness: runs in virtual time
//! repeat in behaviour, not bit for bit.

mod config;
mod published;
mod received;
mod sdp;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::bwe::BweKind;
use str0m::change::SdpAnswer;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc};

pub use config::{Channel, EndpointConfig, EndpointError, EndpointEvent, Offer, Outgoing};
pub use published::SentStats;

use crate::media::{AudioConfig, TrackStats, VideoConfig};
use published::Published;
use received::Received;
use sections::Sections;

/// Keyframe requests for one source are at least this far apart.
pub(crate) const KEY_REQUEST_SPACING: Duration = Duration::from_millis(500);

/// Bytes of data messages that may wait, over all channels.
const SEND_BUFFER: usize = 4 << 20;

/// One peer connection.
pub struct Endpoint {
    config: EndpointConfig,
    rtc: Rtc,
    sections: Sections,
    published: Published,
    received: Received,
    channels: Vec<(Channel, ChannelId, bool)>,
    outgoing: VecDeque<Outgoing>,
    events: VecDeque<EndpointEvent>,
    rtc_timeout: Option<Instant>,
    failure: Option<EndpointError>,
}

impl Endpoint {
    /// A connection that will offer receive sections and two data channels.
    pub fn new(config: EndpointConfig, now: Instant) -> Result<Self, EndpointError> {
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, config.red)
            .enable_vp8(true)
            .set_rtp_mode(true)
            .set_sctp_max_buffered_amount(SEND_BUFFER)
            .set_stats_interval(None)
            .build(now);
        let candidate = Candidate::host(config.local, "udp").map_err(|_| EndpointError::Address)?;
        rtc.add_local_candidate(candidate);
        let sections = Sections::new(config.receive_audio, config.receive_video);
        let received = Received::new(config.epoch);
        Ok(Self {
            published: Published::new(config.epoch, config.seed),
            config,
            rtc,
            sections,
            received,
            channels: Vec::new(),
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
            rtc_timeout: Some(now),
            failure: None,
        })
    }

    /// Starts sending a microphone under this name; part of the next offer.
    pub fn publish_audio(&mut self, cid: &str, config: AudioConfig, now: Instant) {
        self.published.add_audio(cid, config, now);
        self.sections.renegotiate();
    }

    /// Starts sending a camera or screen under this name; part of the next offer.
    pub fn publish_video(&mut self, cid: &str, config: VideoConfig, now: Instant) {
        self.published.add_video(cid, config, now);
        self.sections.renegotiate();
    }

    /// Stops sending a track; its section becomes inactive in the next offer.
    pub fn unpublish(&mut self, cid: &str) {
        if let Some(mid) = self.published.remove(cid) {
            self.sections.retire(mid);
        }
    }

    /// Stops or resumes making packets of a track.
    pub fn set_muted(&mut self, cid: &str, muted: bool) {
        self.published.set_muted(cid, muted);
    }

    /// Which encodings of a video track are sent, from the smallest.
    pub fn set_active_layers(&mut self, cid: &str, active: &[bool]) {
        self.published.set_active_layers(cid, active);
    }

    /// How loud a microphone is from now on, in dBov.
    pub fn set_audio_level(&mut self, cid: &str, level: i8) {
        if let Some(microphone) = self.published.microphone(cid) {
            microphone.set_level(level);
        }
    }

    /// What a microphone's speech is made of at most, in bits per second; `None`: as configured.
    pub fn set_most_audio(&mut self, cid: &str, most_bps: Option<u64>) {
        if let Some(microphone) = self.published.microphone(cid) {
            microphone.set_most(most_bps);
        }
    }

    /// The server asks for this many more receive sections, or with none just for a new offer.
    pub fn add_sections(&mut self, audio: u32, video: u32) {
        self.sections.add(audio, video);
    }

    /// The next offer restarts ICE.
    pub fn restart_ice(&mut self) {
        self.sections.restart_ice();
    }

    /// The next offer, if one is needed and none is waiting for its answer.
    pub fn poll_offer(&mut self, now: Instant) -> Option<Offer> {
        let first = self.channels.is_empty();
        let mut opened = Vec::new();
        let offer = self.sections.poll_offer(&mut self.rtc, &mut self.published, |api| {
            if first {
                opened.push((Channel::Lossy, api.add_channel_with_config(channel_config(Channel::Lossy)), false));
                opened.push((Channel::Reliable, api.add_channel_with_config(channel_config(Channel::Reliable)), false));
            }
        });
        self.channels.append(&mut opened);
        self.drive(now);
        offer
    }

    /// The answer to an offer, with the track that each section carries to us: (mid, track sid), always all of them.
    pub fn handle_answer(
        &mut self,
        id: u32,
        answer: &str,
        tracks: &[(String, String)],
        now: Instant,
    ) -> Result<(), EndpointError> {
        let pending = self.sections.take_pending(id).ok_or(EndpointError::NoOffer(id))?;
        let parsed = SdpAnswer::from_sdp_string(answer)?;
        self.rtc.sdp_api().accept_answer(pending, parsed)?;
        self.received.assign(&mut self.rtc, &self.sections, answer, tracks);
        self.published.settle(&mut self.rtc);
        self.drive(now);
        Ok(())
    }

    /// The server refused the pending offer; nothing changed.
    pub fn drop_offer(&mut self, id: u32) {
        drop(self.sections.take_pending(id));
    }

    /// A datagram arrived on the endpoint's socket.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.config.local, bytes) else { return };
        let input = Input::Receive(now, receive);
        if self.rtc.accepts(&input) {
            self.input(input);
        }
        self.poll_rtc(now);
    }

    /// Time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.drive(now);
    }

    /// When time comes next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let sources = if self.is_connected() { self.published.poll_timeout() } else { None };
        [self.rtc_timeout, sources, self.received.poll_timeout()].into_iter().flatten().min()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Outgoing> {
        self.outgoing.pop_front()
    }

    /// What happened next.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        self.events.pop_front()
    }

    /// Whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.rtc.is_connected()
    }

    /// What ended this endpoint, if something did.
    pub fn failure(&self) -> Option<&EndpointError> {
        self.failure.as_ref()
    }

    /// Whether a data channel is open at both ends: only then does the server have where to send.
    pub fn has_channel(&self, channel: Channel) -> bool {
        self.channels.iter().any(|(name, _, open)| *name == channel && *open)
    }

    /// Sends a message; false if the channel is not open or full.
    pub fn send(&mut self, channel: Channel, message: &[u8], now: Instant) -> bool {
        let Some((_, id, true)) = self.channels.iter().find(|(name, ..)| *name == channel) else { return false };
        let sent = self.rtc.channel(*id).is_some_and(|mut channel| channel.write(true, message).unwrap_or(false));
        self.drive(now);
        sent
    }

    /// Says goodbye to the transport. Drain [`Self::poll_transmit`] afterwards.
    pub fn close(&mut self, now: Instant) {
        if let Err(error) = self.rtc.close() {
            self.failure.get_or_insert(error.into());
        }
        self.poll_rtc(now);
    }

    /// Counts of every track received, by track sid. Also of tracks that are gone.
    pub fn received(&self) -> impl Iterator<Item = (&str, &TrackStats)> {
        self.received.stats()
    }

    /// Counts of one track received.
    pub fn received_track(&self, sid: &str) -> Option<&TrackStats> {
        self.received.stats().find(|(name, _)| *name == sid).map(|(_, stats)| stats)
    }

    /// Received counts start again from zero: what came before was not steady.
    pub fn reset_received(&mut self) {
        self.received.reset();
    }

    /// Tracks that sections carry to us now, by track sid.
    pub fn carried(&self) -> impl Iterator<Item = &str> {
        self.received.carried()
    }

    /// Counts of what was sent.
    pub fn sent(&self) -> &SentStats {
        self.published.stats()
    }

    fn drive(&mut self, now: Instant) {
        if self.is_connected() {
            self.published.handle_timeout(&mut self.rtc, now);
        }
        self.received.handle_timeout(&mut self.rtc, now);
        self.input(Input::Timeout(now));
        self.poll_rtc(now);
    }

    fn input(&mut self, input: Input<'_>) {
        if let Err(error) = self.rtc.handle_input(input) {
            self.fail(error.into());
        }
    }

    fn fail(&mut self, error: EndpointError) {
        tracing::debug!(%error, "endpoint failed");
        if self.failure.is_none() {
            self.failure = Some(error);
            self.events.push_back(EndpointEvent::Closed);
        }
    }

    fn poll_rtc(&mut self, now: Instant) {
        if self.failure.is_some() {
            self.rtc_timeout = None;
            return;
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.rtc_timeout = self.rtc.is_alive().then_some(at);
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.outgoing.push_back(Outgoing { to: transmit.destination, bytes: transmit.contents.into() });
                }
                Ok(Output::Event(event)) => self.handle_event(now, event),
                Err(error) => {
                    self.fail(error.into());
                    return;
                }
            }
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => self.events.push_back(EndpointEvent::Connected),
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.events.push_back(EndpointEvent::Disconnected);
            }
            Event::Closed => self.events.push_back(EndpointEvent::Closed),
            Event::RtpPacket(packet) => self.received.handle_packet(&mut self.rtc, now, &packet),
            Event::EgressBitrateEstimate(BweKind::Remb { estimate, .. }) => {
                self.published.set_bound(estimate.as_f64());
            }
            Event::KeyframeRequest(request) => self.published.request_key(request.mid, request.rid),
            Event::ChannelOpen(id, _) => {
                if let Some(channel) = self.channels.iter_mut().find(|(_, known, _)| *known == id) {
                    channel.2 = true;
                    self.events.push_back(EndpointEvent::ChannelOpen(channel.0));
                }
            }
            Event::ChannelData(data) => {
                if let Some((channel, ..)) = self.channels.iter().find(|(_, known, _)| *known == data.id) {
                    self.events.push_back(EndpointEvent::Message(*channel, data.data));
                }
            }
            _ => {}
        }
    }
}

fn channel_config(channel: Channel) -> ChannelConfig {
    let label = channel.label().to_owned();
    match channel {
        Channel::Reliable => ChannelConfig { label, ..Default::default() },
        Channel::Lossy => ChannelConfig {
            label,
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        },
    }
}
