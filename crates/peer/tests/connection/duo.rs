//! A peer of ours and a client (`str0m`) joined by a perfect wire, in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_model::Codec;
use parlour_peer::{
    Certificate, DatagramDrop, DtlsVersions, IceCredentials, Incoming, OfferError, OfferOutcome, Peer, PeerConfig,
    PeerEvent, PeerTimes, ReceivePlan, Section, SectionKind, SectionPlan, SendPlan,
};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::DtlsVersion;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Time passes in steps of this, or less if something is due.
const STEP: Duration = Duration::from_millis(10);

const CLIENT: &str = "10.0.0.2:5000";

/// The source we send on.
pub const SSRC: u32 = 4711;

pub struct Duo {
    pub now: Instant,
    pub peer: Peer,
    pub client: Rtc,
    pub server_address: SocketAddr,
    pub client_address: SocketAddr,
    /// Nothing passes.
    pub cut: bool,
    pub microphone: Mid,
    pub events: Vec<PeerEvent>,
    /// RTP that the peer opened.
    pub received: Vec<Vec<u8>>,
    pub drops: Vec<DatagramDrop>,
    /// Channel messages that the client got.
    pub messages: Vec<Vec<u8>>,
    /// RTP payloads that the client got.
    pub packets: Vec<Vec<u8>>,
    pub channels: Vec<(ChannelId, String)>,
    closed: Vec<ChannelId>,
    /// The client's last RTP or RTCP datagram, sealed.
    pub last_media: Vec<u8>,
    offer: Option<(String, SdpPendingOffer)>,
    client_timeout: Instant,
    client_gone: bool,
    outgoing: VecDeque<Vec<u8>>,
    restarts: u32,
}

fn credentials(number: u32) -> IceCredentials {
    IceCredentials { ufrag: format!("server{number}"), password: format!("{number:0>24}") }
}

impl Duo {
    #[allow(clippy::disallowed_methods)]
    pub fn new(server: DtlsVersions, client: DtlsVersion) -> Self {
        // The one real clock: an epoch.
        let now = Instant::now();
        let server_address = "10.0.0.1:7000".parse().unwrap();
        let client_address = CLIENT.parse().unwrap();
        let config =
            PeerConfig::new(Certificate::generate().unwrap(), vec![server_address], server, PeerTimes::default());
        let peer = Peer::new(config.unwrap(), credentials(0), [3; 32], now);
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .set_rtp_mode(true)
            .set_dtls_version(client)
            .set_sctp_max_buffered_amount(8 << 20)
            .build(now);
        rtc.add_local_candidate(Candidate::host(client_address, "udp").unwrap());
        let mut api = rtc.sdp_api();
        let microphone = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.add_channel_with_config(ChannelConfig { label: "_reliable".into(), ..Default::default() });
        api.add_channel_with_config(ChannelConfig {
            label: "_lossy".into(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..Default::default()
        });
        let (offer, pending) = api.apply().unwrap();
        Self {
            now,
            peer,
            client: rtc,
            server_address,
            client_address,
            cut: false,
            microphone,
            events: Vec::new(),
            received: Vec::new(),
            drops: Vec::new(),
            messages: Vec::new(),
            packets: Vec::new(),
            channels: Vec::new(),
            closed: Vec::new(),
            last_media: Vec::new(),
            offer: Some((offer.to_sdp_string(), pending)),
            client_timeout: now,
            client_gone: false,
            outgoing: VecDeque::new(),
            restarts: 0,
        }
    }

    /// A client and a server that are connected.
    pub fn connected(server: DtlsVersions, client: DtlsVersion) -> Self {
        let mut duo = Self::new(server, client);
        duo.negotiate(str::to_owned);
        duo.run(Duration::from_secs(2));
        assert!(duo.peer.is_connected(), "{:?} {:?}", duo.events, duo.drops);
        duo
    }

    /// Brings the client's offer to the peer, changed on the way, and the answer back.
    pub fn negotiate(&mut self, change: impl Fn(&str) -> String) -> OfferOutcome {
        self.exchange_descriptions(change, str::to_owned)
    }

    /// As [`Self::negotiate`], with the answer changed on the way.
    pub fn negotiate_as(&mut self, change: impl Fn(&str) -> String) -> OfferOutcome {
        self.exchange_descriptions(str::to_owned, change)
    }

    fn exchange_descriptions(
        &mut self,
        change: impl Fn(&str) -> String,
        change_answer: impl Fn(&str) -> String,
    ) -> OfferOutcome {
        let (offer, pending) = self.offer.take().unwrap();
        self.restarts += 1;
        let outcome = self.peer.handle_offer(&change(&offer), credentials(self.restarts), self.now).unwrap();
        let plan: Vec<_> = self.peer.sections().iter().map(plan).collect();
        let answer = self.peer.answer(&plan).unwrap();
        let answer = SdpAnswer::from_sdp_string(&change_answer(&answer)).unwrap();
        self.client.sdp_api().accept_answer(pending, answer).unwrap();
        self.drive_client();
        outcome
    }

    /// An offer of the client that asks for one more section, not brought anywhere yet.
    pub fn new_offer(&mut self) -> String {
        let mut api = self.client.sdp_api();
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.apply().unwrap().0.to_sdp_string()
    }

    /// Brings an offer to the peer, and no answer back.
    pub fn offer(&mut self, sdp: &str) -> Result<OfferOutcome, OfferError> {
        self.peer.handle_offer(sdp, credentials(99), self.now)
    }

    pub fn restart_ice(&mut self) -> OfferOutcome {
        let mut api = self.client.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.offer = Some((offer.to_sdp_string(), pending));
        self.negotiate(str::to_owned)
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.exchange();
            let due = [(!self.client_gone).then_some(self.client_timeout), self.peer.poll_timeout()]
                .into_iter()
                .flatten()
                .min();
            let next = due.unwrap_or(end).clamp(self.now + Duration::from_micros(100), self.now + STEP);
            self.now = next.min(end);
            self.peer.handle_timeout(self.now);
            if !self.client_gone && self.client.handle_input(Input::Timeout(self.now)).is_ok() {
                self.drive_client();
            }
        }
        self.exchange();
    }

