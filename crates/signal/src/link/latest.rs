//! The newest state of each track that a client was told. What goes into a socket that is dead and not yet given up is
//! lost without a sign; so it is said again to a client that comes back.

use std::collections::VecDeque;

use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;

/// States kept: of a dozen people's tracks, each from both sides. The oldest gives way, which is of a track long gone.
const MAX_STATES: usize = 64;

/// What a state is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum About {
    /// Which layers of the client's own track are taken.
    Layers(String),
    /// Whether a track of somebody else's is held back.
    Stream(String),
}

#[derive(Default)]
pub(super) struct LatestStates {
    states: VecDeque<(About, Response)>,
}

impl LatestStates {
    /// Looks at what the client is told.
    pub(super) fn note(&mut self, message: &Response) {
        match message {
            Response::SubscribedQualityUpdate(update) => {
                self.keep(About::Layers(update.track_sid.clone()), message.clone());
            }
            Response::StreamStateUpdate(update) => {
                for state in &update.stream_states {
                    let alone = proto::StreamStateUpdate { stream_states: vec![state.clone()] };
                    let message = Response::StreamStateUpdate(alone);
                    self.keep(About::Stream(state.track_sid.clone()), message);
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, about: About, message: Response) {
        self.states.retain(|(known, _)| *known != about);
        if self.states.len() >= MAX_STATES {
            self.states.pop_front();
        }
        self.states.push_back((about, message));
    }

    /// All of it, in the order it was told.
    pub(super) fn again(&self) -> Vec<Response> {
        self.states.iter().map(|(_, message)| message.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(track: &str, state: proto::StreamState) -> Response {
        let info = proto::StreamStateInfo {
            participant_sid: "PA_1".to_owned(),
            track_sid: track.to_owned(),
            state: state.into(),
        };
        Response::StreamStateUpdate(proto::StreamStateUpdate { stream_states: vec![info] })
    }

    #[test]
    fn the_newest_state_of_each_track_is_said_again_and_nothing_older() {
        let mut latest = LatestStates::default();
        latest.note(&stream("TR_1", proto::StreamState::Paused));
        latest.note(&stream("TR_2", proto::StreamState::Paused));
        latest.note(&stream("TR_1", proto::StreamState::Active));
        let layers = proto::SubscribedQualityUpdate { track_sid: "TR_1".to_owned(), ..Default::default() };
        latest.note(&Response::SubscribedQualityUpdate(layers.clone()));
        let expected = vec![
            stream("TR_2", proto::StreamState::Paused),
            stream("TR_1", proto::StreamState::Active),
            Response::SubscribedQualityUpdate(layers),
        ];
        assert_eq!(latest.again(), expected);
    }

    #[test]
    fn states_are_bounded() {
        let mut latest = LatestStates::default();
        for number in 0..1_000 {
            latest.note(&stream(&format!("TR_{number}"), proto::StreamState::Paused));
        }
        assert_eq!(latest.again().len(), MAX_STATES);
    }
}
