//! What all handlers share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use parlour_engine::EngineHandle;
use parlour_model::SessionId;
use parlour_model::session::SessionPolicy;
use parlour_signal::Keys;
use parlour_store::{PseudonymKey, Retention};

use crate::events::News;
use crate::ledger::Ledger;
use crate::limits::{ApiLimits, Meters};
use crate::metrics::ApiMetrics;
use crate::recorder::Recorder;
use crate::seal::Sealer;
use crate::sessions::Unused;
use crate::tickets::{Codes, PassingTickets};
use crate::touched::Touched;
use crate::webhooks::{Couriers, WebhookRules};

/// The control API: what the router's handlers share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) shared: Arc<Shared>,
}

/// Everything there is to share.
pub struct Shared {
    pub(crate) engine: EngineHandle,
    pub(crate) ledger: Ledger,
    pub(crate) signing: Signing,
    pub(crate) pseudonyms: PseudonymKey,
    pub(crate) config: ApiConfig,
    pub(crate) meters: Meters,
    pub(crate) metrics: ApiMetrics,
    pub(crate) recorder: Recorder,
    pub(crate) touched: Touched,
    pub(crate) unused: Unused,
    pub(crate) passing: PassingTickets,
    pub(crate) codes: Codes,
    pub(crate) news: News,
    pub(crate) webhooks: Couriers,
    pub(crate) streams: Arc<tokio::sync::Semaphore>,
    /// How many of them each account has open; bounded by their number.
    pub(crate) streams_of: Mutex<HashMap<String, u32>>,
}

impl std::ops::Deref for ApiState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// The keys that sign session tokens, and the one that signs those we make.
pub(crate) struct Signing {
    pub(crate) keys: Keys,
    pub(crate) key: String,
    pub(crate) sealer: Sealer,
}

/// Settings. Values arrive valid: files and environment are parsed by the binary.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// What links begin with.
    pub link_base: String,
    /// Whether `X-Forwarded-For` tells the client's address: only behind a proxy that sets it.
    pub behind_proxy: bool,
    /// Rules of sessions that name none.
    pub policy: SessionPolicy,
    /// Rooms may be opened by a token alone.
    pub ad_hoc: bool,
    /// How long records are kept.
    pub retention: Retention,
    /// How long a session token made for a ticket is good.
    pub token_lifetime: Duration,
    /// Where events may be sent.
    pub webhooks: WebhookRules,
    /// How often callers may ask.
    pub limits: ApiLimits,
    /// What is told of how the server is set up.
    pub facts: ServerFacts,
}

/// Of the running server, for `GET /v1/security-facts`.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// Of Parlour.
    pub version: String,
    /// DTLS versions taken.
    pub dtls: Vec<String>,
    /// Media workers.
    pub workers: usize,
    /// Where the store is; `None`: in memory.
    pub store: Option<PathBuf>,
    /// Links begin with https.
    pub tls_in_front: bool,
    /// The host that a quick exit sends people on to.
    pub quick_exit_host: Option<String>,
}

/// What the API is started with.
pub struct ApiParts {
    /// To speak to the workers.
    pub engine: EngineHandle,
    /// The store.
    pub ledger: Ledger,
    /// Keys that sign session tokens.
    pub keys: Keys,
    /// The one of them that signs those we make.
    pub signing_key: String,
    /// Names people in the audit log.
    pub pseudonyms: PseudonymKey,
    /// What is counted.
    pub metrics: ApiMetrics,
    /// Settings.
    pub config: ApiConfig,
}

impl ApiState {
    /// Starts the recorder and what else runs in the background. Call it once, in the runtime, before anybody may join.
    pub fn start(parts: ApiParts) -> Self {
        let ApiParts { engine, ledger, keys, signing_key, pseudonyms, metrics, config } = parts;
        let touched = Touched::default();
        let news = News::default();
        let recorder = Recorder::start(&engine, &ledger, &pseudonyms, &touched, &news, &metrics);
        let webhooks = Couriers::start(&ledger, &keys, &news, &metrics, config.webhooks);
        let secret = keys.secret(&signing_key).map(|secret| secret.0.clone()).unwrap_or_default();
        let shared = Shared {
            meters: Meters::new(&config.limits),
            streams_of: Mutex::default(),
            streams: Arc::new(tokio::sync::Semaphore::new(config.limits.streams)),
            signing: Signing { sealer: Sealer::new(secret.as_bytes()), keys, key: signing_key },
            engine,
            ledger,
            pseudonyms,
            config,
            metrics,
            recorder,
            touched,
            unused: Unused::default(),
            passing: PassingTickets::default(),
            codes: Codes::default(),
            news,
            webhooks,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Before the process ends: returns when everything that was told is written down, or cannot be.
    pub async fn flush(&self) {
        // What is lost here was not answered to anybody.
        let _ = self.recorder.settle(&SessionId::from("")).await;
    }
}