    /// Moves datagrams until none is on its way.
    fn exchange(&mut self) {
        let mut buffer = Vec::new();
        for _ in 0..1000 {
            let mut moved = false;
            while let Some(datagram) = self.outgoing.pop_front() {
                moved = true;
                if datagram.first().is_some_and(|first| (128..192).contains(first)) {
                    self.last_media = datagram.clone();
                }
                if !self.cut {
                    self.deliver(datagram);
                }
            }
            while let Some(transmit) = self.peer.poll_transmit(self.now, &mut buffer) {
                moved = true;
                if !self.cut && transmit.to == self.client_address {
                    self.deliver_back(&buffer);
                }
            }
            self.events.extend(std::iter::from_fn(|| self.peer.poll_event()));
            if !moved {
                return;
            }
        }
        panic!("the exchange does not end");
    }

    /// A datagram as if from the client's address.
    pub fn deliver(&mut self, mut datagram: Vec<u8>) {
        let (from, to) = (self.client_address, self.server_address);
        match self.peer.handle_datagram(self.now, from, to, &mut datagram) {
            Ok(Incoming::Rtp(packet)) => self.received.push(packet.to_vec()),
            Ok(Incoming::None | Incoming::Rtcp(_)) => {}
            Err(drop) => self.drops.push(drop),
        }
    }

    fn deliver_back(&mut self, datagram: &[u8]) {
        let receive = Receive::new(Protocol::Udp, self.server_address, self.local(), datagram).unwrap();
        let input = Input::Receive(self.now, receive);
        if self.client.accepts(&input) {
            self.client.handle_input(input).unwrap();
            self.drive_client();
        }
    }

    /// What the client believes its address to be, whatever the network makes of it.
    fn local(&self) -> SocketAddr {
        CLIENT.parse().unwrap()
    }

    pub fn drive_client(&mut self) {
        loop {
            let Ok(output) = self.client.poll_output() else {
                // It gave up, as clients do.
                self.client_gone = true;
                return;
            };
            match output {
                Output::Timeout(at) => {
                    self.client_timeout = at;
                    return;
                }
                Output::Transmit(transmit) => self.outgoing.push_back(transmit.contents.to_vec()),
                Output::Event(Event::ChannelOpen(id, label)) => self.channels.push((id, label)),
                Output::Event(Event::ChannelClose(id)) => self.closed.push(id),
                Output::Event(Event::ChannelData(data)) => self.messages.push(data.data),
                Output::Event(Event::RtpPacket(packet)) => self.packets.push(packet.payload.to_vec()),
                Output::Event(_) => {}
            }
        }
    }

    /// The client speaks.
    pub fn speak(&mut self, sequence: u64, payload: &[u8]) {
        let payload_type = self.client.media(self.microphone).unwrap().remote_pts()[0];
        let mut api = self.client.direct_api();
        let stream = api.stream_tx_by_mid(self.microphone, None).unwrap();
        let time = 960 * sequence as u32;
        stream.write_rtp(RtpWrite::new(payload_type, sequence.into(), time, self.now, payload.to_vec()));
        self.client.handle_input(Input::Timeout(self.now)).unwrap();
        self.drive_client();
        self.exchange();
    }

    /// The peer sends on the client's speaker section.
    pub fn send(&mut self, sequence: u16, payload: &[u8]) {
        let codec = self.peer.sections().iter().find_map(|one| one.codec(Codec::Opus)).unwrap();
        let mut packet = vec![0x80, codec.payload_type];
        packet.extend(sequence.to_be_bytes());
        packet.extend((960 * u32::from(sequence)).to_be_bytes());
        packet.extend(SSRC.to_be_bytes());
        packet.extend(payload);
        let len = packet.len();
        packet.resize(len + 20, 0);
        let sealed = self.peer.seal_rtp(&mut packet, len).unwrap();
        self.deliver_back(&packet[..sealed]);
        self.exchange();
    }

    /// Labels of the client's channels that ended, in order.
    pub fn closed_channels(&self) -> Vec<&str> {
        let is_closed = |id: &ChannelId| self.closed.contains(id);
        let mut labels: Vec<_> =
            self.channels.iter().filter(|(id, _)| is_closed(id)).map(|(_, label)| label.as_str()).collect();
        labels.sort_unstable();
        labels
    }

    /// Whether an event like this came.
    pub fn saw(&self, like: impl Fn(&PeerEvent) -> bool) -> bool {
        self.events.iter().any(like)
    }
}

fn plan(section: &Section) -> SectionPlan {
    match section.kind {
        SectionKind::Application => SectionPlan::Application,
        _ if section.direction.sends() => SectionPlan::Receive(ReceivePlan::default()),
        _ => SectionPlan::Send(SendPlan {
            stream_id: "PA_a|TR_b".into(),
            track_id: "TR_b".into(),
            ssrc: SSRC,
            rtx_ssrc: None,
            cname: "PA_a".into(),
            codec: Codec::Opus,
        }),
    }
}
