//! The task of a client: one session, one UDP socket, at most one WebSocket, one timer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use livekit_protocol as lk;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use tokio::net::{UdpSocket, lookup_host};
use tokio::sync::mpsc;

use super::{ClientError, ClientOptions, ECHO_REPLY_TOPIC, ECHO_TOPIC, Snapshot, Wish};
use crate::endpoint::{Endpoint, EndpointConfig, EndpointEvent};
use crate::signalling::{Session, Signalling, SignallingError};

/// Datagrams read before timers and wishes get their turn.
const BATCH: usize = 64;

/// The largest UDP payload.
const DATAGRAM_MAX: usize = 65_535;

/// Timers of the runtime are this coarse; a deadline nearer than this is now.
const TIMER_GRAIN: Duration = Duration::from_millis(1);

pub(crate) struct Driver {
    options: ClientOptions,
    session: Session,
    socket: UdpSocket,
    signalling: Option<Signalling>,
    ping_every: Duration,
    started: Instant,
    connected_after: Option<Duration>,
    buffer: Vec<u8>,
}

enum Next {
    Goes,
    Ends,
}

impl Driver {
    pub(crate) async fn join(options: ClientOptions) -> Result<Self, ClientError> {
        let started = Instant::now();
        let socket = bind(&options).await?;
        let config = EndpointConfig {
            red: options.red,
            ..EndpointConfig::new(socket.local_addr()?, options.epoch, options.seed)
        };
        let mut session = Session::new(Endpoint::new(config, started)?);
        if let Some(audio) = options.audio {
            session.publish_audio(audio, started);
        }
        if let Some(video) = options.video.clone() {
            session.publish_video(video, lk::TrackSource::Camera, started);
        }
        let request = session.join_request(started);
        let mut signalling = Signalling::connect(&options.url, &options.token, &request).await?;
        loop {
            let response = signalling.next().await?.ok_or(SignallingError::Unexpected)?;
            session.handle_response(response, Instant::now())?;
            if let Some(left) = session.left() {
                return Err(ClientError::Left(left));
            }
            if session.joined().is_some() {
                break;
            }
        }
        let interval = session.joined().map_or(0, |join| join.ping_interval).max(1);
        Ok(Self {
            options,
            session,
            socket,
            signalling: Some(signalling),
            ping_every: Duration::from_secs(interval.unsigned_abs().into()),
            started,
            connected_after: None,
            buffer: vec![0; DATAGRAM_MAX],
        })
    }

    pub(crate) async fn run(mut self, mut inbox: mpsc::Receiver<Wish>) {
        let mut ping = tokio::time::interval(self.ping_every);
        loop {
            if self.flush().await.is_err() {
                self.signalling = None;
            }
            let deadline = self.session.endpoint.poll_timeout();
            let next = tokio::select! {
                wish = inbox.recv() => match wish {
                    Some(wish) => self.grant(wish).await,
                    None => Next::Ends,
                },
                response = next_response(&mut self.signalling) => self.handle_response(response),
                readable = self.socket.readable() => {
                    if readable.is_ok() {
                        self.read_datagrams();
                    }
                    Next::Goes
                }
                () = until(deadline) => {
                    self.session.endpoint.handle_timeout(Instant::now());
                    Next::Goes
                }
                _ = ping.tick() => {
                    self.ping();
                    Next::Goes
                }
            };
            if matches!(next, Next::Ends) {
                return;
            }
        }
    }

    /// Sends what waits: datagrams, then requests.
    async fn flush(&mut self) -> Result<(), SignallingError> {
        self.take_events();
        self.send_datagrams();
        let now = Instant::now();
        if self.signalling.is_none() {
            return Ok(());
        }
        while let Some(request) = self.session.poll_request(now) {
            if let Some(signalling) = &mut self.signalling {
                signalling.send(request).await?;
            }
        }
        self.send_datagrams();
        Ok(())
    }

    fn send_datagrams(&mut self) {
        while let Some(outgoing) = self.session.endpoint.poll_transmit() {
            // A full socket buffer is a lost packet, as on any network.
            let _ = self.socket.try_send_to(&outgoing.bytes, outgoing.to);
        }
    }

    fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if event == EndpointEvent::Connected {
                self.connected_after.get_or_insert(self.started.elapsed());
            }
        }
        if !self.options.echo {
            return;
        }
        for message in self.session.take_messages(ECHO_TOPIC) {
            let to = [message.from];
            self.session.send(message.channel, ECHO_REPLY_TOPIC, &message.payload, &to, Instant::now());
        }
    }

    fn read_datagrams(&mut self) {
        for _ in 0..BATCH {
            let Ok((length, from)) = self.socket.try_recv_from(&mut self.buffer) else { return };
            self.session.endpoint.handle_datagram(Instant::now(), from, &self.buffer[..length]);
        }
    }

    fn handle_response(&mut self, response: Result<Option<Response>, SignallingError>) -> Next {
        match response {
            Ok(Some(response)) => {
                if let Err(error) = self.session.handle_response(response, Instant::now()) {
                    tracing::warn!(%error, "a bot could not take an answer");
                }
                // Stays to be asked why it left.
            }
            Ok(None) | Err(_) => self.signalling = None,
        }
        Next::Goes
    }

    fn ping(&mut self) {
        let timestamp = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.session.request(Request::PingReq(lk::Ping { timestamp, rtt: 0 }));
    }

    async fn grant(&mut self, wish: Wish) -> Next {
        let now = Instant::now();
        // A receiver of a reply that is gone does not want it.
        match wish {
            Wish::PublishAudio(config, reply) => drop(reply.send(self.session.publish_audio(config, now))),
            Wish::PublishVideo(config, source, reply) => {
                drop(reply.send(self.session.publish_video(config, source, now)));
            }
            Wish::Unpublish(cid) => self.session.unpublish(&cid),
            Wish::SetMuted(cid, muted) => self.session.set_muted(&cid, muted),
            Wish::TrackSid(cid, reply) => drop(reply.send(self.session.track_sid(&cid).map(str::to_owned))),
            Wish::Send { channel, topic, payload, to, sent } => {
                let _ = sent.send(self.session.send(channel, &topic, &payload, &to, now));
            }
            Wish::TakeMessages(reply) => {
                drop(reply.send(std::iter::from_fn(|| self.session.poll_message()).collect()));
            }
            Wish::Request(request) => self.session.request(*request),
            Wish::Snapshot(reply) => drop(reply.send(self.snapshot())),
            Wish::ResetReceived => self.session.endpoint.reset_received(),
            Wish::DropSignalling => self.signalling = None,
            Wish::Resume(reply) => drop(reply.send(self.resume().await)),
            Wish::Rebind(reply) => drop(reply.send(self.rebind().await)),
            Wish::Leave(reply) => {
                self.leave().await;
                let _ = reply.send(());
                return Next::Ends;
            }
        }
        Next::Goes
    }

    async fn resume(&mut self) -> Result<(), ClientError> {
        self.signalling = None;
        let request = self.session.resume_request();
        let token = self.session.refreshed_token().unwrap_or(&self.options.token);
        let mut signalling = Signalling::connect(&self.options.url, token, &request).await?;
        let response = signalling.next().await?.ok_or(SignallingError::Unexpected)?;
        self.session.handle_response(response, Instant::now())?;
        if let Some(left) = self.session.left() {
            return Err(ClientError::Left(left));
        }
        self.signalling = Some(signalling);
        Ok(())
    }

    /// The endpoint keeps its candidate: behind a NAT a client does not see its address change either.
    async fn rebind(&mut self) -> Result<SocketAddr, ClientError> {
        self.socket = bind(&self.options).await?;
        Ok(self.socket.local_addr()?)
    }

    async fn leave(&mut self) {
        let leave = lk::LeaveRequest {
            reason: lk::DisconnectReason::ClientInitiated as i32,
            action: lk::leave_request::Action::Disconnect as i32,
            ..Default::default()
        };
        if let Some(signalling) = &mut self.signalling {
            // The server may be gone first.
            let _ = signalling.send(Request::Leave(leave)).await;
            let _ = signalling.close().await;
        }
        self.session.endpoint.close(Instant::now());
        self.send_datagrams();
    }

    fn snapshot(&self) -> Snapshot {
        let endpoint = &self.session.endpoint;
        let carried: Vec<_> = endpoint.carried().map(str::to_owned).collect();
        Snapshot {
            sid: self.session.sid().unwrap_or_default().to_owned(),
            connected: endpoint.is_connected(),
            signalling: self.signalling.is_some(),
            others: self.session.others().cloned().collect(),
            tracks: endpoint.received().map(|(sid, stats)| (sid.to_owned(), stats.clone())).collect(),
            paused: carried.iter().filter(|sid| self.session.is_paused(sid)).cloned().collect(),
            carried,
            sent: endpoint.sent().clone(),
            negotiations: self.session.negotiations(),
            connected_after: self.connected_after,
            left: self.session.left(),
        }
    }
}

async fn bind(options: &ClientOptions) -> Result<UdpSocket, ClientError> {
    let ip = match options.bind {
        Some(ip) => ip,
        None => facing(&options.url).await?,
    };
    Ok(UdpSocket::bind(SocketAddr::new(ip, 0)).await?)
}

/// The own address that faces the server of this URL.
async fn facing(url: &str) -> Result<IpAddr, ClientError> {
    let (scheme, rest) = url.split_once("://").ok_or(ClientError::Address)?;
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let port = if scheme.ends_with('s') { 443 } else { 80 };
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let server = lookup_host(authority).await?.next().ok_or(ClientError::Address)?;
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

async fn next_response(signalling: &mut Option<Signalling>) -> Result<Option<Response>, SignallingError> {
    match signalling {
        Some(signalling) => signalling.next().await,
        None => std::future::pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    if deadline > Instant::now() + TIMER_GRAIN / 2 {
        tokio::time::sleep_until(deadline.into()).await;
    }
}
