//! Load: a number of sessions of a number of bots against a running server, and what they and it experienced.

mod options;
mod process;
mod progress;
mod report;

use std::time::{Duration, Instant};

use thiserror::Error;

pub use options::LoadOptions;
pub use report::{Latency, LoadReport, MediaReport, ServerUsage};

use crate::client::{Client, ClientError, ClientOptions, Snapshot};
use crate::media::{AudioConfig, VideoConfig};
use crate::signalling::{TokenOptions, mint};
use process::ProcessSample;
use progress::Progress;

/// Tracks that do not flow within this time after the last join are counted as missing.
const SETTLE: Duration = Duration::from_secs(20);

/// Between two looks while waiting.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Why nothing could be measured.
#[derive(Debug, Error)]
pub enum LoadError {
    /// No bot came in.
    #[error("no bot could join: {0}")]
    NobodyJoined(ClientError),
    /// The secret is unusable.
    #[error("no token could be made: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    /// The options contradict themselves.
    #[error("{0}")]
    Options(&'static str),
}

/// Runs the load and gives what was measured. Needs a tokio runtime; progress goes to standard error if that is a
/// terminal.
pub async fn run(options: LoadOptions) -> Result<LoadReport, LoadError> {
    options.check()?;
    let epoch = Instant::now();
    let mut progress = Progress::new(options.quiet);
    let before = options.pid.and_then(ProcessSample::take);
    let (clients, mut failures) = join_all(&options, epoch, &mut progress).await?;

    let expected = options.expected_tracks(clients.len());
    wait_for_tracks(&clients, expected, &mut progress).await;
    wait(Duration::from_secs(options.warm_up), "warming up", &mut progress).await;
    for client in &clients {
        // A client that has ended is found below.
        let _ = client.reset_received().await;
    }

    let start = Instant::now();
    let (server, own) = (options.pid.and_then(ProcessSample::take), ProcessSample::take(std::process::id()));
    wait(Duration::from_secs(options.duration), "measuring", &mut progress).await;
    let measured = start.elapsed();
    let server_after = options.pid.and_then(ProcessSample::take);
    let own_after = ProcessSample::take(std::process::id());

    let mut snapshots = Vec::with_capacity(clients.len());
    for client in &clients {
        match client.snapshot().await {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(error) => failures.push(error.to_string()),
        }
    }
    progress.show(format_args!("leaving"));
    for client in clients {
        // The measurement is over; one that cannot say goodbye is not a result.
        let _ = client.leave().await;
    }
    progress.clear();

    let mut report = LoadReport::of(&options, &snapshots, measured, expected);
    report.failures = failures;
    report.client_cpu_percent = usage(own, own_after, measured);
    report.server = server.zip(server_after).map(|(first, last)| {
        let base = before.unwrap_or(first);
        ServerUsage::between(base, first, last, measured, snapshots.len(), report.packets_received())
    });
    Ok(report)
}

fn usage(first: Option<ProcessSample>, last: Option<ProcessSample>, time: Duration) -> f64 {
    first.zip(last).map_or(0.0, |(first, last)| (last.cpu - first.cpu).as_secs_f64() / time.as_secs_f64() * 100.0)
}

async fn join_all(
    options: &LoadOptions,
    epoch: Instant,
    progress: &mut Progress,
) -> Result<(Vec<Client>, Vec<String>), LoadError> {
    let total = options.sessions * options.bots;
    let mut pace = tokio::time::interval(Duration::from_secs_f64(1.0 / options.join_rate));
    let mut joining = tokio::task::JoinSet::new();
    for session in 0..options.sessions {
        for bot in 0..options.bots {
            pace.tick().await;
            let client = client_options(options, epoch, session, bot)?;
            joining.spawn(Client::join(client));
            progress.show(format_args!("joining {}/{total}", session * options.bots + bot + 1));
        }
    }
    let (mut clients, mut errors) = (Vec::new(), Vec::new());
    while let Some(joined) = joining.join_next().await {
        match joined {
            Ok(Ok(client)) => clients.push(client),
            Ok(Err(error)) => errors.push(error),
            Err(_) => errors.push(ClientError::Ended),
        }
    }
    if clients.is_empty() {
        return Err(LoadError::NobodyJoined(errors.pop().unwrap_or(ClientError::Ended)));
    }
    Ok((clients, errors.iter().map(ToString::to_string).collect()))
}

fn client_options(options: &LoadOptions, epoch: Instant, session: u32, bot: u32) -> Result<ClientOptions, LoadError> {
    let token = mint(&TokenOptions {
        key: options.api_key.clone(),
        secret: options.api_secret.clone(),
        session: format!("{}-{session}", options.prefix),
        identity: format!("bot-{bot}"),
        role: if bot == 0 { "therapist" } else { "client" }.into(),
        valid_for: Duration::from_secs(options.duration + options.warm_up + 3_600),
    })?;
    Ok(ClientOptions {
        bind: options.bind,
        seed: u64::from(session) << 32 | u64::from(bot),
        red: options.red > 0,
        echo: true,
        audio: (!options.no_audio).then(|| AudioConfig { redundancy: options.red, ..AudioConfig::default() }),
        video: (!options.no_video).then(|| video(options)),
        ..ClientOptions::new(&options.url, &token, epoch)
    })
}

fn video(options: &LoadOptions) -> VideoConfig {
    let mut video = VideoConfig { fps: options.fps, ..VideoConfig::default() };
    if options.no_simulcast {
        video.layers = video.layers.split_off(2);
        video.layers[0].rid.clear();
    }
    for layer in &mut video.layers {
        layer.bitrate_bps = (layer.bitrate_bps as f64 * options.bitrate_factor) as u64;
    }
    video
}

async fn wait_for_tracks(clients: &[Client], expected: usize, progress: &mut Progress) {
    let deadline = Instant::now() + SETTLE;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    while Instant::now() < deadline {
        look.tick().await;
        let mut flowing = 0;
        for client in clients {
            let Ok(snapshot) = client.snapshot().await else { continue };
            flowing += flowing_tracks(&snapshot);
        }
        progress.show(format_args!("{flowing} of {expected} tracks flow"));
        if flowing >= expected {
            return;
        }
    }
}

pub(crate) fn flowing_tracks(snapshot: &Snapshot) -> usize {
    snapshot.tracks.values().filter(|track| track.frames_decoded > 0).count()
}

async fn wait(time: Duration, what: &str, progress: &mut Progress) {
    let end = tokio::time::Instant::now() + time;
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    while tokio::time::Instant::now() < end {
        let left = (end - tokio::time::Instant::now()).as_secs() + 1;
        progress.show(format_args!("{what}, {left} s left"));
        tokio::select! {
            _ = look.tick() => {}
            () = tokio::time::sleep_until(end) => {}
        }
    }
}
