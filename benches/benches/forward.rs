//! What a room costs for each packet it forwards, without SRTP and sockets: `forward` is one camera at one encoding,
//! `rewrite` is simulcast with temporal layers left out, where every packet that goes out has numbers of its own.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use parlour_media::{DownlinkSpec, IngressSection, MediaConfig, Room, SubscriptionSpec, TransmitKind, UplinkSpec};
use parlour_model::command::{Leg, TrackSettings};
use parlour_model::{Codec, Edge, Medium, ParticipantKey, PublicationKey};
use parlour_rtp::vp8::{Descriptor, PictureId, Temporal};
use parlour_rtp::{ExtensionKind, ExtensionMap, Header, HeaderWriter, TransportSequence};

const PUBLISHER: ParticipantKey = ParticipantKey(1);
const CAMERA: PublicationKey = PublicationKey(1);
const PACKET: usize = 1_100;
/// A frame of 2 Mbit/s at 30 frames a second.
const PACKETS_A_FRAME: usize = 8;

/// A room with one camera and some who watch it.
struct Scene {
    room: Room,
    now: Instant,
    camera: Vec<Encoding>,
    packets: Vec<Vec<u8>>,
    frame: usize,
}

/// One encoding of the camera.
struct Encoding {
    rid: Option<&'static str>,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    picture: u16,
    tl0: u8,
}

