//! The whole test over simulated lines: the tests of one worker, and a client that has of WebRTC what a browser has (`str0m`) and
//! does what the page does (`crates/web/client/src/line`), with the timers of a page.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_model::{Identity, SessionId};
use parlour_peer::{Certificate, DtlsVersions, PeerConfig, PeerTimes};
use parlour_simnet::{HomeConfig, LinkConfig, Loss, Micros, Network};
use str0m::change::SdpAnswer;
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::LineTests;
use crate::arrivals::Arrivals;
use crate::load::{LONGEST, Load};
use crate::message::Message;

const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 7_000);
const CLIENT: ([u8; 4], u16) = ([198, 51, 100, 1], 5_000);
const BEATS: u32 = 150;
const BEAT: Duration = Duration::from_millis(10);
const LINGER: Duration = Duration::from_millis(300);
const REPORT: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_millis(4);
/// Nothing takes longer.
const GIVEN: Duration = Duration::from_secs(15);

/// What the page would tell.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    down: u32,
    up: u32,
    loss: f64,
    round_trip: Duration,
    took: Duration,
}

enum Phase {
    Connecting,
    Beats { sent: u32 },
    Down { arrivals: Arrivals, newest: Option<Instant> },
    Up { load: Load, ended: Option<Instant> },
    Over,
}

/// The page: what it does in each phase, each time its timer fires.
struct Page {
    rtc: Rtc,
    channel: Option<ChannelId>,
    due: Instant,
    begun: Instant,
    phase: Phase,
    since: Instant,
    next: Instant,
    echoes: Vec<Duration>,
    arrived: u32,
    found: Measured,
}

impl Page {
    fn micros(&self, now: Instant) -> u32 {
        (now - self.begun).as_micros() as u32
    }

    fn send(&mut self, message: Message) {
        let channel = self.channel.and_then(|id| self.rtc.channel(id));
        channel.unwrap().write(true, &message.write()).unwrap();
    }

    fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since, self.next) = (phase, now, now);
    }

    fn take(&mut self, message: Message, size: usize, now: Instant) {
        let received = self.micros(now);
        match (&mut self.phase, message) {
            (Phase::Beats { .. }, Message::Echo { sent, count, .. }) => {
                self.echoes.push(Duration::from_micros((received - sent).into()));
                self.arrived = self.arrived.max(count);
            }
            (Phase::Down { arrivals, newest }, Message::Load { sent, .. }) => {
                arrivals.take(size, sent, received, now);
                *newest = Some(now);
            }
            (Phase::Up { load, .. }, Message::Report(report)) => {
                self.found.up = self.found.up.max(report.kbps);
                load.handle_report(report, now);
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Instant) {
        if now < self.next {
            return;
        }
        let passed = now - self.since;
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Beats { mut sent } => {
                self.next = now + TICK;
                while sent < BEATS && passed >= BEAT * sent {
                    let time = self.micros(now);
                    self.send(Message::Beat { number: sent, sent: time });
                    sent += 1;
                }
                self.phase = Phase::Beats { sent };
                if passed >= BEAT * BEATS + LINGER || self.echoes.len() as u32 >= BEATS {
                    self.judge_beats();
                    self.enter(Phase::Down { arrivals: Arrivals::default(), newest: None }, now);
                }
            }
            Phase::Down { arrivals, newest } => {
                self.next = now + REPORT;
                let report = arrivals.report();
                let message = if report.count == 0 { Message::Ask } else { Message::Report(report) };
                self.send(message);
                self.found.down = report.kbps;
                self.phase = Phase::Down { arrivals, newest };
                if newest.is_some_and(|newest| now > newest + LINGER) || passed > LONGEST + LINGER * 2 {
                    self.enter(Phase::Up { load: Load::new(now), ended: None }, now);
                }
            }
            Phase::Up { mut load, mut ended } => {
                self.next = now + TICK;
                let id = self.channel.unwrap();
                while let Some(number) = load.poll(now, self.rtc.channel(id).unwrap().buffered_amount()) {
                    let sent = self.micros(now);
                    self.send(Message::Load { number, sent });
                }
                if load.is_over(now) {
                    ended.get_or_insert(now);
                }
                self.phase = Phase::Up { load, ended };
                if ended.is_some_and(|ended| now >= ended + LINGER) {
                    self.phase = Phase::Over;
                    self.found.took = now - self.begun;
                }
            }
            other => self.phase = other,
        }
    }

    fn judge_beats(&mut self) {
        let came = self.echoes.len() as f64;
        let (up, down) = (1.0 - f64::from(self.arrived) / f64::from(BEATS), 1.0 - came / f64::from(self.arrived));
        self.found.loss = up.max(down);
        self.echoes.sort();
        self.found.round_trip = self.echoes[self.echoes.len() / 2];
    }

    /// Lets the client do what it has to, and puts what it sends on the network.
    fn drive(&mut self, network: &mut Network<Vec<u8>>, now: Instant) {
        if self.due <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(due) => break self.due = due,
                Output::Transmit(sent) => network.send(now, sent.source, sent.destination, sent.contents.to_vec()),
                Output::Event(Event::ChannelOpen(id, _)) => {
                    self.channel = Some(id);
                    self.enter(Phase::Beats { sent: 0 }, now);
                }
                Output::Event(Event::ChannelData(data)) => {
                    if let Some(message) = Message::read(&data.data) {
                        self.take(message, data.data.len(), now);
                    }
                }
                Output::Event(_) => {}
            }
        }
    }
}

