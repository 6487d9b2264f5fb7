//! How the control plane speaks to the workers: bounded mailboxes in, one bounded event stream per participant out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError as MailboxError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parlour_linetest::LineTestRefusal;
use parlour_model::command::{Action, Joined, SessionRecord};
use parlour_model::{Command, Event, Identity, Join, ParticipantSid, Refusal, Reply, SessionId, SessionNotice};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Events that may wait for one participant's signalling. A joiner of a full session is told of everyone in a handful
/// of events; a client that has not taken this many is not reading, and its participant is closed.
pub const EVENT_BACKLOG: usize = 256;

/// What a participant is told, in order. Ends after [`Event::Leave`].
pub type EventStream = mpsc::Receiver<Event>;

/// Session events that may wait for whoever records them: minutes of the busiest server, so that only a recorder that
/// stands still meets this bound.
const SESSION_EVENT_BACKLOG: usize = 65_536;

/// How long after a full mailbox it is tried again. A worker empties its mailbox in one round of its loop.
const MAILBOX_PAUSE: Duration = Duration::from_millis(5);

/// Where workers put what sessions tell.
pub(crate) struct SessionEvents {
    sender: mpsc::Sender<SessionNotice>,
    receiver: Mutex<Option<mpsc::Receiver<SessionNotice>>>,
    is_read: AtomicBool,
}

impl SessionEvents {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(SESSION_EVENT_BACKLOG);
        Self { sender, receiver: Mutex::new(Some(receiver)), is_read: AtomicBool::new(false) }
    }

    /// False if it was lost because the one who reads does not keep up. Where nobody reads at all, nothing is lost.
    pub(crate) fn tell(&self, notice: SessionNotice) -> bool {
        !self.is_read.load(Ordering::Acquire) || !matches!(self.sender.try_send(notice), Err(TrySendError::Full(_)))
    }

    fn take(&self) -> Option<mpsc::Receiver<SessionNotice>> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.is_read.store(true, Ordering::Release);
        receiver
    }
}

/// What a worker finds in its mailbox.
pub(crate) enum Message {
    /// A command for a session.
    Ask(Ask),
    /// A test of a line before its session.
    TestLine(TestLine),
}

/// What all workers are told beside their mailboxes, which may be full: at the end of a server nothing is to be lost.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    draining: AtomicBool,
    stopping: AtomicBool,
}

impl Orders {
    /// No new participants from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Everyone is told that the server stops; then the worker ends.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// A command on its way to a worker.
pub(crate) struct Ask {
    pub(crate) session: SessionId,
    pub(crate) command: Command,
    pub(crate) reply: Option<oneshot::Sender<Reply>>,
    /// Where the participant that this command brings in wants its events.
    pub(crate) events: Option<mpsc::Sender<Event>>,
}

/// The offer of a client that tests its line, on its way to a worker.
pub(crate) struct TestLine {
    pub(crate) session: SessionId,
    pub(crate) identity: Identity,
    pub(crate) offer: String,
    pub(crate) reply: oneshot::Sender<Result<String, LineTestRefusal>>,
}

/// A worker's mailbox.
pub(crate) struct Mailbox {
    pub(crate) sender: SyncSender<Message>,
    pub(crate) waker: Arc<mio::Waker>,
}

impl Mailbox {
    /// Puts a message in and wakes the worker.
    pub(crate) fn post(&self, message: Message) -> Result<(), Refusal> {
        self.sender.try_send(message).map_err(|error| match error {
            MailboxError::Full(_) => Refusal::Limit,
            MailboxError::Disconnected(_) => Refusal::Draining,
        })?;
        // A failed wake only delays the message to the worker's next deadline.
        let _ = self.waker.wake();
        Ok(())
    }
}

/// Speaks to all workers. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    mailboxes: Arc<[Mailbox]>,
    session_events: Arc<SessionEvents>,
}

impl EngineHandle {
    pub(crate) fn new(mailboxes: Vec<Mailbox>, session_events: Arc<SessionEvents>) -> Self {
        Self { mailboxes: mailboxes.into(), session_events }
    }

    /// What all sessions tell, from now on, in order for each session. For one recorder: `None` if it was taken.
    pub fn session_events(&self) -> Option<mpsc::Receiver<SessionNotice>> {
        self.session_events.take()
    }

    /// Has every worker look at its orders.
    pub(crate) fn wake(&self) {
        for mailbox in self.mailboxes.iter() {
            // As in `post`; a worker that is gone needs no waking.
            let _ = mailbox.waker.wake();
        }
    }

    /// Brings a participant in. The stream lives as long as the participant, over any number of resumes.
    pub async fn join(&self, session: &SessionId, join: Join) -> Result<(Joined, EventStream), Refusal> {
        let (events, stream) = mpsc::channel(EVENT_BACKLOG);
        match self.ask(session, Command::Join(Box::new(join)), Some(events)).await? {
            Reply::Joined(joined) => Ok((*joined, stream)),
            _ => Err(Refusal::Internal),
        }
    }

    /// Sends a command and waits for its reply; a refusal is the error.
    pub async fn request(&self, session: &SessionId, command: Command) -> Result<Reply, Refusal> {
        self.ask(session, command, None).await
    }

