//! Serves HTTP connections: how many there may be, and how long one may take to say what it wants.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// How long the head of a request may take, from the first byte or, on a connection that was used, from the last answer.
/// Half-open connections are gone after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Rest after the system could not take a connection (no descriptors left), so that the loop does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections that may be open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// In all.
    pub(crate) total: usize,
    /// From one address (IPv6: one /64).
    pub(crate) per_address: usize,
}

/// Takes as many open files as the system gives: each connection is one, and the usual limit of 1,024 would be met by a
/// stranger's half-open connections before our own limits are.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Refused: fewer connections fit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Serves a router on a port until the process ends.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits) -> io::Result<()> {
    let open = Open { limits, by_address: Arc::default() };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Beyond the limit it is closed at once: whoever waits in line costs as much as whoever is served.
                if let Some(place) = open.take(peer.ip()) {
                    tokio::spawn(connection(stream, peer, router.clone(), place));
                }
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, _place: Place) {
    // Signalling sends small messages that must not wait for each other.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(Body::new))
    });
    // A connection that breaks is the client's matter.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

/// The connections that are open.
#[derive(Clone)]
struct Open {
    limits: ConnectionLimits,
    by_address: Arc<Mutex<Count>>,
}

#[derive(Default)]
struct Count {
    total: usize,
    /// Has an entry for each address that has one open.
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
struct Place {
    open: Open,
    address: IpAddr,
}

impl Open {
    fn take(&self, address: IpAddr) -> Option<Place> {
        let address = parlour_signal::counted_as(address);
        let mut count = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = count.by_address.get(&address).copied().unwrap_or(0);
        if count.total >= self.limits.total || of_it >= self.limits.per_address {
            return None;
        }
        count.total += 1;
        count.by_address.insert(address, of_it + 1);
        drop(count);
        Some(Place { open: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut count = self.open.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        count.total = count.total.saturating_sub(1);
        if let Some(of_it) = count.by_address.get_mut(&self.address) {
            *of_it -= 1;
            if *of_it == 0 {
                count.by_address.remove(&self.address);
            }
        }
    }
}
