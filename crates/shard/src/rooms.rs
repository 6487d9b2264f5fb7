//! The rooms of a shard.

use std::collections::{BTreeMap, HashMap, VecDeque};

use parlour_model::SessionId;
use parlour_model::session::SessionPhase;

use crate::room::{Origin, Room, RoomKey};

/// Ended sessions that are remembered: whoever keeps sessions learns of an end a moment later, and must not open one again
/// in that moment.
const MAX_ENDED: usize = 4_096;

/// All rooms, by number and by name.
#[derive(Default)]
pub(crate) struct Rooms {
    /// Each on its own, as the nodes of the map are half empty.
    rooms: BTreeMap<RoomKey, Box<Room>>,
    by_session: HashMap<SessionId, RoomKey>,
    last: u32,
    /// Sessions that ended for good, the latest last.
    ended: VecDeque<SessionId>,
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
        self.rooms.insert(room.key, Box::new(room));
    }

    pub(crate) fn remove(&mut self, key: RoomKey) -> Option<Room> {
        let room = self.rooms.remove(&key)?;
        self.by_session.remove(&room.id);
        if room.origin == Origin::Opened && room.session.phase() == SessionPhase::Ended {
            if self.ended.len() >= MAX_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(room.id.clone());
        }
        Some(*room)
    }

    /// Whether this session ended here, a while ago at most.
    pub(crate) fn has_ended(&self, session: &SessionId) -> bool {
        self.ended.contains(session)
    }

    pub(crate) fn of_session(&self, session: &SessionId) -> Option<RoomKey> {
        self.by_session.get(session).copied()
    }

    pub(crate) fn get(&self, key: RoomKey) -> Option<&Room> {
        self.rooms.get(&key).map(|room| &**room)
    }

    pub(crate) fn get_mut(&mut self, key: RoomKey) -> Option<&mut Room> {
        self.rooms.get_mut(&key).map(|room| &mut **room)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values().map(|room| &**room)
    }

    pub(crate) fn keys(&self) -> Vec<RoomKey> {
        self.rooms.keys().copied().collect()
    }
}
