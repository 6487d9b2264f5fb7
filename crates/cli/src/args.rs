//! The command line, as given. What it means together with the configuration file is decided in `config`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use parlour_bot::load::LoadOptions;
use parlour_model::{Role, SessionId};

use crate::config::{Config, ConfigError};

/// A self-hosted media server for therapy calls.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server.
    Serve(ServeArgs),
    /// Make tokens that let people join.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, list, rotate and revoke keys of the control API. Works on the store, also while the server runs.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Look after the audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Take away what is over its retention time.
    Purge(StoreArgs),
    /// Copy the store to a file, also while the server runs.
    Backup(BackupArgs),
    /// Load a server with sessions of bots and say what they experienced.
    ///
    /// On the server a token must open a room, and nobody may have to wait: `sessions.ad_hoc = true` and
    /// `sessions.waiting_room = false`, as in `config/development.toml`.
    Load(LoadArgs),
    /// Look at configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Configuration file. Without one, every setting has its default and a key must come from the environment.
    #[arg(long, env = "PARLOUR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address and port of signalling and pages.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// UDP port of the first media worker; the others count on from it. 0: each takes a free one.
    #[arg(long, value_name = "PORT")]
    pub(crate) media_port: Option<u16>,
    /// Media workers; one per core by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) workers: Option<u16>,
    /// Make a couples session and print a join link for the therapist and each partner.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Write what is estimated of the lines of one session here, one CSV file for each stay: numbers only, no media.
    #[arg(long, value_name = "FOLDER", requires = "trace_session")]
    pub(crate) trace_dir: Option<PathBuf>,
    /// The session that --trace-dir is about.
    #[arg(long, value_name = "SESSION", requires = "trace_dir")]
    pub(crate) trace_session: Option<String>,
}

impl ServeArgs {
    /// What the command line says goes before what the file says.
    pub(crate) fn apply(&self, mut config: Config) -> Result<Config, ConfigError> {
        if let Some(listen) = self.listen {
            config.http.listen = listen;
        }
        if let Some(port) = self.media_port {
            config.engine.listen.first_port = port;
            // Several servers on one machine get along.
            config.stun_port = 0;
        }
        if let Some(workers) = self.workers {
            config.engine.workers = usize::from(workers);
        }
        config.demo = self.demo;
        config.trace = self.trace_dir.clone().zip(self.trace_session.as_deref().map(SessionId::from));
        config.for_serving()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Print a token with which one person joins one session.
    Create(TokenArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    /// Configuration file with the key that signs.
    #[arg(long, env = "PARLOUR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The session to join.
    #[arg(long)]
    pub(crate) session: String,
    /// Who joins; the same person has the same identity at every join.
    #[arg(long)]
    pub(crate) identity: String,
    /// What they are in the session.
    #[arg(long, value_enum, default_value_t = RoleArg::Client)]
    pub(crate) role: RoleArg,
    /// Name shown to the others.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Which key signs, if there are several.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// How long the token can be used to join: 30m, 6h, 7d.
    #[arg(long, default_value = "6h", value_parser = parse_duration)]
    pub(crate) valid_for: Duration,
}

/// Which store.
#[derive(Debug, clap::Args)]
pub(crate) struct StoreArgs {
    /// Configuration file that names the store.
    #[arg(long, env = "PARLOUR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Print a new key. It is shown this once.
    Create(KeyArgs),
    /// List the keys, their secrets aside.
    List(StoreArgs),
    /// Print a successor of a key, which itself ends in 24 hours.
    Rotate(OneKeyArgs),
    /// Take a key back at once.
    Revoke(OneKeyArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// What it may do: words like sessions:read, separated by commas; `all` for everything.
    #[arg(long, required = true, value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
    /// Your name of it.
    #[arg(long, default_value = "")]
    pub(crate) label: String,
    /// How long it is good: 90d, 24h. Left out: until it is revoked.
    #[arg(long, value_parser = parse_duration)]
    pub(crate) valid_for: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct OneKeyArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Its id: the part of the key between the two underscores.
    pub(crate) id: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Say whether the chain is whole, and where it is not. Exit code 1 if it is not.
    Verify(StoreArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The file to write; it must not be there yet.
    pub(crate) to: PathBuf,
}

/// A role by its word.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleArg {
    Therapist,
    Client,
    Guest,
    Service,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Therapist => Self::Therapist,
            RoleArg::Client => Self::Client,
            RoleArg::Guest => Self::Guest,
            RoleArg::Service => Self::Service,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a file is valid, and what it comes to. Exit code 2 if it is not.
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// A whole number with a unit: s, m, h or d.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number with a unit is needed, like 30m, 6h or 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let total = count.checked_mul(seconds).filter(|total| (1..=366 * 86_400).contains(total));
    total.map(Duration::from_secs).ok_or_else(|| "between one second and one year".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_need_a_unit_and_stay_in_bounds() {
        assert_eq!(parse_duration("6h"), Ok(Duration::from_secs(21_600)));
        for wrong in ["", "6", "h", "-1h", "0s", "400d", "99999999999999999999d", "1.5h", "6é"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
