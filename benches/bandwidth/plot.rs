//! One SVG a case: rates, queue and layer over time, ours above, the opponent below; and an index page.

use std::fmt::Write as _;
use std::path::Path;

use crate::record::{Record, TICK};
use crate::report::{Report, model_name};
use crate::run::Contestant;
use crate::scenario::{Direction, Model, Scenario};

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 180.0;
const MARGIN: f64 = 50.0;
/// Samples of 5 ms in one plotted point.
const STEP: usize = 40;
const COLOURS: [&str; 6] = ["#0b6e4f", "#c1440e", "#2a4d9b", "#8d5a97", "#7a6c00", "#444444"];

fn file(scenario: &Scenario, model: Model, contestant: Contestant) -> String {
    let who = match contestant {
        Contestant::Ours => "ours".to_string(),
        Contestant::Gcc(start) => format!("gcc{}", (start / 1e3) as u64),
    };
    format!("{}-{}-{who}.svg", scenario.id, model_name(model))
}

struct Panel {
    top: f64,
    most: f64,
    duration: f64,
}

impl Panel {
    fn point(&self, at: f64, value: f64) -> (f64, f64) {
        let x = MARGIN + (WIDTH - MARGIN - 10.0) * at / self.duration;
        (x, self.top + HEIGHT - 20.0 - (HEIGHT - 30.0) * (value / self.most).min(1.0))
    }

    fn line(&self, out: &mut String, values: &[(f64, f64)], colour: &str, width: f64) {
        let mut points = String::new();
        for &(at, value) in values {
            let (x, y) = self.point(at, value);
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        let _ = writeln!(
            out,
            r#"<polyline fill="none" stroke="{colour}" stroke-width="{width}" points="{}"/>"#,
            points.trim_end()
        );
    }

    fn frame(&self, out: &mut String, label: &str, unit: &str) {
        for share in [0.0, 0.5, 1.0] {
            let (x, y) = self.point(0.0, self.most * share);
            let value = self.most * share;
            let _ = writeln!(out, r##"<line x1="{x}" y1="{y:.1}" x2="{}" y2="{y:.1}" stroke="#ddd"/>"##, WIDTH - 10.0);
            let _ = writeln!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{value:.1}</text>"#, x - 4.0, y + 4.0);
        }
        for tenth in 0..=10 {
            let at = self.duration * f64::from(tenth) / 10.0;
            let (x, _) = self.point(at, 0.0);
            let y = self.top + HEIGHT - 6.0;
            let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="middle">{at:.0} s</text>"#);
        }
        let _ = writeln!(out, r#"<text x="{MARGIN}" y="{:.1}">{label} ({unit})</text>"#, self.top + 8.0);
    }
}

/// Writes the plot of one run.
pub fn keep(
    directory: &Path,
    scenario: &Scenario,
    model: Model,
    contestant: Contestant,
    record: &Record,
) -> Result<(), String> {
    let path = directory.join(file(scenario, model, contestant));
    let text = draw(scenario, record);
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn draw(scenario: &Scenario, record: &Record) -> String {
    let mut out = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {}" font-family="sans-serif" font-size="11">"#,
        3.0 * HEIGHT
    );
    out.push('\n');
    let duration = scenario.duration_s;
    let down: Vec<_> = record.flows.iter().filter(|flow| flow.direction == Direction::Down).collect();
    let link = down.first().map(|flow| &record.links[flow.bottleneck]);
    let seconds = |index: usize| index as f64 * TICK.as_seconds();
    let capacity: Vec<(f64, f64)> = link.and_then(|link| link.config.rate.as_ref()).map_or_else(Vec::new, |rate| {
        let points = (0..(duration * 5.0) as u64).map(|fifth| fifth * 200);
        points.map(|ms| (ms as f64 / 1e3, rate.rate_at(parlour_simnet::Micros::millis(ms)) as f64 / 1e6)).collect()
    });
    let most = capacity.iter().map(|point| point.1).fold(1.0, f64::max).min(10.0) * 1.25;
    let rates = Panel { top: 0.0, most, duration };
    rates.frame(&mut out, "capacity (grey), target (thin), received (thick)", "Mbit/s");
    rates.line(&mut out, &capacity, "#999999", 1.5);
    for (flow, colour) in down.iter().zip(COLOURS) {
        let starts = (0..flow.samples.len().saturating_sub(STEP)).step_by(STEP);
        let sent = starts.clone().map(|i| {
            let bytes = flow.samples[i + STEP].arrived - flow.samples[i].arrived;
            (seconds(i + STEP), bytes as f64 * 8.0 / (STEP as f64 * TICK.as_seconds()) / 1e6)
        });
        rates.line(&mut out, &sent.collect::<Vec<_>>(), colour, 1.6);
        let target = starts.map(|i| (seconds(i), flow.samples[i].target / 1e6));
        rates.line(&mut out, &target.collect::<Vec<_>>(), colour, 0.6);
    }
    let queue = link.map_or(&[][..], |link| &link.queue[..]);
    let queue: Vec<(f64, f64)> = queue
        .chunks(STEP / 4)
        .enumerate()
        .map(|(i, part)| (seconds(i * STEP / 4), f64::from(part.iter().copied().max().unwrap_or(0)) / 1e3))
        .collect();
    let most = queue.iter().map(|point| point.1).fold(50.0, f64::max);
    let panel = Panel { top: HEIGHT, most, duration };
    panel.frame(&mut out, "queue", "ms");
    panel.line(&mut out, &queue, "#2a4d9b", 1.0);
    let panel = Panel { top: 2.0 * HEIGHT, most: 3.0, duration };
    panel.frame(&mut out, "layer of decoded frames + 1 (0: none for 200 ms)", "rung");
    for (flow, colour) in down.iter().zip(COLOURS) {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for frame in flow.player.frames.iter().filter(|frame| frame.stream == 1) {
            let (at, value) = (frame.at.as_seconds(), f64::from(frame.layer) + 1.0);
            if let Some(&(last, before)) = points.last() {
                if at - last > 0.2 {
                    points.extend([(last + 0.05, 0.0), (at, 0.0)]);
                } else if before != value {
                    points.push((at, before));
                } else if at - last < 0.15 {
                    continue;
                }
            }
            points.push((at, value));
        }
        panel.line(&mut out, &points, colour, 1.2);
    }
    out += "</svg>\n";
    out
}

/// Writes the index page of a directory of plots.
pub fn index(directory: &Path, report: &Report) -> Result<(), String> {
    let mut out = String::from(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Bandwidth bench</title>\n\
         <style>body{font:14px sans-serif;max-width:1850px;margin:1em auto}img{width:49%}</style>\n\
         <h1>Bandwidth bench</h1>\n<p>Ours left, GCC (start 300 kbit/s) right; seed 1.</p>\n",
    );
    for row in &report.scenarios {
        let _ = writeln!(out, "<h2 id=\"{0}-{1}\">{0} {1}: {2}</h2>", row.id, row.model, row.title);
        for who in ["ours", "gcc300"] {
            let _ = writeln!(out, "<img loading=\"lazy\" src=\"{}-{}-{who}.svg\" alt=\"{who}\">", row.id, row.model);
        }
    }
    let path = directory.join("index.html");
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, out))
        .map_err(|error| format!("{}: {error}", path.display()))
}
