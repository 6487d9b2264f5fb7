//! `SimulateScenario`: what a client asks for to test itself. Each concerns only who asks.

use std::time::Duration;

use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action as Advice;
use livekit_protocol::simulate_scenario::Scenario;
use parlour_model::event::Speaker;
use tokio::time::Instant;

use crate::link::{Flow, Link};
use crate::metrics::{Close, Drop as Reason};
use crate::translate::{leave, response};

/// The longest pretended speech.
const MAX_SPEECH: Duration = Duration::from_secs(60);

/// What is to happen at the next resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeTrap {
    /// The socket closes after the first messages.
    AfterMessages,
    /// The socket closes before any message.
    BeforeMessages,
}

impl Link {
    pub(crate) fn simulate(&mut self, scenario: Scenario) -> Flow {
        match scenario {
            Scenario::SpeakerUpdate(seconds) => {
                let speech = Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).min(MAX_SPEECH);
                self.pretends_to_speak_until = Some(Instant::now() + speech);
                self.pretend_to_speak(true);
                Flow::On
            }
            Scenario::NodeFailure(_) => {
                self.vanish(Close::Server);
                Flow::End
            }
            Scenario::Migration(_) => {
                // The stay goes on: the client comes back to it as if to another node.
                self.send(leave::request(DisconnectReason::Migration, Advice::Resume));
                self.wire = None;
                Flow::On
            }
            Scenario::ServerLeave(_) => {
                self.send(leave::request(DisconnectReason::ServerShutdown, Advice::Disconnect));
                Flow::End
            }
            Scenario::LeaveRequestFullReconnect(_) => {
                self.send(leave::request(DisconnectReason::ClientInitiated, Advice::Reconnect));
                Flow::End
            }
            Scenario::DisconnectSignalOnResume(_) => {
                self.resume_trap = Some(ResumeTrap::AfterMessages);
                Flow::On
            }
            Scenario::DisconnectSignalOnResumeNoMessages(_) => {
                self.resume_trap = Some(ResumeTrap::BeforeMessages);
                Flow::On
            }
            // There is no TCP candidate to switch to; the client reconnects by itself after asking.
            Scenario::SwitchCandidateProtocol(_) => Flow::On,
            Scenario::SubscriberBandwidth(_) => {
                self.shared.metrics.dropped(Reason::UnsupportedRequest);
                Flow::On
            }
        }
    }

    pub(crate) fn stop_pretending(&mut self) -> Flow {
        self.pretends_to_speak_until = None;
        self.pretend_to_speak(false);
        Flow::On
    }

    fn pretend_to_speak(&mut self, active: bool) {
        let level = if active { 0.9 } else { 0.0 };
        let speaker = Speaker { participant: self.who.sid.clone(), level, active };
        self.send(response::speakers_changed(&[speaker]));
    }
}
