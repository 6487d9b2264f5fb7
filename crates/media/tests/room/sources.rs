//! Publishers that number their packets like browsers do.

use parlour_rtp::vp8::{Descriptor, PictureId, Temporal};
use parlour_rtp::{AudioLevel, Header, HeaderWriter, TransportSequence};

use crate::stage::{CAMERA_PT, OPUS_PT, RTX_PT};

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
    /// On the wire, with this transport-wide number.
    pub fn bytes(&self, transport: u16) -> Vec<u8> {
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
