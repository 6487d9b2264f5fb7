//! What the control API costs: how soon a command is in force and answered with many sessions live, how many sessions can
//! be made a second, how long a thousand take to list. A whole server in this process, its store on a disk, asked over real
//! connections; people have seats and no media.

#![allow(clippy::print_stdout, reason = "the result is printed")]

mod client;
mod server;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;

use crate::client::Client;
use crate::server::Server;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures the control API.
#[derive(Debug, Parser)]
struct Args {
    /// Where to write the result.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the store is; its disk is what is measured. Left out: the folder for temporary files.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Sessions live while commands are given.
    #[arg(long, default_value_t = 100)]
    sessions: usize,
    /// Commands given.
    #[arg(long, default_value_t = 2_000)]
    commands: usize,
    /// Seconds of making sessions.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections that make sessions side by side.
    #[arg(long, default_value_t = 32)]
    connections: usize,
}

/// Times in milliseconds.
#[derive(Serialize)]
struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Serialize)]
struct Report {
    /// `fdatasync` of one page on this disk.
    sync_ms: Spread,
    live_sessions: usize,
    /// From the arrival of a hold or resume until its edges are cut or back, as the server says.
    in_force_ms: Spread,
    /// Until it is answered, which is after it is on the disk.
    answered_ms: Spread,
    /// Sessions made, each on the disk before its answer.
    created_per_second: f64,
    create_ms: Spread,
    /// A thousand sessions in one page.
    list_ms: Spread,
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |part: f64| {
        let index = ((times.len() as f64 * part) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    Spread { p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let report = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(&args))?;
    let json = serde_json::to_string_pretty(&report)?;
    println!("{json}");
    if let Some(file) = &args.json {
        fs::write(file, json)?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Report, Failure> {
    let folder = match &args.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let sync_ms = spread(server::syncs(folder.path(), 200)?);
    let server = Server::start(&folder.path().join("parlour.db")).await?;
    let sessions = server.live_sessions(args.sessions).await?;
    let (in_force, answered) = commands(&server, &sessions, args.commands).await?;
    let (created, create) = creations(&server, args).await?;
    Ok(Report {
        sync_ms,
        live_sessions: sessions.len(),
        in_force_ms: spread(in_force),
        answered_ms: spread(answered),
        created_per_second: created,
        create_ms: spread(create),
        list_ms: spread(lists(&server, 50).await?),
    })
}

/// Holds and resumes, one after another, each in another session than the last.
async fn commands(
    server: &Server,
    sessions: &[String],
    count: usize,
) -> Result<(Vec<Duration>, Vec<Duration>), Failure> {
    let mut client = Client::connect(server.address, &server.key).await?;
    let (mut in_force, mut answered) = (Vec::new(), Vec::new());
    for number in 0..count {
        let session = &sessions[number % sessions.len()];
        let word = if (number / sessions.len()).is_multiple_of(2) { "hold" } else { "resume" };
        let asked = Instant::now();
        let answer = client.ask("POST", &format!("/v1/sessions/{session}/participants/a/{word}"), "").await?;
        answered.push(asked.elapsed());
        in_force.push(answer.in_force.ok_or("the answer does not say when it was in force")?);
    }
    Ok((in_force, answered))
}

async fn creations(server: &Server, args: &Args) -> Result<(f64, Vec<Duration>), Failure> {
    let until = Instant::now() + Duration::from_secs(args.seconds);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..args.connections {
        let mut client = Client::connect(server.address, &server.key).await?;
        workers.spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < until {
                let asked = Instant::now();
                client.ask("POST", "/v1/sessions", "{\"kind\":\"couple\"}").await?;
                times.push(asked.elapsed());
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = workers.join_next().await {
        times.extend(done??);
    }
    Ok((times.len() as f64 / args.seconds as f64, times))
}

async fn lists(server: &Server, count: usize) -> Result<Vec<Duration>, Failure> {
    let mut client = Client::connect(server.address, &server.key).await?;
    let mut times = Vec::new();
    for _ in 0..count {
        let asked = Instant::now();
        let answer = client.ask("GET", "/v1/sessions?limit=1000", "").await?;
        times.push(asked.elapsed());
        let listed = answer.body.matches("\"modality\"").count();
        if listed != 1_000 {
            return Err(format!("{listed} sessions were listed").into());
        }
    }
    Ok(times)
}
