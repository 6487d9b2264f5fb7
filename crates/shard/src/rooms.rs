//! The rooms of a shard.

use std::collections::{BTreeMap, HashMap};

use parlour_model::SessionId;

use crate::room::{Room, RoomKey};

/// All rooms, by number and by name.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: BTreeMap<RoomKey, Room>,
    by_session: HashMap<SessionId, RoomKey>,
    last: u32,
}

impl Rooms {
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn next_key(&mut self) -> RoomKey {
        self.last += 1;
        RoomKey(self.last)
    }

    pub(crate) fn insert(&mut self, room: Room) {
        self.by_session.insert(room.id.clone(), room.key);
        self.rooms.insert(room.key, room);
    }

    pub(crate) fn remove(&mut self, key: RoomKey) -> Option<Room> {
        let room = self.rooms.remove(&key)?;
        self.by_session.remove(&room.id);
        Some(room)
    }

    pub(crate) fn of_session(&self, session: &SessionId) -> Option<RoomKey> {
        self.by_session.get(session).copied()
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.rooms.get_mut(&key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    pub(crate) fn keys(&self) -> Vec<RoomKey> {
        self.rooms.keys().copied().collect()
    }
}
