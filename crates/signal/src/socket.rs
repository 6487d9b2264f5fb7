//! One WebSocket: frames in, frames out, pings, and every way it can end. It knows no participant.
//!
//! The two ends meet in bounded queues. [`Wire`] is held by the participant's link and never waits; [`SocketEnd`] is
//! held by the task of the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::admission::Seat;
use crate::config::{Limits, PING_INTERVAL, WRITE_TIMEOUT};
use crate::metrics::{Close, Drop as Reason, SignalMetrics};
use crate::rates::{Rate, TokenBucket};
use crate::wire::{self, Format};

/// Requests that wait for the link; beyond it, the socket is not read.
const INBOUND_BACKLOG: usize = 32;
/// How long a client that asks too fast waits for its next request to be looked at.
const REQUEST_PAUSE: Duration = Duration::from_millis(20);
/// How long the last frames may take.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// What a client said.
pub(crate) enum Inbound {
    /// A request and how it was written.
    Request(Box<proto::signal_request::Message>, Format),
    /// It has everything that was sent before the ping of this number.
    Acknowledged(u32),
}

/// The link's end. Dropping it sends what is queued and closes.
pub(crate) struct Wire {
    frames: mpsc::Sender<Frame>,
    inbound: mpsc::Receiver<Inbound>,
    queued: Arc<AtomicUsize>,
    most_bytes: usize,
    cut: oneshot::Sender<Close>,
    format: Format,
}

/// The connection's end.
pub(crate) struct SocketEnd {
    frames: mpsc::Receiver<Frame>,
    inbound: mpsc::Sender<Inbound>,
    queued: Arc<AtomicUsize>,
    cut: oneshot::Receiver<Close>,
    requests: TokenBucket,
    silence: Duration,
    metrics: SignalMetrics,
    /// Given back when the socket is gone.
    _seat: Seat,
}

/// The client does not take what is sent to it.
#[derive(Debug)]
pub(crate) struct Overflow;

/// Both ends of a socket to be.
pub(crate) fn pair(limits: &Limits, metrics: &SignalMetrics, seat: Seat) -> (Wire, SocketEnd) {
    let (frame_sender, frame_receiver) = mpsc::channel(limits.queued_messages);
    let (inbound_sender, inbound_receiver) = mpsc::channel(INBOUND_BACKLOG);
    let (cut_sender, cut_receiver) = oneshot::channel();
    let queued = Arc::new(AtomicUsize::new(0));
    let requests = Rate { per_second: limits.requests_per_second, burst: limits.request_burst };
    let wire = Wire {
        frames: frame_sender,
        inbound: inbound_receiver,
        queued: queued.clone(),
        most_bytes: limits.queued_bytes,
        cut: cut_sender,
        format: Format::Binary,
    };
    let end = SocketEnd {
        frames: frame_receiver,
        inbound: inbound_sender,
        queued,
        cut: cut_receiver,
        requests: TokenBucket::new(requests, std::time::Instant::now()),
        silence: limits.silence,
        metrics: metrics.clone(),
        _seat: seat,
    };
    (wire, end)
}

impl Wire {
    /// Queues a message. On overflow the caller cuts the wire: a client that does not read gets no later message
    /// either, as it would have missed one in between.
    pub(crate) fn send(&self, message: proto::signal_response::Message) -> Result<(), Overflow> {
        self.queue(wire::encode(message, self.format))
    }

    fn queue(&self, frame: Frame) -> Result<(), Overflow> {
        let size = size_of_frame(&frame);
        if self.queued.fetch_add(size, Ordering::Relaxed) + size > self.most_bytes {
            return Err(Overflow);
        }
        match self.frames.try_send(frame) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overflow),
            // The socket is gone; the link learns it from `receive`.
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        }
    }

    /// Asks for an acknowledgement of all that was sent so far: a ping, which every client answers (RFC 6455 5.5.2) behind
    /// what came before it, and which says nothing to the page or program above.
    pub(crate) fn ask_acknowledgement(&self, number: u32) -> Result<(), Overflow> {
        self.queue(Frame::Ping(bytes::Bytes::copy_from_slice(&number.to_be_bytes())))
    }

    /// What comes next; `None` when the socket is gone.
    pub(crate) async fn receive(&mut self) -> Option<Inbound> {
        let inbound = self.inbound.recv().await?;
        if let Inbound::Request(_, format) = &inbound {
            self.format = *format;
        }
        Some(inbound)
    }

    /// Ends the connection without a word.
    pub(crate) fn cut(self, reason: Close) {
        // The receiver is gone when the socket is.
        let _ = self.cut.send(reason);
    }
}

