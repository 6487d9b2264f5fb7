//! Data channel establishment protocol (RFC 8832 5).

use sctp_proto::ReliabilityType;

/// Longest label and longest protocol that is taken. LiveKit's are `_reliable` and `_lossy`.
pub(super) const MAX_LABEL: usize = 256;

const ACK: u8 = 2;
const OPEN: u8 = 3;
const HEADER: usize = 12;
const UNORDERED: u8 = 0x80;

/// The answer to an [`Open`].
pub(super) const ACK_MESSAGE: [u8; 1] = [ACK];

/// DATA_CHANNEL_OPEN. Priority and protocol are not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) label: String,
    pub(super) ordered: bool,
    pub(super) partial: Partial,
}

/// How long a message is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partial {
    Never,
    Retransmissions(u32),
    Milliseconds(u32),
}

impl Partial {
    pub(super) fn parameters(self) -> (ReliabilityType, u32) {
        match self {
            Self::Never => (ReliabilityType::Reliable, 0),
            Self::Retransmissions(times) => (ReliabilityType::Rexmit, times),
            Self::Milliseconds(time) => (ReliabilityType::Timed, time),
        }
    }
}

/// A DCEP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Open(Open),
    Ack,
}

impl Message {
    /// `None` if malformed.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        match *bytes.first()? {
            ACK => Some(Self::Ack),
            OPEN => Open::read(bytes).map(Self::Open),
            _ => None,
        }
    }
}

impl Open {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
        let parameter = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        let label_len = usize::from(u16::from_be_bytes([header[8], header[9]]));
        let protocol_len = usize::from(u16::from_be_bytes([header[10], header[11]]));
        if label_len > MAX_LABEL || rest.len() != label_len + protocol_len {
            return None;
        }
        let label = std::str::from_utf8(rest.get(..label_len)?).ok()?.to_owned();
        let partial = match header[1] & !UNORDERED {
            0 => Partial::Never,
            1 => Partial::Retransmissions(parameter),
            2 => Partial::Milliseconds(parameter),
            _ => return None,
        };
        Some(Self { label, ordered: header[1] & UNORDERED == 0, partial })
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let (kind, parameter) = match self.partial {
            Partial::Never => (0, 0),
            Partial::Retransmissions(times) => (1, times),
            Partial::Milliseconds(time) => (2, time),
        };
        let unordered = if self.ordered { 0 } else { UNORDERED };
        let mut bytes = vec![OPEN, kind | unordered, 0, 0];
        bytes.extend(parameter.to_be_bytes());
        bytes.extend((self.label.len() as u16).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.label.as_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_for_a_lossy_channel_is_laid_out_as_in_rfc_8832_5_1() {
        let open = Open { label: "_lossy".into(), ordered: false, partial: Partial::Retransmissions(0) };
        assert_eq!(open.write(), b"\x03\x81\0\0\0\0\0\0\0\x06\0\0_lossy");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(label in "[a-z_]{0,40}", ordered: bool, kind in 0..3, value: u32) {
            let partial = match kind {
                0 => Partial::Never,
                1 => Partial::Retransmissions(value),
                _ => Partial::Milliseconds(value),
            };
            let open = Open { label, ordered, partial };
            prop_assert_eq!(Message::read(&open.write()), Some(Message::Open(open)));
        }

        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(0u8..12, 0..40)) {
            let _ = Message::read(&bytes);
        }
    }
}
