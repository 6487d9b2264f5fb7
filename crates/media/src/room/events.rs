//! What waits to be told, bounded.

use std::collections::VecDeque;

use crate::counters::MediaCounters;
use crate::event::MediaEvent;

/// A room of twelve that changes all at once makes some three hundred.
const MAX_EVENTS: usize = 1_024;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Events {
    events: VecDeque<MediaEvent>,
}

impl Events {
    pub fn push(&mut self, event: MediaEvent, counters: &mut MediaCounters) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            counters.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    pub fn poll(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }
}
