//! A door for `fuzz/` and for tests that speak below a whole peer. Not part of the crate's interface.

use std::time::Instant;

use bytes::Bytes;

use crate::channels::Channels;
use crate::hello::choose_version;
use crate::{DtlsVersions, channels};

/// The first datagram of DTLS, and a message that opens a data channel: neither is reached without a handshake.
pub fn read(bytes: &[u8]) {
    let _ = choose_version(DtlsVersions::Both, bytes);
    channels::read_dcep(bytes);
}

/// Our end of an SCTP association, without the DTLS around it.
#[derive(Debug)]
pub struct Association(Channels);

impl Default for Association {
    fn default() -> Self {
        Self(Channels::new())
    }
}

impl Association {
    /// Handles a packet; whether it was taken for one of the association.
    pub fn handle_packet(&mut self, now: Instant, packet: Vec<u8>) -> bool {
        self.0.handle_packet(now, packet).is_ok()
    }

    /// What it would send next.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Bytes> {
        self.0.poll_packet(now)
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.0.handle_timeout(now);
    }

    /// Forgets what happened; how much it was.
    pub fn drain_events(&mut self) -> usize {
        std::iter::from_fn(|| self.0.poll_event()).count()
    }
}
