//! A server with engine and control API, and an integrator's key.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_api::{ApiConfig, ApiLimits, ApiMetrics, ApiParts, ApiState, Ledger, Scope, ServerFacts, WebhookRules};
use parlour_engine::{Engine, EngineConfig, EngineMetrics, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::command::Requester;
use parlour_model::session::{Modality, SessionCommand, SessionKind, SessionPolicy};
use parlour_model::{Command, SessionId, SessionOpening};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;
use parlour_signal::Keys;
use parlour_store::{NewApiKey, PseudonymKey, Retention, SecretHash, StoreError};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::http;

/// The key that signs tokens.
pub const SIGNING: (&str, &str) = ("testkey", "a secret for tests that is long enough");

/// Everything is allowed that an operator can allow.
pub const ANYWHERE: WebhookRules = WebhookRules { allow_plain: true, allow_private: true };

pub struct Stage {
    pub address: SocketAddr,
    pub metrics: ApiMetrics,
    ledger: Ledger,
    engine: Option<Engine>,
}

impl Stage {
    pub async fn start(rules: WebhookRules) -> Self {
        let registry = prometheus::Registry::new();
        let engine = Engine::start(&engine_config(), &EngineMetrics::new(&registry).unwrap()).unwrap();
        let (ledger, metrics) = (Ledger::in_memory().unwrap(), ApiMetrics::register(&registry).unwrap());
        let api = ApiState::start(ApiParts {
            engine: engine.handle(),
            ledger: ledger.clone(),
            keys: Keys::new([SIGNING]),
            signing_key: SIGNING.0.to_owned(),
            pseudonyms: PseudonymKey::new(&[7; 32]),
            metrics: metrics.clone(),
            config: api_config(rules),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = parlour_api::router(api).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        let stage = Self { address, metrics, ledger, engine: Some(engine) };
        stage.make_key("all", Scope::ALL).await;
        stage
    }

    /// A key `pk_<id>_secret`.
    pub async fn make_key(&self, id: &str, scopes: &[Scope]) -> String {
        let key = NewApiKey {
            id: id.to_owned(),
            secret: SecretHash::of(b"secret"),
            label: String::new(),
            scopes: scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
            created_at_ms: 0,
            expires_at_ms: None,
        };
        let made = self.ledger.change(move |change| -> Result<(), StoreError> { change.create_key(&key).map(drop) });
        made.await.unwrap();
        format!("pk_{id}_secret")
    }

    /// Makes something happen in a session, and waits until it is written down: it is locked or unlocked.
    pub async fn happens(&self, session: &str, locked: bool) {
        let before = self.last_event().await;
        let (session, handle) = (SessionId::from(session), self.engine.as_ref().unwrap().handle());
        let opening = SessionOpening {
            kind: SessionKind::default(),
            modality: Modality::default(),
            schedule: None,
            policy: SessionPolicy::open_development(),
            snapshot: None,
        };
        handle.request(&session, Command::Open(Box::new(opening))).await.unwrap();
        let command = SessionCommand::SetLock(locked);
        handle.request(&session, Command::Rule { by: Requester::Server, command }).await.unwrap();
        while self.last_event().await == before {
            tokio::task::yield_now().await;
        }
    }

    async fn last_event(&self) -> i64 {
        self.ledger.read(|store| store.last_event()).await.unwrap()
    }

    /// In how many milliseconds something is sent to the first endpoint again, once it is noted that it failed.
    pub async fn next_attempt_in(&self) -> i64 {
        let id = self.listed().await["id"].as_str().unwrap().to_owned();
        loop {
            let (id, now) = (id.clone(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64);
            if let Some(at) = self.ledger.read(move |store| store.next_delivery_at(&id, now)).await.unwrap() {
                return at - now;
            }
            tokio::task::yield_now().await;
        }
    }

    pub async fn open(&self, key: &str, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        http::open(self.address, &request(key, method, path, headers, body)).await
    }

    /// Asks with a key; status and body.
    pub async fn ask_as(&self, key: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
        let answer = http::exchange(self.address, &request(key, method, path, "", body)).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        self.ask_as("pk_all_secret", method, path, body).await
    }

    /// Makes an endpoint.
    pub async fn endpoint(&self, url: &str) -> Value {
        let body = serde_json::json!({ "url": url }).to_string();
        let (status, made) = self.ask("POST", "/v1/webhook-endpoints", &body).await;
        assert_eq!(status, 201, "{made}");
        made
    }

    /// The first endpoint as it is now.
    pub async fn listed(&self) -> Value {
        self.ask("GET", "/v1/webhook-endpoints", "").await.1["endpoints"][0].clone()
    }

    pub fn deliveries(&self, result: &str) -> u64 {
        self.metrics.deliveries.with_label_values(&[result]).get()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}

fn request(key: &str, method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    http::request(&format!("{method} {path}"), key, "application/json", headers, body.as_bytes())
}

fn engine_config() -> EngineConfig {
    EngineConfig {
        workers: 1,
        listen: MediaListen { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], first_port: 0, advertise: Vec::new() },
        dtls: DtlsVersions::default(),
        media: MediaConfig::default(),
        session: SessionOptions { policy: SessionPolicy::open_development(), ..SessionOptions::default() },
        max_rooms: 64,
        max_peers: 64,
    }
}

fn api_config(webhooks: WebhookRules) -> ApiConfig {
    ApiConfig {
        link_base: "http://localhost".to_owned(),
        behind_proxy: false,
        policy: SessionPolicy::open_development(),
        ad_hoc: true,
        retention: Retention::default(),
        token_lifetime: Duration::from_secs(600),
        webhooks,
        limits: ApiLimits::default(),
        facts: ServerFacts::default(),
    }
}
