//! What a load run measured.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::process::ProcessSample;
use super::{LoadOptions, flowing_tracks};
use crate::client::Snapshot;
use crate::media::{Histogram, TrackKind, TrackStats};

/// The result of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadReport {
    /// Sessions wanted.
    pub sessions: u32,
    /// Bots wanted in each.
    pub bots_per_session: u32,
    /// Bots that were in at the end.
    pub joined: usize,
    /// Of them, with media up.
    pub connected: usize,
    /// Seconds measured.
    pub seconds: f64,
    /// Tracks that all bots together should receive.
    pub tracks_expected: usize,
    /// Tracks that they received.
    pub tracks_received: usize,
    /// From the start of a join to its media being possible, in milliseconds.
    pub connect: Latency,
    /// All received microphones.
    pub audio: MediaReport,
    /// All received cameras.
    pub video: MediaReport,
    /// Of the server, if its process was named.
    pub server: Option<ServerUsage>,
    /// CPU time of the bots, in percent of one core. Near the number of cores the bots measure themselves.
    pub client_cpu_percent: f64,
    /// What went wrong with bots, in words.
    pub failures: Vec<String>,
}

/// Durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half were at most this.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
    /// All.
    pub max_ms: f64,
}

impl Latency {
    fn of(histogram: &Histogram) -> Self {
        let ms = |duration: Duration| duration.as_secs_f64() * 1_000.0;
        Self { p50_ms: ms(histogram.quantile(0.5)), p99_ms: ms(histogram.quantile(0.99)), max_ms: ms(histogram.max()) }
    }
}

/// Received tracks of one kind, together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct MediaReport {
    /// Tracks with packets.
    pub tracks: u64,
    /// Packets received.
    pub packets: u64,
    /// Packets that neither came nor were repaired.
    pub missing: u64,
    /// Their share.
    pub loss: f64,
    /// Packets that came behind later ones.
    pub repaired: u64,
    /// Payload bits per second of a track, on average.
    pub bitrate_kbps: f64,
    /// From a packet's making to its arrival.
    pub latency: Latency,
    /// Frames that a decoder could show.
    pub frames_decoded: u64,
    /// Frames that it could not.
    pub frames_broken: u64,
    /// Frames per second of a track, on average.
    pub fps: f64,
    /// Pauses that a viewer would see.
    pub freezes: u64,
    /// Their sum in seconds.
    pub freeze_seconds: f64,
    /// Keyframes.
    pub keyframes: u64,
    /// Share of packets by encoding, from the smallest.
    pub layers: [f64; 3],
    /// Changes of encoding.
    pub layer_switches: u64,
}

/// What the server used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ServerUsage {
    /// CPU time in percent of one core while measuring.
    pub cpu_percent: f64,
    /// CPU time per packet that bots received, in microseconds.
    pub cpu_us_per_packet: f64,
    /// Resident set at the end.
    pub resident_mib: f64,
    /// Growth of the resident set since before the first join, per participant.
    pub resident_kib_per_participant: f64,
}

impl ServerUsage {
    pub(super) fn between(
        base: ProcessSample,
        first: ProcessSample,
        last: ProcessSample,
        time: Duration,
        participants: usize,
        packets: u64,
    ) -> Self {
        let cpu = last.cpu.saturating_sub(first.cpu).as_secs_f64();
        let growth = last.resident_kib.saturating_sub(base.resident_kib);
        Self {
            cpu_percent: cpu / time.as_secs_f64() * 100.0,
            cpu_us_per_packet: cpu * 1e6 / packets.max(1) as f64,
            resident_mib: last.resident_kib as f64 / 1_024.0,
            resident_kib_per_participant: growth as f64 / participants.max(1) as f64,
        }
    }
}

