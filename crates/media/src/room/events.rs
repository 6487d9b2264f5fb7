//! What waits to be told: events and feedback, both bounded.

use std::collections::VecDeque;

use crate::counters::MediaCounters;
use crate::event::{Feedback, MediaEvent};

/// A room of twelve that changes all at once makes some three hundred.
const MAX_EVENTS: usize = 1_024;

/// A second of feedback of a whole room, not fetched.
const MAX_FEEDBACK: usize = 256;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct Events {
    events: VecDeque<MediaEvent>,
    feedback: VecDeque<Feedback>,
}

impl Events {
    pub fn push(&mut self, event: MediaEvent, counters: &mut MediaCounters) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            counters.events_dropped += 1;
        }
        self.events.push_back(event);
    }

    /// Old feedback is of no use: it goes first.
    pub fn push_feedback(&mut self, feedback: Feedback, counters: &mut MediaCounters) {
        if self.feedback.len() >= MAX_FEEDBACK {
            self.feedback.pop_front();
            counters.events_dropped += 1;
        }
        self.feedback.push_back(feedback);
    }

    pub fn poll(&mut self) -> Option<MediaEvent> {
        self.events.pop_front()
    }

    pub fn poll_feedback(&mut self) -> Option<Feedback> {
        self.feedback.pop_front()
    }
}
