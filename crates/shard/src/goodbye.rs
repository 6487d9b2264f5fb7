//! Last datagrams of peers that are gone: what they had to say is kept here until the outbox takes it.

use std::net::SocketAddr;

use crate::outbox::Outbox;

/// Datagrams that wait. A goodbye is two of them; what does not fit is lost, as on any bad day of the network.
const MAX_WAITING: usize = 256;

#[derive(Default)]
pub(crate) struct Goodbyes {
    waiting: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
}

impl Goodbyes {
    pub(crate) fn queue(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push((from, to, datagram.to_vec()));
        }
    }

    /// Puts what waits into the outbox; `false`: it is full.
    pub(crate) fn transmit(&mut self, outbox: &mut Outbox) -> bool {
        while let Some((from, to, datagram)) = self.waiting.last() {
            if !outbox.has_room() {
                return false;
            }
            outbox.push(*from, *to, datagram);
            self.waiting.pop();
        }
        true
    }
}
