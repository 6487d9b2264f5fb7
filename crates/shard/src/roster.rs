//! Who is told of whom. A client's roster follows the session's: what it is told is the difference between what it
//! knows and what it may know. This is the one place where news of a person leaves, and it asks the session.

use parlour_model::command::SessionRecord;
use parlour_model::{Event, ParticipantKey, ParticipantRecord, ParticipantState};

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
        }
    }

    /// What `viewer` has not been told, which from now on counts as told.
    fn roster_updates(&mut self, viewer: ParticipantKey) -> Vec<ParticipantRecord> {
        // A client is told of itself too: that is how it learns of its own tracks and permissions.
        let mut visible = self.room.visible_to(viewer);
        visible.push(viewer);

        let Some(mut known) = self.participant(viewer).map(|one| std::mem::take(&mut one.known)) else {
            return Vec::new();
        };
        let mut updates: Vec<_> =
            known.iter().filter(|(key, _)| !visible.contains(key)).map(|(_, known)| known.gone()).collect();
        known.retain(|key, _| visible.contains(key));
        for key in visible {
            let Some(seen) = self.room.participants.get(&key) else { continue };
            if known.get(&key).is_none_or(|known| known.version < seen.record.version) {
                known.insert(key, Known::of(&seen.record));
                updates.push(seen.record.clone());
            }
        }
        if let Some(participant) = self.participant(viewer) {
            participant.known = known;
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
