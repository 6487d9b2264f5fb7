//! Workers on real threads: what holds when whoever speaks to them goes away, or does not stop speaking.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

use parlour_engine::{Engine, EngineConfig, EngineHandle, EngineMetrics, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::command::{Action, Leg, Topology};
use parlour_model::session::{DuplicatePolicy, SessionPolicy};
use parlour_model::{Encryption, Grants, Identity, Join, ParticipantSid, Redacted, Refusal, Role, SessionId};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;

/// What never takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

fn engine() -> Engine {
    let policy = SessionPolicy { duplicate_identity: DuplicatePolicy::RejectNew, ..SessionPolicy::open_development() };
    let config = EngineConfig {
        workers: 1,
        listen: MediaListen { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], first_port: 0, advertise: Vec::new() },
        dtls: DtlsVersions::default(),
        media: MediaConfig::default(),
        session: SessionOptions { policy, ..SessionOptions::default() },
        max_rooms: 8,
        max_peers: 8,
    };
    Engine::start(&config, &EngineMetrics::new(&prometheus::Registry::new()).unwrap()).unwrap()
}

fn ann() -> Join {
    Join {
        identity: Identity::from("ann"),
        role: Role::Client,
        grants: Grants::ALL,
        name: Redacted::default(),
        metadata: Redacted::default(),
        attributes: Redacted::default(),
        client: Default::default(),
        topology: Topology::Single,
        encryption: Encryption::None,
        auto_subscribe: true,
        entry: Default::default(),
    }
}

/// Comes in as soon as the seat is free.
async fn come_in(handle: &EngineHandle, session: &SessionId) {
    loop {
        match handle.join(session, ann()).await {
            // With its stream dropped, this one is deserted in its turn.
            Ok(_) => return,
            Err(refusal) => assert_eq!(refusal, Refusal::DuplicateIdentity),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn who_stops_waiting_to_be_let_in_leaves_no_seat_behind() {
    let engine = engine();
    let (handle, session) = (engine.handle(), SessionId::from("couple"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut left = 0;
        while left < 3 {
            // The worker has the request; nobody is there for its answer. Now and then it answers before one can leave.
            let mut nobody = Context::from_waker(Waker::noop());
            left += usize::from(pin!(handle.join(&session, ann())).poll(&mut nobody).is_pending());
            tokio::time::timeout(PATIENCE, come_in(&handle, &session)).await.expect("the seat is taken for good");
        }
    });
    engine.stop();
}

#[test]
fn a_worker_whose_mailbox_is_full_stops_when_it_is_told_to() {
    let engine = engine();
    let (handle, session, nobody) = (engine.handle(), SessionId::from("couple"), ParticipantSid::from("PA_nobody"));
    let over = Arc::new(AtomicBool::new(false));
    let (full, is_full) = mpsc::channel();
    let flood = std::thread::spawn({
        let over = over.clone();
        move || {
            while !over.load(Ordering::Relaxed) {
                if handle.act(&session, &nobody, Action::Trickle(Leg::Publish)) == Err(Refusal::Limit) {
                    let _ = full.send(());
                }
            }
        }
    });
    // A machine whose worker keeps up with this has nothing to show.
    let _ = is_full.recv_timeout(PATIENCE / 4);
    let (stopped, has_stopped) = mpsc::channel();
    std::thread::spawn(move || {
        engine.stop();
        let _ = stopped.send(());
    });
    let result = has_stopped.recv_timeout(PATIENCE);
    over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    assert!(result.is_ok(), "it never stops");
}
