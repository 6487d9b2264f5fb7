//! Figures into a table, JSON and a verdict.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::{Better, better, percentile};
use crate::scenario::{Model, Scenario, Target};

/// Not worse by more than this share is not worse; below the second value, absolute, nothing is.
const WORSE: f64 = 0.02;
/// Clearly better: this share less queue, delay or freezes, or this many points of use.
const CLEARLY: f64 = 0.2;
const POINTS: f64 = 3.0;

#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    pub ours: Option<f64>,
    pub ours_worst: Option<f64>,
    /// The better start of the two (with a hint: three).
    pub gcc: Option<f64>,
    pub target: Option<String>,
    pub better: &'static str,
    pub met: Option<bool>,
    pub main: bool,
    /// Why it is missed, or worse than the opponent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip)]
    pub clearly_better: bool,
    #[serde(skip)]
    pub worse: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub id: String,
    pub group: String,
    pub title: String,
    pub model: String,
    pub seed_count: u64,
    pub metrics: BTreeMap<String, Figure>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub met: u32,
    pub missed: u32,
    /// B groups with a clearly better queue, recovery, freezes or use.
    pub clearly_better: Vec<String>,
    /// Of them, those in which no main metric is worse.
    pub clearly_better_and_never_worse: Vec<String>,
    /// Main metrics on which ours is worse by more than 2 %.
    pub worse_than_gcc: Vec<String>,
    pub seconds: f64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub scenarios: Vec<Row>,
    pub summary: Summary,
}

/// Values of one target over the seeds, per contestant.
pub struct Values {
    pub ours: Vec<f64>,
    pub gcc: Vec<Vec<f64>>,
}

fn median(values: &[f64]) -> Option<f64> {
    percentile(values.to_vec(), 0.5)
}

fn best_of(direction: Better, values: impl Iterator<Item = f64>) -> Option<f64> {
    match direction {
        Better::Higher => values.reduce(f64::max),
        _ => values.reduce(f64::min),
    }
}

pub fn figure(target: &Target, values: &Values) -> Figure {
    let direction = better(&target.metric);
    let ours = median(&values.ours);
    let gcc = best_of(direction, values.gcc.iter().filter_map(|runs| median(runs)));
    let worst = match direction {
        Better::Higher => values.ours.iter().copied().reduce(f64::min),
        _ => values.ours.iter().copied().reduce(f64::max),
    };
    let (worse, clearly_better) = match (ours, gcc) {
        (Some(ours), Some(gcc)) => compare(target, direction, ours, gcc),
        _ => (false, false),
    };
    Figure {
        ours,
        ours_worst: worst,
        gcc,
        target: wish(target),
        better: match direction {
            Better::Higher => "higher",
            Better::Lower => "lower",
            Better::Neither => "neither",
        },
        met: ours.and_then(|ours| met(target, ours, gcc)),
        main: target.main,
        reason: None,
        clearly_better,
        worse,
    }
}

fn wish(target: &Target) -> Option<String> {
    if let Some((low, high)) = target.between {
        return Some(format!("{low}..{high}"));
    }
    let least = target.at_least.map(|v| format!(">= {v}"));
    let most = target.at_most.map(|v| format!("<= {v}"));
    let ratio_least = target.gcc_ratio_at_least.map(|v| format!(">= {v} x GCC"));
    let ratio_most = target.gcc_ratio_at_most.map(|v| format!("<= {v} x GCC"));
    least.or(most).or(ratio_least).or(ratio_most)
}

fn met(target: &Target, ours: f64, gcc: Option<f64>) -> Option<bool> {
    wish(target)?;
    let ratio = gcc.map(|gcc| ours / gcc.max(1e-9));
    Some(
        target.at_least.is_none_or(|bound| ours >= bound)
            && target.at_most.is_none_or(|bound| ours <= bound + 1e-9)
            && target.between.is_none_or(|(low, high)| ours >= low && ours <= high)
            && target.gcc_ratio_at_least.is_none_or(|bound| ratio.is_some_and(|ratio| ratio >= bound))
            && target.gcc_ratio_at_most.is_none_or(|bound| ratio.is_some_and(|ratio| ratio <= bound)),
    )
}

