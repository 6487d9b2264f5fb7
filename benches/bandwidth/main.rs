//! `bandwidth`: our estimator and the opponent over the same virtual lines, side by side (docs/bandwidth/).
#![allow(missing_docs)]
// A program that prints a table.
#![allow(clippy::print_stdout)]

mod controls;
mod flow;
mod gcc;
mod leg;
mod media;
mod metrics;
mod ours;
mod plot;
mod reasons;
mod receiver;
mod record;
mod report;
mod run;
mod scenario;
mod trace;
mod uplinks;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use clap::Parser;

use crate::flow::Plan;
use crate::reasons::Reasons;
use crate::record::Record;
use crate::report::{Report, Row, Values};
use crate::run::{Contestant, Run};
use crate::scenario::{Model, Scenario};

/// Cases of `--subset`, one seed each, ours only: a few seconds.
const SUBSET: [&str; 14] = [
    "B1",
    "B2-right",
    "B3",
    "B4-5",
    "B6-1000",
    "B7",
    "B8",
    "B9-300",
    "B10-short",
    "B11",
    "B11-two",
    "B12-3",
    "B13",
    "B15",
];

/// Compares our bandwidth estimator with GCC over virtual lines.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write an SVG plot for each case, and an index page.
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// Write what our estimator held true, and why, as one CSV file for each run.
    #[arg(long, value_name = "DIR")]
    traces: Option<PathBuf>,
    /// Write the table as Markdown.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// Only cases of this id or group; may be repeated.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Run this file instead of the built-in cases; may be repeated.
    #[arg(long, value_name = "FILE")]
    scenario: Vec<PathBuf>,
    /// A fixed selection, one seed each; fails when a target of the list of met ones is lost.
    #[arg(long)]
    subset: bool,
    /// Fewer seeds than the files say.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Run str0m's own estimator tests through our links instead, and nothing else.
    #[arg(long)]
    controls: bool,
    /// Only ours: for work on the estimator.
    #[arg(long)]
    ours: bool,
    /// Runs at the same time.
    #[arg(long, default_value_t = 2, value_name = "N")]
    jobs: usize,
}

impl Arguments {
    /// Whether the table is one to publish: built-in cases, both contestants, all seeds. Its reasons must be right.
    fn is_judged(&self) -> bool {
        self.scenario.is_empty() && !self.subset && !self.ours && self.seeds.is_none()
    }
}

/// One run to do.
struct Job {
    case: usize,
    contestant: Contestant,
    seed: u64,
}

