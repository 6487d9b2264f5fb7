//! The RTCP of a load client: sender and receiver reports once a second, transport feedback ten times a second.

use std::time::{Duration, Instant};

use parlour_media::ingress::{SourceStatistics, TransportRecorder};
use parlour_rtp::extension::ExtensionValue;
use parlour_rtp::rtcp::{SenderInfo, Writer};
use parlour_rtp::{Packet, TransportSequence};

use crate::media::Source;
use crate::sdp;

/// Between calls of [`Reports::write`].
pub const TICK: Duration = Duration::from_millis(100);

/// Reports in every tenth.
const REPORT_EVERY: u32 = 10;

/// What one client keeps of what it receives.
pub struct Reports {
    epoch: Instant,
    received: Vec<(u32, SourceStatistics)>,
    transport: TransportRecorder,
    tick: u32,
}

impl Reports {
    /// `offset` spreads the reports of clients over the second.
    pub fn new(epoch: Instant, offset: u32) -> Self {
        Self { epoch, received: Vec::new(), transport: TransportRecorder::new(TICK, epoch), tick: offset }
    }

    pub fn handle_packet(&mut self, packet: &Packet<'_>, now: Instant) {
        let index = self.received.iter().position(|(ssrc, _)| *ssrc == packet.ssrc).unwrap_or_else(|| {
            let rate = if packet.payload_type == sdp::OPUS { 48_000 } else { 90_000 };
            self.received.push((packet.ssrc, SourceStatistics::new(rate)));
            self.received.len() - 1
        });
        self.received[index].1.handle_packet(packet.sequence, packet.timestamp, now);
        if let Some(TransportSequence(number)) = packet.extension(sdp::TRANSPORT_CC).and_then(TransportSequence::decode)
        {
            self.transport.handle_packet(number, now);
        }
    }

    /// Writes what is due; its length.
    pub fn write(&mut self, source: &Source, now: Instant, buffer: &mut [u8]) -> usize {
        let mut writer = Writer::new(buffer);
        self.tick += 1;
        if self.tick.is_multiple_of(REPORT_EVERY) {
            self.write_reports(source, now, &mut writer);
        }
        while self.transport.write_feedback(now, source.audio_ssrc, source.video_ssrc, &mut writer) {}
        writer.len()
    }

    fn write_reports(&mut self, source: &Source, now: Instant, writer: &mut Writer<'_>) {
        // Any steady clock will do as NTP: seconds since the run began.
        let nanos = now.saturating_duration_since(self.epoch).as_nanos();
        let ntp = ((nanos << 32) / 1_000_000_000) as u64;
        let ((audio, video), (audio_packets, video_packets)) = (source.clocks(), source.sent());
        let info = |rtp_timestamp, packets| SenderInfo { ntp, rtp_timestamp, packets, octets: packets * 1_000 };
        let blocks: Vec<_> =
            self.received.iter_mut().filter_map(|(ssrc, statistics)| statistics.report_block(*ssrc, now)).collect();
        // All of it fits the 1,500 bytes of the buffer.
        let _ = writer.sender_report(source.audio_ssrc, &info(audio, audio_packets), &blocks);
        let _ = writer.sender_report(source.video_ssrc, &info(video, video_packets), &[]);
        let _ = writer.sdes(source.audio_ssrc, b"load");
    }
}
