//! Bots, simulated links and a real worker in one virtual time: no WebSocket, no socket, no clock.
//!
//! Signalling takes no time here, unless a bot is given a delay: commands are handed to the [`Shard`] and its events to
//! the bots at once. Datagrams take the way of the [`Network`].

mod participant;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_media::MediaConfig;
use parlour_model::command::Action;
use parlour_model::session::SessionPolicy;
use parlour_model::{Command, Join, LeaveReason, ParticipantSid, Refusal, Reply, Resume, SessionId, SessionNotice};
use parlour_peer::{Certificate, CertificateError, DtlsVersions, PeerConfig, PeerTimes};
use parlour_session::SessionOptions;
use parlour_shard::{Clock, Outbox, Shard, ShardConfig};
use parlour_simnet::{HomeConfig, HomeId, Network};

pub use parlour_model::Role;
pub use participant::{DirectBot, join};

use crate::endpoint::{Channel, EndpointError};
use crate::media::{AudioConfig, VideoConfig};

/// Where the worker listens.
pub const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 7_882);

/// Bytes of datagrams a worker may have ready at once.
const OUTBOX_SIZE: usize = 256 * 1024;

/// Calendar time at the epoch: a Monday morning. Nothing depends on it.
const EPOCH_UNIX_MS: i64 = 1_750_000_000_000;

/// Names a bot of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BotId(usize);

impl BotId {
    /// Bots are counted from zero.
    pub fn index(self) -> usize {
        self.0
    }
}

/// One worker, its network and the bots on it.
pub struct World {
    now: Instant,
    epoch: Instant,
    server: SocketAddr,
    shard: Shard,
    outbox: Outbox,
    /// The links. Homes may be added and changed at any time.
    pub network: Network<Vec<u8>>,
    bots: Vec<DirectBot>,
    by_sid: BTreeMap<ParticipantSid, BotId>,
    by_address: BTreeMap<SocketAddr, BotId>,
    /// The public address of each home.
    homes: BTreeMap<HomeId, Ipv4Addr>,
    strangers: u64,
}

impl World {
    /// A worker without sessions. Waiting rooms are off.
    pub fn new(seed: u64) -> Result<Self, CertificateError> {
        let session = SessionOptions {
            policy: SessionPolicy { max_participants: 12, ..SessionPolicy::open_development() },
            ..SessionOptions::default()
        };
        Self::with_session(seed, session)
    }

    /// A worker whose sessions begin with these rules.
    pub fn with_session(seed: u64, session: SessionOptions) -> Result<Self, CertificateError> {
        Self::with_times(seed, session, PeerTimes::default())
    }

    /// As [`Self::with_session`], where silence is noticed at other times.
    pub fn with_times(seed: u64, session: SessionOptions, times: PeerTimes) -> Result<Self, CertificateError> {
        Self::build(seed, session, times, MediaConfig::default())
    }

    /// As [`Self::with_times`], where nothing is estimated and everyone has the same large budget: what two worlds send
    /// can be compared datagram by datagram, although handshakes differ by a few bytes from one run to the next.
    pub fn with_fixed_budgets(seed: u64, session: SessionOptions, times: PeerTimes) -> Result<Self, CertificateError> {
        Self::build(seed, session, times, MediaConfig { estimate: false, ..MediaConfig::default() })
    }

    /// As [`Self::new`], where media is handled otherwise.
    pub fn with_media(seed: u64, media: MediaConfig) -> Result<Self, CertificateError> {
        let session = SessionOptions {
            policy: SessionPolicy { max_participants: 12, ..SessionPolicy::open_development() },
            ..SessionOptions::default()
        };
        Self::build(seed, session, PeerTimes::default(), media)
    }

