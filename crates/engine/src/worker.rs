//! One worker: a thread that runs one shard. It sleeps in one poll call until a datagram, a message or a deadline is
//! there, takes what is there, and never waits to fill a batch.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use parlour_linetest::LineTests;
use parlour_model::command::Action;
use parlour_model::{Command, Event, ParticipantSid, Reply, SessionId};
use parlour_shard::{Outbox, Shard, ShardSnapshot};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::handle::{Ask, Message, Orders, SessionEvents};
use crate::line_tests::GuardedLineTests;
use crate::metrics::WorkerMetrics;
use crate::socket::{MediaSocket, ReceiveBuffers};

/// Wakes the worker when its mailbox is filled.
const MAILBOX: Token = Token(0);

/// Receive calls in one turn before timers and mailbox get theirs.
const RECEIVES_PER_TURN: usize = 8;

/// Datagrams that are sent on before more of a batch is looked at: a frame of one sender does not wait for those of others,
/// and what comes one by one still leaves together.
const PASSED_ON_AFTER: usize = 6;

/// Messages in one turn before the sockets get theirs.
const MESSAGES_PER_TURN: usize = 64;

/// Bytes that may be ready to send at once.
const OUTBOX_SIZE: usize = 512 * 1024;

/// How often counters are copied out for whoever watches.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(500);

/// What a worker runs.
pub(crate) struct Machines {
    pub(crate) shard: Shard,
    pub(crate) line_tests: LineTests,
}

/// Where a worker finds what it is asked, and puts what it has to tell.
pub(crate) struct Errands {
    pub(crate) mailbox: Receiver<Message>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) session_events: Arc<SessionEvents>,
}

/// The way to a participant's signalling.
struct Stream {
    session: SessionId,
    events: mpsc::Sender<Event>,
}

/// A worker before its thread runs.
pub(crate) struct Worker {
    poll: Poll,
    sockets: Vec<MediaSocket>,
    shard: Shard,
    line_tests: GuardedLineTests,
    errands: Errands,
    streams: HashMap<ParticipantSid, Stream>,
    buffers: ReceiveBuffers,
    outbox: Outbox,
    metrics: WorkerMetrics,
    snapshot: Arc<Mutex<ShardSnapshot>>,
    next_snapshot: Instant,
}

/// Whether there is more to do at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Done,
    More,
    Stop,
}

