//! What this program and the server process it started say to each other: one JSON line each way, then the server runs
//! until its standard input ends.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;

use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// The least there is to do.
    Floor,
    /// The engine with a fixed, large budget for everyone.
    Fixed,
    /// The engine as it is served: with an estimate for everyone.
    Parlour,
}

/// Who will come, in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    pub seats: Vec<Seat>,
}

/// One participant.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seat {
    pub room: usize,
    /// Within the room, from zero; zero is the therapist.
    pub place: usize,
    /// Where it sends from.
    pub address: SocketAddr,
    /// Its offer.
    pub offer: String,
}

/// The server is ready for all of them, in the same order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Memory in use before the first of them, in KiB.
    pub idle_kib: u64,
    pub gates: Vec<Gate>,
}

/// Where a participant goes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Gate {
    pub address: SocketAddr,
    /// Empty for the floor, which has no ICE.
    pub ufrag: String,
    pub password: String,
}

/// Reads the one line meant for the server.
pub fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<T> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// Writes a line.
pub fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}
