//! `parlour serve`: wires the parts, waits for a signal, drains.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, Uri};
use parlour_api::{ApiConfig, ApiMetrics, ApiParts, ApiState, Ledger, ServerFacts};
use parlour_engine::{Engine, EngineHandle, EngineMetrics};
use parlour_peer::DtlsVersions;
use parlour_signal::{SignalMetrics, SignalState, StopAdvice, StunServer};
use parlour_store::PseudonymKey;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{Config, StoreConfig};
use crate::http::{self, ConnectionLimits};
use crate::{log, ops, trace};

type Failure = Box<dyn std::error::Error>;

/// How often a draining server looks whether everyone has left.
const DRAIN_CHECK: Duration = Duration::from_millis(500);

/// Runs the server until it is told to stop.
pub(crate) fn run(config: Config) -> Result<(), Failure> {
    log::start(&config.log)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(mut config: Config) -> Result<(), Failure> {
    http::raise_file_limit();
    let registry = Registry::new();
    let engine_metrics = EngineMetrics::new(&registry)?;
    let engine = Engine::start(&config.engine, &engine_metrics)?;
    let mut servers = JoinSet::new();
    config.signal.ice_urls = serve_stun(&mut servers, &config, &engine).await?;
    let listener = bind(config.http.listen).await?;
    config.http.listen = listener.local_addr()?;
    let api = start_api(&config, &engine, &registry).await?;
    let signalling = SignalState::backed(
        engine.handle(),
        config.signal.clone(),
        SignalMetrics::register(&registry)?,
        api.directory(),
        api.record(),
    );

    let ready = Arc::new(AtomicBool::new(true));
    let ops = ops::Ops { registry, engine: engine_metrics, ready: ready.clone() };
    let pages = parlour_signal::router(signalling.clone())
        .merge(parlour_web::router_with_way_out(config.http.quick_exit_url.clone()))
        .merge(parlour_api::router(api.clone()));
    let limits = connection_limits(&config);
    let pages = match config.http.ops_listen {
        Some(address) => {
            servers.spawn(http::serve(bind(address).await?, ops::router(ops.clone()), limits));
            pages.merge(ops::health(ops))
        }
        None => pages.merge(ops::router(ops)),
    };
    servers.spawn(http::serve(listener, pages.fallback(parlour_web::not_found), limits));
    tracing::info!(listen = %config.http.listen, workers = config.engine.workers, "serving");
    for candidate in engine.candidates() {
        tracing::info!(address = %candidate, "media");
    }
    if let Some((folder, session)) = config.trace.take() {
        tokio::spawn(trace::write(engine.handle(), folder, session));
    }
    if config.demo {
        print_links(&api).await?;
    }

    let stopped = stop_asked(&mut servers).await?;
    ready.store(false, Ordering::Relaxed);
    tracing::info!(signal = stopped, drain_seconds = config.shutdown.drain.as_secs(), "stopping");
    drain(&engine, config.shutdown.drain).await?;
    let left = signalling.shutdown(StopAdvice::Disconnect, config.shutdown.goodbye).await;
    engine.stop();
    api.flush().await;
    tracing::info!(clients_left = left, "stopped");
    Ok(())
}

/// The control API with its store. Sessions that were going on come back before anybody is let in.
async fn start_api(config: &Config, engine: &Engine, registry: &Registry) -> Result<ApiState, Failure> {
    let (ledger, pseudonyms) = match &config.store {
        StoreConfig::File(file) => {
            let opened = Ledger::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
            let mut beside = file.clone().into_os_string();
            beside.push(".pseudonyms");
            (opened, PseudonymKey::load_or_create(Path::new(&beside))?)
        }
        StoreConfig::Memory => {
            tracing::warn!("the store is in memory: nothing outlives this process");
            (Ledger::in_memory()?, PseudonymKey::random()?)
        }
    };
    let base = config.link_base();
    let api = ApiState::start(ApiParts {
        engine: engine.handle(),
        ledger,
        keys: config.signal.keys.clone(),
        signing_key: config.signing_key.clone(),
        pseudonyms,
        metrics: ApiMetrics::register(registry)?,
        config: ApiConfig {
            facts: facts(config, &base),
            link_base: base,
            behind_proxy: config.signal.behind_proxy,
            policy: config.engine.session.policy.clone(),
            ad_hoc: config.api.ad_hoc,
            retention: config.api.retention,
            token_lifetime: config.api.token_lifetime,
            webhooks: config.api.webhooks,
            limits: config.api.limits,
        },
    });
    let restored = api.restore().await?;
    if restored.sessions > 0 {
        tracing::info!(sessions = restored.sessions, "brought back, everyone held");
    }
    if !restored.left.is_empty() {
        tracing::warn!(sessions = restored.left.len(), "no room to bring these back now; they are tried again");
        tokio::spawn(api.clone().restore_the_rest(restored.left));
    }
    tokio::spawn(api.clone().purge_by_the_clock());
    tokio::spawn(api.clone().end_unused_by_the_clock());
    Ok(api)
}

fn facts(config: &Config, base: &str) -> ServerFacts {
    let dtls: &[&str] = match config.engine.dtls {
        DtlsVersions::Both => &["1.2", "1.3"],
        DtlsVersions::Only12 => &["1.2"],
        DtlsVersions::Only13 => &["1.3"],
    };
    ServerFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        dtls: dtls.iter().map(|version| (*version).to_owned()).collect(),
        workers: config.engine.workers,
        store: config.store.file().ok().map(Path::to_owned),
        tls_in_front: base.starts_with("https://"),
        quick_exit_host: config.http.quick_exit_url.as_ref().and_then(host_of),
    }
}

fn host_of(url: &HeaderValue) -> Option<String> {
    Some(url.to_str().ok()?.parse::<Uri>().ok()?.host()?.to_owned())
}

/// WebSockets are counted by signalling once they are open; what is not one is over soon, and gets as much again.
fn connection_limits(config: &Config) -> ConnectionLimits {
    let limits = config.signal.limits;
    ConnectionLimits { total: limits.sockets.saturating_mul(2), per_address: limits.sockets_per_address }
}

/// The first thing a newcomer sees: three links into one couples session.
async fn print_links(api: &ApiState) -> Result<(), Failure> {
    println!(
        "\nA couples session is ready; the partners wait until the therapist lets them in. Open each link in a tab"
    );
    println!("of its own. Each link works once.\n");
    for (label, link) in api.couples_session().await? {
        println!("  {label}:\n  {link}\n");
    }
    println!("Ctrl-C ends it.");
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

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    Ok(TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?)
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
