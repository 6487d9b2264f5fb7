//! The shard alone, in virtual time: the same clients and packets without kernel, threads and chance. What it executes is
//! nearly the same in every run, so that a tool that counts instructions tells a change of one in a hundred:
//!
//!     valgrind --tool=callgrind --toggle-collect='*counted*' forwarding alone --row 8x2 --seconds 4

mod caller;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_media::MediaConfig;
use parlour_model::command::{Action, Command};
use parlour_model::session::SessionPolicy;
use parlour_model::{Event, ParticipantSid, Redacted, Reply, SessionId};
use parlour_peer::{Certificate, DtlsVersions, PeerConfig, PeerTimes};
use parlour_session::{Clock, SessionOptions};
use parlour_shard::{Outbox, Shard, ShardConfig};

use crate::alone::caller::{Caller, Does};
use crate::handshake::{Checks, Handshake};
use crate::media::{AUDIO, FRAME, Source};
use crate::parlour::{audio_track, join, video_track};
use crate::process;
use crate::protocol::Seat;
use crate::reports::{self, Reports};
use crate::rows::Row;
use crate::sdp::{self, OfferText};

/// As the engine's.
const OUTBOX_SIZE: usize = 512 * 1024;

/// The worker's poll has this grain.
const GRAIN: Duration = Duration::from_millis(1);

const PASSWORD: &str = "0123456789abcdefghijklmn";

/// Connecting, renegotiation, what estimates need to begin with.
const WARM_UP: Duration = Duration::from_secs(6);

struct Served {
    shard: Shard,
    outbox: Outbox,
    counting: bool,
}

/// A call that a worker makes into its shard.
enum Call<'a> {
    Receive { from: SocketAddr, to: SocketAddr, run: &'a mut [u8], stride: usize },
    LetTimePass,
    Transmit,
}

impl Served {
    /// `true`: there is more to transmit.
    fn call(&mut self, now: Instant, call: Call<'_>) -> bool {
        if self.counting { self.counted(now, call) } else { self.perform(now, call) }
    }

    /// A name of its own, for tools.
    #[inline(never)]
    fn counted(&mut self, now: Instant, call: Call<'_>) -> bool {
        self.perform(now, call)
    }

    fn perform(&mut self, now: Instant, call: Call<'_>) -> bool {
        match call {
            Call::Receive { from, to, run, stride } => self.shard.handle_run(now, from, to, run, stride),
            Call::LetTimePass => self.shard.handle_timeout(now),
            Call::Transmit => return self.shard.poll_transmit(now, &mut self.outbox),
        }
        false
    }
}

struct Task {
    at: Instant,
    every: Duration,
    caller: usize,
    does: Does,
}

struct Scene {
    served: Served,
    local: SocketAddr,
    epoch: Instant,
    callers: Vec<Caller>,
    by_sid: HashMap<ParticipantSid, usize>,
    /// What clients say, to be heard at once.
    said: VecDeque<(usize, Vec<u8>)>,
}

/// Runs a row for `time` after everyone is connected, and says what it took.
pub fn run(row: Row, time: Duration, estimate: bool) -> io::Result<()> {
    let mut scene = Scene::new(row, estimate)?;
    let idle = process::resident_kib("self")?;
    scene.seat_all(row)?;
    scene.connect()?;
    let (start, warm) = (scene.epoch + WARM_UP, scene.epoch + 2 * WARM_UP);
    let mut agenda = scene.agenda(start);
    scene.talk(&mut agenda, start, warm)?;
    scene.served.counting = true;
    let before = scene.forwarded();
    let busy = scene.talk(&mut agenda, warm, warm + time)?;
    let packets = scene.forwarded() - before;
    let kib = process::resident_kib("self")?.saturating_sub(idle) as f64 / scene.callers.len() as f64;
    let nanos = busy.as_nanos() as f64 / packets as f64;
    if std::env::var_os("FORWARDING_LINES").is_some() {
        scene.print_lines(warm + time);
    }
    // The clients are in this process as well.
    println!("{packets} packets, {nanos:.0} ns each in the shard, {kib:.0} KiB a participant with its client");
    Ok(())
}

