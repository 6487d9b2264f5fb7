//! The `parlour` program. It parses, wires and drains; no rule of the product is here.
#![allow(clippy::print_stdout, reason = "a command's answer goes to standard output")]

mod args;
mod config;
mod http;
mod keep;
mod load;
mod log;
mod ops;
mod serve;
mod token;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, AuditCommand, Command, ConfigCommand, KeyCommand, TokenCommand};
use crate::config::{Config, ConfigError};

/// Exit codes: 0 done, 1 failed while working, 2 wrong use or configuration.
const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Serve(args) => {
            report(Config::load(args.config.as_deref()).and_then(|config| args.apply(config)), serve::run)
        }
        Command::Token(TokenCommand::Create(args)) => {
            report(Config::load(args.config.as_deref()), |config| token::create(&args, &config))
        }
        Command::Key(command) => {
            let file = match &command {
                KeyCommand::Create(args) => &args.store,
                KeyCommand::List(args) => args,
                KeyCommand::Rotate(args) | KeyCommand::Revoke(args) => &args.store,
            };
            report(Config::load(file.config.as_deref()), |config| keep::key(&command, &config))
        }
        Command::Audit(command) => {
            let AuditCommand::Verify(file) = &command;
            report(Config::load(file.config.as_deref()), |config| keep::audit(&command, &config))
        }
        Command::Purge(file) => report(Config::load(file.config.as_deref()), |config| keep::purge(&config)),
        Command::Backup(args) => {
            report(Config::load(args.store.config.as_deref()), |config| keep::backup(&args, &config))
        }
        Command::Load(args) => load::run(args),
        Command::Config(ConfigCommand::Check { file }) => report(Config::load(Some(&file)), |config| {
            println!("{} is valid: {}", file.display(), config.summary());
            Ok(())
        }),
    }
}

/// Runs what a valid configuration is there for, and says what went wrong in one line.
fn report(
    config: Result<Config, ConfigError>,
    work: impl FnOnce(Config) -> Result<(), Box<dyn std::error::Error>>,
) -> ExitCode {
    match config {
        Err(error) => say(&error, WRONG_USE),
        Ok(config) => work(config).map_or_else(|error| say(&*error, FAILED), |()| ExitCode::SUCCESS),
    }
}

/// What went wrong, in one line.
fn say(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("parlour: {error}");
    ExitCode::from(code)
}
