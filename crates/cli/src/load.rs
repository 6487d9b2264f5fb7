//! `parlour load`.

use std::process::ExitCode;

use parlour_bot::ClientError;
use parlour_bot::load::{self, LoadError};
use parlour_bot::signalling::SignallingError;
use thiserror::Error;

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
        Err(error) => return say(&Failed::from(error), FAILED),
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

/// Why there is nothing to report, and what to give instead where that is known.
#[derive(Debug, Error)]
enum Failed {
    #[error(
        "{0}: the server does not know this key, or not with this secret; give --api-key NAME and --api-secret SECRET of \
         a [keys.NAME] in its configuration (left out, they are those of config/development.toml)"
    )]
    Key(LoadError),
    #[error(
        "{0}: a token opens no room there; on a server on trial, set ad_hoc = true and waiting_room = false under \
         [sessions]"
    )]
    Room(LoadError),
    #[error("{0}: is a server at the address of --url?")]
    Nowhere(LoadError),
    #[error(transparent)]
    Other(LoadError),
}

impl From<LoadError> for Failed {
    fn from(error: LoadError) -> Self {
        let LoadError::NobodyJoined(ClientError::Signalling(reason)) = &error else { return Self::Other(error) };
        match reason {
            SignallingError::Refused(401) => Self::Key(error),
            SignallingError::Refused(403 | 404) => Self::Room(error),
            SignallingError::Socket(_) => Self::Nowhere(error),
            _ => Self::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};
    use crate::config::Config;

    #[test]
    fn left_out_the_key_is_that_of_make_run_which_opens_rooms_where_nobody_waits() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/development.toml");
        let config = Config::load(Some(&file)).unwrap();
        let Command::Load(LoadArgs { load, .. }) = Args::parse_from(["parlour", "load"]).command else { panic!() };
        assert_eq!(config.signal.keys.secret(&load.api_key).map(|secret| secret.0.as_str()), Some(&*load.api_secret));
        assert_eq!(load.url, format!("ws://{}", config.http.listen));
        assert!(config.api.ad_hoc && !config.signal.room_policy.waiting_room);
    }

    #[test]
    fn who_is_refused_reads_what_to_give() {
        let said = |reason| Failed::from(LoadError::NobodyJoined(ClientError::Signalling(reason))).to_string();
        let key = said(SignallingError::Refused(401));
        assert!(
            ["status 401", "--api-key", "--api-secret", "[keys.NAME]"].iter().all(|word| key.contains(word)),
            "{key}"
        );
        let room = said(SignallingError::Refused(404));
        assert!(["ad_hoc = true", "waiting_room = false"].iter().all(|word| room.contains(word)), "{room}");
        assert!(!said(SignallingError::Timeout).contains("--api-key"));
    }
}
