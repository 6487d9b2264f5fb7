//! What a datagram is, and whose. First byte per RFC 7983; then the remote address, else the ICE username fragment.
//! Nothing is allocated for a datagram that belongs to nobody.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

/// A peer's number within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u32);

/// Remote addresses one peer may be known by at once: Wi-Fi, cellular, both families, and one to spare. The oldest gives
/// way, so that a client that moves a lot keeps its newest path.
const ADDRESSES_PER_PEER: usize = 6;

/// What a datagram's first byte says it is (RFC 7983 section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatagramKind {
    Stun,
    Dtls,
    Media,
    Unknown,
}

impl DatagramKind {
    pub(crate) fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Unknown,
        }
    }
}

/// Where datagrams come from, as a key: hashed as a number or two, not field by field, since many packets come alone.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Remote(SocketAddr);

impl Hash for Remote {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            SocketAddr::V4(address) => {
                state.write_u64(u64::from(address.ip().to_bits()) << 16 | u64::from(address.port()));
            }
            SocketAddr::V6(address) => {
                state.write_u128(address.ip().to_bits());
                state.write_u16(address.port());
            }
        }
    }
}

/// Finds the peer of a datagram.
#[derive(Default)]
pub(crate) struct Demux {
    by_address: HashMap<Remote, PeerKey>,
    by_ufrag: HashMap<String, PeerKey>,
    /// Where the last datagram led: a frame's packets come one after the other.
    last: Option<(SocketAddr, PeerKey)>,
    addresses: HashMap<PeerKey, Vec<SocketAddr>>,
}

impl Demux {
    pub(crate) fn peer_at(&mut self, address: SocketAddr) -> Option<PeerKey> {
        if let Some((last, peer)) = self.last
            && last == address
        {
            return Some(peer);
        }
        let peer = self.by_address.get(&Remote(address)).copied();
        self.last = peer.map(|peer| (address, peer)).or(self.last);
        peer
    }

    pub(crate) fn peer_of_ufrag(&self, ufrag: &str) -> Option<PeerKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// All that leads to a peer.
    pub(crate) fn len(&self) -> usize {
        self.by_address.len() + self.by_ufrag.len() + self.addresses.len()
    }

    pub(crate) fn add_ufrag(&mut self, ufrag: &str, peer: PeerKey) {
        self.by_ufrag.insert(ufrag.to_owned(), peer);
    }

    pub(crate) fn remove_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// Learns that authenticated datagrams of `peer` come from `address`.
    pub(crate) fn learn(&mut self, address: SocketAddr, peer: PeerKey) {
        self.last = None;
        match self.by_address.insert(Remote(address), peer) {
            Some(known) if known == peer => return,
            Some(previous) => self.forget_address(previous, address),
            None => {}
        }
        let known = self.addresses.entry(peer).or_default();
        known.push(address);
        if known.len() > ADDRESSES_PER_PEER {
            let oldest = known.remove(0);
            self.by_address.remove(&Remote(oldest));
        }
    }

    /// Forgets all that leads to a peer.
    pub(crate) fn remove_peer(&mut self, peer: PeerKey, ufrags: &[String]) {
        self.last = None;
        for ufrag in ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for address in self.addresses.remove(&peer).unwrap_or_default() {
            self.by_address.remove(&Remote(address));
        }
    }

    fn forget_address(&mut self, peer: PeerKey, address: SocketAddr) {
        if let Some(known) = self.addresses.get_mut(&peer) {
            known.retain(|one| *one != address);
        }
    }
}

/// The receiver's part of a Binding request's USERNAME, `receiver:sender` (RFC 8445 section 7.2.2). `None` when there is
/// none, which is what a plain STUN client sends.
pub(crate) fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    const HEADER: usize = 20;
    const USERNAME: u16 = 0x0006;
    let mut rest = datagram.get(HEADER..)?;
    loop {
        let kind = u16::from_be_bytes(rest.get(..2)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
        let value = rest.get(4..4 + length)?;
        if kind == USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, last], 4000))
    }

    fn binding_request(username: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        datagram.extend([7; 12]);
        datagram.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]);
        datagram.extend([0, 6]);
        datagram.extend((username.len() as u16).to_be_bytes());
        datagram.extend(username);
        datagram
    }

    #[test]
    fn the_receivers_ufrag_is_found_behind_other_attributes() {
        assert_eq!(stun_local_ufrag(&binding_request(b"ours:theirs")), Some("ours"));
    }

    #[test]
    fn truncation_anywhere_finds_nothing() {
        let whole = binding_request(b"ours:theirs");
        for length in 0..whole.len() {
            assert_eq!(stun_local_ufrag(&whole[..length]), None, "at {length}");
        }
    }

    #[test]
    fn an_address_that_moves_to_another_peer_leaves_the_first() {
        let mut demux = Demux::default();
        demux.learn(address(1), PeerKey(1));
        demux.learn(address(1), PeerKey(2));
        demux.remove_peer(PeerKey(1), &[]);
        assert_eq!(demux.peer_at(address(1)), Some(PeerKey(2)));
    }

    #[test]
    fn the_last_datagrams_peer_is_not_remembered_beyond_its_end() {
        let mut demux = Demux::default();
        demux.learn(address(1), PeerKey(1));
        assert_eq!(demux.peer_at(address(1)), Some(PeerKey(1)));
        demux.learn(address(1), PeerKey(2));
        assert_eq!(demux.peer_at(address(1)), Some(PeerKey(2)));
        demux.remove_peer(PeerKey(2), &[]);
        assert_eq!(demux.peer_at(address(1)), None);
    }

    #[test]
    fn the_oldest_address_gives_way() {
        let mut demux = Demux::default();
        for last in 0..=ADDRESSES_PER_PEER as u8 {
            demux.learn(address(last), PeerKey(1));
        }
        assert_eq!(demux.peer_at(address(0)), None);
        assert_eq!(demux.peer_at(address(1)), Some(PeerKey(1)));
        demux.remove_peer(PeerKey(1), &[]);
        assert!(demux.by_address.is_empty() && demux.addresses.is_empty());
    }

    #[test]
    fn first_bytes_are_told_apart() {
        let kinds = [0, 3, 4, 20, 63, 64, 127, 128, 191, 192].map(|byte| DatagramKind::of(&[byte]));
        use DatagramKind::{Dtls, Media, Stun, Unknown};
        assert_eq!(kinds, [Stun, Stun, Unknown, Dtls, Dtls, Unknown, Unknown, Media, Media, Unknown]);
        assert_eq!(DatagramKind::of(&[]), Unknown);
    }
}
