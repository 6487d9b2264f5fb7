//! Starts the workers and stops them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parlour_linetest::LineTests;
use parlour_media::MediaConfig;
use parlour_peer::{Certificate, CertificateError, DtlsVersions, PeerConfig, PeerTimes};
use parlour_session::SessionOptions;
use parlour_shard::{Clock, Shard, ShardConfig};
use thiserror::Error;

use crate::handle::{EngineHandle, Mailbox, Orders, SessionEvents};
use crate::metrics::EngineMetrics;
use crate::socket::MediaSocket;
use crate::worker::{Errands, Machines, Worker};

/// Messages that may wait for one worker. Beyond that, whoever asks is told to come back.
const MAILBOX_SIZE: usize = 4_096;

/// A worker's stack: packets are handled in shallow calls, and SDP parsing does not recurse.
const STACK_SIZE: usize = 2 * 1024 * 1024;

/// Where media comes in.
#[derive(Clone, Debug)]
pub struct MediaListen {
    /// Addresses to bind; one of each family at most.
    pub addresses: Vec<IpAddr>,
    /// Port of the first worker; the others count on from it. 0: each takes a free one.
    pub first_port: u16,
    /// Addresses that clients are told. Empty: those that are bound, or the ones this host reaches others from.
    pub advertise: Vec<IpAddr>,
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Worker threads.
    pub workers: usize,
    /// Ports.
    pub listen: MediaListen,
    /// Versions of DTLS that clients may use.
    pub dtls: DtlsVersions,
    /// Media of every room.
    pub media: MediaConfig,
    /// Rules of sessions that nobody created beforehand.
    pub session: SessionOptions,
    /// Most sessions per worker.
    pub max_rooms: usize,
    /// Most peer connections per worker, half-open ones included.
    pub max_peers: usize,
}

