//! RTCP: compound packets in (RFC 3550 section 6, reduced size RFC 5506), single messages out.
//!
//! Parsing borrows and never allocates. A message that is malformed costs only itself, as long as its length holds; kinds
//! we have no use for (application-defined, extended reports, ...) are skipped.

mod feedback;
mod report;
mod source;
pub mod transport;
mod writer;

pub use feedback::{Fir, FirEntry, Nack, Pli, Remb};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport, compact_ntp};
pub use source::{Bye, Sdes};
pub use transport::TransportFeedback;
pub use writer::Writer;

use thiserror::Error;

use crate::wire::{u8_at, u16_at};

pub(crate) const SENDER_REPORT: u8 = 200;
pub(crate) const RECEIVER_REPORT: u8 = 201;
pub(crate) const SDES: u8 = 202;
pub(crate) const BYE: u8 = 203;
/// Transport layer feedback (RFC 4585 section 6.2).
pub(crate) const RTPFB: u8 = 205;
/// Payload-specific feedback (RFC 4585 section 6.3).
pub(crate) const PSFB: u8 = 206;

pub(crate) const FMT_NACK: u8 = 1;
pub(crate) const FMT_TRANSPORT_CC: u8 = 15;
pub(crate) const FMT_PLI: u8 = 1;
pub(crate) const FMT_FIR: u8 = 4;
pub(crate) const FMT_APPLICATION: u8 = 15;

/// Messages of one datagram after which the rest is not looked at.
pub const MAX_MESSAGES: usize = 64;

/// What is wrong with an RTCP datagram or a message in it. Always the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum RtcpError {
    /// A length points past the end; the rest of the datagram is lost.
    #[error("the datagram ends inside a message")]
    Truncated,
    /// Not version 2; the rest of the datagram is lost.
    #[error("not RTP version 2")]
    Version,
    /// The contents of one message do not fit its kind.
    #[error("the message is malformed")]
    Malformed,
    /// More than [`MAX_MESSAGES`]; the rest of the datagram is not looked at.
    #[error("too many messages in one datagram")]
    TooMany,
}

/// A message that was understood.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// What a source sent, and how it receives.
    SenderReport(SenderReport<'a>),
    /// How a source receives.
    ReceiverReport(ReceiverReport<'a>),
    /// Canonical names.
    Sdes(Sdes<'a>),
    /// Sources that end.
    Bye(Bye<'a>),
    /// Packets missed.
    Nack(Nack<'a>),
    /// A key frame is needed.
    Pli(Pli),
    /// A key frame is asked for, numbered.
    Fir(Fir<'a>),
    /// The receiver's estimate of what can be sent to it.
    Remb(Remb<'a>),
    /// When packets of the whole connection arrived.
    TransportFeedback(TransportFeedback<'a>),
}

/// Iterates over the messages of a decrypted datagram.
pub fn parse(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram, left: MAX_MESSAGES }
}

/// Iterator made by [`parse`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let outcome = if self.left == 0 { Err(RtcpError::TooMany) } else { split(self.rest) };
            let (raw, rest) = match outcome {
                Ok(split) => split,
                Err(error) => {
                    self.rest = &[];
                    return Some(Err(error));
                }
            };
            self.rest = rest;
            self.left -= 1;
            match raw.message() {
                Some(message) => return Some(Ok(message)),
                None if raw.is_known() => return Some(Err(RtcpError::Malformed)),
                None => {}
            }
        }
        None
    }
}

/// One message: its common header, and what follows it without padding.
struct Raw<'a> {
    /// Report count, source count or feedback format.
    count: u8,
    kind: u8,
    body: &'a [u8],
}

fn split(bytes: &[u8]) -> Result<(Raw<'_>, &[u8]), RtcpError> {
    let first = u8_at(bytes, 0).ok_or(RtcpError::Truncated)?;
    let kind = u8_at(bytes, 1).ok_or(RtcpError::Truncated)?;
    let words = u16_at(bytes, 2).ok_or(RtcpError::Truncated)?;
    if first >> 6 != 2 {
        return Err(RtcpError::Version);
    }
    let len = 4 * (usize::from(words) + 1);
    let (whole, rest) = bytes.split_at_checked(len).ok_or(RtcpError::Truncated)?;
    let body = whole.get(4..).unwrap_or_default();
    let padding = if first & 0x20 == 0 { 0 } else { usize::from(body.last().copied().unwrap_or(0)) };
    // Padding that does not fit leaves no body, and the message is malformed.
    let body = body.len().checked_sub(padding).and_then(|len| body.get(..len)).unwrap_or_default();
    Ok((Raw { count: first & 0x1f, kind, body }, rest))
}

impl<'a> Raw<'a> {
    fn is_known(&self) -> bool {
        match (self.kind, self.count) {
            (SENDER_REPORT | RECEIVER_REPORT | SDES | BYE, _) => true,
            (RTPFB, format) => matches!(format, FMT_NACK | FMT_TRANSPORT_CC),
            (PSFB, FMT_APPLICATION) => feedback::is_remb(self.body),
            (PSFB, format) => matches!(format, FMT_PLI | FMT_FIR),
            _ => false,
        }
    }

    fn message(&self) -> Option<Message<'a>> {
        let body = self.body;
        match (self.kind, self.count) {
            (SENDER_REPORT, count) => SenderReport::parse(count, body).map(Message::SenderReport),
            (RECEIVER_REPORT, count) => ReceiverReport::parse(count, body).map(Message::ReceiverReport),
            (SDES, count) => Sdes::parse(count, body).map(Message::Sdes),
            (BYE, count) => Bye::parse(count, body).map(Message::Bye),
            (RTPFB, FMT_NACK) => Nack::parse(body).map(Message::Nack),
            (RTPFB, FMT_TRANSPORT_CC) => TransportFeedback::parse(body).map(Message::TransportFeedback),
            (PSFB, FMT_PLI) => Pli::parse(body).map(Message::Pli),
            (PSFB, FMT_FIR) => Fir::parse(body).map(Message::Fir),
            (PSFB, FMT_APPLICATION) => Remb::parse(body).map(Message::Remb),
            _ => None,
        }
    }
}
