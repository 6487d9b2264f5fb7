//! Deadlines of rooms and peers, one each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::demux::PeerKey;
use crate::room::RoomKey;

/// Whose deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TimerOwner {
    Peer(PeerKey),
    /// The rules and people of a room.
    Room(RoomKey),
    /// The packets of a room.
    Media(RoomKey),
}

#[derive(Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Instant, TimerOwner)>,
    set: BTreeMap<TimerOwner, Instant>,
}

impl Timers {
    /// `owner` is told at `deadline`, and no more at the one set before.
    pub(crate) fn set(&mut self, owner: TimerOwner, deadline: Instant) {
        match self.set.insert(owner, deadline) {
            Some(same) if same == deadline => return,
            Some(other) => {
                self.due.remove(&(other, owner));
            }
            None => {}
        }
        self.due.insert((deadline, owner));
    }

    pub(crate) fn remove(&mut self, owner: TimerOwner) {
        if let Some(deadline) = self.set.remove(&owner) {
            self.due.remove(&(deadline, owner));
        }
    }

    /// The next owner whose time has come; its deadline is gone until set again.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TimerOwner> {
        let (deadline, owner) = *self.due.first()?;
        if deadline > now {
            return None;
        }
        self.due.pop_first();
        self.set.remove(&owner);
        Some(owner)
    }

    /// Deadlines that are set, on whichever side of the table there are more.
    pub(crate) fn len(&self) -> usize {
        self.due.len().max(self.set.len())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test takes an epoch")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_deadline_set_last_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let owner = TimerOwner::Peer(PeerKey(1));
        let mut timers = Timers::default();
        timers.set(owner, at(50));
        timers.set(owner, at(20));
        assert_eq!(timers.next(), Some(at(20)));
        timers.set(owner, at(90));
        assert_eq!(timers.next(), Some(at(90)));
        assert_eq!(timers.pop_due(at(89)), None);
        assert_eq!(timers.pop_due(at(90)), Some(owner));
        assert_eq!(timers.pop_due(at(99)), None);
        timers.set(owner, at(90));
        timers.remove(owner);
        assert_eq!(timers.next(), None);
    }
}