/// Why the engine did not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The configuration asks for none.
    #[error("at least one worker and one address are needed")]
    Nothing,
    /// A port is taken, or an address not ours.
    #[error("cannot open media port {port} on {address}: {source}")]
    Bind {
        /// On which address.
        address: IpAddr,
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a DTLS certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The system gave no randomness.
    #[error("the system has no randomness")]
    Randomness,
    /// Threads or poll handles are exhausted.
    #[error("cannot start a worker: {0}")]
    Worker(#[from] io::Error),
}

/// Running workers.
pub struct Engine {
    handle: EngineHandle,
    orders: Arc<Orders>,
    threads: Vec<JoinHandle<()>>,
    ports: Vec<SocketAddr>,
}

impl Engine {
    /// Opens the ports and starts the workers.
    pub fn start(config: &EngineConfig, metrics: &EngineMetrics) -> Result<Self, EngineError> {
        if config.workers == 0 || config.listen.addresses.is_empty() {
            return Err(EngineError::Nothing);
        }
        let certificate = Certificate::generate()?;
        let session_events = Arc::new(SessionEvents::new());
        let handle = EngineHandle::new(Vec::new(), session_events.clone());
        let mut engine = Self { handle, orders: Arc::default(), threads: Vec::new(), ports: Vec::new() };
        let mut mailboxes = Vec::new();
        for index in 0..config.workers {
            mailboxes.push(engine.start_worker(index, config, certificate.clone(), metrics, session_events.clone())?);
        }
        engine.handle = EngineHandle::new(mailboxes, session_events);
        Ok(engine)
    }

    fn start_worker(
        &mut self,
        index: usize,
        config: &EngineConfig,
        certificate: Certificate,
        metrics: &EngineMetrics,
        session_events: Arc<SessionEvents>,
    ) -> Result<Mailbox, EngineError> {
        let sockets = bind(&config.listen, index)?;
        let locals: Vec<_> = sockets.iter().map(MediaSocket::local).collect();
        let candidates = candidates(&config.listen.advertise, &locals);
        let peer = PeerConfig::new(certificate, candidates.clone(), config.dtls, peer_times())?;
        let line_tests = LineTests::new(peer.clone(), seed()?);
        let shard = ShardConfig {
            peer,
            media: config.media.clone(),
            session: config.session.clone(),
            max_rooms: config.max_rooms,
            max_peers: config.max_peers,
        };
        let shard = Shard::new(Arc::new(shard), seed()?, clock());
        let (poll, waker) = Worker::poll()?;
        let (sender, mailbox) = sync_channel(MAILBOX_SIZE);
        let snapshot = Arc::new(Mutex::default());
        metrics.watch(snapshot.clone());
        let machines = Machines { shard, line_tests };
        let errands = Errands { mailbox, orders: self.orders.clone(), session_events };
        let worker = Worker::new(poll, sockets, machines, errands, metrics.of_worker(), snapshot)?;
        let thread = std::thread::Builder::new().name(format!("media-{index}")).stack_size(STACK_SIZE);
        self.threads.push(thread.spawn(move || worker.run())?);
        self.ports.extend(candidates);
        Ok(Mailbox { sender, waker: Arc::new(waker) })
    }

    /// To speak to the workers.
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// Every address and port that clients are told for media.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.ports
    }

    /// No new participants from now on; those present go on.
    pub fn drain(&self) {
        self.orders.drain();
        self.handle.wake();
    }

    /// Every participant is told that the server stops; returns when all workers have ended.
    pub fn stop(self) {
        self.orders.stop();
        self.handle.wake();
        for thread in self.threads {
            // A worker that panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// Silence is noticed after 5 s, so that a therapist who dropped is known to be gone; the seat is kept longer.
fn peer_times() -> PeerTimes {
    PeerTimes { consent_lost: Duration::from_secs(5), ..PeerTimes::default() }
}

fn bind(listen: &MediaListen, worker: usize) -> Result<Vec<MediaSocket>, EngineError> {
    let mut port = match listen.first_port {
        0 => 0,
        first => first.saturating_add(worker as u16),
    };
    let mut sockets = Vec::new();
    for address in &listen.addresses {
        let socket = MediaSocket::bind(SocketAddr::new(*address, port)).map_err(|source| EngineError::Bind {
            address: *address,
            port,
            source,
        })?;
        // All families of one worker share a port, so that a firewall rule is one number.
        port = socket.local().port();
        sockets.push(socket);
    }
    Ok(sockets)
}

/// What clients are told: the configured addresses, else the bound ones, else those this host reaches others from.
fn candidates(advertise: &[IpAddr], locals: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut candidates = Vec::new();
    for local in locals {
        let same_family = |address: &&IpAddr| address.is_ipv4() == local.is_ipv4();
        let addresses: Vec<IpAddr> = match advertise {
            [] if local.ip().is_unspecified() => reachable_addresses(*local),
            [] => vec![local.ip()],
            configured => configured.iter().filter(same_family).copied().collect(),
        };
        candidates.extend(addresses.into_iter().map(|address| SocketAddr::new(address, local.port())));
    }
    candidates
}

/// The address of the interface that leads outside, found by asking for a route (nothing is sent), and loopback.
fn reachable_addresses(bound: SocketAddr) -> Vec<IpAddr> {
    // TEST-NET-1 and the IPv6 documentation prefix: addresses that are routed like any other and belong to nobody.
    let (any, outside, loopback) = if bound.is_ipv4() {
        ("0.0.0.0:0", "192.0.2.1:9", IpAddr::from([127, 0, 0, 1]))
    } else {
        ("[::]:0", "[2001:db8::1]:9", IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]))
    };
    let routed = std::net::UdpSocket::bind(any).and_then(|probe| {
        probe.connect(outside)?;
        probe.local_addr()
    });
    routed.ok().map(|address| address.ip()).into_iter().chain([loopback]).collect()
}

fn seed() -> Result<[u8; 32], EngineError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| EngineError::Randomness)?;
    Ok(seed)
}

fn clock() -> Clock {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { now: Instant::now(), unix_ms: i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX) }
}
