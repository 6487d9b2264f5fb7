//! One run: a scenario, a media model, a contestant and a seed, from the first packet to the last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use parlour_estimator::{Config, Line};
use parlour_model::Bitrate;
use parlour_simnet::{HomeConfig, LinkConfig, LinkId, Micros, Network, Random, TcpId};

use crate::gcc::GccLeg;
use crate::leg::{Leg, Wire};
use crate::media::{AUDIO_WIRE, Allocator, Audio, LADDER, MediaPacket, Picture, wire_rate};
use crate::ours::{OurLeg, SharedLine, Traits};
use crate::receiver::Player;
use crate::scenario::{Direction, Flow, Model, Scenario};

/// Queues and rates are sampled, and budgets looked at, this often.
pub const TICK: Micros = Micros::millis(5);
const BUDGET_EVERY: u64 = 4;
const AUDIO_INTERVAL: Micros = Micros::millis(20);
const DTX_INTERVAL: Micros = Micros::millis(400);
/// Both are asked for a little more than is used: the allocator steps up only with some to spare.
const DEMAND_MARGIN: f64 = 1.1;
/// A packet that the publisher lost comes this much later, repaired upstream.
const UPSTREAM_REPAIR: Micros = Micros::millis(60);

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contestant {
    Ours,
    /// Starting at this many bit/s.
    Gcc(f64),
}

/// One sample of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Wire bytes sent so far.
    pub sent: u64,
    pub useless: u64,
    pub arrived: u64,
    pub target: f64,
    pub layer: Option<u8>,
    pub shared: bool,
}

/// What a flow left behind.
pub struct FlowRecord {
    pub name: String,
    pub direction: Direction,
    pub from: f64,
    pub until: f64,
    pub priority: f64,
    pub demand: f64,
    pub samples: Vec<Sample>,
    pub player: Player,
    /// When each audio packet was made.
    pub audio_made: Vec<Micros>,
    pub sent_packets: u64,
    pub arrived_packets: u64,
    pub feedback_bytes: u64,
    pub switches: Vec<Micros>,
    /// Spans with the camera on, seconds.
    pub camera: Vec<(f64, f64)>,
    pub pictures: usize,
    /// Index of its bottleneck among the links of the run.
    pub bottleneck: usize,
}

/// One bottleneck of a run.
pub struct LinkRecord {
    pub config: LinkConfig,
    /// Waiting time at each tick, microseconds.
    pub queue: Vec<u32>,
    pub dropped_queue: u64,
    pub dropped_policer: u64,
    pub dropped_loss: u64,
    pub delivered: u64,
    pub offered: u64,
}

/// Everything the metrics need.
pub struct Record {
    pub flows: Vec<FlowRecord>,
    pub links: Vec<LinkRecord>,
    /// Per TCP source and tick: segments acknowledged so far; and its down link.
    pub tcp: Vec<(usize, Vec<u64>)>,
}

struct LiveFlow<'a> {
    spec: &'a Flow,
    leg: Option<Box<dyn Leg>>,
    addresses: [SocketAddr; 2],
    audio: Audio,
    next_audio: Micros,
    pictures: Vec<Picture>,
    allocator: Allocator,
    camera: bool,
    delayed: BTreeMap<(Micros, u32), MediaPacket>,
    key_requests: Vec<(Micros, u8)>,
    random: Random,
    record: FlowRecord,
    feedback_delay: Micros,
    ended: bool,
}

/// Runs.
pub struct Run<'a> {
    scenario: &'a Scenario,
    model: Model,
    contestant: Contestant,
    seed: u64,
    network: Network<Wire>,
    flows: Vec<LiveFlow<'a>>,
    links: Vec<(LinkId, LinkRecord)>,
    tcp: Vec<(TcpId, usize, Vec<u64>)>,
    lines: BTreeMap<String, SharedLine>,
}

fn address(number: usize, home: bool) -> SocketAddr {
    let octets = if home { [10, 1, 0, number as u8 + 1] } else { [192, 0, 2, number as u8 + 1] };
    SocketAddr::from((octets, 4_000 + number as u16))
}

