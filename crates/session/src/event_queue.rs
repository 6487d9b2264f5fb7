//! Events on their way out, in order.

use std::collections::VecDeque;

use parlour_model::session::SessionEvent;

/// One call makes at most about four events a person; the shard drains after each call. More than this means that
/// nobody reads.
const MAX_EVENTS: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(crate) struct EventQueue {
    events: VecDeque<SessionEvent>,
    dropped: u64,
}

impl EventQueue {
    /// At the bound the oldest is given up: what is enforced never depends on an event being read.
    pub fn push(&mut self, event: SessionEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }

    pub fn pop(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
