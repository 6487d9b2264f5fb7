//! One participant's signalling, from join to leave: a task that WebSockets attach to and detach from.
//!
//! It orders and translates; it decides nothing about sessions. What it does for itself: pings, token refresh, the
//! stamping of data, and the short memory that makes a resume seamless.

use std::collections::VecDeque;
use std::sync::Arc;

use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;
use parlour_engine::EventStream;
use parlour_model::command::{Action, DataChannel, Joined, Topology};
use parlour_model::{Bitrate, Command, Event, Identity, LeaveReason, ParticipantSid, SessionId, TrackSid};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};

use self::latest::LatestStates;
use crate::config::StopAdvice;
use crate::data::{DataStamp, speech_limit};
use crate::joinrequest::Wishes;
use crate::metrics::{Close, Drop as Reason};
use crate::refresh::Refresh;
use crate::service::{LinkAddress, Registration, Shared};
use crate::simulate::ResumeTrap;
use crate::socket::{Inbound, Wire};
use crate::token::Claims;
use crate::translate::request::{self, Invalid, Request};
use crate::translate::roster::View;
use crate::translate::{join, leave, response};

mod latest;
mod relocate;
mod resume;

pub(crate) use relocate::Relocation;

/// Resumes that wait at once; a client makes one at a time.
const ATTACH_BACKLOG: usize = 2;
/// Messages kept for a client that is away.
const MAX_KEPT: usize = 64;

/// A WebSocket that came back.
pub(crate) struct Attachment {
    pub(crate) wire: Wire,
    pub(crate) claims: Claims,
    pub(crate) sync: Option<Box<proto::SyncState>>,
}

/// Whether the link goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// More to come.
    On,
    /// The participant is out.
    End,
}

pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) who: Who,
    events: EventStream,
    attachments: mpsc::Receiver<Attachment>,
    relocations: mpsc::Receiver<Relocation>,
    /// Told once the participant has left for another session.
    relocated: Option<oneshot::Sender<()>>,
    /// Dropping it sends what is queued and closes.
    pub(crate) wire: Option<Wire>,
    view: View,
    data: DataStamp,
    kept: VecDeque<Response>,
    latest: LatestStates,
    refresh: Refresh,
    pub(crate) resume_trap: Option<ResumeTrap>,
    pub(crate) pretends_to_speak_until: Option<Instant>,
    /// What the engine believes of our signalling.
    signal: Signal,
    _registration: Registration,
}

/// Whether the engine believes that the client hears us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Up,
    Lost,
}

/// Whose link it is.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) session: SessionId,
    pub(crate) sid: ParticipantSid,
    pub(crate) identity: Identity,
}

/// What woke the link.
enum Wake {
    Event(Option<Event>),
    Attached(Attachment),
    Relocate(Relocation),
    Received(Option<Inbound>),
    RefreshDue,
    SpeechOver,
    Stopping(StopAdvice),
}

/// What a link begins with.
pub(crate) struct Beginning {
    pub(crate) joined: Joined,
    pub(crate) events: EventStream,
    pub(crate) wire: Wire,
    pub(crate) topology: Topology,
    pub(crate) claims: Claims,
    pub(crate) wishes: Wishes,
}

/// Starts the task of a participant that has just joined.
pub(crate) fn spawn(shared: &Arc<Shared>, beginning: Beginning) {
    let Beginning { joined, events, wire, topology, claims, wishes } = beginning;
    let who = Who {
        session: joined.session.id.clone(),
        sid: joined.participant.sid.clone(),
        identity: joined.participant.identity.clone(),
    };
    let (attach, attachments) = mpsc::channel(ATTACH_BACKLOG);
    // One at a time: whoever finds it full may ask again.
    let (relocate, relocations) = mpsc::channel(1);
    let address = LinkAddress {
        session: who.session.clone(),
        identity: who.identity.clone(),
        attachments: attach,
        relocations: relocate,
    };
    let mut link = Link {
        events,
        attachments,
        relocations,
        relocated: None,
        wire: Some(wire),
        view: View::default(),
        data: DataStamp::new(who.sid.clone(), who.identity.clone()),
        kept: VecDeque::new(),
        latest: LatestStates::default(),
        refresh: Refresh::new(claims),
        resume_trap: None,
        pretends_to_speak_until: None,
        signal: Signal::Up,
        _registration: shared.register(&who.sid, address),
        who,
        shared: shared.clone(),
    };
    tokio::spawn(async move {
        link.welcome(&joined, topology, wishes);
        link.run().await;
    });
}