fn size_of_frame(frame: &Frame) -> usize {
    match frame {
        Frame::Text(text) => text.len(),
        Frame::Binary(bytes) | Frame::Ping(bytes) | Frame::Pong(bytes) => bytes.len(),
        Frame::Close(_) => 0,
    }
}

/// Runs a connection until either side ends it.
pub(crate) async fn run(socket: WebSocket, end: SocketEnd) {
    let SocketEnd { frames, inbound, queued, cut, requests, silence, metrics, _seat } = end;
    metrics.sockets.inc();
    let (mut sink, stream) = socket.split();
    let reader = Reader { stream, inbound, requests, silence, metrics: &metrics };
    let (close, code) = tokio::select! {
        close = reader.run() => (close, close_code(close)),
        close = write(&mut sink, frames, &queued) => (close, close_code(close)),
        Ok(close) = cut => (close, None),
    };
    metrics.closed(close);
    if let Some(code) = code {
        let frame = CloseFrame { code, reason: "".into() };
        // Whoever is gone does not hear it.
        let _ = timeout(CLOSING_TIME, sink.send(Frame::Close(Some(frame)))).await;
    }
    metrics.sockets.dec();
}

fn close_code(close: Close) -> Option<u16> {
    match close {
        Close::Client | Close::Slow => None,
        Close::Server => Some(close_code::NORMAL),
        Close::Junk | Close::Broken => Some(close_code::PROTOCOL),
        Close::Silent => Some(close_code::AWAY),
    }
}

/// Takes frames from the client and hands requests on.
struct Reader<'a> {
    stream: SplitStream<WebSocket>,
    inbound: mpsc::Sender<Inbound>,
    requests: TokenBucket,
    silence: Duration,
    metrics: &'a SignalMetrics,
}

impl Reader<'_> {
    async fn run(mut self) -> Close {
        loop {
            let frame = match timeout(self.silence, self.stream.next()).await {
                Err(_) => return Close::Silent,
                Ok(None) => return Close::Client,
                Ok(Some(Err(_))) => return Close::Broken,
                Ok(Some(Ok(frame))) => frame,
            };
            let (decoded, format) = match &frame {
                Frame::Binary(bytes) => (wire::decode_binary(bytes), Format::Binary),
                Frame::Text(text) => (wire::decode_json(text.as_str()), Format::Json),
                Frame::Pong(bytes) => {
                    if let Ok(number) = bytes.as_ref().try_into() {
                        self.hand_on(Inbound::Acknowledged(u32::from_be_bytes(number))).await;
                    }
                    continue;
                }
                Frame::Ping(_) => continue,
                Frame::Close(_) => return Close::Client,
            };
            match decoded {
                Err(_) => return Close::Junk,
                Ok(None) => self.metrics.dropped(Reason::UnsupportedRequest),
                Ok(Some(message)) => self.hand_on(Inbound::Request(Box::new(message), format)).await,
            }
        }
    }

    /// Waits where the client is faster than allowed or than the link: its own connection then fills up.
    async fn hand_on(&mut self, request: Inbound) {
        while self.requests.take(std::time::Instant::now()).is_err() {
            tokio::time::sleep(REQUEST_PAUSE).await;
        }
        if self.inbound.send(request).await.is_err() {
            // The link has let go; what it queued is still to be written, and then the socket closes.
            std::future::pending::<()>().await;
        }
    }
}

async fn write(
    sink: &mut SplitSink<WebSocket, Frame>,
    mut frames: mpsc::Receiver<Frame>,
    queued: &AtomicUsize,
) -> Close {
    let mut ping = tokio::time::interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
    loop {
        let frame = tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => frame,
                None => return Close::Server,
            },
            // Browsers answer these below JavaScript, whose timers sleep in background tabs.
            _ = ping.tick() => Frame::Ping(bytes::Bytes::new()),
        };
        let size = size_of_frame(&frame);
        match timeout(WRITE_TIMEOUT, sink.send(frame)).await {
            Err(_) => return Close::Slow,
            Ok(Err(_)) => return Close::Client,
            Ok(Ok(())) => {}
        }
        queued.fetch_sub(size, Ordering::Relaxed);
    }
}
