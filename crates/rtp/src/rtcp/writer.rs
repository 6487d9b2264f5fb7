//! Writes RTCP messages one after the other into a caller's buffer: one message, or a compound packet.

use crate::rtcp::feedback::remb_words;
use crate::rtcp::report::{ReportBlock, SenderInfo};
use crate::rtcp::transport::{self, Observed};
use crate::rtcp::{
    BYE, FMT_APPLICATION, FMT_FIR, FMT_NACK, FMT_PLI, FMT_TRANSPORT_CC, FirEntry, PSFB, RECEIVER_REPORT, RTPFB, SDES,
    SENDER_REPORT,
};
use crate::wire::{BufferFull, Cursor};

/// Report blocks, chunks and sources that fit one message: the count has five bits.
pub const MAX_COUNT: usize = 31;

/// Longest canonical name: its length has eight bits.
pub const MAX_NAME_LEN: usize = 255;

/// Appends messages to a buffer. A message that does not fit is refused whole; what was written before stays.
#[derive(Debug)]
pub struct Writer<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Writer<'a> {
    /// Begins at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { cursor: Cursor::new(buffer) }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.cursor.len()
    }

    /// Nothing written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was written so far.
    pub fn written(&self) -> &[u8] {
        self.cursor.written()
    }

    /// Sender report (RFC 3550 section 6.4.1) with the first [`MAX_COUNT`] of `blocks`.
    pub fn sender_report(&mut self, ssrc: u32, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), BufferFull> {
        let blocks = first(blocks, MAX_COUNT);
        self.message(SENDER_REPORT, blocks.len() as u8, |cursor| {
            cursor.put_u32(ssrc)?;
            cursor.put_u64(info.ntp)?;
            cursor.put_u32(info.rtp_timestamp)?;
            cursor.put_u32(info.packets)?;
            cursor.put_u32(info.octets)?;
            put_blocks(cursor, blocks)
        })
    }

    /// Receiver report (RFC 3550 section 6.4.2) with the first [`MAX_COUNT`] of `blocks`.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Result<(), BufferFull> {
        let blocks = first(blocks, MAX_COUNT);
        self.message(RECEIVER_REPORT, blocks.len() as u8, |cursor| {
            cursor.put_u32(ssrc)?;
            put_blocks(cursor, blocks)
        })
    }

    /// The canonical name of one source (RFC 3550 section 6.5.1), cut to [`MAX_NAME_LEN`].
    pub fn sdes(&mut self, ssrc: u32, name: &[u8]) -> Result<(), BufferFull> {
        let name = first(name, MAX_NAME_LEN);
        self.message(SDES, 1, |cursor| {
            cursor.put_u32(ssrc)?;
            cursor.put(&[1, name.len() as u8])?;
            cursor.put(name)?;
            // The list ends with at least one zero; the message's own padding to a word adds the rest.
            cursor.put_u8(0)
        })
    }

    /// The first [`MAX_COUNT`] of `ssrcs` end (RFC 3550 section 6.6).
    pub fn bye(&mut self, ssrcs: &[u32]) -> Result<(), BufferFull> {
        let ssrcs = first(ssrcs, MAX_COUNT);
        self.message(BYE, ssrcs.len() as u8, |cursor| ssrcs.iter().try_for_each(|&ssrc| cursor.put_u32(ssrc)))
    }

    /// Generic NACK (RFC 4585 section 6.2.1) for `sequences`, which must ascend (wrapping); no message for none.
    pub fn nack(&mut self, sender_ssrc: u32, media_ssrc: u32, sequences: &[u16]) -> Result<(), BufferFull> {
        let Some((&head, mut rest)) = sequences.split_first() else { return Ok(()) };
        self.message(RTPFB, FMT_NACK, |cursor| {
            cursor.put_u32(sender_ssrc)?;
            cursor.put_u32(media_ssrc)?;
            let (mut packet, mut following) = (head, 0);
            while let Some((&sequence, tail)) = rest.split_first() {
                match sequence.wrapping_sub(packet) {
                    0 => {}
                    distance @ 1..=16 => following |= 1 << (distance - 1),
                    _ => {
                        cursor.put_u16(packet)?;
                        cursor.put_u16(following)?;
                        (packet, following) = (sequence, 0);
                    }
                }
                rest = tail;
            }
            cursor.put_u16(packet)?;
            cursor.put_u16(following)
        })
    }

    /// Picture loss indication (RFC 4585 section 6.3.1).
    pub fn pli(&mut self, sender_ssrc: u32, media_ssrc: u32) -> Result<(), BufferFull> {
        self.message(PSFB, FMT_PLI, |cursor| {
            cursor.put_u32(sender_ssrc)?;
            cursor.put_u32(media_ssrc)
        })
    }

    /// Full intra request (RFC 5104 section 4.3.1).
    pub fn fir(&mut self, sender_ssrc: u32, entries: &[FirEntry]) -> Result<(), BufferFull> {
        self.message(PSFB, FMT_FIR, |cursor| {
            cursor.put_u32(sender_ssrc)?;
            // "The SSRC of media source is not used and SHALL be set to 0."
            cursor.put_u32(0)?;
            entries.iter().try_for_each(|entry| {
                cursor.put_u32(entry.media_ssrc)?;
                cursor.put_u32(u32::from(entry.sequence) << 24)
            })
        })
    }

    /// Receiver's estimated maximum bitrate, in bits per second, for up to 255 streams.
    pub fn remb(&mut self, sender_ssrc: u32, bitrate: u64, ssrcs: &[u32]) -> Result<(), BufferFull> {
        let ssrcs = first(ssrcs, usize::from(u8::MAX));
        self.message(PSFB, FMT_APPLICATION, |cursor| {
            cursor.put_u32(sender_ssrc)?;
            cursor.put_u32(0)?;
            remb_words(bitrate, ssrcs.len() as u8).into_iter().try_for_each(|word| cursor.put_u32(word))?;
            ssrcs.iter().try_for_each(|&ssrc| cursor.put_u32(ssrc))
        })
    }

    /// Transport-wide feedback. Returns how many of `observed.arrivals` the message covers; call again with the rest. Zero,
    /// and no message, when none of the first [`transport::MAX_STATUSES`] was received.
    pub fn transport_feedback<I>(
        &mut self,
        sender_ssrc: u32,
        media_ssrc: u32,
        observed: &Observed<I>,
    ) -> Result<usize, BufferFull>
    where
        I: Iterator<Item = Option<u64>> + Clone,
    {
        if observed.first().is_none() {
            return Ok(0);
        }
        let mut covered = 0;
        self.message(RTPFB, FMT_TRANSPORT_CC, |cursor| {
            cursor.put_u32(sender_ssrc)?;
            cursor.put_u32(media_ssrc)?;
            covered = transport::write(observed, cursor)?;
            Ok(())
        })?;
        Ok(covered)
    }

    /// Writes a header, the body, zeros to the next word, and the length; takes all of it back when it does not fit.
    ///
    /// Zeros are right where a body does not end on a word: SDES ends its list with them, and transport feedback is
    /// parsed by its counts (libwebrtc's parser takes them, with or without the padding bit).
    fn message(
        &mut self,
        kind: u8,
        count: u8,
        body: impl FnOnce(&mut Cursor<'a>) -> Result<(), BufferFull>,
    ) -> Result<(), BufferFull> {
        let start = self.cursor.len();
        let written = self.message_at(start, kind, count, body);
        if written.is_err() {
            self.cursor.truncate(start);
        }
        written
    }

    fn message_at(
        &mut self,
        start: usize,
        kind: u8,
        count: u8,
        body: impl FnOnce(&mut Cursor<'a>) -> Result<(), BufferFull>,
    ) -> Result<(), BufferFull> {
        self.cursor.put(&[2 << 6 | count, kind, 0, 0])?;
        body(&mut self.cursor)?;
        self.cursor.pad_to_word(start)?;
        let words = u16::try_from((self.cursor.len() - start) / 4 - 1).map_err(|_| BufferFull)?;
        self.cursor.overwrite(start + 2, &words.to_be_bytes());
        Ok(())
    }
}

fn first<T>(items: &[T], most: usize) -> &[T] {
    items.get(..items.len().min(most)).unwrap_or_default()
}

fn put_blocks(cursor: &mut Cursor<'_>, blocks: &[ReportBlock]) -> Result<(), BufferFull> {
    blocks.iter().try_for_each(|block| {
        cursor.put_u32(block.ssrc)?;
        cursor.put_u32(block.loss_word())?;
        cursor.put_u32(block.highest_sequence)?;
        cursor.put_u32(block.jitter)?;
        cursor.put_u32(block.last_sender_report)?;
        cursor.put_u32(block.delay_since_last_sender_report)
    })
}
