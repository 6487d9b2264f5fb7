//! Sender and receiver reports (RFC 3550 section 6.4).

use crate::wire::{u32_at, u64_at};

pub(crate) const REPORT_BLOCK_LEN: usize = 24;
const SENDER_INFO_LEN: usize = 20;

/// The middle 32 bits of an NTP timestamp: 16.16 fixed-point seconds, as `LSR` and `DLSR` have them.
pub fn compact_ntp(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// The sender's part of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wallclock of the sender: 32.32 fixed-point seconds since 1900.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent so far, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent so far, modulo 2^32.
    pub octets: u32,
}

/// How one stream is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning; 24 bits with sign, negative when duplicates outweigh.
    pub cumulative_lost: i32,
    /// Highest sequence number received, below a count of its wraps.
    pub highest_sequence: u32,
    /// Mean deviation of transit time, in RTP clock units.
    pub jitter: u32,
    /// [`compact_ntp`] of the last sender report received; 0 if none.
    pub last_sender_report: u32,
    /// Time since then in 1/65,536 s; 0 if none.
    pub delay_since_last_sender_report: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let loss = u32_at(bytes, 4)?;
        Some(Self {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: (loss >> 24) as u8,
            // Extends the sign of the lower 24 bits.
            cumulative_lost: (loss << 8) as i32 >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sender_report: u32_at(bytes, 16)?,
            delay_since_last_sender_report: u32_at(bytes, 20)?,
        })
    }

    pub(crate) fn loss_word(&self) -> u32 {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff);
        u32::from(self.fraction_lost) << 24 | lost as u32 & 0x00ff_ffff
    }
}

/// A parsed sender report.
#[derive(Clone, Copy, Debug)]
pub struct SenderReport<'a> {
    /// Of the sender.
    pub ssrc: u32,
    /// What it sent.
    pub info: SenderInfo,
    blocks: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        let info = SenderInfo {
            ntp: u64_at(body, 4)?,
            rtp_timestamp: u32_at(body, 12)?,
            packets: u32_at(body, 16)?,
            octets: u32_at(body, 20)?,
        };
        let blocks = blocks(count, body.get(4 + SENDER_INFO_LEN..)?)?;
        Some(Self { ssrc: u32_at(body, 0)?, info, blocks })
    }

    /// How the sender receives.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(REPORT_BLOCK_LEN).filter_map(ReportBlock::parse)
    }
}

/// A parsed receiver report.
#[derive(Clone, Copy, Debug)]
pub struct ReceiverReport<'a> {
    /// Of who reports.
    pub ssrc: u32,
    blocks: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(crate) fn parse(count: u8, body: &'a [u8]) -> Option<Self> {
        Some(Self { ssrc: u32_at(body, 0)?, blocks: blocks(count, body.get(4..)?)? })
    }

    /// How it receives.
    pub fn report_blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(REPORT_BLOCK_LEN).filter_map(ReportBlock::parse)
    }
}

/// Exactly the announced blocks; what follows is a profile's extension and not ours.
fn blocks(count: u8, bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..usize::from(count) * REPORT_BLOCK_LEN)
}
