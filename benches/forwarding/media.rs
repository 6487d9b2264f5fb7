//! The packets of a load client: VP8-like video in bursts of a frame, Opus-like audio, each with a stamp that tells when
//! it was sent.

use std::time::{Duration, Instant};

use parlour_rtp::vp8::{Descriptor, PictureId, Temporal};
use parlour_rtp::{AudioLevel, BufferFull, Header, HeaderWriter, Packet, TransportSequence};

use crate::sdp;

/// Between frames, and between audio packets.
pub const FRAME: Duration = Duration::from_micros(33_333);
pub const AUDIO: Duration = Duration::from_millis(20);

/// Seven packets of this payload, thirty times a second: 2 Mbit/s.
pub const PACKETS_PER_FRAME: usize = 7;
const VIDEO_PAYLOAD: usize = 1_190;
const AUDIO_PAYLOAD: usize = 120;

/// Once a second a keyframe, asked for or not.
const KEY_FRAME_EVERY: u32 = 30;

/// Bytes a VP8 key frame has before its data.
const FRAME_HEADER: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];

/// What every packet carries inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since the run began.
    pub sent: u64,
}

impl Stamp {
    const LEN: usize = 8;

    /// Reads it from a received packet.
    pub fn of(packet: &Packet<'_>) -> Option<Self> {
        let at = match packet.payload_type {
            sdp::VP8 => Descriptor::parse(packet.payload).ok()?.1 + FRAME_HEADER.len(),
            sdp::OPUS => 1,
            _ => return None,
        };
        let bytes = packet.payload.get(at..)?.first_chunk()?;
        Some(Self { sent: u64::from_be_bytes(*bytes) })
    }
}

/// What one participant publishes.
pub struct Source {
    pub audio_ssrc: u32,
    pub video_ssrc: u32,
    audio_sequence: u16,
    video_sequence: u16,
    transport_sequence: u16,
    frame: u32,
    audio: u32,
}

/// One packet to build.
struct Build<'a> {
    header: Header,
    extra: Option<AudioLevel>,
    prefix: &'a [u8],
    payload: usize,
}

impl Source {
    pub fn new(participant: u32) -> Self {
        Self {
            audio_ssrc: participant * 4 + 1,
            video_ssrc: participant * 4 + 2,
            audio_sequence: 1,
            video_sequence: 1,
            transport_sequence: 0,
            frame: 0,
            audio: 0,
        }
    }

    /// RTP time of the next packet, for sender reports: (audio, video).
    pub fn clocks(&self) -> (u32, u32) {
        (self.audio * 960, self.frame * 3_000)
    }

    /// Packets sent so far: (audio, video).
    pub fn sent(&self) -> (u32, u32) {
        (self.audio, self.frame * PACKETS_PER_FRAME as u32)
    }

    /// Writes the next audio packet; header and total length.
    pub fn audio(&mut self, epoch: Instant, now: Instant, buffer: &mut [u8]) -> Result<(usize, usize), BufferFull> {
        let header = Header {
            marker: false,
            payload_type: sdp::OPUS,
            sequence: self.audio_sequence,
            timestamp: self.audio.wrapping_mul(960),
            ssrc: self.audio_ssrc,
        };
        self.audio_sequence = self.audio_sequence.wrapping_add(1);
        self.audio += 1;
        let extra = Some(AudioLevel { level_dbov: 30, voice: true });
        // CELT, fullband, 20 ms, one frame.
        self.build(&Build { header, extra, prefix: &[0xf8], payload: AUDIO_PAYLOAD }, epoch, now, buffer)
    }

    /// Begins a frame; its packets come from [`Self::video`].
    pub fn next_frame(&mut self) {
        self.frame += 1;
    }

    /// Writes packet `part` of the current frame; header and total length.
    pub fn video(
        &mut self,
        part: usize,
        epoch: Instant,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<(usize, usize), BufferFull> {
        let key = self.frame % KEY_FRAME_EVERY == 1;
        let descriptor = Descriptor {
            non_reference: false,
            partition_start: part == 0,
            partition: 0,
            picture_id: Some(PictureId::Wide((self.frame & 0x7fff) as u16)),
            tl0_picture_index: Some(self.frame as u8),
            temporal: Some(Temporal { layer: 0, sync: key }),
            key_index: None,
        };
        let mut prefix = [0; 32];
        let len = descriptor.write(&mut prefix)?;
        let frame = prefix.get_mut(len..len + FRAME_HEADER.len()).ok_or(BufferFull)?;
        frame.copy_from_slice(&FRAME_HEADER);
        if let (Some(first), false) = (frame.first_mut(), key) {
            *first |= 1;
        }
        let header = Header {
            marker: part + 1 == PACKETS_PER_FRAME,
            payload_type: sdp::VP8,
            sequence: self.video_sequence,
            timestamp: self.frame.wrapping_mul(3_000),
            ssrc: self.video_ssrc,
        };
        self.video_sequence = self.video_sequence.wrapping_add(1);
        let prefix = prefix.get(..len + FRAME_HEADER.len()).ok_or(BufferFull)?;
        self.build(&Build { header, extra: None, prefix, payload: VIDEO_PAYLOAD }, epoch, now, buffer)
    }

    fn build(
        &mut self,
        build: &Build<'_>,
        epoch: Instant,
        now: Instant,
        buffer: &mut [u8],
    ) -> Result<(usize, usize), BufferFull> {
        let mut writer = HeaderWriter::new(buffer, build.header)?;
        writer.put(sdp::TRANSPORT_CC, &TransportSequence(self.transport_sequence))?;
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        if let Some(level) = &build.extra {
            writer.put(sdp::AUDIO_LEVEL, level)?;
        }
        let header_len = writer.finish()?;
        let payload = buffer.get_mut(header_len..header_len + build.payload).ok_or(BufferFull)?;
        payload.fill(0xa5);
        let stamp = (now.saturating_duration_since(epoch).as_nanos() as u64).to_be_bytes();
        let content = payload.get_mut(..build.prefix.len() + Stamp::LEN).ok_or(BufferFull)?;
        let (prefix, stamped) = content.split_at_mut(build.prefix.len());
        prefix.copy_from_slice(build.prefix);
        stamped.copy_from_slice(&stamp);
        Ok((header_len, header_len + build.payload))
    }
}