impl Link {
    fn welcome(&mut self, joined: &Joined, topology: Topology, wishes: Wishes) {
        self.view.note(&joined.others);
        self.send(join::response(joined, topology, &self.shared.config));
        for track in wishes.tracks {
            self.handle_request(proto::signal_request::Message::AddTrack(track));
        }
        if let Some(offer) = wishes.offer {
            self.handle_request(proto::signal_request::Message::Offer(offer));
        }
    }

    async fn run(&mut self) {
        let mut stopping = self.shared.stopping();
        let mut told = false;
        loop {
            let wake = self.wake(&mut stopping).await;
            told |= matches!(wake, Wake::Event(None | Some(Event::Leave(_))));
            if self.handle(wake).await == Flow::End {
                break;
            }
            self.report_signal().await;
        }
        // Queued messages still go out; then the socket closes.
        self.wire = None;
        self.turn_away();
        if !told {
            self.leave().await;
        }
        if let Some(relocated) = self.relocated.take() {
            // Whoever asked may have stopped waiting.
            let _ = relocated.send(());
        }
    }

    async fn handle(&mut self, wake: Wake) -> Flow {
        match wake {
            Wake::Event(Some(event)) => self.handle_event(event),
            // The engine lost the participant without a goodbye.
            Wake::Event(None) => self.handle_event(Event::Leave(LeaveReason::MustRejoin)),
            Wake::Attached(attachment) => self.handle_attachment(attachment).await,
            Wake::Relocate(relocation) => self.relocate(relocation),
            Wake::Received(Some(Inbound::Request(message, _))) => self.handle_request(*message),
            Wake::Received(Some(Inbound::Acknowledged(number))) => {
                self.act(Action::Acknowledge(number));
                Flow::On
            }
            Wake::Received(None) => {
                self.wire = None;
                Flow::On
            }
            Wake::RefreshDue => self.refresh_token(),
            Wake::SpeechOver => self.stop_pretending(),
            Wake::Stopping(advice) => {
                self.send(leave::message(LeaveReason::ServerShutdown, advice));
                Flow::End
            }
        }
    }

    async fn wake(&mut self, stopping: &mut watch::Receiver<Option<StopAdvice>>) -> Wake {
        let attached = self.wire.is_some();
        let due = self.refresh.due();
        let speech_over = self.pretends_to_speak_until;
        tokio::select! {
            biased;
            Ok(advice) = async { stopping.wait_for(Option::is_some).await.map(|advice| *advice) } => {
                Wake::Stopping(advice.unwrap_or_default())
            }
            Some(attachment) = self.attachments.recv() => Wake::Attached(attachment),
            event = self.events.recv() => Wake::Event(event),
            message = receive(&mut self.wire), if attached => Wake::Received(message),
            // After the line above, which tells whether the client still hears us.
            Some(relocation) = self.relocations.recv() => Wake::Relocate(relocation),
            () = sleep_until(due), if attached => Wake::RefreshDue,
            () = sleep_until(speech_over.unwrap_or(due)), if speech_over.is_some() => Wake::SpeechOver,
        }
    }

