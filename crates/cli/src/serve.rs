//! `parlour serve`: wires the parts, waits for a signal, drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use parlour_engine::{Engine, EngineHandle, EngineMetrics};
use parlour_signal::{SignalMetrics, SignalState, StopAdvice, StunServer};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::{demo, log, ops};

type Failure = Box<dyn std::error::Error>;

/// How often a draining server looks whether everyone has left.
const DRAIN_CHECK: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop.
pub(crate) fn run(config: Config) -> Result<(), Failure> {
    log::start(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), Failure> {
    let registry = Registry::new();
    let engine_metrics = EngineMetrics::new(&registry)?;
    let engine = Engine::start(&config.engine, &engine_metrics)?;
    let mut servers = JoinSet::new();
    config.signal.ice_urls = serve_stun(&mut servers, &config, &engine).await?;
    let signalling = SignalState::new(engine.handle(), config.signal.clone(), SignalMetrics::register(&registry)?);

    let ready = Arc::new(AtomicBool::new(true));
    let ops = ops::Ops { registry, engine: engine_metrics, ready: ready.clone() };
    let pages = parlour_signal::router(signalling.clone()).merge(parlour_web::router());
    config.http.listen = match config.http.ops_listen {
        Some(address) => {
            listen(&mut servers, address, ops::router(ops.clone())).await?;
            listen(&mut servers, config.http.listen, pages.merge(ops::health(ops))).await?
        }
        None => listen(&mut servers, config.http.listen, pages.merge(ops::router(ops))).await?,
    };
    tracing::info!(listen = %config.http.listen, workers = config.engine.workers, "serving");
    for candidate in engine.candidates() {
        tracing::info!(address = %candidate, "media");
    }
    if config.demo {
        demo::print_links(&config)?;
    }

    let stopped = stop_asked(&mut servers).await?;
    ready.store(false, Ordering::Relaxed);
    tracing::info!(signal = stopped, drain_seconds = config.shutdown.drain.as_secs(), "stopping");
    drain(&engine, config.shutdown.drain).await?;
    let left = signalling.shutdown(StopAdvice::Disconnect, config.shutdown.goodbye).await;
    engine.stop();
    tracing::info!(clients_left = left, "stopped");
    Ok(())
}

/// Clients are told of no STUN server but ours, so that no stranger learns who talks.
async fn serve_stun(
    servers: &mut JoinSet<std::io::Result<()>>,
    config: &Config,
    engine: &Engine,
) -> Result<Vec<String>, Failure> {
    let mut urls = Vec::new();
    for address in &config.engine.listen.addresses {
        let address = SocketAddr::new(*address, config.stun_port);
        let stun = StunServer::bind(address).await.map_err(|error| format!("cannot open {address}: {error}"))?;
        let bound = stun.local_addr()?;
        let mut seen: Vec<_> = engine.candidates().iter().filter(|one| one.is_ipv4() == bound.is_ipv4()).collect();
        seen.dedup_by_key(|one| one.ip());
        urls.extend(seen.iter().map(|one| format!("stun:{}", SocketAddr::new(one.ip(), bound.port()))));
        servers.spawn(async move {
            stun.run().await;
            Ok(())
        });
    }
    Ok(urls)
}

/// Opens a port and serves it in the background. The address is the one bound, if the port was left open.
async fn listen(
    servers: &mut JoinSet<std::io::Result<()>>,
    address: SocketAddr,
    router: Router,
) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let bound = listener.local_addr()?;
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    servers.spawn(async move { axum::serve(listener, service).await });
    Ok(bound)
}

/// Waits for Ctrl-C or SIGTERM; a server that ends by itself is an error.
async fn stop_asked(servers: &mut JoinSet<std::io::Result<()>>) -> Result<&'static str, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| "SIGINT").map_err(Into::into),
        _ = terminate.recv() => Ok("SIGTERM"),
        ended = servers.join_next() => Err(format!("the web server ended: {ended:?}").into()),
    }
}

/// No new participants; those present may go on until the deadline. A second Ctrl-C cuts it short.
async fn drain(engine: &Engine, deadline: Duration) -> Result<(), Failure> {
    engine.drain();
    if deadline.is_zero() {
        return Ok(());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = tokio::time::sleep(deadline) => {}
        _ = everyone_left(engine.handle()) => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn everyone_left(engine: EngineHandle) {
    while engine.sessions().await.iter().any(|session| session.participants > 0) {
        tokio::time::sleep(DRAIN_CHECK).await;
    }
}
