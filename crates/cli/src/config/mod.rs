//! From a file to a valid configuration: [`raw`] is what may be written, [`Config`] what holds.

mod raw;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::HeaderValue;
use parlour_api::{ApiLimits, Rate, WebhookRules};
use parlour_engine::{EngineConfig, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::session::SessionPolicy;
use parlour_model::{Bitrate, SessionId};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;
use parlour_signal::{Keys, Limits, SignalConfig};
use parlour_store::Retention;
use thiserror::Error;

use raw::{RawConfig, RawDtls, RawKey, RawRetention};

/// Shortest secret that signs tokens: 256 bits as 32 characters, as HS256 wants (RFC 7518 section 3.2).
const MIN_SECRET: usize = 32;

/// Where keys come from when no file names any: `name:secret`.
const KEY_VARIABLE: &str = "PARLOUR_KEY";

/// Why a configuration is not usable. Names keys of the file, never the values of secrets.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{key}: {problem}")]
    Value { key: &'static str, problem: String },
    #[error("no API key: add one under [keys] or set {KEY_VARIABLE}=name:secret")]
    NoKey,
}

fn wrong(key: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Value { key, problem: problem.into() }
}

/// Everything the program needs to know, valid.
pub(crate) struct Config {
    pub(crate) http: HttpConfig,
    pub(crate) engine: EngineConfig,
    /// UDP port that tells clients their address.
    pub(crate) stun_port: u16,
    pub(crate) signal: SignalConfig,
    pub(crate) store: StoreConfig,
    pub(crate) api: ApiSettings,
    /// The key that signs what this program signs itself.
    pub(crate) signing_key: String,
    pub(crate) shutdown: ShutdownConfig,
    pub(crate) log: LogConfig,
    /// Make a session and print its links.
    pub(crate) demo: bool,
    /// The folder for traces, and the session that they are of.
    pub(crate) trace: Option<(PathBuf, SessionId)>,
}

/// Where pages, signalling and figures are served.
pub(crate) struct HttpConfig {
    pub(crate) listen: SocketAddr,
    /// Health and metrics on a port of their own; `None`: with the rest.
    pub(crate) ops_listen: Option<SocketAddr>,
    /// How people reach this server, for links.
    pub(crate) public_url: Option<String>,
    /// Where the page sends people on to after a quick exit; `None`: it stays on a page that says nothing.
    pub(crate) quick_exit_url: Option<HeaderValue>,
}

/// Where records are kept.
#[derive(Clone, Debug)]
pub(crate) enum StoreConfig {
    /// Nowhere beyond the process.
    Memory,
    /// In this file, with the key of pseudonyms beside it.
    File(PathBuf),
}

impl StoreConfig {
    /// The file, for commands that work on one.
    pub(crate) fn file(&self) -> Result<&Path, &'static str> {
        match self {
            Self::File(file) => Ok(file),
            Self::Memory => Err("this configuration keeps everything in memory: there is no store to work on"),
        }
    }
}

/// What the control API is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiSettings {
    pub(crate) ad_hoc: bool,
    pub(crate) token_lifetime: Duration,
    pub(crate) retention: Retention,
    pub(crate) webhooks: WebhookRules,
    pub(crate) limits: ApiLimits,
}

/// How the server goes.
#[derive(Clone, Copy)]
pub(crate) struct ShutdownConfig {
    /// How long sessions may go on after the first signal.
    pub(crate) drain: Duration,
    /// How long clients get to take their goodbye.
    pub(crate) goodbye: Duration,
}

/// What is logged and how.
#[derive(Clone)]
pub(crate) struct LogConfig {
    pub(crate) filter: String,
    pub(crate) json: bool,
}

