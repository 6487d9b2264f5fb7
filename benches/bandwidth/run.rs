//! One run: a scenario, a media model, a contestant and a seed, from the first packet to the last.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use parlour_estimator::{Config, Line};
use parlour_model::Bitrate;
use parlour_simnet::{HomeConfig, LinkConfig, LinkId, Micros, Network, Random, TcpId};

use crate::flow::{LiveFlow, Plan};
use crate::gcc::GccLeg;
use crate::leg::{Leg, Shifted, Wire};
use crate::media::Picture;
use crate::ours::{OurLeg, SharedLine, Traits};
use crate::record::{LinkRecord, Record, TICK};
use crate::scenario::Direction;
use crate::uplinks::{self, Uplinks};

/// Ticks between looks at the budget, and between lines of a trace.
const BUDGET_EVERY: u64 = 4;
const TRACE_EVERY: u64 = 2;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Contestant {
    Ours,
    /// Starting at this many bit/s.
    Gcc(f64),
}

/// Runs.
pub struct Run<'a> {
    plan: Plan<'a>,
    contestant: Contestant,
    tracing: bool,
    network: Network<Wire>,
    flows: Vec<LiveFlow<'a>>,
    links: Vec<(LinkId, LinkRecord)>,
    tcp: Vec<(TcpId, usize, Vec<u64>)>,
    lines: BTreeMap<String, SharedLine>,
    /// The opponent has none.
    uplinks: Option<Uplinks>,
}

fn address(number: usize, home: bool) -> SocketAddr {
    let octets = if home { [10, 1, 0, number as u8 + 1] } else { [192, 0, 2, number as u8 + 1] };
    SocketAddr::from((octets, 4_000 + number as u16))
}

impl<'a> Run<'a> {
    pub fn new(plan: Plan<'a>, contestant: Contestant, tracing: bool) -> Self {
        let network = Network::new(plan.seed, Instant::now() + std::time::Duration::from_secs(60));
        let uplinks = (contestant == Contestant::Ours).then(|| Uplinks::new(network.epoch()));
        let mut run = Self {
            plan,
            contestant,
            tracing,
            network,
            flows: Vec::new(),
            links: Vec::new(),
            tcp: Vec::new(),
            lines: BTreeMap::new(),
            uplinks,
        };
        run.build();
        run
    }

    fn build(&mut self) {
        let mut random = Random::fork(self.plan.seed, 77);
        let duration = self.plan.scenario.duration_s;
        let mut homes = BTreeMap::new();
        for home in &self.plan.scenario.home {
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
        for (number, spec) in self.plan.scenario.flow.iter().enumerate() {
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
            let flow =
                LiveFlow::new(&self.plan, number, addresses, bottleneck, self.links[bottleneck ^ 1].1.config.delay);
            self.flows.push(flow);
        }
        for (number, tcp) in self.plan.scenario.tcp.iter().enumerate() {
            let (up, down, first) = homes[&tcp.home];
            let (client, server) = (address(100 + number, true), address(100 + number, false));
            self.network.attach_through(client, vec![up], vec![down]);
            self.network.attach(server, None);
            let ends = if tcp.direction == Direction::Down { (server, client) } else { (client, server) };
            let id = self.network.add_tcp(ends.0, ends.1, tcp.config());
            self.tcp.push((id, first + usize::from(tcp.direction == Direction::Up), Vec::new()));
        }
    }

    /// To the end.
    pub fn finish(mut self) -> Result<Record, String> {
        let end = Micros::seconds(self.plan.scenario.duration_s);
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
            if let Some(index) = self.flows.iter().position(|flow| flow.addresses.contains(&to))
                && let Some(leg) = &mut self.flows[index].leg
            {
                if let Some(uplinks) = self.uplinks.as_mut().filter(|_| to == address(index, false)) {
                    uplinks.handle(index, &datagram.payload, now);
                }
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
        self.bound_publishers(now);
        for index in 0..self.flows.len() {
            self.come_and_go(index, now)?;
            let flow = &mut self.flows[index];
            flow.decide(now, ticks.is_multiple_of(BUDGET_EVERY), self.plan.model);
            flow.sample(self.plan.model);
            if self.tracing && ticks.is_multiple_of(TRACE_EVERY) {
                flow.trace(now);
            }
        }
        self.flush(now);
        Ok(())
    }

    /// What the server tells publishers goes the way of everything else that is for them.
    fn bound_publishers(&mut self, now: Micros) {
        let at = self.network.epoch().instant(now);
        for (index, bound) in self.uplinks.iter_mut().flat_map(|uplinks| uplinks.poll(now)) {
            let sent = uplinks::bound(address(index, false), address(index, true), bound);
            self.network.send_sized(at, sent.from, sent.to, sent.bytes, sent.wire);
        }
    }

    fn come_and_go(&mut self, index: usize, now: Micros) -> Result<(), String> {
        let spec = self.flows[index].spec;
        if self.flows[index].leg.is_none() && !self.flows[index].ended && now >= Micros::seconds(spec.from_s) {
            let leg = self.make_leg(index, now)?;
            let flow = &mut self.flows[index];
            flow.leg = Some(leg);
            flow.next_audio = now;
            if let Some(uplinks) = self.uplinks.as_mut().filter(|_| spec.direction == Direction::Up) {
                uplinks.join(&spec.home, index, flow.record.demand, now);
            }
        }
        let flow = &mut self.flows[index];
        if !flow.ended && now >= Micros::seconds(flow.record.until) {
            flow.ended = true;
            self.uplinks.iter_mut().for_each(|uplinks| uplinks.leave(index));
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
        let random = Random::fork(self.plan.seed, 500 + index as u64);
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
