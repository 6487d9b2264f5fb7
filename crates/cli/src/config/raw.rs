//! What a configuration file may say: every key with its unit, unknown keys refused. `config/parlour.toml` explains
//! each.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use parlour_api::ApiLimits;
use parlour_model::session::{DuplicatePolicy, SessionPolicy};
use parlour_store::Retention;
use serde::Deserialize;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) http: RawHttp,
    pub(super) media: RawMedia,
    pub(super) sessions: RawSessions,
    pub(super) store: RawStore,
    pub(super) retention: RawRetention,
    pub(super) api: RawApi,
    pub(super) webhooks: RawWebhooks,
    pub(super) limits: RawLimits,
    pub(super) shutdown: RawShutdown,
    pub(super) log: RawLog,
    pub(super) keys: BTreeMap<String, RawKey>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: SocketAddr,
    pub(super) ops_listen: Option<SocketAddr>,
    pub(super) public_url: Option<String>,
    pub(super) quick_exit_url: Option<String>,
    pub(super) behind_proxy: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMedia {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) first_port: u16,
    pub(super) advertise: Vec<IpAddr>,
    pub(super) stun_port: u16,
    pub(super) workers: Option<u16>,
    pub(super) dtls: RawDtls,
    pub(super) receiver_budget_kbps: u64,
    pub(super) max_sessions_per_worker: usize,
    pub(super) max_connections_per_worker: usize,
}

#[derive(Clone, Copy, Default, Deserialize)]
pub(super) enum RawDtls {
    #[default]
    #[serde(rename = "both")]
    Both,
    #[serde(rename = "1.2")]
    Only12,
    #[serde(rename = "1.3")]
    Only13,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawSessions {
    pub(super) waiting_room: bool,
    pub(super) require_therapist: bool,
    pub(super) duplicate_identity: DuplicatePolicy,
    pub(super) max_participants: u32,
    pub(super) idle_end_minutes: u32,
    pub(super) max_minutes: u32,
    pub(super) resume_seconds: u64,
    pub(super) ad_hoc: bool,
    pub(super) region: Option<String>,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawStore {
    pub(super) file: PathBuf,
    pub(super) in_memory: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawRetention {
    pub(super) sessions_days: u32,
    pub(super) tickets_days: u32,
    pub(super) consents_days: u32,
    pub(super) events_days: u32,
    pub(super) audit_days: u32,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawApi {
    pub(super) token_hours: u32,
    pub(super) key_requests_per_second: f64,
    pub(super) seat_requests_per_second: f64,
    pub(super) stranger_requests_per_second: f64,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawWebhooks {
    pub(super) allow_plain: bool,
    pub(super) allow_private: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) sockets: usize,
    pub(super) sockets_per_address: usize,
    pub(super) attempts_per_second: f64,
    pub(super) attempt_burst: f64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawShutdown {
    pub(super) drain_seconds: u64,
    pub(super) goodbye_seconds: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) filter: String,
    pub(super) json: bool,
}

/// A key's secret, or the file that holds it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawKey {
    pub(super) secret: Option<String>,
    pub(super) secret_file: Option<PathBuf>,
}

impl Default for RawHttp {
    fn default() -> Self {
        Self {
            listen: super::DEFAULT_LISTEN,
            ops_listen: None,
            public_url: None,
            quick_exit_url: None,
            behind_proxy: false,
        }
    }
}

impl Default for RawMedia {
    fn default() -> Self {
        Self {
            addresses: vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            first_port: 7882,
            advertise: Vec::new(),
            stun_port: 7881,
            workers: None,
            dtls: RawDtls::Both,
            receiver_budget_kbps: 50_000,
            max_sessions_per_worker: 500,
            max_connections_per_worker: 2_000,
        }
    }
}

impl Default for RawSessions {
    fn default() -> Self {
        let policy = SessionPolicy::default();
        Self {
            waiting_room: policy.waiting_room,
            require_therapist: policy.require_therapist,
            duplicate_identity: policy.duplicate_identity,
            max_participants: policy.max_participants,
            idle_end_minutes: policy.idle_end_minutes,
            max_minutes: policy.max_minutes,
            resume_seconds: 14,
            ad_hoc: false,
            region: None,
        }
    }
}

impl Default for RawStore {
    fn default() -> Self {
        Self { file: PathBuf::from("parlour.db"), in_memory: false }
    }
}

impl Default for RawRetention {
    fn default() -> Self {
        let Retention { sessions_days, tickets_days, consents_days, events_days, audit_days, .. } =
            Retention::default();
        Self { sessions_days, tickets_days, consents_days, events_days, audit_days }
    }
}

impl Default for RawApi {
    fn default() -> Self {
        let limits = ApiLimits::default();
        Self {
            token_hours: 12,
            key_requests_per_second: limits.key.per_second,
            seat_requests_per_second: limits.seat.per_second,
            stranger_requests_per_second: limits.stranger.per_second,
        }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        let limits = parlour_signal::Limits::default();
        Self {
            sockets: limits.sockets,
            sockets_per_address: limits.sockets_per_address,
            attempts_per_second: limits.attempts_per_second,
            attempt_burst: limits.attempt_burst,
        }
    }
}

impl Default for RawShutdown {
    fn default() -> Self {
        Self { drain_seconds: 0, goodbye_seconds: 2 }
    }
}

impl Default for RawLog {
    fn default() -> Self {
        Self { filter: "info".to_owned(), json: false }
    }
}