impl Scene {
    fn new(row: Row, estimate: bool) -> io::Result<Self> {
        let epoch = Instant::now();
        let local = SocketAddr::from(([127, 0, 0, 1], 7_000));
        let certificate = Certificate::generate().map_err(io::Error::other)?;
        let peer = PeerConfig::new(certificate, vec![local], DtlsVersions::Both, PeerTimes::default());
        let config = ShardConfig {
            peer: peer.map_err(io::Error::other)?,
            media: MediaConfig { estimate, ..MediaConfig::default() },
            session: SessionOptions { policy: SessionPolicy::open_development(), ..SessionOptions::default() },
            max_rooms: row.rooms,
            max_peers: 2 * row.rooms * row.of,
        };
        let shard = Shard::new(Arc::new(config), [7; 32], Clock { now: epoch, unix_ms: 0 });
        let served = Served { shard, outbox: Outbox::new(OUTBOX_SIZE), counting: false };
        Ok(Self { served, local, epoch, callers: Vec::new(), by_sid: HashMap::new(), said: VecDeque::new() })
    }

    fn seat_all(&mut self, row: Row) -> io::Result<()> {
        let certificate = dimpl::certificate::generate_self_signed_certificate().map_err(io::Error::other)?;
        let fingerprint = certificate.fingerprint_str();
        let dtls = Arc::new(dimpl::Config::builder().build().map_err(io::Error::other)?);
        for index in 0..row.rooms * row.of {
            let source = Source::new(index as u32);
            let offer = sdp::offer(&OfferText {
                ufrag: &format!("load{index}"),
                password: PASSWORD,
                fingerprint: &fingerprint,
                audio_ssrc: source.audio_ssrc,
                video_ssrc: source.video_ssrc,
                video_rtx_ssrc: source.video_ssrc + 1,
                others: row.of - 1,
            });
            let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + index as u16));
            let seat = Seat { room: index / row.of, place: index % row.of, address, offer };
            let session = SessionId::from(format!("room-{}", seat.room));
            let reply = self.served.shard.handle_command(self.epoch, &session, Command::Join(Box::new(join(&seat))));
            let Reply::Joined(joined) = reply else { return Err(io::Error::other("a join was refused")) };
            let sid = joined.participant.sid.clone();
            self.by_sid.insert(sid.clone(), index);
            let reports = Reports::new(self.epoch, source.audio_ssrc);
            let handshake = Handshake::new(dtls.clone(), certificate.clone(), self.epoch);
            self.callers.push(Caller {
                seat,
                session,
                sid,
                offers: 0,
                source,
                checks: None,
                handshake,
                keys: None,
                reports,
                received: 0,
            });
            self.act(index, Action::AddTrack(audio_track()), self.epoch);
            self.act(index, Action::AddTrack(video_track()), self.epoch);
            self.offer(index, self.epoch);
        }
        Ok(())
    }

    /// What is held true of everyone's line.
    fn print_lines(&mut self, now: Instant) {
        for caller in self.callers.iter().filter(|caller| caller.seat.place == 0) {
            let reply = self.served.shard.handle_command(now, &caller.session, Command::TraceLines);
            let Reply::Lines(lines) = reply else { continue };
            lines.iter().for_each(|line| eprintln!("capacity {} sent {} {}", line.capacity, line.sent, line.state));
        }
    }

    fn act(&mut self, caller: usize, action: Action, now: Instant) {
        let caller = &self.callers[caller];
        self.served.shard.handle_command(now, &caller.session, Command::Act(caller.sid.clone(), action));
    }

    fn offer(&mut self, caller: usize, now: Instant) {
        self.callers[caller].offers += 1;
        let (sdp, offer_id) = (Redacted(self.callers[caller].seat.offer.clone()), self.callers[caller].offers);
        self.act(caller, Action::Offer { sdp, offer_id }, now);
    }

    fn forwarded(&self) -> u64 {
        self.callers.iter().map(|caller| caller.received).sum()
    }

    fn connect(&mut self) -> io::Result<()> {
        for step in 0..1_000u32 {
            let now = self.epoch + GRAIN * 5 * step;
            self.settle(now)?;
            if self.callers.iter().all(|caller| caller.keys.is_some()) {
                return Ok(());
            }
            for index in 0..self.callers.len() {
                self.poll_link(index, now)?;
            }
        }
        Err(io::Error::other("not everyone could connect"))
    }

    fn poll_link(&mut self, index: usize, now: Instant) -> io::Result<()> {
        let caller = &mut self.callers[index];
        let Some(checks) = &mut caller.checks else { return Ok(()) };
        self.said.extend(checks.poll(now).map(|check| (index, check)));
        if checks.is_answered() && caller.keys.is_none() {
            let (datagrams, keys) = caller.handshake.poll(now).map_err(io::Error::other)?;
            caller.keys = keys;
            self.said.extend(datagrams.into_iter().map(|datagram| (index, datagram)));
        }
        self.settle(now).map(drop)
    }

    /// What everyone does when, evenly spread.
    fn agenda(&self, start: Instant) -> Vec<Task> {
        let count = self.callers.len() as u32;
        let tasks = |index| {
            let task =
                move |does, every| Task { at: start + every * index / count, every, caller: index as usize, does };
            [
                task(Does::Audio, AUDIO),
                task(Does::Frame, FRAME),
                task(Does::Reports, reports::TICK),
                task(Does::Link, Duration::from_millis(500)),
            ]
        };
        (0..count).flat_map(tasks).collect()
    }

    /// Everyone sends; the time that the shard took.
    fn talk(&mut self, agenda: &mut [Task], from: Instant, to: Instant) -> io::Result<Duration> {
        let mut busy = Duration::ZERO;
        let mut now = from;
        while now < to {
            if self.served.shard.poll_timeout().is_some_and(|due| due <= now) {
                let began = Instant::now();
                self.served.call(now, Call::LetTimePass);
                busy += began.elapsed();
                busy += self.settle(now)?;
            }
            for task in agenda.iter_mut().filter(|task| task.at <= now) {
                task.at += task.every;
                self.perform(task.caller, task.does, now)?;
                busy += self.settle(now)?;
            }
            now += GRAIN;
        }
        Ok(busy)
    }

    fn perform(&mut self, index: usize, does: Does, now: Instant) -> io::Result<()> {
        if does == Does::Link {
            return self.poll_link(index, now);
        }
        let said = self.callers[index].say(does, self.epoch, now)?;
        self.said.extend(said.into_iter().map(|datagram| (index, datagram)));
        Ok(())
    }

    /// Until nobody has anything to say; the time that the shard took.
    fn settle(&mut self, now: Instant) -> io::Result<Duration> {
        let mut busy = Duration::ZERO;
        loop {
            let began = Instant::now();
            let mut said = std::mem::take(&mut self.said);
            while let Some((index, mut run)) = said.pop_front() {
                let (from, stride) = (self.callers[index].seat.address, run.len());
                take_equals(&mut said, index, &mut run);
                self.served.call(now, Call::Receive { from, to: self.local, run: &mut run, stride });
            }
            let more = self.served.call(now, Call::Transmit);
            busy += began.elapsed();
            self.deliver(now)?;
            let told = self.take_events(now);
            if !more && !told && self.said.is_empty() {
                return Ok(busy);
            }
        }
    }

    fn deliver(&mut self, now: Instant) -> io::Result<()> {
        let Self { served, callers, said, .. } = self;
        for run in served.outbox.runs() {
            let index = usize::from(run.to.port()) - 10_000;
            let caller = &mut callers[index];
            for datagram in run.bytes.chunks(run.segment) {
                let replies = caller.hear(&mut datagram.to_vec(), now)?;
                said.extend(replies.into_iter().map(|reply| (index, reply)));
            }
        }
        served.outbox.clear();
        Ok(())
    }

    fn take_events(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((sid, event)) = self.served.shard.poll_event() {
            any = true;
            let Some(&index) = self.by_sid.get(&sid) else { continue };
            match event {
                Event::Answer { sdp, .. } => {
                    let Some((_, ufrag, password)) = sdp::gate(&sdp.0) else { continue };
                    let caller = &mut self.callers[index];
                    caller.checks.get_or_insert_with(|| Checks::new(&ufrag, &format!("load{index}"), &password, now));
                }
                Event::SectionsNeeded { .. } => self.offer(index, now),
                _ => {}
            }
        }
        while self.served.shard.poll_session_event().is_some() {}
        any
    }
}

/// Appends what is said next as the kernel does (GRO): datagrams of the same size from the same client come as one run.
fn take_equals(said: &mut VecDeque<(usize, Vec<u8>)>, index: usize, run: &mut Vec<u8>) {
    let stride = run.len();
    while let Some((_, next)) = said.pop_front_if(|(other, next)| *other == index && next.len() == stride) {
        run.extend(next);
    }
}
