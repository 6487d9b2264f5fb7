//! When the room wants to be called next. A walk over everything in it after each batch of packets would touch memory
//! that the packets themselves do not: what they bring forward is noted as they pass, and only what is rarer walks.

use std::time::Instant;

use crate::room::Room;

/// See the head of this file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Wake {
    /// Something changed that may have moved any deadline.
    #[default]
    Unknown,
    /// No deadline is earlier than this.
    At(Option<Instant>),
}

/// The first of several deadlines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Soonest(pub Option<Instant>);

impl Soonest {
    pub fn consider(&mut self, deadline: Option<Instant>) {
        if let Some(deadline) = deadline
            && self.0.is_none_or(|soonest| deadline < soonest)
        {
            self.0 = Some(deadline);
        }
    }
}

impl Wake {
    /// A deadline now is this, whatever it was.
    pub fn no_later_than(&mut self, deadline: Option<Instant>) {
        if let (Self::At(at), Some(deadline)) = (self, deadline) {
            *at = Some(at.map_or(deadline, |at| at.min(deadline)));
        }
    }
}

impl Room {
    pub(super) fn wake(&mut self) -> Option<Instant> {
        let at = match self.wake {
            Wake::At(at) if self.ready.is_empty() => at,
            // What is sent on the way is noted when all of it is out.
            Wake::At(_) | Wake::Unknown => self.next_upkeep(),
        };
        debug_assert!(
            self.next_upkeep().is_none_or(|real| at.is_some_and(|at| at <= real)),
            "a deadline was moved forward and not noted"
        );
        self.wake = Wake::At(at);
        at
    }
}