    fn handle_event(&mut self, event: Event) -> Flow {
        if let Event::DataReceived { channel, payload, mark } = event {
            match self.data.outgoing((channel, mark), &payload, &self.view) {
                Ok(data) => self.act(Action::SendData(data)),
                Err(reason) => self.shared.metrics.dropped(reason),
            }
            return Flow::On;
        }
        if let Event::NarrowSpeech { track, most } = &event {
            self.ask_for_speech(track, *most);
            return Flow::On;
        }
        if let Event::Acknowledge(number) = event {
            self.ask_acknowledgement(number);
            return Flow::On;
        }
        if let Event::Roster(records) = &event
            && self.wire.is_some()
        {
            self.view.note(records);
        }
        let out = matches!(event, Event::Leave(_));
        if let Some(message) = response::translate(event, self.shared.stop_advice()) {
            self.send(message);
        }
        if out { Flow::End } else { Flow::On }
    }

    pub(crate) fn handle_request(&mut self, message: proto::signal_request::Message) -> Flow {
        let metrics = self.shared.metrics.clone();
        metrics.received(request::kind(&message));
        match request::translate(message, &self.view) {
            Ok(Request::Act(Action::Leave)) => return Flow::End,
            Ok(Request::Act(action)) => self.act(action),
            Ok(Request::Ping(ping)) => self.send(Response::PongResp(proto::Pong {
                last_ping_timestamp: ping.timestamp,
                timestamp: unix_millis(),
            })),
            Ok(Request::OldPing) => self.send(Response::Pong(unix_millis())),
            Ok(Request::Simulate(scenario)) => return self.simulate(scenario),
            Ok(Request::Ignored) => {}
            Ok(Request::Unsupported) => metrics.dropped(Reason::UnsupportedRequest),
            Err(Invalid) => {
                metrics.dropped(Reason::InvalidRequest);
                let reason = proto::request_response::Reason::InvalidRequest;
                self.send(response::refused(0, reason, "the request is not valid", None));
            }
        }
        Flow::On
    }

    pub(crate) fn act(&mut self, action: Action) {
        let lossy = matches!(
            &action,
            Action::SendData(data) if data.channel == DataChannel::Lossy
        ) || matches!(action, Action::Trickle(_));
        if self.shared.engine.act(&self.who.session, &self.who.sid, action).is_err() {
            self.shared.metrics.dropped(Reason::EngineBusy);
            // A client that missed one answer waits for it for ever: better it comes back and asks again.
            if !lossy {
                self.vanish(Close::Server);
            }
        }
    }

    /// In a data message from the server: clients that do not know it go on as they did, and nothing depends on it.
    fn ask_for_speech(&mut self, track: &TrackSid, most: Option<Bitrate>) {
        let command = Command::SendData(speech_limit(track, most, &self.who.identity));
        if self.shared.engine.post(&self.who.session, command).is_err() {
            self.shared.metrics.dropped(Reason::EngineBusy);
        }
    }

    /// Sends now, keeps for later, or drops.
    pub(crate) fn send(&mut self, message: Response) {
        let kind = response::kind(&message);
        self.latest.note(&message);
        let Some(wire) = &self.wire else {
            if response::outlives_a_break(&message) && self.kept.len() < MAX_KEPT {
                self.kept.push_back(message);
            } else {
                self.shared.metrics.dropped(Reason::WhileAway);
            }
            return;
        };
        if wire.send(message).is_ok() {
            self.shared.metrics.sent(kind);
        } else {
            self.vanish(Close::Slow);
        }
    }

    /// Whoever is away is asked anew when it is back.
    fn ask_acknowledgement(&mut self, number: u32) {
        if self.wire.as_ref().is_some_and(|wire| wire.ask_acknowledgement(number).is_err()) {
            self.vanish(Close::Slow);
        }
    }

    fn refresh_token(&mut self) -> Flow {
        if let Some(token) = self.refresh.next(&self.shared.config.keys) {
            self.send(Response::RefreshToken(token));
        }
        Flow::On
    }

    /// Closes the socket without a word, as a node that fails does.
    pub(crate) fn vanish(&mut self, reason: Close) {
        if let Some(wire) = self.wire.take() {
            wire.cut(reason);
        }
    }
}

async fn receive(wire: &mut Option<Wire>) -> Option<Inbound> {
    match wire {
        Some(wire) => wire.receive().await,
        None => std::future::pending().await,
    }
}

fn unix_millis() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
