//! One line on a terminal that tells what goes on.

use std::fmt;
use std::io::{IsTerminal, Write};

pub(crate) struct Progress {
    shown: bool,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { shown: !quiet && std::io::stderr().is_terminal() }
    }

    pub(crate) fn show(&mut self, line: fmt::Arguments<'_>) {
        if self.shown {
            let mut out = std::io::stderr();
            // A terminal that is gone is no reason to stop measuring.
            let _ = write!(out, "\r\x1b[2K{line}");
            let _ = out.flush();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.show(format_args!(""));
    }
}
