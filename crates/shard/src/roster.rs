//! Who is told of whom. A client's roster follows the session's: what it is told is the difference between what it
//! knows and what it may know. This is the one place where news of a person leaves, and it asks the session.

use parlour_model::command::SessionRecord;
use parlour_model::{Event, Identity, ParticipantKey, ParticipantRecord, ParticipantState};

use crate::audience::Connection;
use crate::participant::Known;
use crate::room::RoomContext;

impl RoomContext<'_> {
    /// Brings every client's roster up to date.
    pub(crate) fn sync_rosters(&mut self) {
        let viewers: Vec<_> = self.room.present().map(|one| one.key).collect();
        for viewer in viewers {
            let updates = self.roster_updates(viewer);
            if !updates.is_empty() {
                self.tell(viewer, Event::Roster(updates));
            }
            let now = self.now;
            if let Some(number) = self.participant(viewer).and_then(|one| one.audience.ask(now)) {
                self.tell(viewer, Event::Acknowledge(number));
            }
        }
    }

    /// Of whom the client knows, by what it was told last.
    pub(crate) fn circle(&self, viewer: ParticipantKey) -> Vec<(ParticipantKey, Identity)> {
        let Some(participant) = self.room.participants.get(&viewer) else { return Vec::new() };
        let others = participant.known.iter().filter(|(key, _)| **key != viewer);
        others.map(|(key, known)| (*key, known.last.identity.clone())).collect()
    }

    /// What `viewer` has not been told, which from now on counts as told.
    fn roster_updates(&mut self, viewer: ParticipantKey) -> Vec<ParticipantRecord> {
        // A client is told of itself too: that is how it learns of its own tracks and permissions.
        let mut visible = self.room.visible_to(viewer);
        visible.push(viewer);

        let now = self.now;
        let Some(participant) = self.participant(viewer) else { return Vec::new() };
        let mut known = std::mem::take(&mut participant.known);
        let mut audience = std::mem::take(&mut participant.audience);
        let mut updates: Vec<_> =
            known.iter().filter(|(key, _)| !visible.contains(key)).map(|(_, known)| known.gone()).collect();
        known.retain(|key, _| {
            let stays = visible.contains(key);
            if !stays {
                audience.parted(*key);
            }
            stays
        });
        for key in visible {
            let Some(seen) = self.room.participants.get(&key) else { continue };
            let before = known.get(&key);
            if before.is_none_or(|known| known.version < seen.record.version) {
                if before.is_none() && key != viewer {
                    audience.told(key, &seen.record.identity, connection(&seen.record), now);
                }
                known.insert(key, Known::of(&seen.record));
                updates.push(seen.record.clone());
            }
        }
        if let Some(participant) = self.participant(viewer) {
            participant.known = known;
            participant.audience = audience;
        }
        updates
    }

    /// Everyone `viewer` may know of, which from now on counts as told: for the first message to a client.
    pub(crate) fn whole_roster(&mut self, viewer: ParticipantKey) -> Vec<ParticipantRecord> {
        let visible = self.room.visible_to(viewer);
        let records = self.room.records(&visible);
        let known = visible.iter().copied().zip(records.iter().map(Known::of)).collect();
        if let Some(participant) = self.participant(viewer) {
            participant.known = known;
            let own = Known::of(&participant.record);
            participant.known.insert(viewer, own);
        }
        records
    }
}

impl RoomContext<'_> {
    /// The session as this viewer may know it: how many others there are is told by who they are, and by nothing else.
    pub(crate) fn record_for(&self, viewer: ParticipantKey) -> SessionRecord {
        let mut seen = self.room.visible_to(viewer);
        seen.push(viewer);
        let seen = seen.iter().filter_map(|key| self.room.participants.get(key));
        let publishers = seen.clone().filter(|one| !one.record.tracks.is_empty()).count();
        SessionRecord { participants: seen.count() as u32, publishers: publishers as u32, ..self.room.record() }
    }
}

fn connection(record: &ParticipantRecord) -> Connection {
    if record.state == ParticipantState::Active { Connection::Up } else { Connection::Coming }
}

impl Known {
    fn of(record: &ParticipantRecord) -> Self {
        Self { version: record.version, last: Box::new(Self::stripped(record)) }
    }

    /// What is said of someone who left or may no longer be seen: who, and nothing else.
    fn gone(&self) -> ParticipantRecord {
        let mut record = (*self.last).clone();
        record.version = self.version.saturating_add(1);
        record
    }

    fn stripped(record: &ParticipantRecord) -> ParticipantRecord {
        ParticipantRecord {
            state: ParticipantState::Disconnected,
            tracks: Vec::new(),
            metadata: Default::default(),
            attributes: Default::default(),
            ..record.clone()
        }
    }
}