impl<'a> Run<'a> {
    pub fn new(scenario: &'a Scenario, model: Model, contestant: Contestant, seed: u64) -> Self {
        let mut run = Self {
            scenario,
            model,
            contestant,
            seed,
            network: Network::new(seed, Instant::now() + std::time::Duration::from_secs(60)),
            flows: Vec::new(),
            links: Vec::new(),
            tcp: Vec::new(),
            lines: BTreeMap::new(),
        };
        run.build();
        run
    }

    fn build(&mut self) {
        let mut random = Random::fork(self.seed, 77);
        let duration = self.scenario.duration_s;
        let mut homes = BTreeMap::new();
        for home in &self.scenario.home {
            let down = home.down.link(duration, 0.0, &mut random);
            let up = home.up.link(duration, 0.0, &mut random);
            let id = self.network.add_home(HomeConfig { up: up.clone(), down: down.clone() });
            let (up_id, down_id) = self.network.home_links(id);
            homes.insert(home.name.clone(), (up_id, down_id, self.links.len()));
            for (link, config) in [(down_id, down), (up_id, up)] {
                let record = LinkRecord {
                    config,
                    queue: Vec::new(),
                    dropped_queue: 0,
                    dropped_policer: 0,
                    dropped_loss: 0,
                    delivered: 0,
                    offered: 0,
                };
                self.links.push((link, record));
            }
        }
        for (number, spec) in self.scenario.flow.iter().enumerate() {
            let (up, down, first) = homes[&spec.home];
            let mut egress = vec![up];
            let mut ingress = vec![down];
            for name in &spec.through {
                egress.push(homes[name].0);
                ingress.push(homes[name].1);
            }
            if spec.extra_delay_ms > 0.0 {
                let delay = Micros((spec.extra_delay_ms * 1e3) as u64);
                let extra = LinkConfig { delay, ..LinkConfig::default() };
                egress.push(self.network.add_link(extra.clone()));
                ingress.push(self.network.add_link(extra));
            }
            let client = address(number, true);
            let server = address(number, false);
            self.network.attach_through(client, egress, ingress);
            self.network.attach(server, None);
            let addresses = if spec.direction == Direction::Down { [server, client] } else { [client, server] };
            let bottleneck = first + usize::from(spec.direction == Direction::Up);
            let flow = self.live_flow(number, spec, addresses, bottleneck);
            self.flows.push(flow);
        }
        for (number, tcp) in self.scenario.tcp.iter().enumerate() {
            let (up, down, first) = homes[&tcp.home];
            let (client, server) = (address(100 + number, true), address(100 + number, false));
            self.network.attach_through(client, vec![up], vec![down]);
            self.network.attach(server, None);
            let ends = if tcp.direction == Direction::Down { (server, client) } else { (client, server) };
            let id = self.network.add_tcp(ends.0, ends.1, tcp.config());
            self.tcp.push((id, first + usize::from(tcp.direction == Direction::Up), Vec::new()));
        }
    }

