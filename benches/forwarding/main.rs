//! Measures the whole server path over sockets on loopback, beside the least that any server must do.
//!
//! For each row two servers run one after the other, each as a process of its own with one media thread, under the same
//! load: the *floor* (receive, AES-GCM open, copy, seal, send, with the same batching and no bookkeeping) and *Parlour*
//! (its engine with everything on: ICE, DTLS-SRTP, RTCP, repair cache, transport feedback, statistics). CPU is that of the
//! media thread as the kernel's scheduler counts it, so it includes the kernel's work for its calls.
//!
//! The clients are ours and light: STUN, a DTLS handshake, then ready-made packets; one thread drives all of them.

// A program for people: its table is its output.
#![allow(clippy::print_stdout)]

mod alone;
mod client;
mod floor;
mod handshake;
mod load;
mod media;
mod parlour;
mod process;
mod protocol;
mod raw;
mod reports;
mod rows;
mod sdp;
mod socket;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use protocol::ServerKind;
use rows::{Row, RowError, Times};

#[derive(Parser)]
#[command(about = "Measures forwarding over loopback sockets, beside the floor of any server")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Serve>,
    /// Write all results here.
    #[arg(long)]
    json: Option<PathBuf>,
    /// What to measure: rooms x participants, separated by commas.
    #[arg(long, default_value = "10x2,25x2,60x2,100x2,25x3,60x3", value_delimiter = ',')]
    rows: Vec<Row>,
    /// Seconds measured, after everyone is connected and warm.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds of media before that.
    #[arg(long, default_value_t = 4)]
    warm_up: u64,
    /// Measure only one server.
    #[arg(long)]
    only: Option<ServerKind>,
    /// Pin the server to this processor (with `taskset`); run this program itself on another one.
    #[arg(long)]
    server_cpu: Option<usize>,
}

#[derive(Subcommand)]
enum Serve {
    /// The process that is measured; started by this program, spoken to over standard input and output.
    #[command(hide = true)]
    Serve {
        /// Which.
        kind: ServerKind,
    },
    /// The shard alone, in virtual time, without kernel and chance: for tools that count instructions.
    Alone {
        /// Rooms x participants.
        #[arg(long, default_value = "8x2")]
        row: Row,
        /// Seconds of the call.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
        /// With a fixed, large budget for everyone.
        #[arg(long)]
        fixed: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Some(Serve::Serve { kind: ServerKind::Floor }) => floor::serve().map_err(RowError::from),
        Some(Serve::Serve { kind }) => parlour::serve(kind == ServerKind::Parlour).map_err(RowError::from),
        Some(Serve::Alone { row, seconds, fixed }) => {
            alone::run(row, Duration::from_secs(seconds), !fixed).map_err(RowError::from)
        }
        None => measure(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forwarding: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), RowError> {
    let mut results = Vec::new();
    let times = Times { warm_up: Duration::from_secs(arguments.warm_up), time: Duration::from_secs(arguments.seconds) };
    rows::print_header();
    for &row in &arguments.rows {
        let mut floor = None;
        for kind in [ServerKind::Floor, ServerKind::Fixed, ServerKind::Parlour] {
            if arguments.only.is_some_and(|only| only != kind) {
                continue;
            }
            let mut result = rows::measure(row, kind, times, arguments.server_cpu)?;
            if kind == ServerKind::Floor {
                floor = Some(result.cpu_ns_per_packet);
            } else {
                result.ratio_to_floor = floor.map(|floor| result.cpu_ns_per_packet / floor);
            }
            rows::print_result(&result);
            results.push(result);
        }
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)?)?;
    }
    Ok(())
}