impl LoadReport {
    pub(super) fn of(options: &LoadOptions, snapshots: &[Snapshot], time: Duration, expected: usize) -> Self {
        let mut connect = Histogram::default();
        snapshots.iter().filter_map(|snapshot| snapshot.connected_after).for_each(|after| connect.record(after));
        let is_video = |track: &&TrackStats| track.kind == TrackKind::Video;
        let tracks = || snapshots.iter().flat_map(|snapshot| snapshot.tracks.values());
        Self {
            sessions: options.sessions,
            bots_per_session: options.bots,
            joined: snapshots.iter().filter(|snapshot| snapshot.left.is_none()).count(),
            connected: snapshots.iter().filter(|snapshot| snapshot.connected).count(),
            seconds: time.as_secs_f64(),
            tracks_expected: expected,
            tracks_received: snapshots.iter().map(flowing_tracks).sum(),
            connect: Latency::of(&connect),
            audio: MediaReport::of(tracks().filter(|track| !is_video(track)), time),
            video: MediaReport::of(tracks().filter(is_video), time),
            server: None,
            client_cpu_percent: 0.0,
            failures: Vec::new(),
        }
    }

    /// Packets that all bots received.
    pub fn packets_received(&self) -> u64 {
        self.audio.packets + self.video.packets
    }
}

impl MediaReport {
    fn of<'a>(tracks: impl Iterator<Item = &'a TrackStats>, time: Duration) -> Self {
        let mut report = Self::default();
        let (mut latency, mut bytes, mut layers) = (Histogram::default(), 0, [0u64; 3]);
        for track in tracks.filter(|track| track.packets > 0) {
            report.tracks += 1;
            report.packets += track.packets;
            report.missing += track.missing;
            report.repaired += track.repaired;
            report.frames_decoded += track.frames_decoded;
            report.frames_broken += track.frames_broken;
            report.freezes += track.freezes;
            report.freeze_seconds += track.freeze_time.as_secs_f64();
            report.keyframes += track.keyframes;
            report.layer_switches += track.layer_switches;
            bytes += track.bytes;
            layers.iter_mut().zip(track.layers).for_each(|(sum, count)| *sum += count);
            latency.merge(&track.latency);
        }
        let each = report.tracks.max(1) as f64 * time.as_secs_f64();
        report.loss = report.missing as f64 / (report.packets + report.missing).max(1) as f64;
        report.bitrate_kbps = bytes as f64 * 8.0 / 1_000.0 / each;
        report.fps = report.frames_decoded as f64 / each;
        report.layers = layers.map(|count| count as f64 / report.packets.max(1) as f64);
        report.latency = Latency::of(&latency);
        report
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.sessions * self.bots_per_session;
        writeln!(f, "{} sessions of {}, measured for {:.0} s", self.sessions, self.bots_per_session, self.seconds)?;
        writeln!(f, "  bots      {} of {wanted} in, {} connected", self.joined, self.connected)?;
        writeln!(f, "  connect   p50 {:.0} ms, p99 {:.0} ms", self.connect.p50_ms, self.connect.p99_ms)?;
        writeln!(f, "  tracks    {} of {}", self.tracks_received, self.tracks_expected)?;
        for (name, media) in [("audio", &self.audio), ("video", &self.video)] {
            writeln!(
                f,
                "  {name}     {:.0} kbit/s a track, {:.3} % missing ({} repaired), latency p50 {:.1} ms, p99 {:.1} ms",
                media.bitrate_kbps,
                media.loss * 100.0,
                media.repaired,
                media.latency.p50_ms,
                media.latency.p99_ms
            )?;
        }
        let [low, medium, high] = self.video.layers.map(|share| share * 100.0);
        writeln!(
            f,
            "            {:.1} frames/s, {} broken, {} freezes ({:.1} s), layers q {low:.0} % h {medium:.0} % f {high:.0} %",
            self.video.fps, self.video.frames_broken, self.video.freezes, self.video.freeze_seconds
        )?;
        if let Some(server) = &self.server {
            writeln!(
                f,
                "  server    {:.0} % of a core, {:.1} us a packet, {:.0} MiB, {:.0} KiB a participant",
                server.cpu_percent, server.cpu_us_per_packet, server.resident_mib, server.resident_kib_per_participant
            )?;
        }
        writeln!(f, "  bots' CPU {:.0} % of a core", self.client_cpu_percent)?;
        for failure in self.failures.iter().take(5) {
            writeln!(f, "  failure   {failure}")?;
        }
        match self.failures.len() {
            0..=5 => Ok(()),
            more => writeln!(f, "            and {} more", more - 5),
        }
    }
}
