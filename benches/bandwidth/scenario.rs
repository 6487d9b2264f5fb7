//! Scenario files (docs/bandwidth/schema.md) into typed scenarios, and their links.

use std::path::Path;

use parlour_simnet::{
    Discipline, LinkConfig, Loss, Micros, Policer, QueueConfig, Random, RateSchedule, TcpAlgorithm, TcpConfig, TcpLoad,
};
use serde::Deserialize;

/// A media model.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Model {
    /// Elastic, RFC 8593.
    M1,
    /// Ladder of three encodings.
    M2,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Down,
    Up,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub id: String,
    group: Option<String>,
    pub title: String,
    pub duration_s: f64,
    pub seeds: u64,
    pub models: Vec<Model>,
    pub home: Vec<Home>,
    pub flow: Vec<Flow>,
    #[serde(default)]
    pub tcp: Vec<Tcp>,
    #[serde(default)]
    pub target: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Home {
    pub name: String,
    pub down: Access,
    pub up: Access,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    pub rate_mbps: Option<f64>,
    pub steps_mbps: Option<Vec<(f64, f64)>>,
    pub cellular: Option<Cellular>,
    #[serde(default)]
    pub delay_ms: f64,
    pub queue_ms: Option<f64>,
    #[serde(default)]
    pub codel: bool,
    #[serde(default)]
    pub jitter_ms: f64,
    pub loss: Option<LossSpec>,
    pub policer: Option<PolicerSpec>,
    #[serde(default)]
    pub outages_s: Vec<(f64, f64)>,
    #[serde(default)]
    pub stalls: Vec<Stall>,
    #[serde(default)]
    pub reorder: f64,
    pub reorder_ms: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cellular {
    pub mean_mbps: f64,
    pub p5_mbps: f64,
    pub p95_mbps: f64,
    pub longest_gap_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum LossSpec {
    Bernoulli { probability: f64 },
    Bursts { good_ms: f64, bad_ms: f64, loss_in_bad: f64 },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicerSpec {
    pub rate_mbps: f64,
    pub burst_kb: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    pub every_s: f64,
    pub shortest_ms: f64,
    pub longest_ms: f64,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn demand() -> f64 {
    4.0
}

fn weight() -> f64 {
    1.0
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    pub name: String,
    pub home: String,
    #[serde(default)]
    pub direction: Direction,
    #[serde(default)]
    pub from_s: f64,
    pub until_s: Option<f64>,
    pub video_s: Option<Vec<(f64, f64)>>,
    #[serde(default)]
    pub dtx_s: Vec<(f64, f64)>,
    #[serde(default = "demand")]
    pub demand_mbps: f64,
    #[serde(default = "one")]
    pub pictures: usize,
    #[serde(default = "weight")]
    pub priority: f64,
    #[serde(default)]
    pub independent: bool,
    pub hint_mbps: Option<f64>,
    #[serde(default)]
    pub extra_delay_ms: f64,
    #[serde(default)]
    pub through: Vec<String>,
    #[serde(default)]
    pub skew_ppm: i64,
    #[serde(default)]
    pub feedback_loss: f64,
    #[serde(default = "yes")]
    pub audio_feedback: bool,
    #[serde(default)]
    pub publisher_loss: f64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tcp {
    pub home: String,
    #[serde(default)]
    pub direction: Direction,
    pub algorithm: String,
    pub load: String,
    pub from_s: f64,
    pub until_s: f64,
    pub on_s: Option<f64>,
    pub every_s: Option<f64>,
    #[serde(default)]
    pub starts_on: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub metric: String,
    pub model: Option<Model>,
    pub at_least: Option<f64>,
    pub at_most: Option<f64>,
    pub between: Option<(f64, f64)>,
    pub from_s: Option<f64>,
    pub until_s: Option<f64>,
    pub flow: Option<String>,
    pub level: Option<f64>,
    pub layer: Option<u8>,
    pub capacity_mbps: Option<f64>,
    pub gcc_ratio_at_least: Option<f64>,
    pub gcc_ratio_at_most: Option<f64>,
    #[serde(default)]
    pub main: bool,
}

impl Scenario {
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let scenario: Self = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        scenario.check().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let known = |name: &String| self.home.iter().any(|home| home.name == *name);
        for flow in &self.flow {
            if !known(&flow.home) || !flow.through.iter().all(known) {
                return Err(format!("flow {}: no such home", flow.name));
            }
        }
        match self.tcp.iter().find(|tcp| !known(&tcp.home)) {
            Some(_) => Err("tcp: no such home".into()),
            None if self.flow.is_empty() || self.models.is_empty() || self.seeds == 0 => Err("nothing to run".into()),
            None => Ok(()),
        }
    }

    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.id)
    }
}

impl Flow {
    pub fn until(&self, scenario: &Scenario) -> f64 {
        self.until_s.unwrap_or(scenario.duration_s)
    }

    pub fn camera_on(&self, at: f64) -> bool {
        self.video_s.as_ref().is_none_or(|spans| spans.iter().any(|&(from, until)| from <= at && at < until))
    }

    pub fn dtx(&self, at: f64) -> bool {
        self.dtx_s.iter().any(|&(from, until)| from <= at && at < until)
    }
}

fn bps(mbps: f64) -> u64 {
    (mbps * 1e6) as u64
}

fn span(&(from, until): &(f64, f64)) -> (Micros, Micros) {
    (Micros::seconds(from), Micros::seconds(until))
}

impl Access {
    /// The link; what is random in its schedule comes from `random`.
    pub fn link(&self, duration_s: f64, extra_delay_ms: f64, random: &mut Random) -> LinkConfig {
        let schedule = self.schedule(duration_s, random);
        let reference = match (&self.cellular, &schedule) {
            (Some(cellular), _) => bps(cellular.mean_mbps),
            (None, Some(schedule)) => schedule.first_rate(),
            (None, None) => 0,
        };
        let stalls = self.stalls(duration_s, random);
        let discipline = if self.codel { Discipline::CoDel } else { Discipline::DropTail };
        LinkConfig {
            rate: schedule.map(|schedule| schedule.with_stalls(&stalls)),
            delay: Micros((1e3 * (self.delay_ms + extra_delay_ms)) as u64),
            queue: QueueConfig {
                bytes: ((reference as f64 / 8e3 * self.queue_ms.unwrap_or(200.0)) as u64).max(3_000),
                discipline,
            },
            jitter: Micros((1e3 * self.jitter_ms) as u64),
            loss: match &self.loss {
                None => Loss::None,
                Some(LossSpec::Bernoulli { probability }) => Loss::Bernoulli(*probability),
                Some(LossSpec::Bursts { good_ms, bad_ms, loss_in_bad }) => Loss::GilbertElliott {
                    good: Micros((1e3 * good_ms) as u64),
                    bad: Micros((1e3 * bad_ms) as u64),
                    loss_in_good: 0.0,
                    loss_in_bad: *loss_in_bad,
                },
            },
            policer: self
                .policer
                .as_ref()
                .map(|policer| Policer { rate: bps(policer.rate_mbps), burst: (policer.burst_kb * 1e3) as u64 }),
            outages: self.outages_s.iter().map(span).collect(),
            reorder: self.reorder,
            reorder_delay: Micros((1e3 * self.reorder_ms.unwrap_or(5.0)) as u64),
            duplicate: 0.0,
        }
    }

    fn schedule(&self, duration_s: f64, random: &mut Random) -> Option<RateSchedule> {
        if let Some(cellular) = &self.cellular {
            return Some(cellular.schedule(duration_s, random));
        }
        if let Some(steps) = &self.steps_mbps {
            return Some(RateSchedule::from_steps(steps.iter().map(|&(at, rate)| (Micros::seconds(at), bps(rate)))));
        }
        self.rate_mbps.map(|rate| RateSchedule::constant(bps(rate)))
    }

    fn stalls(&self, duration_s: f64, random: &mut Random) -> Vec<(Micros, Micros)> {
        let mut spans = Vec::new();
        for stall in &self.stalls {
            let mut at = random.exponential(Micros::seconds(stall.every_s));
            while at < Micros::seconds(duration_s) {
                let length = Micros((1e3 * random.uniform(stall.shortest_ms, stall.longest_ms + 0.001)) as u64);
                spans.push((at, at + length));
                at = at + length + random.exponential(Micros::seconds(stall.every_s));
            }
        }
        spans.sort();
        // Overlaps would let the first one's end resume service within the second.
        let mut merged: Vec<(Micros, Micros)> = Vec::new();
        for (from, until) in spans {
            match merged.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(until),
                _ => merged.push((from, until)),
            }
        }
        merged
    }
}

impl Cellular {
    /// A log-normal rate with memory (0.2 s steps, correlation time about 3 s) cut to its percentiles, with rare gaps.
    fn schedule(&self, duration_s: f64, random: &mut Random) -> RateSchedule {
        // Skewed downwards: the upper quarter of the normal is compressed so that p5, mean and p95 come near the wish.
        let (low, high) = (self.p5_mbps.ln(), self.p95_mbps.ln());
        let mut x = 0.5;
        let mut steps = Vec::new();
        let count = (duration_s / 0.2) as u64;
        for step in 0..count {
            x = 0.935 * x + 0.355 * random.normal();
            let place = (0.5 + x / 3.29).clamp(-0.1, 1.1);
            let warped = 1.0 - (1.0 - place.clamp(0.0, 1.1)).max(0.0).powf(2.2);
            let rate = (low + (high - low) * warped).exp();
            steps.push((Micros::millis(step * 200), rate));
        }
        let mean = steps.iter().map(|step| step.1).sum::<f64>() / count.max(1) as f64;
        let scale = self.mean_mbps / mean;
        let gap_from = random.uniform(0.3, 0.8) * duration_s;
        let gap_until = gap_from + self.longest_gap_s * random.uniform(0.4, 1.0);
        RateSchedule::from_steps(steps.into_iter().map(|(at, rate)| {
            let gone = at.as_seconds() >= gap_from && at.as_seconds() < gap_until;
            (at, if gone { 0 } else { bps(rate * scale) })
        }))
    }
}

impl Tcp {
    pub fn config(&self) -> TcpConfig {
        let load = match self.load.as_str() {
            "pulses" => TcpLoad::Pulses {
                on: Micros::seconds(self.on_s.unwrap_or(4.0)),
                every: Micros::seconds(self.every_s.unwrap_or(8.0)),
            },
            "files" => TcpLoad::Files {
                smallest: 30_000,
                largest: 50_000,
                idle_mean: Micros::millis(10_000),
                starts_on: self.starts_on,
            },
            _ => TcpLoad::Bulk,
        };
        let algorithm = if self.algorithm == "reno" { TcpAlgorithm::Reno } else { TcpAlgorithm::Cubic };
        TcpConfig { algorithm, load, from: Micros::seconds(self.from_s), until: Micros::seconds(self.until_s) }
    }
}
