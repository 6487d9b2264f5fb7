//! What can be written down of one call's lines on request: numbers, no media, nobody's name.

use parlour_model::command::LineTrace;

use crate::room::RoomContext;

impl RoomContext<'_> {
    /// What is held true of the line of everyone here.
    pub(crate) fn line_traces(&self) -> Vec<LineTrace> {
        let traced = |participant: &crate::participant::Participant| {
            let point = self.room.media.line_trace(participant.key, self.now)?;
            Some(LineTrace {
                participant: participant.record.sid.clone(),
                at: point.at,
                capacity: point.estimate.capacity,
                target: point.estimate.target,
                sent: point.sent,
                delivered: point.delivered,
                queue: point.queue,
                loss: point.loss,
                state: format!("{:?}/{:?}", point.estimate.state, point.estimate.reason).to_lowercase(),
            })
        };
        self.room.participants.values().filter_map(|one| traced(one)).collect()
    }
}
