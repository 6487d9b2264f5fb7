//! Opening the room of a session: by the control plane, with its own rules and perhaps from a snapshot, or by the first
//! who joins, with the server's defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use parlour_model::{Redacted, Refusal, SessionId, SessionOpening};
use parlour_session::{Clock, Session, SessionOptions};

use crate::room::{Origin, QUALITY_INTERVAL, Room, RoomKey};
use crate::shard::Shard;

impl Shard {
    /// Opens the session as the control plane wants it. One that is there is left as it is; one that ended stays so.
    pub(crate) fn open_session(
        &mut self,
        session: &SessionId,
        opening: SessionOpening,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.rooms.of_session(session).is_some() {
            return Ok(());
        }
        let SessionOpening { kind, modality, schedule, policy, snapshot } = opening;
        let region = snapshot.as_ref().map_or(&policy.region, |snapshot| &snapshot.policy.region);
        if region.is_some() && *region != self.config.session.node_region {
            return Err(Refusal::WrongRegion);
        }
        let options = SessionOptions { kind, modality, schedule, policy, ..self.config.session.clone() };
        let clock = self.clock_at(now);
        let rules = match snapshot {
            Some(snapshot) => Session::restore(session.clone(), options, snapshot, clock),
            None => Session::new(session.clone(), options, clock),
        };
        let key = self.insert_room(rules, Origin::Opened, clock)?;
        self.in_room(key, now, |_| ());
        Ok(())
    }

    /// The room of a session, opened with the server's defaults if there is none.
    pub(crate) fn room_of(&mut self, session: &SessionId, now: Instant) -> Result<RoomKey, Refusal> {
        if let Some(key) = self.rooms.of_session(session) {
            return Ok(key);
        }
        let clock = self.clock_at(now);
        let rules = Session::new(session.clone(), self.config.session.clone(), clock);
        self.insert_room(rules, Origin::Joined, clock)
    }

    fn insert_room(&mut self, session: Session, origin: Origin, clock: Clock) -> Result<RoomKey, Refusal> {
        if self.rooms.has_ended(session.id()) {
            return Err(Refusal::Ended);
        }
        if self.rooms.len() >= self.config.max_rooms {
            return Err(Refusal::Limit);
        }
        let key = self.rooms.next_key();
        self.rooms.insert(Room {
            key,
            id: session.id().clone(),
            sid: self.names.sid("RM"),
            origin,
            metadata: Redacted(String::new()),
            created_at_ms: clock.unix_ms,
            session,
            media: parlour_media::Room::new(&self.config.media, self.names.number(), clock.now),
            participants: BTreeMap::new(),
            publications: BTreeMap::new(),
            names: BTreeMap::new(),
            allowances: BTreeMap::new(),
            messages: BTreeMap::new(),
            next_quality: clock.now + QUALITY_INTERVAL,
            edges: BTreeSet::new(),
            edges_version: 0,
            withholds: false,
            queued: false,
            media_due: None,
            faults: 0,
        });
        Ok(key)
    }

    fn clock_at(&self, now: Instant) -> Clock {
        Clock { now, unix_ms: self.clock.unix_ms_at(now) }
    }
}