fn page(now: Instant, tests: &mut LineTests) -> Page {
    let mut rtc = Rtc::builder().build(now);
    rtc.add_local_candidate(Candidate::host(CLIENT.into(), "udp").unwrap());
    let mut api = rtc.sdp_api();
    api.add_channel_with_config(ChannelConfig {
        label: "line-test".into(),
        ordered: false,
        reliability: Reliability::MaxRetransmits { retransmits: 0 },
        ..Default::default()
    });
    let (offer, pending) = api.apply().unwrap();
    let answer = tests.begin(SessionId::from("s"), Identity::from("ann"), &offer.to_sdp_string(), now).unwrap();
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
    Page {
        rtc,
        channel: None,
        due: now,
        begun: now,
        phase: Phase::Connecting,
        since: now,
        next: now,
        echoes: Vec::new(),
        arrived: 0,
        found: Measured::default(),
    }
}

/// A whole test over this line.
fn over(seed: u64, line: HomeConfig) -> Measured {
    let (mut now, server) = (Instant::now(), SocketAddr::from(SERVER));
    let certificate = Certificate::generate().unwrap();
    let config = PeerConfig::new(certificate, vec![server], DtlsVersions::Both, PeerTimes::default()).unwrap();
    let mut tests = LineTests::new(config, [seed as u8; 32]);
    let mut network: Network<Vec<u8>> = Network::new(seed, now);
    let home = network.add_home(line);
    network.attach(server, None);
    network.attach(CLIENT.into(), Some(home));
    let mut page = page(now, &mut tests);
    let mut buffer = Vec::new();
    while !matches!(page.phase, Phase::Over) {
        assert!(now < page.begun + GIVEN, "the test does not end: {:?}", page.found);
        while let Some(mut datagram) = network.poll(now) {
            if datagram.to == server {
                tests.handle_datagram(now, datagram.from, server, &mut datagram.payload);
            } else {
                let contents = datagram.payload.as_slice().try_into().unwrap();
                let receive =
                    Receive { proto: Protocol::Udp, source: datagram.from, destination: datagram.to, contents };
                page.rtc.handle_input(Input::Receive(now, receive)).unwrap();
                page.drive(&mut network, now);
            }
        }
        tests.handle_timeout(now);
        while let Some(sent) = tests.poll_transmit(now, &mut buffer) {
            network.send(now, sent.from, sent.to, buffer.clone());
        }
        page.drive(&mut network, now);
        page.tick(now);
        page.drive(&mut network, now);
        now += Duration::from_millis(1);
    }
    page.found
}

fn link(kbps: u64, loss: Loss) -> LinkConfig {
    LinkConfig { loss, ..LinkConfig::bottleneck(kbps * 1_000, Micros::millis(20), 200) }
}

#[test]
fn what_a_line_carries_is_read_within_a_tenth_in_six_seconds() {
    for kbps in [1_000, 2_500, 5_000] {
        let found = over(1, HomeConfig { up: link(kbps, Loss::None), down: link(kbps, Loss::None) });
        let near = |found: u32| u64::from(found).abs_diff(kbps) <= kbps / 10;
        assert!(near(found.down) && near(found.up), "{kbps}: {found:?}");
        assert!(found.loss == 0.0 && found.round_trip.as_millis().abs_diff(42) <= 5, "{kbps}: {found:?}");
        assert!(found.took <= Duration::from_millis(7_500), "{kbps}: {found:?}");
    }
}

#[test]
fn a_line_with_less_up_than_down_is_read_as_that() {
    let found = over(2, HomeConfig { up: link(1_000, Loss::None), down: link(4_000, Loss::None) });
    assert!(found.down.abs_diff(4_000) <= 400 && found.up.abs_diff(1_000) <= 100, "{found:?}");
}

#[test]
fn a_twentieth_lost_is_seen_as_such_and_never_makes_a_line_look_larger() {
    for seed in 1..=5 {
        let lossy = || link(2_500, Loss::Bernoulli(0.05));
        let found = over(seed, HomeConfig { up: lossy(), down: lossy() });
        // Of 150 beats, each way; the worse of both is told.
        assert!((0.03..=0.12).contains(&found.loss), "{seed}: {found:?}");
        assert!(found.down.max(found.up) <= 2_750, "{seed}: {found:?}");
        assert!(found.down.min(found.up) >= 500, "{seed}: {found:?}");
    }
}