    fn live_flow(&self, number: usize, spec: &'a Flow, addresses: [SocketAddr; 2], bottleneck: usize) -> LiveFlow<'a> {
        let part = 10 + number as u64 * 10;
        let per_picture = spec.demand_mbps * 1e6 / spec.pictures as f64;
        let picture = |index: usize| {
            Picture::new(self.model, index as u8 + 1, per_picture, Random::fork(self.seed, part + index as u64))
        };
        let until = spec.until(self.scenario);
        LiveFlow {
            spec,
            leg: None,
            addresses,
            audio: Audio::default(),
            next_audio: Micros::seconds(spec.from_s),
            pictures: (0..spec.pictures).map(picture).collect(),
            allocator: Allocator::default(),
            camera: false,
            delayed: BTreeMap::new(),
            key_requests: Vec::new(),
            random: Random::fork(self.seed, part + 9),
            feedback_delay: self.links[bottleneck ^ 1].1.config.delay + Micros((spec.extra_delay_ms * 1e3) as u64),
            ended: false,
            record: FlowRecord {
                name: spec.name.clone(),
                direction: spec.direction,
                from: spec.from_s,
                until,
                priority: spec.priority,
                demand: match self.model {
                    Model::M1 => wire_rate(spec.demand_mbps * 1e6) + AUDIO_WIRE,
                    Model::M2 => wire_rate(LADDER[2]) * spec.pictures as f64 + AUDIO_WIRE,
                },
                samples: Vec::new(),
                player: Player::default(),
                audio_made: Vec::new(),
                sent_packets: 0,
                arrived_packets: 0,
                feedback_bytes: 0,
                switches: Vec::new(),
                camera: spec.video_s.clone().unwrap_or_else(|| vec![(spec.from_s, until)]),
                pictures: spec.pictures,
                bottleneck,
            },
        }
    }

    /// To the end.
    pub fn finish(mut self) -> Result<Record, String> {
        let end = Micros::seconds(self.scenario.duration_s);
        let mut now = Micros::ZERO;
        let mut ticks = 0u64;
        while now < end {
            self.step(now)?;
            if now.0 >= ticks * TICK.0 {
                self.tick(now, ticks)?;
                ticks += 1;
            }
            let next = self.next_time().min(Micros(ticks * TICK.0));
            now = next.max(now + Micros(1));
        }
        Ok(self.into_record())
    }

    fn next_time(&self) -> Micros {
        let network = self.network.next_event().map_or(Micros::NEVER, |at| self.network.epoch().micros(at));
        let flows = self.flows.iter().filter_map(|flow| {
            let leg = flow.leg.as_ref()?;
            let camera = if flow.camera { flow.pictures.iter().map(Picture::next_frame).min() } else { None };
            let delayed = flow.delayed.keys().next().map(|key| key.0);
            [Some(leg.poll_timeout()), camera, delayed, Some(flow.next_audio)].into_iter().flatten().min()
        });
        flows.min().unwrap_or(Micros::NEVER).min(network)
    }

    fn step(&mut self, now: Micros) -> Result<(), String> {
        let at = self.network.epoch().instant(now);
        while let Some(datagram) = self.network.poll(at) {
            let (from, to) = (datagram.from, datagram.to);
            if let Some(flow) = self.flows.iter_mut().find(|flow| flow.addresses.contains(&to))
                && let Some(leg) = &mut flow.leg
            {
                leg.handle(now, from, to, datagram.payload);
            }
            self.flush(now);
        }
        for index in 0..self.flows.len() {
            self.flows[index].produce(now);
            if let Some(leg) = &mut self.flows[index].leg
                && leg.poll_timeout() <= now
            {
                leg.handle_timeout(now);
            }
        }
        self.flush(now);
        Ok(())
    }

    /// Moves what legs want to send onto the network, and what arrived into players.
    fn flush(&mut self, now: Micros) {
        let at = self.network.epoch().instant(now);
        for flow in &mut self.flows {
            let Some(leg) = &mut flow.leg else { continue };
            while let Some(sent) = leg.poll_transmit() {
                self.network.send_sized(at, sent.from, sent.to, sent.bytes, sent.wire);
            }
            while let Some(packet) = leg.poll_received() {
                flow.record.player.receive(now, &packet);
            }
            while let Some(stream) = leg.poll_key_needed() {
                if let Some(picture) = flow.pictures.get_mut(usize::from(stream) - 1) {
                    picture.request_key(now);
                }
            }
        }
    }

    fn tick(&mut self, now: Micros, ticks: u64) -> Result<(), String> {
        let at = self.network.epoch().instant(now);
        for (id, record) in &mut self.links {
            let delay = self.network.queueing_delay(at, *id);
            record.queue.push(delay.0.min(10_000_000) as u32);
        }
        for (id, _, acknowledged) in &mut self.tcp {
            acknowledged.push(self.network.tcp_stats(*id).acknowledged);
        }
        for index in 0..self.flows.len() {
            self.come_and_go(index, now)?;
            let flow = &mut self.flows[index];
            flow.decide(now, ticks.is_multiple_of(BUDGET_EVERY), self.model);
            flow.sample(self.model);
        }
        self.flush(now);
        Ok(())
    }

    fn come_and_go(&mut self, index: usize, now: Micros) -> Result<(), String> {
        let spec = self.flows[index].spec;
        if self.flows[index].leg.is_none() && !self.flows[index].ended && now >= Micros::seconds(spec.from_s) {
            let leg = self.make_leg(index, now)?;
            let flow = &mut self.flows[index];
            flow.leg = Some(leg);
            flow.next_audio = now;
        }
        let flow = &mut self.flows[index];
        if !flow.ended && now >= Micros::seconds(flow.record.until) {
            flow.ended = true;
            if let Some(mut leg) = flow.leg.take() {
                leg.leave();
                flow.keep_stats(leg.as_ref());
            }
        }
        Ok(())
    }

    fn make_leg(&mut self, index: usize, now: Micros) -> Result<Box<dyn Leg>, String> {
        let epoch = self.network.epoch();
        let flow = &self.flows[index];
        let spec = flow.spec;
        let [sender, receiver] = flow.addresses;
        let ours = self.contestant == Contestant::Ours && spec.direction == Direction::Down;
        if !ours {
            let start = match self.contestant {
                Contestant::Gcc(start) => start,
                // A browser starts at 300 kbit/s.
                Contestant::Ours => 300e3,
            };
            // The pair is made now; its handshake lies in the five seconds before.
            let shifted = parlour_simnet::Epoch(epoch.instant(now));
            let leg =
                GccLeg::new(shifted, sender, receiver, start, spec.pictures).map_err(|error| error.to_string())?;
            return Ok(Box::new(Shifted { leg, by: now }));
        }
        let config = Config { hint: spec.hint_mbps.map(|hint| Bitrate::bps((hint * 1e6) as u64)), ..Config::default() };
        let at = epoch.instant(now);
        let key = if spec.independent { spec.name.clone() } else { format!("home {}", spec.home) };
        let line = self.lines.entry(key).or_insert_with(|| SharedLine::new(Line::new(config, at).into())).clone();
        let member = line.borrow_mut().join(spec.priority, at).ok_or("too many clients on one line")?;
        let traits =
            Traits { skew_ppm: spec.skew_ppm, feedback_loss: spec.feedback_loss, audio_feedback: spec.audio_feedback };
        let random = Random::fork(self.seed, 500 + index as u64);
        Ok(Box::new(OurLeg::new(epoch, line, member, [sender, receiver], &traits, random)))
    }

    fn into_record(mut self) -> Record {
        for (id, record) in &mut self.links {
            let stats = self.network.link_stats(*id);
            record.dropped_queue = stats.dropped_queue;
            record.dropped_policer = stats.dropped_policer;
            record.dropped_loss = stats.dropped_loss;
            record.delivered = stats.delivered;
            record.offered = stats.offered;
        }
        for flow in &mut self.flows {
            if let Some(leg) = flow.leg.take() {
                flow.keep_stats(leg.as_ref());
            }
        }
        Record {
            flows: self.flows.into_iter().map(|flow| flow.record).collect(),
            links: self.links.into_iter().map(|(_, record)| record).collect(),
            tcp: self.tcp.into_iter().map(|(_, link, acknowledged)| (link, acknowledged)).collect(),
        }
    }
}

impl LiveFlow<'_> {
    /// Makes the media that is due and hands it to the leg.
    fn produce(&mut self, now: Micros) {
        let Some(leg) = &mut self.leg else { return };
        while self.next_audio <= now {
            self.record.audio_made.push(self.next_audio);
            leg.write(now, self.audio.make(self.next_audio));
            let dtx = self.spec.dtx(self.next_audio.as_seconds());
            self.next_audio = self.next_audio + if dtx { DTX_INTERVAL } else { AUDIO_INTERVAL };
        }
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            leg.write(now, entry.remove());
        }
        if !self.camera {
            return;
        }
        for picture in &mut self.pictures {
            while picture.next_frame() <= now {
                for packet in picture.make_frame(now) {
                    if self.random.chance(self.spec.publisher_loss) {
                        self.delayed.insert((now + UPSTREAM_REPAIR, packet.number), packet);
                    } else {
                        leg.write(now, packet);
                    }
                }
            }
        }
    }

    fn decide(&mut self, now: Micros, look: bool, model: Model) {
        let seconds = now.as_seconds();
        let Some(leg) = &mut self.leg else { return };
        let camera = self.spec.camera_on(seconds);
        if camera != self.camera {
            self.camera = camera;
            for picture in &mut self.pictures {
                picture.start(now);
                picture.set_layer(now, None);
            }
        }
        for stream in self.record.player.keyframes_wanted(now) {
            self.key_requests.push((now + self.feedback_delay, stream));
        }
        for &(_, stream) in self.key_requests.iter().filter(|(due, _)| *due <= now) {
            if let Some(picture) = self.pictures.get_mut(usize::from(stream).saturating_sub(1)) {
                picture.request_key(now);
            }
        }
        self.key_requests.retain(|(due, _)| *due > now);
        if !look {
            return;
        }
        // Audio only: the estimator is told of the camera that may come, as a server knows its publications.
        leg.set_demand(now, self.record.demand * DEMAND_MARGIN);
        let budget = leg.budget();
        if !camera {
            return;
        }
        let video = |total: f64| (total - AUDIO_WIRE).max(0.0);
        match model {
            Model::M1 => {
                let rate = video(budget.now) / wire_rate(1.0) / self.pictures.len() as f64;
                self.pictures.iter_mut().for_each(|picture| picture.set_rate(now, rate));
            }
            Model::M2 => self.choose_layers(now, video(budget.lasting)),
        }
    }

    fn choose_layers(&mut self, now: Micros, budget: f64) {
        let present: Vec<Option<u8>> = self.pictures.iter().map(Picture::wanted).collect();
        let chosen = self.allocator.choose(now, budget, &present);
        for ((picture, &layer), before) in self.pictures.iter_mut().zip(&chosen).zip(&present) {
            if layer != *before {
                self.record.switches.push(now);
            }
            picture.set_layer(now, layer);
        }
    }

    fn sample(&mut self, model: Model) {
        let mut sample = self.record.samples.last().copied().unwrap_or_default();
        if let Some(leg) = &self.leg {
            let stats = leg.stats();
            sample.sent = stats.sent_bytes;
            sample.useless = stats.useless_bytes;
            sample.arrived = stats.arrived_bytes;
            sample.target = leg.budget().now;
            sample.shared = leg.is_shared();
        }
        sample.layer = if model == Model::M2 && self.camera { self.pictures[0].layer } else { None };
        self.record.samples.push(sample);
    }

    fn keep_stats(&mut self, leg: &dyn Leg) {
        let stats = leg.stats();
        self.record.sent_packets = stats.sent_packets;
        self.record.arrived_packets = stats.arrived_packets;
        self.record.feedback_bytes = stats.feedback_bytes;
    }
}