impl Encoding {
    fn frame(&mut self, index: usize, transport: &mut u16, into: &mut Vec<Vec<u8>>) {
        let (layer, sync) = [(0, false), (2, true), (1, true), (2, false)][index % 4];
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.picture = (self.picture + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(u8::from(layer == 0));
        for place in 0..PACKETS_A_FRAME {
            self.sequence = self.sequence.wrapping_add(1);
            *transport = transport.wrapping_add(1);
            let mut bytes = vec![0; 1_500];
            let header = Header {
                marker: place + 1 == PACKETS_A_FRAME,
                payload_type: 96,
                sequence: self.sequence,
                timestamp: self.timestamp,
                ssrc: self.ssrc,
            };
            let mut writer = HeaderWriter::new(&mut bytes, header).expect("room for a header");
            writer.put_bytes(1, b"0").expect("room for a mid");
            if let Some(rid) = self.rid {
                writer.put_bytes(2, rid.as_bytes()).expect("room for a rid");
            }
            writer.put(5, &TransportSequence(*transport)).expect("room for a number");
            let start = writer.finish().expect("a header");
            let descriptor = Descriptor {
                partition_start: place == 0,
                picture_id: Some(PictureId::Wide(self.picture)),
                tl0_picture_index: Some(self.tl0),
                temporal: Some(Temporal { layer, sync }),
                key_index: Some(1),
                ..Descriptor::default()
            };
            let len = descriptor.write(&mut bytes[start..]).expect("room for a descriptor");
            bytes[start + len] = u8::from(index != 0);
            bytes.truncate(start + PACKET);
            into.push(bytes);
        }
    }
}

impl Scene {
    fn new(rids: &[&'static str], receivers: u32, settings: TrackSettings) -> Self {
        let now = Instant::now();
        let extensions: ExtensionMap =
            [(ExtensionKind::Mid, 1), (ExtensionKind::Rid, 2), (ExtensionKind::TransportCc, 5)].into_iter().collect();
        let mut room = Room::new(&MediaConfig::default(), 1, now);
        room.add_participant(PUBLISHER, now);
        let uplink = UplinkSpec { extensions, transport_cc: true, sections: vec![section(rids)] };
        room.set_uplink(PUBLISHER, uplink, now);
        let keys: Vec<ParticipantKey> = (0..receivers).map(|index| ParticipantKey(2 + index)).collect();
        let edge = |&receiver| Edge { publisher: PUBLISHER, receiver, medium: Medium::Camera };
        let edges: BTreeSet<Edge> = keys.iter().map(edge).collect();
        for receiver in keys {
            room.add_participant(receiver, now);
            room.set_downlink(receiver, DownlinkSpec { leg: Leg::Publish, extensions, transport_cc: true }, now);
            room.subscribe(subscription(receiver), now);
            room.set_preferences(receiver, CAMERA, settings, now);
        }
        room.set_edges(&edges, now);
        let rids = if rids.is_empty() { vec![None] } else { rids.iter().copied().map(Some).collect() };
        let encoding = |(ssrc, rid)| Encoding { rid, ssrc, sequence: 0, timestamp: 0, picture: 0, tl0: 0 };
        let camera = (50..).zip(rids).map(encoding).collect();
        Self { room, now, camera, packets: Vec::new(), frame: 0 }
    }

    /// Makes the packets of the next frame; not a part of what is measured.
    fn film(&mut self) {
        self.packets.clear();
        let mut transport = (self.frame * PACKETS_A_FRAME * self.camera.len()) as u16;
        for encoding in &mut self.camera {
            encoding.frame(self.frame, &mut transport, &mut self.packets);
        }
        self.frame += 1;
        self.now += Duration::from_millis(33);
    }

    fn step(&mut self, buffer: &mut [u8]) -> u64 {
        self.film();
        self.forward(buffer)
    }

    /// Takes the frame in and writes what goes out; how many packets that were.
    fn forward(&mut self, buffer: &mut [u8]) -> u64 {
        for packet in &mut self.packets {
            let _ = self.room.handle_rtp(self.now, PUBLISHER, packet);
        }
        let mut count = 0;
        while let Some(transmit) = self.room.poll_transmit(self.now, buffer) {
            count += u64::from(transmit.kind == TransmitKind::Rtp);
            black_box(&buffer);
        }
        if self.room.poll_timeout().is_some_and(|due| due <= self.now) {
            self.room.handle_timeout(self.now);
        }
        while self.room.poll_event().is_some() {}
        count
    }
}

fn section(rids: &[&str]) -> IngressSection {
    IngressSection {
        mid: "0".into(),
        publication: CAMERA,
        medium: Medium::Camera,
        codec: Codec::Vp8,
        payload_type: 96,
        rtx: Some(97),
        red: None,
        nack: true,
        pli: true,
        fir: true,
        remb: true,
        rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
        ssrcs: Vec::new(),
        encrypted: false,
        layers: Vec::new(),
    }
}

fn subscription(receiver: ParticipantKey) -> SubscriptionSpec {
    SubscriptionSpec {
        receiver,
        publication: CAMERA,
        mid: "7".into(),
        cname: "PA_publisher".into(),
        ssrc: 7_000 + receiver.0,
        rtx_ssrc: Some(8_000 + receiver.0),
        payload_type: 100,
        rtx: Some(101),
        red: None,
        nack: true,
        transport_cc: true,
    }
}

fn measure(criterion: &mut Criterion, group: &str, receivers: &[u32], rids: &[&'static str], settings: TrackSettings) {
    let mut group = criterion.benchmark_group(group);
    let mut buffer = [0; 1_500];
    for &receivers in receivers {
        let mut scene = Scene::new(rids, receivers, settings);
        // Caches and rings have their size after two seconds. What is left out makes frames differ: a mean of them.
        let mut film = |frames: u64| (0..frames).map(|_| scene.step(&mut buffer)).sum::<u64>() / frames;
        film(60);
        group.throughput(Throughput::Elements(film(40).max(1)));
        group.bench_function(BenchmarkId::from_parameter(receivers), |bencher| {
            bencher.iter_custom(|frames| {
                let mut spent = Duration::ZERO;
                for _ in 0..frames {
                    scene.film();
                    let begin = Instant::now();
                    black_box(scene.forward(&mut buffer));
                    spent += begin.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

fn forward(criterion: &mut Criterion) {
    measure(criterion, "forward", &[1, 2, 5], &[], TrackSettings::default());
}

fn rewrite(criterion: &mut Criterion) {
    let settings = TrackSettings { fps: Some(14), ..TrackSettings::default() };
    measure(criterion, "rewrite", &[1, 5], &["q", "h", "f"], settings);
}

criterion_group!(benches, forward, rewrite);
criterion_main!(benches);
