//! Drives all clients from one thread: sends what is due, takes what arrived.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::client::{Client, Window};
use crate::media::{AUDIO, FRAME};
use crate::reports;
use crate::socket::Buffers;

/// How long connecting may take, for all.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// Connections that are being made at once; each costs the server some milliseconds.
const CONNECTING: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Audio,
    Frame,
    Reports,
    Link,
}

/// The clients of one measurement.
pub struct Load {
    clients: Vec<Client>,
    poll: Poll,
    events: Events,
    buffers: Buffers,
    tasks: BinaryHeap<Reverse<(Instant, usize, Task)>>,
    epoch: Instant,
    latest: Duration,
}

impl Load {
    pub fn new(mut clients: Vec<Client>, epoch: Instant) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (index, client) in clients.iter_mut().enumerate() {
            poll.registry().register(&mut client.socket.source, Token(index), Interest::READABLE)?;
        }
        Ok(Self {
            clients,
            poll,
            events: Events::with_capacity(1_024),
            buffers: Buffers::new(),
            tasks: BinaryHeap::new(),
            epoch,
            latest: Duration::ZERO,
        })
    }

    pub fn clients(&self) -> &[Client] {
        &self.clients
    }

    /// The longest that a packet left later than it should have.
    pub fn latest(&self) -> Duration {
        self.latest
    }

    /// Connects everyone, a few at a time.
    pub fn connect(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + CONNECT_LIMIT;
        while let Some(first) = self.clients.iter().position(|client| !client.is_connected()) {
            let now = Instant::now();
            if now > deadline {
                return Err(io::Error::other("not everyone could connect"));
            }
            let end = (first + CONNECTING).min(self.clients.len());
            for client in &mut self.clients[..end] {
                client.poll_link(now)?;
            }
            self.wait(Duration::from_millis(2))?;
        }
        Ok(())
    }

    /// Begins to send, evenly spread.
    pub fn start(&mut self) {
        let now = Instant::now();
        let count = self.clients.len() as u32;
        for index in 0..self.clients.len() {
            let share = |interval: Duration| now + interval * index as u32 / count;
            self.tasks.push(Reverse((share(AUDIO), index, Task::Audio)));
            self.tasks.push(Reverse((share(FRAME), index, Task::Frame)));
            self.tasks.push(Reverse((share(reports::TICK), index, Task::Reports)));
            self.tasks.push(Reverse((share(Duration::from_millis(500)), index, Task::Link)));
        }
    }

    /// Packets sent from now on for `time` count.
    pub fn measure(&mut self, time: Duration) {
        let from = self.epoch.elapsed().as_nanos() as u64;
        let window = Window { from, to: from + time.as_nanos() as u64 };
        self.latest = Duration::ZERO;
        for client in &mut self.clients {
            client.tally = Default::default();
            client.window = Some(window);
        }
    }

    /// Runs for this long.
    pub fn run(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            self.send_due(now)?;
            let next = self.tasks.peek().map_or(end, |Reverse((at, ..))| (*at).min(end));
            // Polls count in milliseconds; what is due sooner waits that long rather than spin beside the server.
            self.wait(next.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)))?;
        }
    }

    fn send_due(&mut self, now: Instant) -> io::Result<()> {
        while let Some(Reverse((at, index, task))) = self.tasks.peek().copied().filter(|Reverse((at, ..))| *at <= now) {
            self.tasks.pop();
            self.latest = self.latest.max(now - at);
            let client = &mut self.clients[index];
            let interval = match task {
                Task::Audio => {
                    client.send_audio(Instant::now())?;
                    AUDIO
                }
                Task::Frame => {
                    client.send_frame(Instant::now())?;
                    FRAME
                }
                Task::Reports => {
                    client.send_reports(now)?;
                    reports::TICK
                }
                Task::Link => {
                    client.poll_link(now)?;
                    Duration::from_millis(500)
                }
            };
            self.tasks.push(Reverse((at + interval, index, task)));
        }
        Ok(())
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        match self.poll.poll(&mut self.events, Some(at_most)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        for event in &self.events {
            self.clients[event.token().0].receive(&mut self.buffers)?;
        }
        Ok(())
    }
}
