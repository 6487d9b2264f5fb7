//! What the kernel says of a process: CPU time and memory, from `/proc` (Linux).

use std::fs;
use std::time::Duration;

/// Unit of the times in `/proc/PID/stat`; fixed on Linux for user space (USER_HZ).
const TICKS_PER_SECOND: u64 = 100;

/// One look at a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessSample {
    /// User and system time of all its threads.
    pub(crate) cpu: Duration,
    /// Resident set, in KiB.
    pub(crate) resident_kib: u64,
}

impl ProcessSample {
    /// `None` if there is no such process, or no `/proc`.
    pub(crate) fn take(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain spaces; fields are counted behind it. utime and stime are 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(Self {
            cpu: Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND),
            resident_kib: resident.split_whitespace().next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_has_memory() {
        assert!(ProcessSample::take(std::process::id()).unwrap().resident_kib > 100);
    }
}
