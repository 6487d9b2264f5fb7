//! What the kernel says of the server process: CPU of its media thread, memory.

use std::fs;
use std::io;
use std::time::Duration;

/// The media thread's name, as both servers give it.
const THREAD: &str = "media-0";

/// What the media thread used so far.
#[derive(Clone, Copy)]
pub struct MediaCpu {
    /// On a processor, in user and kernel mode.
    pub total: Duration,
    /// Clock ticks of user mode, and of both.
    user_ticks: u64,
    ticks: u64,
}

impl MediaCpu {
    /// Reads it (first field of `schedstat`; `utime` and `stime` of `stat`).
    pub fn of(process: u32) -> io::Result<Self> {
        for task in fs::read_dir(format!("/proc/{process}/task"))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.trim() == THREAD {
                let (schedstat, stat) =
                    (fs::read_to_string(task.join("schedstat"))?, fs::read_to_string(task.join("stat"))?);
                return Self::parse(&schedstat, &stat).ok_or_else(|| io::Error::other("/proc is not understood"));
            }
        }
        Err(io::Error::other("the server has no media thread"))
    }

    fn parse(schedstat: &str, stat: &str) -> Option<Self> {
        let total = Duration::from_nanos(schedstat.split(' ').next()?.parse().ok()?);
        // After the name in parentheses, `state` is the first field; `utime` and `stime` are the 12th and 13th.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let user_ticks: u64 = fields.next()?.parse().ok()?;
        let system_ticks: u64 = fields.next()?.parse().ok()?;
        Some(Self { total, user_ticks, ticks: user_ticks + system_ticks })
    }

    /// Time since `earlier`, and which share of it was spent in user mode: in the server's own code.
    pub fn since(&self, earlier: &Self) -> (Duration, f64) {
        let ticks = (self.ticks - earlier.ticks).max(1);
        (self.total - earlier.total, (self.user_ticks - earlier.user_ticks) as f64 / ticks as f64)
    }
}

/// Memory in use, in KiB; `process` is a number or `self`.
pub fn resident_kib(process: &str) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.ok_or_else(|| io::Error::other("the server's memory is not told"))
}
