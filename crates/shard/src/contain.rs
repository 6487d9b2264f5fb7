//! A bug met by one participant ends that participant, not the worker. Whom the work in hand is for is noted before each
//! piece of it: a panic between two notes is of the first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use parlour_model::session::Departure;
use parlour_model::{Command, LeaveReason, ParticipantKey, SessionId};

use crate::room::{RoomContext, RoomKey};
use crate::shard::Shard;

/// Bugs that a room survives of which it is not known who met them. What panics once may do so again and again, and the
/// worker must not go in circles with it.
const MAX_FAULTS: u32 = 3;

/// Whose work is in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Culprit {
    room: RoomKey,
    /// `None`: it is for the room as a whole.
    participant: Option<ParticipantKey>,
}

impl Culprit {
    pub(crate) fn participant(room: RoomKey, participant: ParticipantKey) -> Self {
        Self { room, participant: Some(participant) }
    }

    pub(crate) fn room(room: RoomKey) -> Self {
        Self { room, participant: None }
    }
}

impl Shard {
    /// Whose work a command is: what a client sent is its own, what is asked of the rules is the room's.
    pub(crate) fn culprit_of(&self, session: &SessionId, command: &Command) -> Option<Culprit> {
        let room = self.rooms.get(self.rooms.of_session(session)?)?;
        let sid = match command {
            Command::Act(sid, _) | Command::SignalLost(sid) => Some(sid),
            Command::Resume(resume) => Some(&resume.participant),
            _ => None,
        };
        Some(Culprit { room: room.key, participant: sid.and_then(|sid| room.by_sid(sid)) })
    }

    /// A call into the shard panicked: whoever it was for is out, the others go on. If their room cannot be mended, it
    /// closes; its people come again, to the session as it was recorded.
    pub fn contain(&mut self, now: Instant) {
        self.counters.panics += 1;
        let Some(Culprit { room: key, participant }) = self.culprit.take() else { return };
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.faults += u32::from(participant.is_none());
        let is_worn = room.faults > MAX_FAULTS;
        let mend = || self.in_room(key, now, |context| context.mend(participant));
        let is_mended = !is_worn && catch_unwind(AssertUnwindSafe(mend)).is_ok();
        if !is_mended {
            self.close_room(key);
        }
    }
}

impl RoomContext<'_> {
    /// Out with whoever met the bug; and whoever it left half inside is out as well.
    fn mend(&mut self, culprit: Option<ParticipantKey>) {
        if let Some(culprit) = culprit {
            self.depart(culprit, LeaveReason::MustRejoin);
        }
        let seats = self.room.session.people().filter_map(|person| person.seat).map(|(key, _)| key);
        let strays: Vec<_> = seats.filter(|key| !self.room.participants.contains_key(key)).collect();
        for key in strays {
            self.room.session.handle_left(key, Departure::Lost, self.now);
        }
        let is_known = |key| self.room.session.identity(key).is_some();
        let strays: Vec<_> = self.room.present().map(|one| one.key).filter(|key| !is_known(*key)).collect();
        for key in strays {
            self.dismiss(key, LeaveReason::MustRejoin);
        }
    }
}
