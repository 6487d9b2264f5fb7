//! Hosts with socket addresses, the links between them, and one virtual time for all.
//!
//! A datagram crosses the egress links of its sender's home, then the ingress links of its receiver's home. A host that
//! was attached to no home is in the core: no delay, no loss. Several hosts of one home share its two bottlenecks.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::tcp::{ACK_BYTES, SEGMENT_BYTES, TcpSource};
use crate::{Epoch, Link, LinkConfig, LinkStats, Micros, Random, TcpConfig, TcpId, TcpStats};

/// Bytes of IPv4 and UDP headers, added to each datagram.
pub const UDP_OVERHEAD: u64 = 28;

/// Names a link of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(usize);

/// Names a home of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HomeId(usize);

/// Both directions of an access line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HomeConfig {
    /// From the home to the core.
    pub up: LinkConfig,
    /// From the core to the home.
    pub down: LinkConfig,
}

/// A datagram that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram<P> {
    /// When.
    pub at: Instant,
    /// Source address.
    pub from: SocketAddr,
    /// Destination address.
    pub to: SocketAddr,
    /// What.
    pub payload: P,
}

#[derive(Clone, Debug)]
enum Body<P> {
    Datagram(P),
    Segment { source: usize, connection: u64, segment: u64 },
    Ack { source: usize, connection: u64, segment: u64 },
}

#[derive(Clone, Debug)]
struct Frame<P> {
    from: SocketAddr,
    to: SocketAddr,
    bytes: u64,
    route: Arc<[LinkId]>,
    hop: usize,
    body: Body<P>,
}

#[derive(Clone, Debug, Default)]
struct Host {
    egress: Vec<LinkId>,
    ingress: Vec<LinkId>,
}

#[derive(Clone, Debug)]
struct TcpFlow {
    source: TcpSource,
    from: SocketAddr,
    to: SocketAddr,
}

/// Hosts, links and cross traffic.
#[derive(Clone, Debug)]
pub struct Network<P> {
    epoch: Epoch,
    seed: u64,
    now: Micros,
    links: Vec<Link<Frame<P>>>,
    homes: Vec<(LinkId, LinkId)>,
    hosts: BTreeMap<SocketAddr, Host>,
    routes: BTreeMap<(SocketAddr, SocketAddr), Arc<[LinkId]>>,
    tcp: Vec<TcpFlow>,
    arrived: VecDeque<Datagram<P>>,
    unroutable: u64,
}

impl<P: Clone> Network<P> {
    /// An empty network whose time begins at `epoch`.
    pub fn new(seed: u64, epoch: Instant) -> Self {
        Self {
            epoch: Epoch(epoch),
            seed,
            now: Micros::ZERO,
            links: Vec::new(),
            homes: Vec::new(),
            hosts: BTreeMap::new(),
            routes: BTreeMap::new(),
            tcp: Vec::new(),
            arrived: VecDeque::new(),
            unroutable: 0,
        }
    }

    /// Where virtual time lies on the line of `Instant`.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A link of its own, for [`Self::attach_through`].
    pub fn add_link(&mut self, config: LinkConfig) -> LinkId {
        let id = self.links.len();
        self.links.push(Link::new(config, self.seed ^ (id as u64 + 1).wrapping_mul(0xA24B_AED4_963E_E407)));
        LinkId(id)
    }

    /// An access line.
    pub fn add_home(&mut self, config: HomeConfig) -> HomeId {
        let up = self.add_link(config.up);
        let down = self.add_link(config.down);
        self.homes.push((up, down));
        HomeId(self.homes.len() - 1)
    }

    /// The up and the down link of a home.
    pub fn home_links(&self, home: HomeId) -> (LinkId, LinkId) {
        self.homes[home.0]
    }

    /// Puts an address behind a home's line, or with `None` into the core.
    pub fn attach(&mut self, address: SocketAddr, home: Option<HomeId>) {
        let (egress, ingress) = match home {
            Some(home) => (vec![self.homes[home.0].0], vec![self.homes[home.0].1]),
            None => (Vec::new(), Vec::new()),
        };
        self.attach_through(address, egress, ingress);
    }

    /// Puts an address behind links: what it sends crosses `egress`, what it gets crosses `ingress`, in order.
    pub fn attach_through(&mut self, address: SocketAddr, egress: Vec<LinkId>, ingress: Vec<LinkId>) {
        self.routes.retain(|(from, to), _| *from != address && *to != address);
        self.hosts.insert(address, Host { egress, ingress });
    }

    /// The host at `old` is at `new` from now on (a new NAT binding, another network with `home`). What is under way to
    /// `old` arrives nowhere.
    pub fn change_address(&mut self, old: SocketAddr, new: SocketAddr, home: Option<HomeId>) {
        self.routes.retain(|(from, to), _| *from != old && *to != old);
        self.hosts.remove(&old);
        self.attach(new, home);
    }

    /// Adds cross traffic between two attached addresses.
    pub fn add_tcp(&mut self, from: SocketAddr, to: SocketAddr, config: TcpConfig) -> TcpId {
        let id = self.tcp.len();
        let source = TcpSource::new(config, Random::fork(self.seed, 1_000 + id as u64));
        self.tcp.push(TcpFlow { source, from, to });
        TcpId(id)
    }