impl Config {
    /// Reads and judges a file; without one, the defaults.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = path else { return Self::from_raw(RawConfig::default(), Path::new(".")) };
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let syntax = |source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) };
        let raw = toml::from_str(&text).map_err(syntax)?;
        Self::from_raw(raw, path.parent().unwrap_or(Path::new(".")))
    }

    fn from_raw(raw: RawConfig, folder: &Path) -> Result<Self, ConfigError> {
        let keys = keys(&raw, folder)?;
        let signing_key = keys.first().map(|(name, _)| name.clone()).ok_or(ConfigError::NoKey)?;
        let engine = engine(&raw)?;
        Ok(Self {
            http: HttpConfig {
                listen: raw.http.listen,
                ops_listen: raw.http.ops_listen,
                public_url: raw.http.public_url.clone(),
                quick_exit_url: quick_exit_url(&raw)?,
            },
            signal: signal(&raw, Keys::new(keys))?,
            engine,
            store: store(&raw, folder),
            api: api(&raw)?,
            stun_port: raw.media.stun_port,
            signing_key,
            shutdown: ShutdownConfig {
                drain: Duration::from_secs(raw.shutdown.drain_seconds),
                goodbye: Duration::from_secs(raw.shutdown.goodbye_seconds),
            },
            log: LogConfig { filter: raw.log.filter, json: raw.log.json },
            demo: false,
            trace: None,
        })
    }

    /// What must hold besides, to serve.
    pub(crate) fn for_serving(self) -> Result<Self, ConfigError> {
        let last = u32::from(self.engine.listen.first_port) + self.engine.workers as u32 - 1;
        if self.engine.listen.first_port != 0 && last > u32::from(u16::MAX) {
            return Err(wrong("media.first_port", "the last worker's port would be over 65535"));
        }
        Ok(self)
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let ports = match self.engine.listen.first_port {
            0 => "any free UDP ports".to_owned(),
            first => format!("UDP ports from {first}"),
        };
        format!("pages and signalling on {}, {} media worker(s) on {ports}", self.http.listen, self.engine.workers)
    }

    /// The address that join links begin with.
    pub(crate) fn link_base(&self) -> String {
        let local = || {
            let host = match self.http.listen.ip() {
                ip if ip.is_unspecified() || ip.is_loopback() => "localhost".to_owned(),
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            format!("http://{host}:{}", self.http.listen.port())
        };
        self.http.public_url.clone().unwrap_or_else(local)
    }
}

fn quick_exit_url(raw: &RawConfig) -> Result<Option<HeaderValue>, ConfigError> {
    let Some(url) = &raw.http.quick_exit_url else { return Ok(None) };
    let is_absolute = ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
    match HeaderValue::from_str(url) {
        Ok(value) if is_absolute => Ok(Some(value)),
        _ => Err(wrong("http.quick_exit_url", "a whole address, like https://www.example.org/")),
    }
}

fn store(raw: &RawConfig, folder: &Path) -> StoreConfig {
    if raw.store.in_memory { StoreConfig::Memory } else { StoreConfig::File(folder.join(&raw.store.file)) }
}

fn api(raw: &RawConfig) -> Result<ApiSettings, ConfigError> {
    let RawRetention { sessions_days, tickets_days, consents_days, events_days, audit_days } = raw.retention;
    if [sessions_days, tickets_days, consents_days, events_days, audit_days].contains(&0) {
        return Err(wrong("retention", "every class is kept for a day at least"));
    }
    if !(1..=720).contains(&raw.api.token_hours) {
        return Err(wrong("api.token_hours", "between 1 and 720"));
    }
    let rates =
        [raw.api.key_requests_per_second, raw.api.seat_requests_per_second, raw.api.stranger_requests_per_second];
    if rates.iter().any(|rate| !rate.is_finite() || *rate <= 0.0) {
        return Err(wrong("api", "requests per second must be over 0"));
    }
    let defaults = ApiLimits::default();
    let scaled = |default: Rate, per_second: f64| Rate { per_second, burst: default.burst.max(per_second) };
    Ok(ApiSettings {
        ad_hoc: raw.sessions.ad_hoc,
        token_lifetime: Duration::from_secs(u64::from(raw.api.token_hours) * 3_600),
        retention: Retention {
            sessions_days,
            tickets_days,
            consents_days,
            events_days,
            audit_days,
            ..Retention::default()
        },
        webhooks: WebhookRules { allow_plain: raw.webhooks.allow_plain, allow_private: raw.webhooks.allow_private },
        limits: ApiLimits {
            key: scaled(defaults.key, rates[0]),
            seat: scaled(defaults.seat, rates[1]),
            stranger: scaled(defaults.stranger, rates[2]),
            ..defaults
        },
    })
}

