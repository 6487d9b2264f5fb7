//! kill -9 in the middle of writing, again and again: what was acknowledged is there, and the chain is whole.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use parlour_model::session::SessionPhase;
use parlour_store::{Action, Store, StoreError};

use crate::stage::{NOW, change, record, session, snapshot};

const FILE: &str = "PARLOUR_STORE_CRASH_FILE";
const ROUNDS: &str = "PARLOUR_STORE_CRASH_ROUNDS";

/// Not a test by itself: the process that is killed. Each acknowledged command is a line with its number.
#[test]
fn writes_until_killed() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let mut store = Store::open(Path::new(&path)).unwrap();
    let mut out = std::io::stdout();
    let done = store.session(&"s".into()).unwrap().snapshot.map_or(0, |snapshot| snapshot.next_check_in);
    for number in done + 1.. {
        let mut now = snapshot(SessionPhase::Live, 4);
        now.next_check_in = number;
        let written: Result<(), StoreError> = store.change(|change| {
            change.save_snapshot(&"s".into(), &now, NOW)?;
            change.emit(&"s".into(), "check_in.started", "{}", NOW)?;
            change.audit(&record(Action::CheckInStarted, Some("s"))).map(drop)
        });
        written.unwrap();
        writeln!(out, "ack {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn a_kill_at_any_point_loses_no_acknowledged_command() {
    // 200 in the release checks; fewer where every test runs.
    let rounds: u32 = std::env::var(ROUNDS).ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(25);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    change(&mut Store::open(&path).unwrap(), |change| change.create_session(&session("s")));
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let acknowledged = killed_after(&path, 1 + round * 17 % 40, u64::from(round) * 1_237 % 4_000);
        let started = Instant::now();
        let store = Store::open(&path).unwrap();
        let kept = store.session(&"s".into()).unwrap().snapshot.unwrap();
        slowest = slowest.max(started.elapsed());

        let last = kept.next_check_in;
        assert!(last >= acknowledged, "round {round}: {acknowledged} was acknowledged, {last} is there");
        assert!(last <= acknowledged + 1, "round {round}: more than the command under way");
        assert_eq!((kept.phase, kept.people.len()), (SessionPhase::Live, 4));
        let chain = store.verify_audit().unwrap();
        assert_eq!((chain.broken, chain.records), (None, u64::from(last)), "round {round}");
        let events = (0..).step_by(1_000).map(|after| store.events_after(after, None, 1_000).unwrap());
        let events: usize = events.map(|page| page.len()).take_while(|length| *length > 0).sum();
        assert_eq!(events, last as usize, "round {round}: command, event and record go together");
    }
    assert!(slowest < Duration::from_secs(2), "a start took {slowest:?}");
}

/// Lets a writer acknowledge so many commands, and kills it so many microseconds later. Returns the last number that
/// it acknowledged, also what was still in the pipe.
fn killed_after(path: &Path, commands: u32, micros: u64) -> u32 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writes_until_killed", "--nocapture"])
        .env(FILE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let number = |line: &str| line.strip_prefix("ack ").and_then(|number| number.parse::<u32>().ok());
    let mut acknowledged: Vec<u32> = Vec::new();
    while acknowledged.len() < commands as usize {
        let line = lines.next().expect("the writer goes on until it is killed").unwrap();
        acknowledged.extend(number(&line));
    }
    let until = Instant::now() + Duration::from_micros(micros);
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| number(&line)));
    *acknowledged.last().unwrap()
}