impl Worker {
    /// The poll of a worker and what wakes it.
    pub(crate) fn poll() -> std::io::Result<(Poll, Waker)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), MAILBOX)?;
        Ok((poll, waker))
    }

    pub(crate) fn new(
        poll: Poll,
        mut sockets: Vec<MediaSocket>,
        machines: Machines,
        errands: Errands,
        metrics: WorkerMetrics,
        snapshot: Arc<Mutex<ShardSnapshot>>,
    ) -> std::io::Result<Self> {
        for (index, socket) in sockets.iter_mut().enumerate() {
            poll.registry().register(socket.source(), Token(index + 1), Interest::READABLE)?;
        }
        Ok(Self {
            poll,
            sockets,
            shard: machines.shard,
            line_tests: GuardedLineTests::new(machines.line_tests),
            errands,
            streams: HashMap::new(),
            buffers: ReceiveBuffers::new(),
            outbox: Outbox::new(OUTBOX_SIZE),
            metrics,
            snapshot,
            next_snapshot: Instant::now(),
        })
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(16);
        let mut turn = Turn::Done;
        loop {
            let timeout = match turn {
                Turn::Stop => break,
                Turn::More => Some(Duration::ZERO),
                Turn::Done => Some(self.until_next_deadline()),
            };
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a media worker cannot poll its sockets");
                break;
            }
            for event in &events {
                if let Some(socket) = event.token().0.checked_sub(1).and_then(|index| self.sockets.get_mut(index)) {
                    socket.readable = true;
                }
            }
            let started = Instant::now();
            turn = self.turn(started);
            self.metrics.turn.observe(started.elapsed().as_secs_f64());
        }
        self.stop();
    }

    fn until_next_deadline(&self) -> Duration {
        let now = Instant::now();
        let due = self.shard.poll_timeout().into_iter().chain(self.line_tests.poll_timeout());
        let deadline = due.fold(self.next_snapshot, Instant::min);
        // Poll counts in whole milliseconds, rounded down: it must not spin through the last one.
        let wait = deadline.saturating_duration_since(now);
        if wait.is_zero() { wait } else { wait.max(Duration::from_millis(1)) }
    }

    fn turn(&mut self, now: Instant) -> Turn {
        let messages = self.take_messages(now);
        let (received, now) = self.receive(now);
        self.guarded(now, |shard| shard.handle_timeout(now));
        self.line_tests.handle_timeout(now);
        self.flush(now);
        self.tell(now);
        self.tell_of_sessions();
        if now >= self.next_snapshot {
            self.next_snapshot = now + SNAPSHOT_INTERVAL;
            self.copy_counters();
            self.see_out_the_deserted(now);
        }
        match (messages, received) {
            (Turn::Stop, _) => Turn::Stop,
            (Turn::Done, Turn::Done) => Turn::Done,
            _ => Turn::More,
        }
    }

    fn take_messages(&mut self, now: Instant) -> Turn {
        if self.errands.orders.is_stopping() {
            return Turn::Stop;
        }
        if self.errands.orders.is_draining() {
            self.shard.drain();
        }
        for _ in 0..MESSAGES_PER_TURN {
            match self.errands.mailbox.try_recv() {
                Ok(Message::Ask(ask)) => self.answer(ask, now),
                Ok(Message::TestLine(test)) => self.line_tests.begin(test, now),
                Err(_) => return Turn::Done,
            }
        }
        Turn::More
    }

    fn answer(&mut self, ask: Ask, now: Instant) {
        let Ask { session, command, reply, events } = ask;
        let Some(answer) = self.guarded(now, |shard| shard.handle_command(now, &session, command)) else {
            return;
        };
        if let (Reply::Joined(joined), Some(events)) = (&answer, events) {
            self.streams.insert(joined.participant.sid.clone(), Stream { session, events });
        }
        // What came of a command is told before its reply: whoever has the reply can wait for the record of it.
        self.tell_of_sessions();
        if reply.is_some_and(|reply| reply.send(answer).is_err()) {
            // Whoever asked is gone: if it was to be let in, nobody will ever say that it leaves.
            self.see_out_the_deserted(now);
        }
    }

    /// Takes what the kernel has, a bounded number of batches of each socket, and passes it on before timers get their turn.
    /// Whether there is more, and the time.
    fn receive(&mut self, mut now: Instant) -> (Turn, Instant) {
        for index in 0..self.sockets.len() {
            for batch in 0..RECEIVES_PER_TURN {
                if !self.sockets[index].readable {
                    break;
                }
                if batch > 0 {
                    now = Instant::now();
                }
                self.receive_batch(index, now);
            }
        }
        let more = self.sockets.iter().any(|socket| socket.readable);
        (if more { Turn::More } else { Turn::Done }, now)
    }

    fn receive_batch(&mut self, index: usize, now: Instant) {
        let Ok(received) = self.sockets[index].receive(&mut self.buffers) else {
            return self.metrics.receive_errors.inc();
        };
        let mut taken = 0;
        for run in 0..received {
            if taken >= PASSED_ON_AFTER {
                self.flush(now);
                taken = 0;
            }
            taken += self.take_run(index, run, now);
        }
        self.flush(now);
    }

    /// How many datagrams the run had.
    fn take_run(&mut self, index: usize, run: usize, now: Instant) -> usize {
        let Self { sockets, buffers, shard, line_tests, .. } = self;
        let (Some(run), local) = (buffers.run(run), sockets[index].local()) else { return 0 };
        let to = SocketAddr::new(run.to.unwrap_or(local.ip()), local.port());
        let mut pass = |bytes: &mut [u8]| {
            if catch_unwind(AssertUnwindSafe(|| shard.handle_run(now, run.from, to, bytes, run.stride))).is_err() {
                shard.contain(now);
            }
        };
        if line_tests.is_idle() {
            pass(run.bytes);
        } else {
            let all = run.bytes.chunks_mut(run.stride);
            all.filter_map(|datagram| (!line_tests.take(now, run.from, to, datagram)).then_some(datagram))
                .for_each(pass);
        }
        run.bytes.len().div_ceil(run.stride)
    }

    /// Sends all that is ready.
    fn flush(&mut self, now: Instant) {
        loop {
            let Self { shard, outbox, .. } = self;
            let more = match catch_unwind(AssertUnwindSafe(|| shard.poll_transmit(now, outbox))) {
                Ok(more) => more,
                Err(_) => {
                    shard.contain(now);
                    true
                }
            };
            self.send();
            if !more {
                break;
            }
        }
        // Live calls first.
        while self.line_tests.poll_transmit(now, &mut self.outbox) {
            self.send();
        }
    }

    /// Gives what is in the outbox to the kernel.
    fn send(&mut self) {
        for run in self.outbox.runs() {
            let Some(socket) = self.sockets.iter().find(|socket| socket.serves(run.to)) else { continue };
            if socket.send(&run).is_err() {
                self.metrics.send_errors.inc();
            }
        }
        self.outbox.clear();
    }

    /// Passes on what sessions tell the control plane.
    fn tell_of_sessions(&mut self) {
        while let Some(notice) = self.shard.poll_session_event() {
            if !self.errands.session_events.tell(notice) {
                self.metrics.session_event_overflows.inc();
            }
        }
    }

    /// Passes events to signalling. Who does not take them is not told more: its stream ends, its signalling with it, and
    /// its stay.
    fn tell(&mut self, now: Instant) {
        while let Some((participant, event)) = self.shard.poll_event() {
            let last = matches!(event, Event::Leave(_));
            let Some(stream) = self.streams.get(&participant) else { continue };
            let overflow = matches!(stream.events.try_send(event), Err(TrySendError::Full(_)));
            if overflow {
                self.metrics.event_overflows.inc();
            }
            if (last || overflow)
                && let Some(stream) = self.streams.remove(&participant)
                && !last
            {
                self.see_out(&stream.session, participant, now);
            }
        }
    }

    /// Nobody listens to what these are told, and nobody said that they leave: their signalling failed, or whoever asked
    /// to be let in was gone before the answer. Their seats would be taken for good.
    fn see_out_the_deserted(&mut self, now: Instant) {
        let deserted = self.streams.extract_if(|_, stream| stream.events.is_closed());
        for (participant, stream) in deserted.collect::<Vec<_>>() {
            self.see_out(&stream.session, participant, now);
        }
    }

    fn see_out(&mut self, session: &SessionId, participant: ParticipantSid, now: Instant) {
        let leave = Command::Act(participant, Action::Leave);
        // Who is out already is refused.
        self.guarded(now, |shard| shard.handle_command(now, session, leave));
    }

    /// Runs a piece of the shard; a panic ends the participant it was for, not the worker.
    fn guarded<T>(&mut self, now: Instant, work: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let shard = &mut self.shard;
        match catch_unwind(AssertUnwindSafe(|| work(shard))) {
            Ok(result) => Some(result),
            Err(_) => {
                shard.contain(now);
                None
            }
        }
    }

    fn copy_counters(&mut self) {
        for time in self.shard.take_first_media() {
            self.metrics.first_media.observe(time.as_secs_f64());
        }
        self.line_tests.count(&self.metrics.line_tests);
        let snapshot = self.shard.snapshot();
        if let Ok(mut place) = self.snapshot.lock() {
            *place = snapshot;
        }
    }

    /// Everyone is told, and what can still be sent is sent.
    fn stop(&mut self) {
        let now = Instant::now();
        self.guarded(now, |shard| shard.shut_down(now));
        self.flush(now);
        self.tell(now);
        self.tell_of_sessions();
        self.copy_counters();
    }
}
