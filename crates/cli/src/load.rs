//! `parlour load`.

use std::process::ExitCode;

use parlour_bot::load;

use crate::args::LoadArgs;
use crate::{FAILED, say};

/// Runs the load and prints what was measured. Fails if not every bot received every other.
pub(crate) fn run(args: LoadArgs) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return say(&error, FAILED),
    };
    let report = match runtime.block_on(load::run(args.load)) {
        Ok(report) => report,
        Err(error) => return say(&error, FAILED),
    };
    if args.json {
        match serde_json::to_string_pretty(&report) {
            Ok(json) => println!("{json}"),
            Err(error) => return say(&error, FAILED),
        }
    } else {
        println!("{report}");
    }
    let complete = report.failures.is_empty() && report.tracks_received == report.tracks_expected;
    if complete { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