fn compare(target: &Target, direction: Better, ours: f64, gcc: f64) -> (bool, bool) {
    let in_points = target.metric.ends_with("_pct");
    match direction {
        Better::Higher if in_points => (ours < gcc * (1.0 - WORSE), ours >= gcc + POINTS),
        Better::Higher => (ours < gcc * (1.0 - WORSE), ours >= gcc * (1.0 + CLEARLY)),
        // Differences below a frame, 5 ms of queue or a tenth of a freeze are noise.
        Better::Lower => {
            let counts = ["queue", "rise", "picture", "fall", "drained", "freeze", "audio_back"];
            let counts = counts.iter().any(|name| target.metric.starts_with(name));
            let noise = match target.metric.as_str() {
                metric if metric.ends_with("_ms") => 5.0,
                metric if metric.ends_with("_s") => 0.033,
                _ => 0.1,
            };
            (ours > gcc * (1.0 + WORSE) + noise, counts && ours <= gcc * (1.0 - CLEARLY) && gcc - ours > noise)
        }
        Better::Neither => (false, false),
    }
}

/// The name of a figure: the metric and what sets it apart.
pub fn name(target: &Target) -> String {
    let mut name = target.metric.clone();
    if let Some(flow) = &target.flow {
        name += &format!("({flow})");
    }
    if let Some(from) = target.from_s.filter(|&from| from > 5.0) {
        name += &format!("@{from}");
    }
    name
}

pub fn model_name(model: Model) -> &'static str {
    match model {
        Model::M1 => "M1",
        Model::M2 => "M2",
    }
}

impl Row {
    pub fn new(scenario: &Scenario, model: Model) -> Self {
        Self {
            id: scenario.id.clone(),
            group: scenario.group().to_string(),
            title: scenario.title.clone(),
            model: model_name(model).into(),
            seed_count: scenario.seeds,
            metrics: BTreeMap::new(),
        }
    }
}

impl Report {
    pub fn new(scenarios: Vec<Row>, seconds: f64) -> Self {
        let mut summary = Summary { seconds, ..Summary::default() };
        let mut groups: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
        for row in &scenarios {
            for (name, figure) in &row.metrics {
                match figure.met {
                    Some(true) => summary.met += 1,
                    Some(false) => summary.missed += 1,
                    None => {}
                }
                let group = groups.entry(&row.group).or_default();
                group.0 |= figure.clearly_better;
                if figure.main && figure.worse {
                    group.1 = true;
                    summary.worse_than_gcc.push(format!("{} {} {name}", row.id, row.model));
                }
            }
        }
        summary.clearly_better = groups
            .iter()
            .filter(|(group, (clearly, _))| *clearly && **group != "R")
            .map(|(g, _)| (*g).into())
            .collect();
        let clean = |group: &&String| groups.get(group.as_str()).is_some_and(|(_, worse)| !worse);
        summary.clearly_better_and_never_worse = summary.clearly_better.iter().filter(clean).cloned().collect();
        Self { scenarios, summary }
    }

    /// A Markdown table.
    pub fn table(&self) -> String {
        let mut out = String::from(
            "| case | model | metric | ours | worst | GCC | target | | why |\n|---|---|---|--:|--:|--:|---|---|---|\n",
        );
        let show = |value: Option<f64>| match value {
            None => "-".into(),
            Some(v) if v.abs() >= 100.0 => format!("{v:.0}"),
            Some(v) if v.abs() >= 10.0 => format!("{v:.1}"),
            Some(v) => format!("{v:.2}"),
        };
        for row in &self.scenarios {
            for (name, figure) in &row.metrics {
                let mut marks = Vec::new();
                marks.extend(figure.met.map(|met| if met { "met" } else { "MISSED" }));
                marks.extend((figure.main && figure.worse).then_some("WORSE"));
                marks.extend(figure.clearly_better.then_some("better"));
                out += &format!(
                    "| {} | {} | {name}{} | {} | {} | {} | {} | {} | {} |\n",
                    row.id,
                    row.model,
                    if figure.main { " *" } else { "" },
                    show(figure.ours),
                    show(figure.ours_worst),
                    show(figure.gcc),
                    figure.target.clone().unwrap_or_default(),
                    marks.join(", "),
                    figure.reason.as_deref().unwrap_or_default(),
                );
            }
        }
        let s = &self.summary;
        out += &format!(
            "\nTargets met: {}, missed: {}. Clearly better than GCC in {} of the B groups: {}; and in no \
             main metric worse in {} of them. Main metrics worse by more \
             than 2 %: {}{}.\n",
            s.met,
            s.missed,
            s.clearly_better.len(),
            s.clearly_better.join(", "),
            s.clearly_better_and_never_worse.len(),
            s.worse_than_gcc.len(),
            if s.worse_than_gcc.is_empty() { String::new() } else { format!(" ({})", s.worse_than_gcc.join("; ")) },
        );
        out
    }
}
