//! What passes on a test's channel: a byte that says what it is, then numbers, most significant byte first. Times are
//! microseconds of the sender's own clock and wrap. What does not read as one of these is dropped.

use bytes::{Buf, BufMut};

/// Bytes of a beat and its echo: those of a packet of speech.
pub(crate) const BEAT_SIZE: usize = 100;

/// Bytes of a packet of a load: with what lies around it, those of a packet of video.
pub(crate) const LOAD_SIZE: usize = 1_100;

/// What lies around a message on its way: SCTP (28), DTLS (29 to 37), UDP and IPv4 (28).
pub(crate) const OVERHEAD: usize = 90;

const BEAT: u8 = 1;
const ECHO: u8 = 2;
const ASK: u8 = 3;
const LOAD: u8 = 4;
const REPORT: u8 = 5;

/// A message, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// To be echoed.
    Beat { number: u32, sent: u32 },
    /// A beat came in at `received`; it was the `count`th.
    Echo { number: u32, sent: u32, received: u32, count: u32 },
    /// The client is ready for a load.
    Ask,
    /// One packet of a load.
    Load { number: u32, sent: u32 },
    /// What has arrived of a load until now.
    Report(Report),
}

/// What the receiver of a load tells its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The best rate of any window, with what lies around messages.
    pub(crate) kbps: u32,
    /// How much longer the last packets took than the fastest.
    pub(crate) queue_ms: u32,
    /// Packets.
    pub(crate) count: u32,
}

impl Message {
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let message = match bytes.try_get_u8().ok()? {
            BEAT => Self::Beat { number: bytes.try_get_u32().ok()?, sent: bytes.try_get_u32().ok()? },
            ECHO => Self::Echo {
                number: bytes.try_get_u32().ok()?,
                sent: bytes.try_get_u32().ok()?,
                received: bytes.try_get_u32().ok()?,
                count: bytes.try_get_u32().ok()?,
            },
            ASK => Self::Ask,
            LOAD => Self::Load { number: bytes.try_get_u32().ok()?, sent: bytes.try_get_u32().ok()? },
            REPORT => Self::Report(Report {
                kbps: bytes.try_get_u32().ok()?,
                queue_ms: bytes.try_get_u32().ok()?,
                count: bytes.try_get_u32().ok()?,
            }),
            _ => return None,
        };
        Some(message)
    }

    pub(crate) fn write(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LOAD_SIZE);
        let size = match self {
            Self::Beat { number, sent } => put(&mut bytes, BEAT, &[number, sent], BEAT_SIZE),
            Self::Echo { number, sent, received, count } => {
                put(&mut bytes, ECHO, &[number, sent, received, count], BEAT_SIZE)
            }
            Self::Ask => put(&mut bytes, ASK, &[], 0),
            Self::Load { number, sent } => put(&mut bytes, LOAD, &[number, sent], LOAD_SIZE),
            Self::Report(Report { kbps, queue_ms, count }) => put(&mut bytes, REPORT, &[kbps, queue_ms, count], 0),
        };
        bytes.resize(bytes.len().max(size), 0);
        bytes
    }
}

/// Writes the numbers; the size to fill up to.
fn put(bytes: &mut Vec<u8>, kind: u8, numbers: &[u32], size: usize) -> usize {
    bytes.put_u8(kind);
    numbers.iter().for_each(|number| bytes.put_u32(*number));
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Message; 5] = [
        Message::Beat { number: 1, sent: 2 },
        Message::Echo { number: 1, sent: 2, received: 3, count: 4 },
        Message::Ask,
        Message::Load { number: u32::MAX, sent: 7 },
        Message::Report(Report { kbps: 2_500, queue_ms: 40, count: 9 }),
    ];

    #[test]
    fn what_is_written_reads_the_same() {
        for message in ALL {
            assert_eq!(Message::read(&message.write()), Some(message));
        }
    }

    #[test]
    fn no_bytes_panic_and_what_is_cut_short_is_nothing() {
        for message in ALL {
            let whole = message.write();
            for length in 0..whole.len() {
                let _ = Message::read(&whole[..length]);
            }
        }
        assert_eq!(Message::read(&[BEAT, 0, 0, 0, 1]), None);
        assert_eq!(Message::read(&[9; 40]), None);
    }
}
