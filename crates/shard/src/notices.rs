//! What sessions tell the control plane, on its way out.

use std::collections::VecDeque;

use parlour_model::session::SessionEvent;
use parlour_model::{ParticipantKey, SessionNotice};

use crate::room::RoomContext;

/// The owner of a shard drains after each call, and one call makes at most some events for each seat: more than this
/// means that nobody reads.
const MAX_NOTICES: usize = 16_384;

#[derive(Default)]
pub(crate) struct Notices {
    waiting: VecDeque<SessionNotice>,
}

impl Notices {
    /// At the bound it is not taken, and false: what came first stays in order.
    fn push(&mut self, notice: SessionNotice) -> bool {
        let has_room = self.waiting.len() < MAX_NOTICES;
        if has_room {
            self.waiting.push_back(notice);
        }
        has_room
    }

    pub(crate) fn pop(&mut self) -> Option<SessionNotice> {
        self.waiting.pop_front()
    }
}

impl RoomContext<'_> {
    /// Tells the control plane.
    pub(crate) fn notify(&mut self, event: SessionEvent) {
        let participant = seat_in(&event).and_then(|key| self.room.participants.get(&key));
        let is_kept = self.notices.push(SessionNotice {
            session: self.room.id.clone(),
            room: self.room.sid.clone(),
            participant: participant.map(|one| one.record.sid.clone()),
            at_ms: self.clock.unix_ms_at(self.now),
            event,
        });
        self.counters.session_events_dropped += u64::from(!is_kept);
    }
}

fn seat_in(event: &SessionEvent) -> Option<ParticipantKey> {
    match event {
        SessionEvent::Joined { key, .. }
        | SessionEvent::Moved { key, .. }
        | SessionEvent::Departed { key, .. }
        | SessionEvent::Mute { key, .. }
        | SessionEvent::TrackPublished { key, .. }
        | SessionEvent::TrackUnpublished { key, .. } => Some(*key),
        SessionEvent::HandedOver { to, .. } => Some(*to),
        _ => None,
    }
}