struct Case {
    scenario: Scenario,
    model: Model,
    contestants: Vec<Contestant>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    str0m::crypto::from_feature_flags().install_process_default();
    let result = if arguments.controls { controls::run() } else { compare(&arguments) };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bandwidth: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare(arguments: &Arguments) -> Result<bool, String> {
    let begun = Instant::now();
    let cases = cases(arguments)?;
    let mut jobs = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for &contestant in &case.contestants {
            jobs.extend((1..=case.scenario.seeds).map(|seed| Job { case: index, contestant, seed }));
        }
    }
    let results = run_all(&cases, &jobs, arguments)?;
    let rows = cases.iter().enumerate().map(|(index, case)| row(index, case, &jobs, &results)).collect();
    let mut report = Report::new(rows, begun.elapsed().as_secs_f64());
    let reasons = Reasons::built_in()?;
    reasons.explain(&mut report);
    println!("{}", report.table());
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &arguments.table {
        std::fs::write(path, report.table()).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(directory) = &arguments.plots {
        plot::index(directory, &report)?;
    }
    let faults = if arguments.is_judged() { reasons.faults(&report, arguments.only.is_empty()) } else { Vec::new() };
    faults.iter().for_each(|fault| println!("{fault}"));
    Ok(faults.is_empty() && (!arguments.subset || subset_holds(&report)))
}

fn cases(arguments: &Arguments) -> Result<Vec<Case>, String> {
    let built_in = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/bandwidth/scenarios"));
    let mut files = arguments.scenario.clone();
    if files.is_empty() {
        let entries = std::fs::read_dir(&built_in).map_err(|error| format!("{}: {error}", built_in.display()))?;
        files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    }
    let mut scenarios = files.iter().map(|path| Scenario::read(path)).collect::<Result<Vec<_>, _>>()?;
    scenarios.sort_by_key(|scenario| (order(scenario.group()), scenario.id.clone()));
    let wanted = |s: &Scenario| arguments.only.iter().any(|only| *only == s.id || *only == s.group());
    scenarios.retain(|s| arguments.only.is_empty() || wanted(s));
    scenarios.retain(|s| !arguments.subset || SUBSET.contains(&s.id.as_str()));
    let mut cases = Vec::new();
    for mut scenario in scenarios {
        scenario.seeds = if arguments.subset { 1 } else { scenario.seeds.min(arguments.seeds.unwrap_or(u64::MAX)) };
        for &model in &scenario.models {
            let contestants = contestants(&scenario, arguments);
            cases.push(Case { scenario: scenario.clone(), model, contestants });
        }
    }
    if cases.is_empty() { Err("no such case".into()) } else { Ok(cases) }
}

/// `B2` before `B10`, `R` last.
fn order(group: &str) -> (bool, u32) {
    (group.starts_with('R'), group[1..].parse().unwrap_or(0))
}

fn contestants(scenario: &Scenario, arguments: &Arguments) -> Vec<Contestant> {
    if arguments.ours || arguments.subset {
        return vec![Contestant::Ours];
    }
    let mut all = vec![Contestant::Ours, Contestant::Gcc(300e3), Contestant::Gcc(1e6)];
    all.extend(scenario.flow.iter().find_map(|flow| flow.hint_mbps).map(|hint| Contestant::Gcc(hint * 1e6)));
    all
}

/// The value of each target of the job's scenario.
type Measured = Vec<Option<f64>>;

fn run_all(cases: &[Case], jobs: &[Job], arguments: &Arguments) -> Result<Vec<Measured>, String> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Measured, String>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(index) else { return };
                    let result = run_one(&cases[job.case], job, arguments);
                    if let Ok(mut results) = results.lock() {
                        results[index] = Some(result);
                    }
                    if index % 50 == 49 {
                        eprintln!("{} of {} runs", index + 1, jobs.len());
                    }
                }
            });
        }
    });
    let results = results.into_inner().map_err(|_| "a run failed")?;
    results.into_iter().map(|result| result.unwrap_or_else(|| Err("a run failed".into()))).collect()
}

fn run_one(case: &Case, job: &Job, arguments: &Arguments) -> Result<Measured, String> {
    let plan = Plan { scenario: &case.scenario, model: case.model, seed: job.seed };
    let tracing = arguments.traces.as_ref().filter(|_| job.contestant == Contestant::Ours);
    let record = Run::new(plan, job.contestant, tracing.is_some()).finish()?;
    if let Some(directory) = tracing {
        trace::keep(directory, &plan, &record)?;
    }
    if let Some(directory) = arguments.plots.as_ref().filter(|_| job.seed == 1) {
        plot::keep(directory, &case.scenario, case.model, job.contestant, &record)?;
    }
    Ok(measure(case, &record))
}

fn measure(case: &Case, record: &Record) -> Measured {
    let applies = |target: &scenario::Target| target.model.is_none_or(|model| model == case.model);
    let targets = case.scenario.target.iter();
    targets.map(|t| applies(t).then(|| metrics::measure(&case.scenario, t, record)).flatten()).collect()
}

fn row(index: usize, case: &Case, jobs: &[Job], results: &[Measured]) -> Row {
    let mut row = Row::new(&case.scenario, case.model);
    for (number, target) in case.scenario.target.iter().enumerate() {
        if target.model.is_some_and(|model| model != case.model) {
            continue;
        }
        let of = |contestant: Contestant| -> Vec<f64> {
            let runs = jobs.iter().zip(results).filter(|(job, _)| job.case == index && job.contestant == contestant);
            runs.filter_map(|(_, measured)| measured[number]).collect()
        };
        let gcc = case.contestants.iter().filter(|c| **c != Contestant::Ours).map(|&c| of(c)).collect();
        row.metrics.insert(report::name(target), report::figure(target, &Values { ours: of(Contestant::Ours), gcc }));
    }
    row
}

/// Targets that were met once and must stay so: `benches/bandwidth/met.txt`, one `id model metric` a line.
fn subset_holds(report: &Report) -> bool {
    let mut holds = true;
    for line in include_str!("met.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut words = line.splitn(3, ' ');
        let (id, model, metric) = (words.next(), words.next(), words.next());
        let row = report.scenarios.iter().find(|row| Some(row.id.as_str()) == id && Some(row.model.as_str()) == model);
        let met = row.and_then(|row| row.metrics.get(metric?)).and_then(|figure| figure.met);
        if met != Some(true) {
            println!("lost: {line}");
            holds = false;
        }
    }
    holds
}
