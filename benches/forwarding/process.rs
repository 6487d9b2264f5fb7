//! What the kernel says of the server process: CPU of its media thread, memory.

use std::fs;
use std::io;
use std::time::Duration;

/// The media thread's name, as both servers give it.
const THREAD: &str = "media-0";

/// Time on a processor of the media thread so far, in user and kernel mode (first field of `schedstat`).
pub fn media_cpu(process: u32) -> io::Result<Duration> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == THREAD {
            let statistics = fs::read_to_string(task.join("schedstat"))?;
            let nanos = statistics.split(' ').next().and_then(|field| field.parse().ok());
            return nanos.map(Duration::from_nanos).ok_or_else(|| io::Error::other("schedstat is not understood"));
        }
    }
    Err(io::Error::other("the server has no media thread"))
}

/// Memory in use, in KiB.
pub fn resident_kib(process: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    kib.ok_or_else(|| io::Error::other("the server's memory is not told"))
}