/// A leg that was made in the middle of a run: its own epoch is later.
struct Shifted {
    leg: GccLeg,
    by: Micros,
}

impl Leg for Shifted {
    fn write(&mut self, now: Micros, packet: MediaPacket) {
        self.leg.write(now - self.by, packet);
    }

    fn handle(&mut self, now: Micros, from: SocketAddr, to: SocketAddr, wire: Wire) {
        self.leg.handle(now - self.by, from, to, wire);
    }

    fn handle_timeout(&mut self, now: Micros) {
        self.leg.handle_timeout(now - self.by);
    }

    fn poll_timeout(&self) -> Micros {
        self.leg.poll_timeout() + self.by
    }

    fn poll_transmit(&mut self) -> Option<crate::leg::Transmit> {
        self.leg.poll_transmit()
    }

    fn poll_received(&mut self) -> Option<MediaPacket> {
        self.leg.poll_received()
    }

    fn poll_key_needed(&mut self) -> Option<u8> {
        self.leg.poll_key_needed()
    }

    fn budget(&self) -> crate::media::Budget {
        self.leg.budget()
    }

    fn set_demand(&mut self, now: Micros, demand: f64) {
        self.leg.set_demand(now - self.by, demand);
    }

    fn takes_video(&self) -> bool {
        self.leg.takes_video()
    }

    fn stats(&self) -> crate::leg::LegStats {
        self.leg.stats()
    }

    fn is_shared(&self) -> bool {
        self.leg.is_shared()
    }

    fn leave(&mut self) {
        self.leg.leave();
    }
}
