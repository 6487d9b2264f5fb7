//! What the estimator held true during a run, and why, as CSV: one file a run, one line each 10 ms and flow.

use std::fmt::Write as _;
use std::path::Path;

use parlour_model::Bitrate;

use crate::flow::Plan;
use crate::record::{Record, TICK};
use crate::report::model_name;

fn kbps(rate: Bitrate) -> u64 {
    rate.as_bps() / 1_000
}

/// Writes the trace of one run. Rates in kbit/s, times in milliseconds; `queue_true` is the bottleneck's.
pub fn keep(directory: &Path, plan: &Plan<'_>, record: &Record) -> Result<(), String> {
    let mut out = String::from(
        "at_s,flow,state,reason,capacity,target,pacing,sent,delivered,burst,queue_seen,queue_true,loss,confidence,probe\n",
    );
    for flow in &record.flows {
        let queue = &record.links[flow.bottleneck].queue;
        for (at, point) in &flow.trace {
            let estimate = &point.estimate;
            let waiting = queue.get((at.0 / TICK.0) as usize).copied().unwrap_or(0);
            let _ = writeln!(
                out,
                "{:.3},{},{:?},{},{},{},{},{},{},{},{:.1},{:.1},{:.3},{:.2},{}",
                at.as_seconds(),
                flow.name,
                estimate.state,
                estimate.reason,
                kbps(estimate.capacity),
                kbps(estimate.target),
                kbps(estimate.pacing_rate),
                kbps(point.sent),
                kbps(point.delivered),
                kbps(point.burst_rate),
                point.queue.as_secs_f64() * 1e3,
                f64::from(waiting) / 1e3,
                point.loss,
                estimate.confidence,
                estimate.probe.map_or(0, |probe| probe.id),
            );
        }
    }
    let path = directory.join(format!("{}-{}-{}.csv", plan.scenario.id, model_name(plan.model), plan.seed));
    std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&path, out))
        .map_err(|error| format!("{}: {error}", path.display()))
}