    /// The counters of a source.
    pub fn tcp_stats(&self, id: TcpId) -> TcpStats {
        self.tcp[id.0].source.stats
    }

    /// The counters of a link.
    pub fn link_stats(&self, id: LinkId) -> LinkStats {
        self.links[id.0].stats()
    }

    /// How long a packet that entered this link now would wait.
    pub fn queueing_delay(&mut self, now: Instant, id: LinkId) -> Micros {
        let now = self.epoch.micros(now);
        self.links[id.0].queueing_delay(now)
    }

    /// What a link does.
    pub fn link_config(&self, id: LinkId) -> &LinkConfig {
        self.links[id.0].config()
    }

    /// Changes what a link does from now on.
    pub fn reconfigure(&mut self, now: Instant, id: LinkId, config: LinkConfig) {
        let now = self.epoch.micros(now);
        self.run_until(now);
        self.links[id.0].reconfigure(now, config);
    }

    /// Datagrams from or to an address that no host has.
    pub fn unroutable(&self) -> u64 {
        self.unroutable
    }

    /// Sends a payload that takes this many bytes on the wire. Times of calls must not go back.
    pub fn send_sized(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: u64, payload: P) {
        let now = self.epoch.micros(now).max(self.now);
        self.run_until(now);
        self.enter(now, from, to, bytes, Body::Datagram(payload));
    }

    /// The next datagram that has arrived by `now`, in order of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<Datagram<P>> {
        let now = self.epoch.micros(now);
        self.run_until(now);
        self.arrived.pop_front()
    }

    /// When something next happens by itself; [`Self::poll`] then.
    pub fn next_event(&self) -> Option<Instant> {
        if let Some(first) = self.arrived.front() {
            return Some(first.at);
        }
        self.next_inside().map(|at| self.epoch.instant(at))
    }

    fn next_inside(&self) -> Option<Micros> {
        let links = self.links.iter().filter_map(Link::next_event).min();
        let tcp = self.tcp.iter().map(|flow| flow.source.next_event()).filter(|&at| at < Micros::NEVER).min();
        [links, tcp].into_iter().flatten().min()
    }

    fn run_until(&mut self, now: Micros) {
        while let Some(at) = self.next_inside().filter(|&at| at <= now) {
            self.now = self.now.max(at);
            let at = self.now;
            for index in 0..self.links.len() {
                while let Some((arrived, frame)) = self.links[index].poll(at) {
                    self.forward(arrived.max(at), frame);
                }
            }
            for index in 0..self.tcp.len() {
                if self.tcp[index].source.next_event() <= at {
                    self.tcp[index].source.handle_time(at);
                    self.pump(at, index);
                }
            }
        }
        self.now = self.now.max(now);
    }

    fn route(&mut self, from: SocketAddr, to: SocketAddr) -> Option<Arc<[LinkId]>> {
        if let Some(route) = self.routes.get(&(from, to)) {
            return Some(route.clone());
        }
        let (sender, receiver) = (self.hosts.get(&from)?, self.hosts.get(&to)?);
        let route: Arc<[LinkId]> = sender.egress.iter().chain(&receiver.ingress).copied().collect();
        self.routes.insert((from, to), route.clone());
        Some(route)
    }

    fn enter(&mut self, at: Micros, from: SocketAddr, to: SocketAddr, bytes: u64, body: Body<P>) {
        match self.route(from, to) {
            Some(route) => self.forward(at, Frame { from, to, bytes, route, hop: 0, body }),
            None => self.unroutable += 1,
        }
    }

    fn forward(&mut self, at: Micros, mut frame: Frame<P>) {
        if let Some(&link) = frame.route.get(frame.hop) {
            frame.hop += 1;
            let bytes = frame.bytes;
            return self.links[link.0].send(at, bytes, frame);
        }
        let Frame { from, to, body, .. } = frame;
        if !self.hosts.contains_key(&to) {
            self.unroutable += 1;
            return;
        }
        match body {
            Body::Datagram(payload) => {
                self.arrived.push_back(Datagram { at: self.epoch.instant(at), from, to, payload });
            }
            Body::Segment { source, connection, segment } => {
                self.enter(at, to, from, ACK_BYTES, Body::Ack { source, connection, segment });
            }
            Body::Ack { source, connection, segment } => {
                self.tcp[source].source.handle_ack(at, connection, segment);
                self.pump(at, source);
            }
        }
    }

    fn pump(&mut self, at: Micros, source: usize) {
        let (from, to) = (self.tcp[source].from, self.tcp[source].to);
        while let Some((connection, segment)) = self.tcp[source].source.poll_segment(at) {
            self.enter(at, from, to, SEGMENT_BYTES, Body::Segment { source, connection, segment });
        }
    }
}

impl Network<Vec<u8>> {
    /// Sends a datagram; its headers are added to its length.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let wire = bytes.len() as u64 + UDP_OVERHEAD;
        self.send_sized(now, from, to, wire, bytes);
    }
}
