//! Quick exit: the person is out at once, and the other clients go on seeing what a lost line looks like.
//!
//! Whoever watches closely must not be able to tell the two apart, so the seat is not imitated but kept: its record, its
//! publications and its place in media stay, only the connection is gone, as with a line that went dead. The session
//! says when the roster drops it ([`parlour_session::Session::is_ghost`]); until the silence of a real line would have
//! been noticed, its edges stay in the table too, since it is their end that others can observe (layers nobody takes any
//! more, a speaker who fell silent). Nothing moves along them: no packet comes in or gets out without a connection, and what
//! came before and waits for its turn is thrown away.

use std::collections::BTreeSet;
use std::time::Instant;

use parlour_model::{Edge, Event, LeaveReason, ParticipantKey};

use crate::room::RoomContext;

/// What is left of a seat after a quick exit.
pub(crate) struct Ghost {
    /// Its edges at the exit.
    edges: BTreeSet<Edge>,
    /// When a line that went silent at the exit would be known to be lost; `None` once it would be.
    pub(crate) silent_from: Option<Instant>,
}

impl RoomContext<'_> {
    /// The session sent this connection away.
    pub(crate) fn close(&mut self, key: ParticipantKey, reason: LeaveReason) {
        if !self.room.session.is_ghost(key) {
            return self.dismiss(key, reason);
        }
        self.tell(key, Event::Leave(reason));
        self.hang_up(key);
        self.room.media.hush(key);
        let of_this = |edge: &&Edge| edge.publisher == key || edge.receiver == key;
        let edges = self.room.edges.iter().filter(of_this).copied().collect();
        let silent_from = self.now.checked_add(self.config.peer.times().consent_lost);
        if let Some(participant) = self.participant(key) {
            participant.ghost = Some(Ghost { edges, silent_from });
            // Answered now, it would name no section at all, and take the tracks back.
            participant.publishing.waiting_offer = None;
        }
    }

    /// Ghosts that nobody sees any more are gone, as lost lines go.
    pub(crate) fn lay_ghosts(&mut self) {
        let session = &self.room.session;
        let ghosts = self.room.participants.values().filter(|one| one.ghost.is_some() && !session.is_ghost(one.key));
        for key in ghosts.map(|one| one.key).collect::<Vec<_>>() {
            self.forget(key);
        }
    }

    /// By now a lost line would be known to be lost.
    pub(crate) fn silence_ghosts(&mut self) {
        let now = self.now;
        for ghost in self.room.participants.values_mut().filter_map(|one| one.ghost.as_mut()) {
            ghost.silent_from = ghost.silent_from.filter(|from| *from > now);
        }
    }

    /// What media may forward: the session's edges but for those withheld, and those of ghosts with the clients who still
    /// see them.
    pub(crate) fn table(&self) -> BTreeSet<Edge> {
        let session = &self.room.session;
        let mut table = session.edges().clone();
        self.withheld().for_each(|edge| _ = table.remove(edge));
        for participant in self.room.participants.values() {
            let Some(ghost) = participant.ghost.as_ref().filter(|ghost| ghost.silent_from.is_some()) else { continue };
            let is_seen = |edge: &&Edge| {
                let other = if edge.publisher == participant.key { edge.receiver } else { edge.publisher };
                session.roster(other).any(|key| key == participant.key)
            };
            table.extend(ghost.edges.iter().filter(is_seen));
        }
        table
    }
}
