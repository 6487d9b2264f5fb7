//! RTCP that waits to be sent to one participant on one of its connections. Whole messages, bounded; they go out packed
//! together (RFC 5506 lets them come in any combination).

use parlour_rtp::BufferFull;
use parlour_rtp::rtcp::Writer;

/// What may wait: some twenty messages, a second of everything at its worst.
const MAX_WAITING: usize = 8_192;

/// The largest message: transport feedback of a full window.
const MAX_MESSAGE: usize = 1_200;

/// A compound packet stays below what a path carries, with room for SRTCP.
const MAX_PACKET: usize = 1_200;

/// Messages that are packed together; more in one datagram some receivers (ours among them) do not look at.
const MAX_PACKED: usize = 32;

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct RtcpOutbox {
    bytes: Vec<u8>,
    /// Ends of the messages in `bytes`.
    ends: Vec<usize>,
}

/// The message was not taken: too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

impl RtcpOutbox {
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds what `write` writes, as one piece that is not divided.
    pub fn push<T>(&mut self, write: impl FnOnce(&mut Writer<'_>) -> Result<T, BufferFull>) -> Result<T, Overflow> {
        let start = self.bytes.len();
        if start + MAX_MESSAGE > MAX_WAITING {
            return Err(Overflow);
        }
        // Written where the cache has it, and kept in as many bytes as it has: most messages are of one line of it.
        let mut message = [0; MAX_MESSAGE];
        let mut writer = Writer::new(&mut message);
        let outcome = write(&mut writer);
        let len = writer.len();
        if outcome.is_ok() && len > 0 {
            self.bytes.extend_from_slice(message.get(..len).unwrap_or_default());
            self.ends.push(self.bytes.len());
        }
        outcome.map_err(|_| Overflow)
    }

    /// Moves as many messages as fit into `buffer`; `None` if there are none, or the first does not fit and is lost.
    pub fn pop(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let room = buffer.len().min(MAX_PACKET);
        let fitting = self.ends.iter().take(MAX_PACKED).take_while(|&&end| end <= room).count();
        let taken = fitting.max(1).min(self.ends.len());
        let end = *self.ends.get(taken.checked_sub(1)?)?;
        let place = buffer.get_mut(..end).filter(|_| fitting > 0);
        let moved = place.zip(self.bytes.get(..end)).map(|(place, bytes)| place.copy_from_slice(bytes));
        self.bytes.drain(..end);
        self.ends.drain(..taken);
        for later in &mut self.ends {
            *later -= end;
        }
        moved.map(|()| end)
    }
}

#[cfg(test)]
mod tests {
    use parlour_rtp::rtcp;

    use super::*;

    #[test]
    fn messages_leave_whole_and_in_order() {
        let mut outbox = RtcpOutbox::default();
        for ssrc in 0..200 {
            outbox.push(|writer| writer.pli(1, ssrc)).unwrap();
        }
        let mut buffer = [0; 1_500];
        let mut seen = 0;
        while let Some(len) = outbox.pop(&mut buffer) {
            assert!(len <= MAX_PACKET);
            for message in rtcp::parse(&buffer[..len]) {
                let Ok(rtcp::Message::Pli(pli)) = message else { panic!() };
                assert_eq!(pli.media_ssrc, seen);
                seen += 1;
            }
        }
        assert_eq!(seen, 200);
    }

    #[test]
    fn too_much_is_refused() {
        let mut outbox = RtcpOutbox::default();
        let taken = (0..10_000).filter(|&ssrc| outbox.push(|writer| writer.pli(1, ssrc)).is_ok()).count();
        assert!(taken * 12 <= MAX_WAITING);
        assert_eq!(outbox.push(|writer| writer.pli(1, 1)), Err(Overflow));
    }
}
