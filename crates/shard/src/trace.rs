//! What can be written down of one call's lines on request: numbers, no media, nobody's name.

use std::time::Instant;

use parlour_media::TracePoint;
use parlour_model::{ParticipantKey, SessionId};

use crate::shard::Shard;

impl Shard {
    /// What is held true of the line of everyone in a session, by seat.
    pub fn line_traces(&self, session: &SessionId, now: Instant) -> Vec<(ParticipantKey, TracePoint)> {
        let Some(room) = self.rooms.of_session(session).and_then(|key| self.rooms.get(key)) else { return Vec::new() };
        room.participants.keys().filter_map(|&key| Some((key, room.media.line_trace(key, now)?))).collect()
    }
}
