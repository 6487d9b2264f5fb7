//! One row: a number of rooms of one size, one server, its figures.

use std::io::{self, BufReader};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

use crate::client::{Client, Link, Tally};
use crate::handshake::{Checks, Handshake};
use crate::load::Load;
use crate::media::Source;
use crate::process::{self, MediaCpu};
use crate::protocol::{self, Gate, Ready, Seat, ServerKind, Setup};
use crate::raw::{RawCipher, Way};
use crate::sdp::{self, OfferText};
use crate::socket::Socket;

/// After the measurement: packets under way.
const DRAIN: Duration = Duration::from_millis(500);

/// Why a row could not be measured.
#[derive(Debug, Error)]
pub enum RowError {
    /// Sockets, processes, files.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Results cannot be written.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// How many rooms, how many in each.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    pub rooms: usize,
    pub of: usize,
}

impl FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rooms, of) = text.split_once('x').ok_or("rooms x participants, as in 60x2")?;
        let number = |text: &str| text.parse().ok().filter(|&n| n > 0).ok_or("not a number".to_owned());
        Ok(Self { rooms: number(rooms)?, of: number(of)? })
    }
}

/// What a row gave.
#[derive(Debug, Serialize)]
pub struct RowResult {
    pub server: ServerKind,
    #[serde(flatten)]
    pub row: Row,
    pub seconds: f64,
    /// Packets that reached a receiver.
    pub forwarded: u64,
    /// Of the media thread, kernel included, per forwarded packet.
    pub cpu_ns_per_packet: f64,
    /// Of that, outside of the kernel.
    pub user_ns_per_packet: f64,
    /// Share of one processor.
    pub cpu_share: f64,
    pub ratio_to_floor: Option<f64>,
    /// From just before the client's send call to just after its receiver's receive call.
    pub latency_p50_us: f64,
    pub latency_p99_us: f64,
    pub kib_per_participant: f64,
    /// Share of packets that did not reach a receiver.
    pub loss: f64,
    /// Datagrams of RTCP that clients received.
    pub rtcp: u64,
    /// Packets that clients could not open or understand.
    pub bad: u64,
    /// How late the load generator itself was, at worst.
    pub generator_late_us: f64,
}

pub fn print_header() {
    println!("server   rooms  cpu ns/packet  user ns  ratio  cpu %  p50 us  p99 us  KiB/participant   loss %  late us");
}

fn name(server: ServerKind) -> &'static str {
    match server {
        ServerKind::Floor => "floor",
        ServerKind::Fixed => "fixed",
        ServerKind::Parlour => "parlour",
    }
}

pub fn print_result(result: &RowResult) {
    let server = name(result.server);
    println!(
        "{server:8} {:>3}x{}  {:>13.0}  {:>7.0}  {:>5}  {:>5.1}  {:>6.0}  {:>6.0}  {:>15.0}  {:>7.3}  {:>7.0}",
        result.row.rooms,
        result.row.of,
        result.cpu_ns_per_packet,
        result.user_ns_per_packet,
        result.ratio_to_floor.map_or(String::new(), |ratio| format!("{ratio:.2}")),
        result.cpu_share * 100.0,
        result.latency_p50_us,
        result.latency_p99_us,
        result.kib_per_participant,
        result.loss * 100.0,
        result.generator_late_us,
    );
    if result.bad > 0 {
        println!("         {} packets could not be opened or understood", result.bad);
    }
}

/// Ends with its owner.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Its input ends first, so that it can end by itself.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn start(kind: ServerKind, cpu: Option<usize>) -> io::Result<Server> {
    let program = std::env::current_exe()?;
    let mut command = match cpu {
        None => Command::new(program),
        Some(cpu) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(cpu.to_string()).arg(program);
            command
        }
    };
    command.args(["serve", name(kind)]).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().map(Server)
}

/// For how long.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Sending before it counts: renegotiation, first keyframes, a full repair history, estimates.
    pub warm_up: Duration,
    /// Measured.
    pub time: Duration,
}

