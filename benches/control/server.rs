//! A whole server in this process, and people with seats in its sessions.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use parlour_api::{
    ApiConfig, ApiLimits, ApiMetrics, ApiParts, ApiState, KeyRequest, Ledger, Rate, Scope, ServerFacts, create_key,
};
use parlour_engine::{Engine, EngineConfig, EngineHandle, EngineMetrics, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::command::{Entry, Topology};
use parlour_model::participant::ClientTraits;
use parlour_model::session::SessionPolicy;
use parlour_model::{Encryption, Grants, Join, Redacted, Role, SessionId};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;
use parlour_signal::Keys;
use parlour_store::{PseudonymKey, Retention, Store, StoreError, Subject};
use prometheus::Registry;
use tokio::net::TcpListener;

use crate::Failure;

const SIGNING_KEY: &str = "bench";

/// A server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// An API key with every scope.
    pub(crate) key: String,
    api: ApiState,
    engine: EngineHandle,
    /// Its workers end with it.
    _running: Engine,
}

impl Server {
    pub(crate) async fn start(store: &Path) -> Result<Self, Failure> {
        let registry = Registry::new();
        let running = Engine::start(&engine_config(), &EngineMetrics::new(&registry)?)?;
        let request = KeyRequest { label: "bench".to_owned(), scopes: Scope::ALL.to_vec(), expires_at_ms: None };
        let key = Store::open(store)?.change(|change| create_key(change, &request, Subject::system()))?;
        let api = ApiState::start(ApiParts {
            engine: running.handle(),
            ledger: Ledger::open(store)?,
            keys: Keys::new([(SIGNING_KEY, "a secret of a bench that is long enough")]),
            signing_key: SIGNING_KEY.to_owned(),
            pseudonyms: PseudonymKey::random()?,
            metrics: ApiMetrics::register(&registry)?,
            config: api_config(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let service = parlour_api::router(api.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Ok(Self { address, key, api, engine: running.handle(), _running: running })
    }

    /// Sessions with a therapist and two partners in each, as the API made them.
    pub(crate) async fn live_sessions(&self, count: usize) -> Result<Vec<String>, Failure> {
        let mut client = crate::client::Client::connect(self.address, &self.key).await?;
        let mut sessions = Vec::new();
        for number in 0..count {
            let id = format!("bench-{number}");
            let body = format!("{{\"id\":\"{id}\",\"kind\":\"couple\",\"policy\":{{\"waiting_room\":false}}}}");
            client.ask("POST", "/v1/sessions", &body).await?;
            for (identity, role) in [("t", Role::Therapist), ("a", Role::Client), ("b", Role::Client)] {
                self.seat(&SessionId::from(id.as_str()), identity, role).await?;
            }
            sessions.push(id);
        }
        Ok(sessions)
    }

    async fn seat(&self, session: &SessionId, identity: &str, role: Role) -> Result<(), Failure> {
        if let Some(opening) = self.api.directory().find(session).await? {
            self.engine.request(session, parlour_model::Command::Open(Box::new(opening))).await?;
        }
        let join = Join {
            identity: identity.into(),
            role,
            grants: Grants::ALL,
            name: Redacted::default(),
            metadata: Redacted::default(),
            attributes: Redacted::default(),
            client: ClientTraits::default(),
            topology: Topology::Single,
            encryption: Encryption::None,
            auto_subscribe: true,
            entry: Entry::Ordinary,
        };
        let (_, mut events) = self.engine.join(session, join).await?;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        Ok(())
    }
}

fn engine_config() -> EngineConfig {
    EngineConfig {
        workers: 1,
        listen: MediaListen { addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)], first_port: 0, advertise: Vec::new() },
        dtls: DtlsVersions::default(),
        media: MediaConfig::default(),
        session: SessionOptions { resume_window: Duration::from_secs(300), ..SessionOptions::default() },
        max_rooms: 10_000,
        max_peers: 10_000,
    }
}

fn api_config() -> ApiConfig {
    let unlimited = Rate { per_second: 1e9, burst: 1e9 };
    ApiConfig {
        link_base: "http://localhost".to_owned(),
        behind_proxy: false,
        policy: SessionPolicy::default(),
        ad_hoc: false,
        retention: Retention::default(),
        token_lifetime: Duration::from_secs(3_600),
        webhooks: parlour_api::WebhookRules::default(),
        limits: ApiLimits { key: unlimited, ..ApiLimits::default() },
        facts: ServerFacts::default(),
    }
}

/// What one sync of a page costs on this disk.
pub(crate) fn syncs(folder: &Path, count: usize) -> Result<Vec<Duration>, StoreError> {
    let io = |_| parlour_store::Unavailable::Io;
    let mut file = File::create(folder.join("sync")).map_err(io)?;
    let mut times = Vec::new();
    for _ in 0..count {
        file.write_all(&[0; 4_096]).map_err(io)?;
        let begun = Instant::now();
        file.sync_data().map_err(io)?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
