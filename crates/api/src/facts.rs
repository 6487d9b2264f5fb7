//! What a clinic's questionnaire asks, from the running configuration.

use axum::extract::State;
use parlour_store::Retention;
use schemars::JsonSchema;
use serde::Serialize;

use crate::operation::{Operation, get};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::scope::Scope;
use crate::state::ApiState;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/security-facts", "readSecurityFacts", "How this server protects what it is given.", read)
            .key(Scope::FactsRead)
            .gives::<FactsBody>(200),
    ]
}

/// How the server is set up and what it does with what it is given.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SecurityFacts")]
struct FactsBody {
    version: String,
    media: MediaBody,
    signalling: SignallingBody,
    webhooks: WebhooksBody,
    store: StoreBody,
    sessions: SessionsBody,
    /// Features compiled in.
    features: Vec<&'static str>,
}

/// Media on its way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MediaFacts")]
struct MediaBody {
    /// Every packet is encrypted between client and server.
    transport: &'static str,
    /// DTLS versions taken.
    dtls: Vec<String>,
    /// Ciphers of media, the preferred one first.
    srtp: Vec<&'static str>,
    /// Clients may encrypt end to end; sessions may require it.
    end_to_end: &'static str,
    /// The server has no code that stores audio, video or chat.
    recording: bool,
}

/// Signalling and this API.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SignallingFacts")]
struct SignallingBody {
    /// Links of this server begin with https; TLS ends in the proxy in front.
    https: bool,
    /// Session tokens.
    tokens: &'static str,
    /// API keys and tickets are kept as hashes only.
    secrets_at_rest: &'static str,
    /// Hosts that pages of this server make browsers speak to: the one that a quick exit leads to, if there is one.
    third_party_hosts: Vec<String>,
}

/// Events on their way to whom the clinic chose.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookFacts")]
struct WebhooksBody {
    /// Events go over TLS only.
    tls_required: bool,
    /// Events may go to addresses of a private network.
    private_addresses: bool,
}

/// What is kept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StoreFacts")]
struct StoreBody {
    /// Whether records outlive the process.
    durable: bool,
    /// Display names are held in memory only.
    display_names: bool,
    /// What is taken away is overwritten.
    secure_delete: bool,
    retention_days: RetentionBody,
    /// The audit log.
    audit: &'static str,
}

/// Days each class of records is kept.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RetentionDays")]
struct RetentionBody {
    sessions: u32,
    tickets: u32,
    consents: u32,
    events: u32,
    audit: u32,
    idempotency: u32,
}

/// Rules of sessions that name none of their own.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionDefaults")]
struct SessionsBody {
    waiting_room: bool,
    require_therapist: bool,
    /// A room can be opened by a token alone.
    ad_hoc: bool,
    /// Media workers.
    workers: usize,
}

async fn read(State(api): State<ApiState>) -> Result<Reply, Problem> {
    let (config, facts) = (&api.config, &api.config.facts);
    let Retention { sessions_days, tickets_days, consents_days, events_days, audit_days, idempotency_days } =
        config.retention;
    let body = FactsBody {
        version: facts.version.clone(),
        media: MediaBody {
            transport: "DTLS-SRTP",
            dtls: facts.dtls.clone(),
            srtp: vec!["AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"],
            end_to_end: "possible; required where a session's policy says so",
            recording: false,
        },
        signalling: SignallingBody {
            https: facts.tls_in_front,
            tokens: "JWT, HS256, good for one session and person",
            secrets_at_rest: "SHA-256 of 256 random bits; answers to repeated requests under AES-256-GCM",
            third_party_hosts: facts.quick_exit_host.iter().cloned().collect(),
        },
        webhooks: WebhooksBody {
            tls_required: !config.webhooks.allow_plain,
            private_addresses: config.webhooks.allow_private,
        },
        store: StoreBody {
            durable: facts.store.is_some(),
            display_names: false,
            secure_delete: true,
            retention_days: RetentionBody {
                sessions: sessions_days,
                tickets: tickets_days,
                consents: consents_days,
                events: events_days,
                audit: audit_days,
                idempotency: idempotency_days,
            },
            audit: "append-only, chained with SHA-256, people by keyed pseudonym",
        },
        sessions: SessionsBody {
            waiting_room: config.policy.waiting_room,
            require_therapist: config.policy.require_therapist,
            ad_hoc: config.ad_hoc,
            workers: facts.workers,
        },
        features: vec!["livekit-signalling", "livekit-server-api", "control-api", "webhooks", "pages"],
    };
    Ok(Reply::ok(&body)?)
}