    fn build(
        seed: u64,
        session: SessionOptions,
        times: PeerTimes,
        media: MediaConfig,
    ) -> Result<Self, CertificateError> {
        let epoch = Instant::now();
        let server = SocketAddr::from(SERVER);
        let certificate = Certificate::generate()?;
        let peer = PeerConfig::new(certificate, vec![server], DtlsVersions::Both, times)?;
        let config = ShardConfig { peer, media, session, max_rooms: 1_000, max_peers: 20_000 };
        let mut shard_seed = [0; 32];
        shard_seed[..8].copy_from_slice(&seed.to_le_bytes());
        let mut network = Network::new(seed, epoch);
        network.attach(server, None);
        Ok(Self {
            now: epoch,
            epoch,
            server,
            shard: Shard::new(Arc::new(config), shard_seed, Clock { now: epoch, unix_ms: EPOCH_UNIX_MS }),
            outbox: Outbox::new(OUTBOX_SIZE),
            network,
            bots: Vec::new(),
            by_sid: BTreeMap::new(),
            by_address: BTreeMap::new(),
            homes: BTreeMap::new(),
            strangers: 0,
        })
    }

    /// Virtual time.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now - self.epoch
    }

    /// The worker's address.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The worker.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The worker, to be told something beside the bots.
    pub fn shard_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }

    /// An access line for one bot or several.
    pub fn add_home(&mut self, config: HomeConfig) -> HomeId {
        let home = self.network.add_home(config);
        self.homes.insert(home, Ipv4Addr::new(198, 51, 100, self.homes.len() as u8 + 1));
        home
    }

    /// A line of its own that has the public address of another: both are behind one carrier's translator (RFC 6598).
    pub fn add_home_beside(&mut self, other: HomeId, config: HomeConfig) -> HomeId {
        let home = self.network.add_home(config);
        let address = self.homes[&other];
        self.homes.insert(home, address);
        home
    }

    /// Brings a bot in; it offers at once.
    pub fn join(&mut self, session: &str, identity: &str, role: Role, home: Option<HomeId>) -> Result<BotId, Refusal> {
        self.join_with(session, identity, role, home, |_| ())
    }

    /// As [`Self::join`], with something done to the bot before it makes its first offer.
    pub fn join_with(
        &mut self,
        session: &str,
        identity: &str,
        role: Role,
        home: Option<HomeId>,
        prepare: impl FnOnce(&mut DirectBot),
    ) -> Result<BotId, Refusal> {
        self.join_as(session, participant::join(identity, role), home, prepare)
    }

    /// As [`Self::join_with`], with everything that a token and a client say.
    pub fn join_as(
        &mut self,
        session: &str,
        join: Join,
        home: Option<HomeId>,
        prepare: impl FnOnce(&mut DirectBot),
    ) -> Result<BotId, Refusal> {
        let id = BotId(self.bots.len());
        let address = self.new_address(home);
        let session = SessionId::from(session);
        let reply = self.command(&session, Command::Join(Box::new(join)));
        let joined = match reply {
            Reply::Joined(joined) => joined,
            Reply::Refused(refusal) => return Err(refusal),
            _ => return Err(Refusal::Internal),
        };
        let seed = id.0 as u64 + 1;
        let mut bot = DirectBot::new(session, *joined, address, home, self.epoch, seed, self.now)
            .map_err(|_: EndpointError| Refusal::Internal)?;
        prepare(&mut bot);
        self.by_sid.insert(bot.sid().clone(), id);
        self.by_address.insert(address, id);
        self.bots.push(bot);
        self.settle();
        Ok(id)
    }

    /// Publishes a microphone; gives the client's name of the track.
    pub fn publish_audio(&mut self, id: BotId, config: AudioConfig) -> String {
        let cid = self.bots[id.0].publish_audio(config, self.now);
        self.settle();
        cid
    }

    /// Publishes a camera; gives the client's name of the track.
    pub fn publish_video(&mut self, id: BotId, config: VideoConfig) -> String {
        let cid = self.bots[id.0].publish_video(config, self.now);
        self.settle();
        cid
    }

    /// Stops a track.
    pub fn unpublish(&mut self, id: BotId, cid: &str) {
        self.bots[id.0].unpublish(cid);
        self.settle();
    }

    /// Something a bot does through its signalling.
    pub fn act(&mut self, id: BotId, action: Action) {
        self.bots[id.0].act(action);
        self.settle();
    }

    /// Sends a data message to everyone else; false if the channel is not open.
    pub fn send(&mut self, id: BotId, channel: Channel, payload: &[u8]) -> bool {
        let sent = self.bots[id.0].endpoint.send(channel, payload, self.now);
        self.settle();
        sent
    }

    /// Leaves for good.
    pub fn leave(&mut self, id: BotId) {
        self.act(id, Action::Leave);
        self.bots[id.0].endpoint.close(self.now);
        self.settle();
    }

    /// Goes silent without goodbye: its datagrams and signalling stop.
    pub fn vanish(&mut self, id: BotId) {
        let bot = &mut self.bots[id.0];
        bot.gone = true;
        self.by_address.remove(&bot.address);
        let (session, sid) = (bot.session.clone(), bot.sid().clone());
        self.command(&session, Command::SignalLost(sid));
        self.settle();
    }

    /// Another address for a bot, which itself does not notice: a NAT gave it a new binding.
    pub fn change_address(&mut self, id: BotId) {
        let home = self.bots[id.0].home;
        let old = self.bots[id.0].address;
        let new = self.new_address(home);
        self.network.change_address(old, new, home);
        self.by_address.remove(&old);
        self.by_address.insert(new, id);
        self.bots[id.0].address = new;
    }

    /// A bot goes to another line without noticing: from Wi-Fi to mobile data.
    pub fn move_to(&mut self, id: BotId, home: HomeId) {
        self.bots[id.0].home = Some(home);
        self.change_address(id);
    }

    /// A datagram arrives at the worker at once from this address, whoever has it.
    pub fn inject(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut datagram = bytes.to_vec();
        self.shard.handle_datagram(self.now, from, self.server, &mut datagram);
        self.settle();
    }

    /// A bot that went silent is heard again: its datagrams pass, and its signalling resumes.
    pub fn come_back(&mut self, id: BotId) -> Result<(), Refusal> {
        let bot = &mut self.bots[id.0];
        bot.gone = false;
        self.by_address.insert(bot.address, id);
        let resume = Resume { participant: bot.sid().clone(), identity: bot.identity().clone() };
        let session = bot.session.clone();
        match self.command(&session, Command::Resume(resume)) {
            Reply::Resumed(joined) => self.bots[id.0].resumed(*joined),
            Reply::Refused(refusal) => return Err(refusal),
            _ => return Err(Refusal::Internal),
        }
        self.settle();
        Ok(())
    }

    /// Goes silent at once, whatever the worker was told about it.
    pub fn silence(&mut self, id: BotId) {
        self.bots[id.0].gone = true;
        self.by_address.remove(&self.bots[id.0].address);
    }

    /// What sessions told the control plane since this was last asked.
    pub fn session_events(&mut self) -> Vec<SessionNotice> {
        std::iter::from_fn(|| self.shard.poll_session_event()).collect()
    }

    /// A command, as from the control plane.
    pub fn command(&mut self, session: &SessionId, command: Command) -> Reply {
        let reply = self.shard.handle_command(self.now, session, command);
        self.drain_shard();
        reply
    }

    /// A bot.
    pub fn bot(&self, id: BotId) -> &DirectBot {
        &self.bots[id.0]
    }

    /// A bot.
    pub fn bot_mut(&mut self, id: BotId) -> &mut DirectBot {
        &mut self.bots[id.0]
    }

    /// All bots.
    pub fn bots(&self) -> impl Iterator<Item = (BotId, &DirectBot)> {
        self.bots.iter().enumerate().map(|(index, bot)| (BotId(index), bot))
    }

    /// All bots count received tracks from zero.
    pub fn reset_received(&mut self) {
        self.bots.iter_mut().for_each(|bot| bot.endpoint.reset_received());
    }

    /// Datagrams that went to addresses nobody has any more.
    pub fn to_strangers(&self) -> u64 {
        self.strangers
    }

    /// Lets time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Lets time pass until something holds; false if it does not within `limit`.
    pub fn run_until(&mut self, limit: Duration, condition: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        self.settle();
        while !condition(self) {
            let Some(next) = self.next_event().filter(|next| *next <= end) else { return false };
            self.now = self.now.max(next);
            self.step();
        }
        true
    }

    fn next_event(&self) -> Option<Instant> {
        let there = || self.bots.iter().filter(|bot| !bot.gone);
        let bots = there().filter_map(|bot| bot.endpoint.poll_timeout()).min();
        let signalling = there().filter_map(DirectBot::next_signal).min();
        [self.network.next_event(), self.shard.poll_timeout(), bots, signalling].into_iter().flatten().min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(datagram) = self.network.poll(now) {
            if datagram.to == self.server {
                let mut bytes = datagram.payload;
                self.shard.handle_datagram(now, datagram.from, self.server, &mut bytes);
                self.drain_shard();
            } else if let Some(id) = self.by_address.get(&datagram.to) {
                let bot = &mut self.bots[id.0];
                bot.media_datagrams += u64::from(is_media(&datagram.payload));
                if let Some(arrivals) = &mut bot.arrivals {
                    arrivals.push((now, datagram.payload.len()));
                }
                match &mut bot.heard {
                    Some(heard) => heard.push(datagram.payload),
                    None => bot.endpoint.handle_datagram(now, datagram.from, &datagram.payload),
                }
            } else {
                self.strangers += 1;
            }
        }
        if self.shard.poll_timeout().is_some_and(|at| at <= now) {
            self.shard.handle_timeout(now);
        }
        for bot in self.bots.iter_mut().filter(|bot| !bot.gone) {
            if bot.endpoint.poll_timeout().is_some_and(|at| at <= now) {
                bot.endpoint.handle_timeout(now);
            }
        }
        self.settle();
    }

    /// Until nobody has anything to say at this moment.
    fn settle(&mut self) {
        loop {
            self.drain_shard();
            self.drain_bots();
            let mut quiet = true;
            for index in 0..self.bots.len() {
                if self.bots[index].gone {
                    continue;
                }
                while let Some(action) = self.bots[index].poll_action(self.now) {
                    quiet = false;
                    let (session, sid) = (self.bots[index].session.clone(), self.bots[index].sid().clone());
                    if let Reply::Refused(refusal) = self.command(&session, Command::Act(sid, action)) {
                        self.bots[index].refusals.push(refusal);
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn drain_bots(&mut self) {
        for bot in self.bots.iter_mut().filter(|bot| !bot.gone) {
            bot.take_events();
            while let Some(outgoing) = bot.poll_transmit() {
                self.network.send(self.now, bot.address, outgoing.to, outgoing.bytes);
            }
        }
    }

    fn drain_shard(&mut self) {
        loop {
            let more = self.shard.poll_transmit(self.now, &mut self.outbox);
            for run in self.outbox.runs() {
                for datagram in run.bytes.chunks(run.segment) {
                    self.network.send(self.now, run.from, run.to, datagram.to_vec());
                }
            }
            self.outbox.clear();
            while let Some((sid, event)) = self.shard.poll_event() {
                // Events of a join that is still being answered come before its bot exists: it has said nothing yet.
                if let Some(id) = self.by_sid.get(&sid) {
                    self.bots[id.0].handle_event(event, self.now);
                }
            }
            if !more {
                return;
            }
        }
    }

    fn new_address(&mut self, home: Option<HomeId>) -> SocketAddr {
        // Every address is used once; a new binding of a home differs in its port. Who has no home is alone somewhere.
        let used = self.by_address.len() as u16 + self.bots.len() as u16 + (self.elapsed().as_millis() % 10_000) as u16;
        let mut port = 10_000 + used;
        let ip = match home {
            Some(home) => self.homes[&home],
            None => Ipv4Addr::new(198, 18, 0, (self.bots.len() % 250) as u8 + 1),
        };
        while self.by_address.contains_key(&SocketAddr::from((ip, port))) {
            port += 1;
        }
        let address = SocketAddr::from((ip, port));
        self.network.attach(address, home);
        address
    }

    /// A bot by its stay.
    pub fn by_sid(&self, sid: &ParticipantSid) -> Option<BotId> {
        self.by_sid.get(sid).copied()
    }

    /// Why a bot is out, if it is.
    pub fn left(&self, id: BotId) -> Option<LeaveReason> {
        self.bots[id.0].left
    }
}

/// RTP and not RTCP, by the first two bytes (RFC 7983, RFC 5761 section 4).
fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)))
}
