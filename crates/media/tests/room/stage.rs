//! A room with real packets going in and out: publishers that number like browsers do, receivers that keep what they get.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_media::{
    DownlinkSpec, IngressSection, MediaConfig, MediaEvent, Room, SubscriptionSpec, TransmitKind, UplinkSpec,
};
use parlour_model::command::Leg;
use parlour_model::{Bitrate, Codec, Edge, LayerSpec, Medium, ParticipantKey, PublicationKey, Quality, VideoSize};
use parlour_rtp::vp8::{Descriptor, PictureId, Temporal};
use parlour_rtp::{AudioLevel, ExtensionKind, ExtensionMap, Header, HeaderWriter, Packet, TransportSequence};

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

/// A room, its clock, and what came out.
pub struct Stage {
    pub room: Room,
    pub now: Instant,
    pub start: Instant,
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
        Self { room, now, start: now, rtp: vec![], rtcp: vec![], events: vec![], transport: BTreeMap::new() }
    }

    /// Three people, one of whom publishes these sections; all edges are there, nobody is subscribed.
    pub fn with(config: &MediaConfig, sections: Vec<IngressSection>) -> Self {
        let mut stage = Self::empty(config);
        for key in [PUBLISHER, RECEIVER, OTHER] {
            stage.room.add_participant(key, stage.now);
            let spec = DownlinkSpec { leg: Leg::Publish, extensions: extensions(), transport_cc: true };
            stage.room.set_downlink(key, spec, stage.now);
        }
        let uplink = UplinkSpec { extensions: extensions(), transport_cc: true, sections };
        stage.room.set_uplink(PUBLISHER, uplink, stage.now);
        stage.open_all();
        stage
    }

    /// One camera with these rids, watched by one person.
    pub fn watching(rids: &[&str]) -> Self {
        let mut stage = Self::with(&MediaConfig::default(), vec![camera_section(rids), microphone_section()]);
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

/// A packet of a publisher.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub header: Header,
    pub mid: &'static str,
    pub rid: Option<&'static str>,
    pub repaired_rid: Option<&'static str>,
    pub level: Option<u8>,
    pub payload: Vec<u8>,
}

impl Outgoing {
    fn bytes(&self, transport: u16) -> Vec<u8> {
        let mut buffer = [0; 2_000];
        let mut writer = HeaderWriter::new(&mut buffer, self.header).unwrap();
        writer.put_bytes(1, self.mid.as_bytes()).unwrap();
        if let Some(rid) = self.rid {
            writer.put_bytes(2, rid.as_bytes()).unwrap();
        }
        if let Some(rid) = self.repaired_rid {
            writer.put_bytes(3, rid.as_bytes()).unwrap();
        }
        if let Some(level_dbov) = self.level {
            writer.put(4, &AudioLevel { level_dbov, voice: true }).unwrap();
        }
        writer.put(5, &TransportSequence(transport)).unwrap();
        let len = writer.finish().unwrap();
        buffer[len..len + self.payload.len()].copy_from_slice(&self.payload);
        buffer[..len + self.payload.len()].to_vec()
    }

    /// The same packet on the repair stream.
    pub fn repeated(&self, ssrc: u32, sequence: u16) -> Self {
        let mut payload = self.header.sequence.to_be_bytes().to_vec();
        payload.extend(&self.payload);
        let header = Header { ssrc, sequence, payload_type: RTX_PT, ..self.header };
        Self { header, rid: None, repaired_rid: self.rid, payload, ..self.clone() }
    }
}

/// One encoding of a camera, numbered like libwebrtc numbers it.
#[derive(Clone, Debug)]
pub struct Camera {
    pub ssrc: u32,
    pub rid: Option<&'static str>,
    pub sequence: u16,
    pub timestamp: u32,
    pub picture: u16,
    pub tl0: u8,
    pub key: u8,
}

impl Camera {
    pub fn new(rid: Option<&'static str>) -> Self {
        let seed = u32::from(rid.map_or(0, |rid| rid.as_bytes()[0]));
        Self {
            ssrc: 1_000 + seed,
            rid,
            // Close to their wraps.
            sequence: 65_500u16.wrapping_add(seed as u16),
            timestamp: u32::MAX - 20_000 + seed * 77,
            picture: 32_750u16.wrapping_add(seed as u16) & 0x7fff,
            tl0: 250u8.wrapping_add(seed as u8),
            key: seed as u8 & 0x1f,
        }
    }

    pub fn keyframe(&mut self, packets: usize) -> Vec<Outgoing> {
        self.key = (self.key + 1) & 0x1f;
        self.frame(true, packets, Temporal { layer: 0, sync: false })
    }

    pub fn delta(&mut self, packets: usize) -> Vec<Outgoing> {
        self.frame(false, packets, Temporal { layer: 0, sync: false })
    }

    /// A frame of the usual three temporal layers, the `index`-th of four.
    pub fn temporal(&mut self, index: usize, packets: usize) -> Vec<Outgoing> {
        let (layer, sync) = [(0, false), (2, true), (1, true), (2, false)][index % 4];
        self.frame(false, packets, Temporal { layer, sync })
    }

    pub fn frame(&mut self, key: bool, packets: usize, temporal: Temporal) -> Vec<Outgoing> {
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture = (self.picture + 1) & 0x7fff;
        if temporal.layer == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        (0..packets).map(|index| self.packet(key, index, packets, temporal)).collect()
    }

    fn packet(&mut self, key: bool, index: usize, packets: usize, temporal: Temporal) -> Outgoing {
        self.sequence = self.sequence.wrapping_add(1);
        let descriptor = Descriptor {
            non_reference: temporal.layer == 2,
            partition_start: index == 0,
            partition: 0,
            picture_id: Some(PictureId::Wide(self.picture)),
            tl0_picture_index: Some(self.tl0),
            temporal: Some(temporal),
            key_index: Some(self.key),
        };
        let mut payload = vec![0; 200];
        let len = descriptor.write(&mut payload).unwrap();
        // The first bit of the frame is the inverse key frame flag. The rest says which packet this is.
        payload[len] = u8::from(!key);
        payload[len + 1..len + 3].copy_from_slice(&self.sequence.to_be_bytes());
        let header = Header {
            marker: index + 1 == packets,
            payload_type: CAMERA_PT,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        Outgoing { header, mid: "0", rid: self.rid, repaired_rid: None, level: None, payload }
    }
}

/// A microphone with 20 ms packets.
#[derive(Clone, Debug, Default)]
pub struct Microphone {
    pub sequence: u16,
    pub timestamp: u32,
}

impl Microphone {
    pub const SSRC: u32 = 500;

    pub fn packet(&mut self, payload: &[u8]) -> Outgoing {
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(960);
        let header = Header {
            marker: false,
            payload_type: OPUS_PT,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: Self::SSRC,
        };
        Outgoing { header, mid: "1", rid: None, repaired_rid: None, level: Some(20), payload: payload.to_vec() }
    }
}