    /// As [`Self::request`], for what must not be lost: a full mailbox is tried again until `deadline`.
    ///
    /// # Errors
    /// A refusal; [`Refusal::Limit`] if the mailbox was full all the time.
    pub async fn insist(
        &self,
        session: &SessionId,
        command: impl Fn() -> Command,
        deadline: Instant,
    ) -> Result<Reply, Refusal> {
        loop {
            match self.request(session, command()).await {
                Err(Refusal::Limit) if Instant::now() < deadline => tokio::time::sleep(MAILBOX_PAUSE).await,
                done => return done,
            }
        }
    }

    /// Sends a participant's action without waiting: results come as events. Actions of one sender arrive in order.
    ///
    /// # Errors
    /// [`Refusal::Limit`] when the worker's mailbox is full: nothing was sent.
    pub fn act(&self, session: &SessionId, participant: &ParticipantSid, action: Action) -> Result<(), Refusal> {
        self.post(session, Command::Act(participant.clone(), action))
    }

    /// Sends a command without waiting; nobody hears of its reply.
    ///
    /// # Errors
    /// As [`Self::act`].
    pub fn post(&self, session: &SessionId, command: Command) -> Result<(), Refusal> {
        let ask = Ask { session: session.clone(), command, reply: None, events: None };
        self.worker_of(session).post(Message::Ask(ask))
    }

    /// Begins a test of a line, on the worker that will have the session; the answer to the client's offer.
    ///
    /// # Errors
    /// As [`parlour_linetest::LineTests::begin`]; a worker that does not answer is busy.
    pub async fn test_line(
        &self,
        session: &SessionId,
        identity: &Identity,
        offer: String,
    ) -> Result<String, LineTestRefusal> {
        let (reply, answer) = oneshot::channel();
        let test = TestLine { session: session.clone(), identity: identity.clone(), offer, reply };
        self.worker_of(session).post(Message::TestLine(test)).map_err(|_| LineTestRefusal::Busy)?;
        answer.await.unwrap_or(Err(LineTestRefusal::Busy))
    }

    /// Every session of every worker.
    pub async fn sessions(&self) -> Vec<SessionRecord> {
        let mut all = Vec::new();
        for mailbox in self.mailboxes.iter() {
            let (reply, answer) = oneshot::channel();
            let session = SessionId::from("");
            let ask = Ask { session, command: Command::ListSessions, reply: Some(reply), events: None };
            if mailbox.post(Message::Ask(ask)).is_ok()
                && let Ok(Reply::Sessions(sessions)) = answer.await
            {
                all.extend(sessions);
            }
        }
        all
    }

    async fn ask(
        &self,
        session: &SessionId,
        command: Command,
        events: Option<mpsc::Sender<Event>>,
    ) -> Result<Reply, Refusal> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask { session: session.clone(), command, reply: Some(reply), events };
        self.worker_of(session).post(Message::Ask(ask))?;
        match answer.await {
            Ok(Reply::Refused(refusal)) => Err(refusal),
            Ok(reply) => Ok(reply),
            // The worker dropped the message: it is gone or stopping.
            Err(_) => Err(Refusal::Draining),
        }
    }

    /// A session lives on one worker for its whole life, found from its name alone.
    fn worker_of(&self, session: &SessionId) -> &Mailbox {
        let mut hasher = DefaultHasher::new();
        session.as_str().hash(&mut hasher);
        let index = (hasher.finish() % self.mailboxes.len() as u64) as usize;
        &self.mailboxes[index]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// A mailbox with one place, which is taken, and its worker's end.
    fn full() -> (EngineHandle, Receiver<Message>) {
        let (sender, letters) = sync_channel(1);
        let poll = mio::Poll::new().unwrap();
        let waker = Arc::new(mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let handle = EngineHandle::new(vec![Mailbox { sender, waker }], Arc::new(SessionEvents::new()));
        handle.act(&SessionId::from("s"), &ParticipantSid::from("PA_1"), Action::Leave).unwrap();
        (handle, letters)
    }

    fn answer(message: Message) {
        if let Message::Ask(Ask { reply: Some(reply), .. }) = message {
            reply.send(Reply::Done).unwrap();
        }
    }

    #[tokio::test]
    async fn what_must_not_be_lost_waits_for_a_place_in_the_mailbox() {
        let (handle, letters) = full();
        let session = SessionId::from("s");
        assert_eq!(handle.request(&session, Command::Snapshot).await.unwrap_err(), Refusal::Limit);
        let worker = std::thread::spawn(move || {
            std::thread::sleep(10 * MAILBOX_PAUSE);
            letters.into_iter().for_each(answer);
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        assert!(matches!(handle.insist(&session, || Command::Snapshot, deadline).await, Ok(Reply::Done)));
        drop(handle);
        worker.join().unwrap();
    }

    #[tokio::test]
    async fn a_worker_that_stands_still_is_given_up_at_the_deadline() {
        let (handle, _letters) = full();
        let deadline = Instant::now() + 4 * MAILBOX_PAUSE;
        let refused = handle.insist(&SessionId::from("s"), || Command::Snapshot, deadline).await;
        assert_eq!(refused.unwrap_err(), Refusal::Limit);
        assert!(Instant::now() >= deadline);
    }
}
