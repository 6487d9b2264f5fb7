//! A room with real packets going in and out, its clock, and receivers that keep what they get.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_media::{
    DownlinkSpec, IngressSection, MediaConfig, MediaEvent, Room, SubscriptionSpec, TransmitKind, UplinkSpec,
};
use parlour_model::command::Leg;
use parlour_model::{Bitrate, Codec, Edge, LayerSpec, Medium, ParticipantKey, PublicationKey, Quality, VideoSize};
use parlour_rtp::vp8::Descriptor;
use parlour_rtp::{ExtensionKind, ExtensionMap, Packet};

pub use crate::sources::{Camera, Microphone, Outgoing};

pub const CAMERA_PT: u8 = 96;
pub const RTX_PT: u8 = 97;
pub const OPUS_PT: u8 = 111;
pub const RED_PT: u8 = 63;
/// The receiver's numbers differ from the publisher's.
pub const OUT_CAMERA_PT: u8 = 100;
pub const OUT_RTX_PT: u8 = 101;
pub const OUT_OPUS_PT: u8 = 110;
pub const OUT_RED_PT: u8 = 64;

pub const PUBLISHER: ParticipantKey = ParticipantKey(1);
pub const RECEIVER: ParticipantKey = ParticipantKey(2);
pub const OTHER: ParticipantKey = ParticipantKey(3);
pub const CAMERA: PublicationKey = PublicationKey(10);
pub const MICROPHONE: PublicationKey = PublicationKey(11);

pub fn extensions() -> ExtensionMap {
    [
        (ExtensionKind::Mid, 1),
        (ExtensionKind::Rid, 2),
        (ExtensionKind::RepairedRid, 3),
        (ExtensionKind::AudioLevel, 4),
        (ExtensionKind::TransportCc, 5),
    ]
    .into_iter()
    .collect()
}

pub fn camera_section(rids: &[&str]) -> IngressSection {
    let sizes = [(Quality::Low, 320, 180), (Quality::Medium, 640, 360), (Quality::High, 1_280, 720)];
    let layers = sizes.map(|(quality, width, height)| LayerSpec {
        quality,
        size: VideoSize { width, height },
        bitrate: Bitrate::ZERO,
        ssrc: 0,
    });
    IngressSection {
        mid: "0".into(),
        publication: CAMERA,
        medium: Medium::Camera,
        codec: Codec::Vp8,
        payload_type: CAMERA_PT,
        rtx: Some(RTX_PT),
        red: None,
        nack: true,
        pli: true,
        fir: true,
        remb: false,
        rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
        ssrcs: Vec::new(),
        encrypted: false,
        layers: layers.to_vec(),
    }
}

pub fn microphone_section() -> IngressSection {
    IngressSection {
        mid: "1".into(),
        publication: MICROPHONE,
        medium: Medium::Audio,
        codec: Codec::Opus,
        payload_type: OPUS_PT,
        rtx: None,
        red: Some(RED_PT),
        nack: true,
        pli: false,
        fir: false,
        layers: Vec::new(),
        ..camera_section(&[])
    }
}

pub fn camera_subscription(receiver: ParticipantKey) -> SubscriptionSpec {
    SubscriptionSpec {
        receiver,
        publication: CAMERA,
        mid: "7".into(),
        cname: "PA_publisher".into(),
        ssrc: 7_000 + receiver.0,
        rtx_ssrc: Some(8_000 + receiver.0),
        payload_type: OUT_CAMERA_PT,
        rtx: Some(OUT_RTX_PT),
        red: None,
        nack: true,
        transport_cc: true,
    }
}

pub fn microphone_subscription(receiver: ParticipantKey) -> SubscriptionSpec {
    SubscriptionSpec {
        publication: MICROPHONE,
        mid: "6".into(),
        ssrc: 6_000 + receiver.0,
        rtx_ssrc: None,
        payload_type: OUT_OPUS_PT,
        rtx: None,
        ..camera_subscription(receiver)
    }
}

/// A packet as a receiver got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub to: ParticipantKey,
    pub at: Instant,
    pub bytes: Vec<u8>,
}

impl Received {
    pub fn rtp(&self) -> Packet<'_> {
        Packet::parse(&self.bytes).unwrap()
    }

    pub fn vp8(&self) -> Descriptor {
        Descriptor::parse(self.rtp().payload).unwrap().0
    }

    pub fn picture(&self) -> u16 {
        self.vp8().picture_id.unwrap().value()
    }
}

/// Budgets are what the test says they are.
pub fn fixed_budget() -> MediaConfig {
    MediaConfig { estimate: false, ..MediaConfig::default() }
}

/// A room, its clock, and what came out.
pub struct Stage {
    pub room: Room,
    pub now: Instant,
    pub rtp: Vec<Received>,
    pub rtcp: Vec<Received>,
    pub events: Vec<MediaEvent>,
    transport: BTreeMap<ParticipantKey, u16>,
}

impl Stage {
    /// Nobody is here.
    pub fn empty(config: &MediaConfig) -> Self {
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let room = Room::new(config, 7, now);
        Self { room, now, rtp: vec![], rtcp: vec![], events: vec![], transport: BTreeMap::new() }
    }