/// Measures one server under one load.
pub fn measure(row: Row, kind: ServerKind, times: Times, cpu: Option<usize>) -> Result<RowResult, RowError> {
    let Times { warm_up, time } = times;
    let epoch = Instant::now();
    let mut server = start(kind, cpu)?;
    let process = server.0.id();
    let certificate = dimpl::certificate::generate_self_signed_certificate().map_err(io::Error::other)?;
    let sockets: Vec<_> = (0..row.rooms * row.of).map(|_| Socket::bind()).collect::<io::Result<_>>()?;
    let setup = setup(row, &sockets, &certificate.fingerprint_str());
    let Some(input) = server.0.stdin.as_mut() else { return Err(io::Error::other("no input").into()) };
    protocol::write(input, &setup)?;
    let Some(output) = server.0.stdout.as_mut() else { return Err(io::Error::other("no output").into()) };
    let ready: Ready = protocol::read(&mut BufReader::new(output))?;

    let config = Arc::new(dimpl::Config::builder().build().map_err(io::Error::other)?);
    let mut clients = Vec::new();
    for (index, (socket, gate)) in sockets.into_iter().zip(&ready.gates).enumerate() {
        let link = match kind {
            ServerKind::Floor => Link::Raw {
                inbound: RawCipher::preset(index, Way::ToClient).map_err(io::Error::other)?,
                outbound: RawCipher::preset(index, Way::ToServer).map_err(io::Error::other)?,
            },
            ServerKind::Fixed | ServerKind::Parlour => Link::Connecting {
                checks: checks(gate, index, epoch),
                handshake: Box::new(Handshake::new(config.clone(), certificate.clone(), Instant::now())),
            },
        };
        clients.push(Client::new(socket, link, gate.address, Source::new(index as u32), epoch));
    }
    let mut load = Load::new(clients, epoch)?;
    load.connect()?;
    load.start();
    load.run(warm_up)?;
    load.measure(time);
    let (cpu_before, from) = (MediaCpu::of(process)?, Instant::now());
    load.run(time)?;
    let ((cpu, user_share), seconds) = (MediaCpu::of(process)?.since(&cpu_before), from.elapsed().as_secs_f64());
    let forwarded = load.clients().iter().map(|client| client.tally.received).sum();
    let kib = process::resident_kib(&process.to_string())?.saturating_sub(ready.idle_kib);
    load.run(DRAIN)?;
    let spent = Spent { forwarded, cpu, user_share, seconds, kib };
    Ok(result(row, kind, &load, &spent))
}

/// What the server did and used while it was measured.
struct Spent {
    forwarded: u64,
    cpu: Duration,
    user_share: f64,
    seconds: f64,
    kib: u64,
}

fn result(row: Row, server: ServerKind, load: &Load, spent: &Spent) -> RowResult {
    let &Spent { forwarded, cpu, user_share, seconds, kib } = spent;
    let sum = |count: fn(&Tally) -> u64| load.clients().iter().map(|client| count(&client.tally)).sum::<u64>();
    let expected = sum(|tally| tally.sent) * (row.of as u64 - 1);
    let mut latencies: Vec<u32> =
        load.clients().iter().flat_map(|client| client.tally.latencies.iter().copied()).collect();
    latencies.sort_unstable();
    let quantile = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies
            .get(index.min(latencies.len().saturating_sub(1)))
            .map_or(f64::NAN, |&nanos| f64::from(nanos) / 1_000.0)
    };
    let arrived = latencies.len() as u64;
    RowResult {
        server,
        row,
        seconds,
        forwarded,
        cpu_ns_per_packet: cpu.as_nanos() as f64 / forwarded as f64,
        user_ns_per_packet: cpu.as_nanos() as f64 * user_share / forwarded as f64,
        cpu_share: cpu.as_secs_f64() / seconds,
        ratio_to_floor: None,
        latency_p50_us: quantile(0.5),
        latency_p99_us: quantile(0.99),
        kib_per_participant: kib as f64 / (row.rooms * row.of) as f64,
        loss: 1.0 - arrived as f64 / expected as f64,
        rtcp: sum(|tally| tally.rtcp),
        bad: sum(|tally| tally.bad),
        generator_late_us: load.latest().as_secs_f64() * 1e6,
    }
}

fn setup(row: Row, sockets: &[Socket], fingerprint: &str) -> Setup {
    let seats = sockets.iter().enumerate().map(|(index, socket)| {
        let source = Source::new(index as u32);
        let text = OfferText {
            ufrag: &ufrag(index),
            password: PASSWORD,
            fingerprint,
            audio_ssrc: source.audio_ssrc,
            video_ssrc: source.video_ssrc,
            video_rtx_ssrc: source.video_ssrc + 1,
            others: row.of - 1,
        };
        Seat { room: index / row.of, place: index % row.of, address: socket.local, offer: sdp::offer(&text) }
    });
    Setup { seats: seats.collect() }
}

const PASSWORD: &str = "0123456789abcdefghijklmn";

fn ufrag(participant: usize) -> String {
    format!("load{participant}")
}

fn checks(gate: &Gate, participant: usize, now: Instant) -> Checks {
    Checks::new(&gate.ufrag, &ufrag(participant), &gate.password, now)
}
