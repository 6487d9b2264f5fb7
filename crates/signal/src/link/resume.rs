//! A socket goes, another comes; and the end of a stay.

use std::time::Duration;

use livekit_protocol as proto;
use parlour_model::command::{Action, Joined};
use parlour_model::{Command, Event, Reply, Resume};
use tokio::time::Instant;

use super::{Attachment, Flow, Link, Signal};
use crate::metrics::Close;
use crate::simulate::ResumeTrap;
use crate::translate::{join, leave, response, roster};

/// How long the engine may take to hear of a loss or a leave, and to say goodbye.
const PATIENCE: Duration = Duration::from_secs(5);

impl Link {
    /// Tells the engine once when nobody hears us any more: the participant stays for its grace time.
    pub(super) async fn report_signal(&mut self) {
        if self.wire.is_some() || self.signal == Signal::Lost {
            return;
        }
        self.signal = Signal::Lost;
        let lost = || Command::SignalLost(self.who.sid.clone());
        // A refusal means that it is gone, which its last event says too.
        let _ = self.shared.engine.insist(&self.who.session, lost, Instant::now() + PATIENCE).await;
    }

    /// Takes the participant out, and waits until the engine confirms it: until then the stay's name is taken.
    pub(super) async fn leave(&mut self) {
        let goodbye = async {
            let leaving = || Command::Act(self.who.sid.clone(), Action::Leave);
            let _ = self.shared.engine.insist(&self.who.session, leaving, Instant::now() + PATIENCE).await;
            while self.events.recv().await.is_some_and(|event| !matches!(event, Event::Leave(_))) {}
        };
        // An engine that does not answer for so long is stopping.
        let _ = tokio::time::timeout(PATIENCE, goodbye).await;
    }

    /// Whoever comes back now is too late, and is told so instead of waiting.
    pub(super) fn turn_away(&mut self) {
        self.attachments.close();
        while let Ok(attachment) = self.attachments.try_recv() {
            // A wire this new has room for one message.
            let _ = attachment.wire.send(leave::cannot_resume());
        }
    }

    /// A WebSocket came back: the old one, if it is still there, is closed, and the client is told what it missed.
    pub(super) async fn handle_attachment(&mut self, attachment: Attachment) -> Flow {
        self.wire = None;
        self.signal = Signal::Up;
        let resume = Resume { participant: self.who.sid.clone(), identity: self.who.identity.clone() };
        let reply = self.shared.engine.request(&self.who.session, Command::Resume(resume)).await;
        let trap = self.resume_trap.take();
        if trap == Some(ResumeTrap::BeforeMessages) {
            attachment.wire.cut(Close::Server);
            return Flow::On;
        }
        self.wire = Some(attachment.wire);
        let joined = match reply {
            Ok(Reply::Resumed(joined)) => joined,
            Ok(_) | Err(_) => {
                self.shared.metrics.joined("resume_failed");
                self.send(leave::cannot_resume());
                return Flow::End;
            }
        };
        self.shared.metrics.joined("resumed");
        self.refresh.renewed(attachment.claims);
        self.catch_up(&joined);
        if let Some(sync) = attachment.sync {
            self.handle_request(proto::signal_request::Message::SyncState(*sync));
        }
        if trap == Some(ResumeTrap::AfterMessages) {
            self.wire = None;
        }
        Flow::On
    }

    fn catch_up(&mut self, joined: &Joined) {
        self.send(join::reconnect(&self.shared.config, self.data.last_reliable()));
        let mut participants = vec![roster::info(&joined.participant)];
        participants.extend(joined.others.iter().map(roster::info));
        participants.extend(self.view.gone(&joined.others));
        self.view.note(&joined.others);
        self.send(response::update(participants));
        for message in std::mem::take(&mut self.kept) {
            self.send(message);
        }
        for message in self.latest.again() {
            self.send(message);
        }
    }
}
