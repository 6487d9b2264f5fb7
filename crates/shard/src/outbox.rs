//! Datagrams on their way out, laid end to end in one buffer. A run of equal size to one destination is contiguous, so
//! the kernel can take it in one call (UDP GSO) without a copy.

use std::net::SocketAddr;

/// Longest datagram that leaves us. Media packets are at most what clients sent plus an extension and a tag; DTLS and SCTP
/// keep to 1,200 bytes of their own.
pub const MAX_DATAGRAM: usize = 1_600;

/// Segments that the kernel takes in one send (UDP_MAX_SEGMENTS).
const MAX_SEGMENTS: usize = 64;

/// Most bytes in one send: an IPv4 packet's limit less headers, as the kernel checks it before it segments.
const MAX_SEND: usize = 65_000;

/// Ready datagrams and the room to write the next.
pub struct Outbox {
    buffer: Vec<u8>,
    used: usize,
    sends: Vec<Send>,
}

/// One call to the kernel: one datagram, or several of equal size (the last may be shorter) to one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Send {
    from: SocketAddr,
    to: SocketAddr,
    start: usize,
    length: usize,
    segment: usize,
    segments: usize,
    /// A shorter segment has ended it.
    closed: bool,
}

/// A run of datagrams for the socket.
#[derive(Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Our address, as the client's route has it.
    pub from: SocketAddr,
    /// The client.
    pub to: SocketAddr,
    /// All datagrams, end to end.
    pub bytes: &'a [u8],
    /// The size of each but the last.
    pub segment: usize,
}

impl Outbox {
    /// An outbox that holds `capacity` bytes before it asks to be flushed.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity.max(MAX_DATAGRAM)], used: 0, sends: Vec::with_capacity(64) }
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Whether another datagram fits.
    pub fn has_room(&self) -> bool {
        self.buffer.len() - self.used >= MAX_DATAGRAM
    }

    /// Where the next datagram is to be written. Call only while [`Self::has_room`].
    pub fn tail(&mut self) -> &mut [u8] {
        let end = (self.used + MAX_DATAGRAM).min(self.buffer.len());
        &mut self.buffer[self.used..end]
    }

    /// The first `length` bytes of [`Self::tail`] are a datagram.
    pub fn commit(&mut self, from: SocketAddr, to: SocketAddr, length: usize) {
        let start = self.used;
        self.used += length;
        if let Some(last) = self.sends.last_mut()
            && last.takes(from, to, length)
        {
            last.length += length;
            last.segments += 1;
            last.closed = length < last.segment;
            return;
        }
        self.sends.push(Send { from, to, start, length, segment: length, segments: 1, closed: false });
    }

    /// Copies in a datagram written elsewhere; too long or no room: not taken.
    pub fn push(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) -> bool {
        if !self.has_room() || datagram.is_empty() {
            return false;
        }
        let Some(place) = self.tail().get_mut(..datagram.len()) else { return false };
        place.copy_from_slice(datagram);
        self.commit(from, to, datagram.len());
        true
    }

    /// What waits, in order.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.sends.iter().map(|send| Run {
            from: send.from,
            to: send.to,
            bytes: &self.buffer[send.start..send.start + send.length],
            segment: send.segment,
        })
    }

    /// All was sent.
    pub fn clear(&mut self) {
        self.used = 0;
        self.sends.clear();
    }
}

impl Send {
    fn takes(&self, from: SocketAddr, to: SocketAddr, length: usize) -> bool {
        !self.closed
            && self.from == from
            && self.to == to
            && length <= self.segment
            && self.segments < MAX_SEGMENTS
            && self.length + length <= MAX_SEND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn sizes(outbox: &Outbox) -> Vec<(u16, usize, usize)> {
        outbox.runs().map(|run| (run.to.port(), run.bytes.len(), run.segment)).collect()
    }

    #[test]
    fn equal_sizes_to_one_destination_make_a_run_that_a_shorter_one_ends() {
        let mut outbox = Outbox::new(64 * 1024);
        for (port, length) in [(1, 1200), (1, 1200), (1, 300), (1, 300), (2, 1200), (1, 1200), (1, 1300)] {
            assert!(outbox.push(address(9), address(port), &vec![port as u8; length]));
        }
        assert_eq!(sizes(&outbox), [(1, 2700, 1200), (1, 300, 300), (2, 1200, 1200), (1, 1200, 1200), (1, 1300, 1300)]);
    }

    #[test]
    fn a_run_keeps_the_kernels_bounds() {
        let mut outbox = Outbox::new(512 * 1024);
        for _ in 0..130 {
            outbox.push(address(9), address(1), &[0; 100]);
        }
        for _ in 0..60 {
            outbox.push(address(9), address(2), &[0; 1_500]);
        }
        for run in outbox.runs() {
            assert!(run.bytes.len() <= MAX_SEND);
            assert!(run.bytes.len().div_ceil(run.segment) <= MAX_SEGMENTS);
        }
        assert_eq!(outbox.runs().map(|run| run.bytes.len()).sum::<usize>(), 130 * 100 + 60 * 1_500);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut outbox = Outbox::new(MAX_DATAGRAM);
        assert!(!outbox.push(address(9), address(1), &[0; MAX_DATAGRAM + 1]));
        assert!(outbox.push(address(9), address(1), &[0; 1]));
        assert!(!outbox.push(address(9), address(1), &[0; 1]));
        outbox.clear();
        assert!(outbox.is_empty() && outbox.has_room());
    }
}