    /// Three people, one of whom publishes these sections; all edges are there, nobody is subscribed.
    pub fn with(config: &MediaConfig, sections: Vec<IngressSection>) -> Self {
        Self::empty(config).furnished(sections)
    }

    /// The same with people and sections.
    pub fn furnished(mut self, sections: Vec<IngressSection>) -> Self {
        let stage = &mut self;
        for key in [PUBLISHER, RECEIVER, OTHER] {
            stage.room.add_participant(key, stage.now);
            let spec = DownlinkSpec { leg: Leg::Publish, extensions: extensions(), transport_cc: true };
            stage.room.set_downlink(key, spec, stage.now);
        }
        let uplink = UplinkSpec { extensions: extensions(), transport_cc: true, sections };
        stage.room.set_uplink(PUBLISHER, uplink, stage.now);
        stage.open_all();
        self
    }

    /// One camera with these rids, watched by one person.
    pub fn watching(rids: &[&str]) -> Self {
        let mut stage = Self::with(&fixed_budget(), vec![camera_section(rids), microphone_section()]);
        stage.room.subscribe(camera_subscription(RECEIVER), stage.now);
        stage
    }

    pub fn open_all(&mut self) {
        let keys = [PUBLISHER, RECEIVER, OTHER];
        let mut edges = BTreeSet::new();
        for publisher in keys {
            for receiver in keys.into_iter().filter(|&receiver| receiver != publisher) {
                edges.extend(Medium::ALL.map(|medium| Edge { publisher, receiver, medium }));
            }
        }
        self.room.set_edges(&edges, self.now);
    }

    pub fn close_all(&mut self) {
        self.room.set_edges(&BTreeSet::new(), self.now);
    }

    /// Gives a packet with the next transport-wide number to the room, and takes what comes out.
    pub fn send(&mut self, packet: &Outgoing) -> Result<(), parlour_media::RtpDrop> {
        let outcome = self.send_only(packet);
        self.collect();
        outcome
    }

    /// As `send`, leaving what comes out where it is.
    pub fn send_only(&mut self, packet: &Outgoing) -> Result<(), parlour_media::RtpDrop> {
        let number = self.transport.entry(PUBLISHER).or_default();
        *number = number.wrapping_add(1);
        let mut bytes = packet.bytes(*number);
        self.room.handle_rtp(self.now, PUBLISHER, &mut bytes)
    }

    pub fn send_all(&mut self, packets: &[Outgoing]) {
        for packet in packets {
            self.send(packet).unwrap();
        }
    }

    pub fn rtcp_from(&mut self, from: ParticipantKey, write: impl FnOnce(&mut parlour_rtp::rtcp::Writer<'_>)) {
        let mut buffer = [0; 1_500];
        let mut writer = parlour_rtp::rtcp::Writer::new(&mut buffer);
        write(&mut writer);
        let len = writer.len();
        self.room.handle_rtcp(self.now, from, Leg::Publish, &buffer[..len]).unwrap();
        self.collect();
    }

    pub fn collect(&mut self) {
        let mut buffer = [0; 1_500];
        while let Some(transmit) = self.room.poll_transmit(self.now, &mut buffer) {
            let bytes = buffer[..transmit.len].to_vec();
            let received = Received { to: transmit.to, at: self.now, bytes };
            match transmit.kind {
                TransmitKind::Rtp => self.rtp.push(received),
                TransmitKind::Rtcp => self.rtcp.push(received),
            }
        }
        while let Some(event) = self.room.poll_event() {
            self.events.push(event);
        }
    }

    /// Lets time pass, doing what is due when it is due.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.room.poll_timeout().filter(|&due| due <= end) {
            self.now = self.now.max(due);
            self.room.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    pub fn clear(&mut self) {
        self.rtp.clear();
        self.rtcp.clear();
        self.events.clear();
    }

    /// What one stream got, in the order of arrival.
    pub fn on(&self, ssrc: u32) -> Vec<Received> {
        self.rtp.iter().filter(|received| received.rtp().ssrc == ssrc).cloned().collect()
    }

    pub fn camera(&self) -> Vec<Received> {
        self.on(camera_subscription(RECEIVER).ssrc)
    }

    pub fn microphone(&self) -> Vec<Received> {
        self.on(microphone_subscription(RECEIVER).ssrc)
    }

    /// Keyframe requests to the publisher: the streams asked for.
    pub fn plis(&self) -> Vec<u32> {
        self.messages(PUBLISHER, |message| match message {
            parlour_rtp::rtcp::Message::Pli(pli) => Some(pli.media_ssrc),
            _ => None,
        })
    }

    /// Numbers asked of the publisher.
    pub fn nacks(&self) -> Vec<u16> {
        self.messages(PUBLISHER, |message| match message {
            parlour_rtp::rtcp::Message::Nack(nack) => Some(nack.sequences().collect::<Vec<_>>()),
            _ => None,
        })
        .concat()
    }

    pub fn messages<T>(
        &self,
        to: ParticipantKey,
        pick: impl Fn(parlour_rtp::rtcp::Message<'_>) -> Option<T>,
    ) -> Vec<T> {
        let datagrams = self.rtcp.iter().filter(|received| received.to == to);
        datagrams
            .flat_map(|received| parlour_rtp::rtcp::parse(&received.bytes))
            .filter_map(|m| pick(m.unwrap()))
            .collect()
    }
}
