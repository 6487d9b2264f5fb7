//! Bots in calls over real sockets: the whole server except its command line, joined as LiveKit's SDKs join.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../signalling/harness.rs"]
mod harness;
mod line_hint;

use std::time::{Duration, Instant};

use harness::{KEY, SECRET, Server};
use parlour_bot::client::{Client, ClientOptions, Snapshot};
use parlour_bot::endpoint::Channel;
use parlour_bot::load::{self, LoadOptions};
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_bot::signalling::{TokenOptions, mint};

const SOON: Duration = Duration::from_secs(10);

fn token(identity: &str, role: &str) -> String {
    mint(&TokenOptions {
        key: KEY.into(),
        secret: SECRET.into(),
        session: "couple".into(),
        identity: identity.into(),
        role: role.into(),
        valid_for: Duration::from_secs(600),
    })
    .unwrap()
}

fn options(server: &Server, identity: &str, role: &str, epoch: Instant) -> ClientOptions {
    ClientOptions {
        audio: Some(AudioConfig::default()),
        video: Some(VideoConfig::default()),
        echo: true,
        ..ClientOptions::new(&format!("ws://{}", server.address), &token(identity, role), epoch)
    }
}

/// A therapist and two clients, everyone decoding everyone.
async fn call(server: &Server) -> Vec<Client> {
    let epoch = Instant::now();
    let mut clients = Vec::new();
    for (identity, role) in [("therapist", "therapist"), ("ann", "client"), ("ben", "client")] {
        clients.push(Client::join(options(server, identity, role, epoch)).await.unwrap());
    }
    for client in &clients {
        client.wait_for("four tracks", SOON, |snapshot| decoding(snapshot) == 4).await.unwrap();
    }
    clients
}

fn decoding(snapshot: &Snapshot) -> usize {
    let live = |sid: &&String| snapshot.tracks.get(*sid).is_some_and(|track| track.frames_decoded > 5);
    snapshot.carried.iter().filter(live).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_bots_see_hear_and_write_to_each_other() {
    let server = Server::start().await;
    let clients = call(&server).await;
    for client in &clients {
        let snapshot = client.snapshot().await.unwrap();
        assert_eq!(snapshot.others.len(), 2);
        assert!(snapshot.tracks.values().all(|track| track.missing == 0 && track.bad_switches == 0));
    }
    assert!(clients[0].send(Channel::Reliable, "echo", b"hello", &[]).await.unwrap());
    let mut replies = Vec::new();
    let deadline = Instant::now() + SOON;
    while replies.len() < 2 && Instant::now() < deadline {
        replies.extend(clients[0].take_messages().await.unwrap());
        tokio::task::yield_now().await;
    }
    replies.sort_by(|a, b| a.from.cmp(&b.from));
    let told: Vec<_> = replies.iter().map(|reply| (reply.from.as_str(), reply.payload.as_slice())).collect();
    assert_eq!(told, [("ann", b"hello".as_slice()), ("ben", b"hello")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_view_gets_a_smaller_encoding() {
    let server = Server::start().await;
    let clients = call(&server).await;
    let snapshot = clients[0].snapshot().await.unwrap();
    let cameras: Vec<_> = snapshot.tracks.iter().filter(|(_, t)| t.keyframes > 0).map(|(sid, _)| sid.clone()).collect();
    let of = |snapshot: &Snapshot, index: usize| snapshot.tracks[&cameras[index]].clone();
    // The line has to be known first: a smaller encoding must then come of the smaller view.
    let full = |s: &Snapshot| of(s, 0).layer == 2 && of(s, 1).layer == 2;
    clients[0].wait_for("full pictures", SOON, full).await.unwrap();
    clients[0].show(&cameras[0], 320, 180, false).await.unwrap();
    clients[0].show(&cameras[1], 0, 0, true).await.unwrap();
    clients[0].wait_for("the smallest encoding", SOON, |s| of(s, 0).layer == 0).await.unwrap();
    let before = of(&clients[0].snapshot().await.unwrap(), 1).packets;
    clients[0].show(&cameras[0], 1280, 720, false).await.unwrap();
    let after = clients[0].wait_for("the largest encoding", SOON, |s| of(s, 0).layer == 2).await.unwrap();
    assert_eq!(of(&after, 0).bad_switches, 0);
    assert!(of(&after, 1).packets - before < 5, "a disabled track is not sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_through_a_broken_websocket_and_a_new_port() {
    let server = Server::start().await;
    let clients = call(&server).await;
    clients[1].drop_signalling().await.unwrap();
    clients[1].resume().await.unwrap();
    let renewed = clients[1].wait_for("an answered restart", SOON, |s| s.signalling && s.negotiations > 1).await;
    let negotiations = renewed.unwrap().negotiations;
    clients[1].rebind().await.unwrap();
    for client in &clients {
        client.reset_received().await.unwrap();
    }
    for client in &clients {
        client.wait_for("four tracks again", SOON, |s| decoding(s) == 4).await.unwrap();
    }
    assert!(negotiations > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_leaves_is_gone_at_once_and_one_who_vanishes_soon() {
    let server = Server::start().await;
    let mut clients = call(&server).await;
    clients.pop().unwrap().leave().await.unwrap();
    clients[0].wait_for("the end of a leaver", Duration::from_secs(2), |s| s.others.len() == 1).await.unwrap();
    clients.pop().unwrap().vanish();
    let twenty = Duration::from_secs(20);
    clients[0].wait_for("the end of a vanished one", twenty, |s| s.others.is_empty()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_generator_tells_what_it_measured() {
    let server = Server::start().await;
    let line = ["load", "--sessions", "2", "--bots", "2", "--duration", "3", "--warm-up", "1", "--quiet"];
    let mut options = parse(&line);
    options.url = format!("ws://{}", server.address);
    options.api_key = KEY.into();
    options.api_secret = SECRET.into();
    options.pid = Some(std::process::id());
    let report = load::run(options).await.unwrap();
    eprintln!("{report}");
    assert_eq!((report.joined, report.connected, report.tracks_received), (4, 4, 8), "{report}");
    assert!(report.audio.packets > 500 && report.video.frames_decoded > 300, "{report}");
    assert!(report.server.is_some_and(|server| server.cpu_percent > 0.0));
    assert!(report.failures.is_empty(), "{report}");
}

fn parse(line: &[&str]) -> LoadOptions {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadOptions,
    }
    <Line as clap::Parser>::parse_from(line).load
}
