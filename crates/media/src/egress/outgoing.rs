//! A packet on its way to a receiver, before its bytes are written: numbers and a reference into the repair cache.

use crate::inbound::Picture;

/// See the head of this file. Small, because it waits in queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Index of the stream in its downlink.
    pub stream: u16,
    /// Index of the publication in its room, with the encoding.
    pub publication: u16,
    pub layer: u8,
    pub form: Form,
    /// Number in the repair cache of that encoding.
    pub incoming: u64,
    /// Outgoing number, extended.
    pub sequence: u64,
    pub timestamp: u32,
    pub picture: Option<Picture>,
}

/// As what a packet goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For the first time.
    Media,
    /// For the first time, as padding only.
    Filler,
    /// Again, on the repair stream (RFC 4588) where there is one, else as the very same packet.
    Repair,
    /// Again, as the very same packet: in case the first is lost.
    Copy,
    /// Again, on the repair stream, to find out what the line carries.
    Probe,
    /// So many bytes of padding on the repair stream, to find out what the line carries while there is nothing to repeat.
    Padding(u8),
}

impl Form {
    /// The packet left before.
    pub fn is_repetition(self) -> bool {
        matches!(self, Self::Repair | Self::Copy | Self::Probe)
    }
}