fn keys(raw: &RawConfig, folder: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let mut keys = Vec::new();
    for (name, key) in &raw.keys {
        let secret = match key {
            RawKey { secret: Some(secret), secret_file: None } => secret.clone(),
            RawKey { secret: None, secret_file: Some(file) } => {
                let path = folder.join(file);
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
                text.trim().to_owned()
            }
            _ => return Err(wrong("keys", format!("{name} needs either secret or secret_file"))),
        };
        keys.push((name.clone(), secret));
    }
    if let Ok(pair) = std::env::var(KEY_VARIABLE) {
        let (name, secret) = pair.split_once(':').ok_or_else(|| wrong("PARLOUR_KEY", "must be name:secret"))?;
        keys.insert(0, (name.to_owned(), secret.to_owned()));
    }
    match keys.iter().find(|(_, secret)| secret.len() < MIN_SECRET) {
        Some((name, _)) => Err(wrong("keys", format!("the secret of {name} is shorter than {MIN_SECRET} characters"))),
        None => Ok(keys),
    }
}

fn engine(raw: &RawConfig) -> Result<EngineConfig, ConfigError> {
    let media = &raw.media;
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = media.workers.map_or_else(cores, usize::from);
    if workers == 0 {
        return Err(wrong("media.workers", "at least one is needed"));
    }
    for v4 in [true, false] {
        if media.addresses.iter().filter(|address| address.is_ipv4() == v4).count() > 1 {
            return Err(wrong("media.addresses", "at most one address of each family"));
        }
    }
    if media.addresses.is_empty() {
        return Err(wrong("media.addresses", "at least one address is needed"));
    }
    if media.receiver_budget_kbps < 64 {
        return Err(wrong("media.receiver_budget_kbps", "at least 64, so that audio fits"));
    }
    let policy = session_policy(raw)?;
    Ok(EngineConfig {
        workers,
        listen: MediaListen {
            addresses: media.addresses.clone(),
            first_port: media.first_port,
            advertise: media.advertise.clone(),
        },
        dtls: match media.dtls {
            RawDtls::Both => DtlsVersions::Both,
            RawDtls::Only12 => DtlsVersions::Only12,
            RawDtls::Only13 => DtlsVersions::Only13,
        },
        media: MediaConfig { budget: Bitrate::kbps(media.receiver_budget_kbps), ..MediaConfig::default() },
        session: SessionOptions {
            policy,
            resume_window: Duration::from_secs(raw.sessions.resume_seconds),
            node_region: raw.sessions.region.clone(),
            ..SessionOptions::default()
        },
        max_rooms: media.max_sessions_per_worker,
        max_peers: media.max_connections_per_worker,
    })
}

fn session_policy(raw: &RawConfig) -> Result<SessionPolicy, ConfigError> {
    let sessions = &raw.sessions;
    let policy = SessionPolicy {
        waiting_room: sessions.waiting_room,
        require_therapist: sessions.require_therapist,
        duplicate_identity: sessions.duplicate_identity,
        max_participants: sessions.max_participants,
        idle_end_minutes: sessions.idle_end_minutes,
        max_minutes: sessions.max_minutes,
        ..SessionPolicy::default()
    };
    if !(1..=SessionPolicy::HARD_MAX_PARTICIPANTS).contains(&policy.max_participants) {
        return Err(wrong("sessions.max_participants", "between 1 and 12"));
    }
    if !(1..=300).contains(&sessions.resume_seconds) {
        return Err(wrong("sessions.resume_seconds", "between 1 and 300"));
    }
    Ok(policy)
}

fn signal(raw: &RawConfig, keys: Keys) -> Result<SignalConfig, ConfigError> {
    let limits = Limits {
        sockets: raw.limits.sockets,
        sockets_per_address: raw.limits.sockets_per_address,
        attempts_per_second: raw.limits.attempts_per_second,
        attempt_burst: raw.limits.attempt_burst,
        ..Limits::default()
    };
    if limits.attempts_per_second <= 0.0 || limits.attempt_burst < 1.0 {
        return Err(wrong("limits", "attempts_per_second must be over 0 and attempt_burst at least 1"));
    }
    Ok(SignalConfig {
        limits,
        behind_proxy: raw.http.behind_proxy,
        room_policy: session_policy(raw)?,
        ..SignalConfig::new(keys, Vec::new())
    })
}

/// Where the server listens by default.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 7880);

#[cfg(test)]
mod tests;
