//! The peer connections of a shard and the tables that lead to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use parlour_model::ParticipantKey;
use parlour_peer::{IceCredentials, Peer, PeerConfig};

use crate::demux::{Demux, PeerKey};
use crate::names::Names;
use crate::room::RoomKey;

/// A peer and whose it is.
pub(crate) struct PeerSlot {
    pub(crate) peer: Peer,
    pub(crate) room: RoomKey,
    pub(crate) participant: ParticipantKey,
    /// By which checks find it: the present one, and before it those of an ICE restart under way.
    ufrags: Vec<String>,
}

/// All peers of a shard.
pub(crate) struct Peers {
    config: Arc<PeerConfig>,
    /// Each on its own: in the nodes of the map, half of them empty, they would take twice their size.
    slots: BTreeMap<PeerKey, Box<PeerSlot>>,
    demux: Demux,
    next: u32,
    /// Peers that were touched and may have something to send or tell.
    dirty: Vec<PeerKey>,
}

impl Peers {
    pub(crate) fn new(config: Arc<PeerConfig>) -> Self {
        Self { config, slots: BTreeMap::new(), demux: Demux::default(), next: 1, dirty: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn get(&self, key: PeerKey) -> Option<&PeerSlot> {
        self.slots.get(&key).map(|slot| &**slot)
    }

    /// The peer, to be used; it is looked at again before this call into the shard ends.
    pub(crate) fn touch(&mut self, key: PeerKey) -> Option<&mut PeerSlot> {
        let slot = &mut **self.slots.get_mut(&key)?;
        if self.dirty.last() != Some(&key) {
            self.dirty.push(key);
        }
        Some(slot)
    }

    /// The peer, for what neither sends by itself nor tells: sealing.
    pub(crate) fn get_mut(&mut self, key: PeerKey) -> Option<&mut PeerSlot> {
        self.slots.get_mut(&key).map(|slot| &mut **slot)
    }

    pub(crate) fn take_dirty(&mut self, into: &mut Vec<PeerKey>) {
        into.append(&mut self.dirty);
        into.sort_unstable();
        into.dedup();
    }

    pub(crate) fn create(
        &mut self,
        room: RoomKey,
        participant: ParticipantKey,
        names: &mut Names,
        now: Instant,
    ) -> PeerKey {
        let key = PeerKey(self.next);
        self.next += 1;
        let credentials = self.credentials(names);
        let ufrag = credentials.ufrag.clone();
        let peer = Peer::new(self.config.clone(), credentials, names.seed(), now);
        self.demux.add_ufrag(&ufrag, key);
        self.slots.insert(key, Box::new(PeerSlot { peer, room, participant, ufrags: vec![ufrag] }));
        key
    }

    /// Credentials whose fragment no other peer of the shard has.
    pub(crate) fn credentials(&self, names: &mut Names) -> IceCredentials {
        loop {
            let ufrag = names.ufrag();
            if self.demux.peer_of_ufrag(&ufrag).is_none() {
                return IceCredentials { ufrag, password: names.password() };
            }
        }
    }

    /// After an ICE restart the peer answers to a new fragment too.
    pub(crate) fn ufrag_added(&mut self, key: PeerKey) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        let ufrag = slot.peer.local_ufrag().to_owned();
        if !slot.ufrags.contains(&ufrag) {
            self.demux.add_ufrag(&ufrag, key);
            slot.ufrags.push(ufrag);
        }
    }

    pub(crate) fn ufrag_retired(&mut self, key: PeerKey, ufrag: &str) {
        if let Some(slot) = self.slots.get_mut(&key) {
            slot.ufrags.retain(|one| one != ufrag);
            self.demux.remove_ufrag(ufrag);
        }
    }

    pub(crate) fn remove(&mut self, key: PeerKey) -> Option<PeerSlot> {
        let slot = self.slots.remove(&key)?;
        self.demux.remove_peer(key, &slot.ufrags);
        Some(*slot)
    }

    pub(crate) fn at(&mut self, address: SocketAddr) -> Option<PeerKey> {
        self.demux.peer_at(address)
    }

    pub(crate) fn of_ufrag(&self, ufrag: &str) -> Option<PeerKey> {
        self.demux.peer_of_ufrag(ufrag)
    }

    pub(crate) fn learn(&mut self, address: SocketAddr, key: PeerKey) {
        self.demux.learn(address, key);
    }

    /// Addresses and fragments that lead to a peer.
    pub(crate) fn known_ways(&self) -> usize {
        self.demux.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerKey, &PeerSlot)> {
        self.slots.iter().map(|(key, slot)| (*key, &**slot))
    }
}
