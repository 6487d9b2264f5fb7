//! `--trace-dir`: what is estimated of the lines of one session, five times a second, one CSV file for each stay. Numbers
//! only: no media, and no name but the stay's random one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use parlour_engine::EngineHandle;
use parlour_model::command::LineTrace;
use parlour_model::{Command, ParticipantSid, Reply, SessionId};

/// As RFC 8867 logs.
const INTERVAL: Duration = Duration::from_millis(200);

/// Stays that are written of: a long session with many returns. Later ones are not.
const MAX_FILES: usize = 200;

const HEADER: &str = "seconds,capacity_bps,target_bps,sent_bps,delivered_bps,queue_ms,loss,state";

/// Writes until the folder cannot be written to. A session that is not there (yet) is waited for.
pub(crate) async fn write(engine: EngineHandle, folder: PathBuf, session: SessionId) {
    if let Err(error) = fs::create_dir_all(&folder) {
        return tracing::error!(%error, "no traces: the folder cannot be made");
    }
    let mut files = BTreeMap::new();
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let Ok(Reply::Lines(lines)) = engine.request(&session, Command::TraceLines).await else { continue };
        for line in lines {
            if let Err(error) = append(&mut files, &folder, &line) {
                return tracing::error!(%error, "traces end: they cannot be written");
            }
        }
    }
}

fn append(files: &mut BTreeMap<ParticipantSid, File>, folder: &std::path::Path, line: &LineTrace) -> io::Result<()> {
    if !files.contains_key(&line.participant) {
        if files.len() >= MAX_FILES {
            return Ok(());
        }
        let mut file = File::create(folder.join(format!("{}.csv", line.participant.as_str())))?;
        writeln!(file, "{HEADER}")?;
        files.insert(line.participant.clone(), file);
    }
    let Some(file) = files.get_mut(&line.participant) else { return Ok(()) };
    let LineTrace { at, capacity, target, sent, delivered, queue, loss, state, .. } = line;
    let [capacity, target, sent, delivered] = [capacity, target, sent, delivered].map(|rate| rate.as_bps());
    let (seconds, queue) = (at.as_secs_f64(), queue.as_secs_f64() * 1e3);
    writeln!(file, "{seconds:.3},{capacity},{target},{sent},{delivered},{queue:.1},{loss:.4},{state}")
}
