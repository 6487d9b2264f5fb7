//! An event as an endpoint wants it: headers and body.

use aws_lc_rs::digest;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use parlour_model::{Medium, Role};
use parlour_signal::{Keys, RoomEvent, Webhook, WebhookParticipant};
use parlour_store::{Endpoint, StoredEvent, WebhookForm};
use serde::Deserialize;

use super::signature::Signer;
use crate::events::envelope::Envelope;

/// As receivers may log it.
const AGENT: &str = concat!("parlour/", env!("CARGO_PKG_VERSION"));

/// How an endpoint's events are written and signed.
pub(super) enum Form {
    /// Standard Webhooks: with what signs, and what signs as well until a time.
    Standard(Box<Signer>, Option<(Box<Signer>, i64)>),
    /// LiveKit's: with the name of the API key whose token goes along.
    Livekit(String),
}

/// What is sent.
pub(super) struct Message {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Form {
    /// Of an endpoint as kept. `None`: what was kept of it is damaged.
    pub(super) fn of(endpoint: &Endpoint) -> Option<Self> {
        match endpoint.form {
            WebhookForm::Standard => {
                let signer = Signer::kept(&endpoint.secret)?;
                let old = endpoint.old.as_ref();
                let old = old.and_then(|old| Some((Box::new(Signer::kept(&old.secret)?), old.until_ms)));
                Some(Self::Standard(Box::new(signer), old))
            }
            WebhookForm::Livekit => String::from_utf8(endpoint.secret.clone()).ok().map(Self::Livekit),
        }
    }

    /// Writes and signs an event. `None`: this form has no word for it (or its key is no longer ours).
    pub(super) fn message(&self, event: &StoredEvent, keys: &Keys, now_ms: i64) -> Option<Message> {
        match self {
            Self::Standard(signer, old) => {
                let old = old.as_ref().filter(|(_, until_ms)| now_ms < *until_ms).map(|(old, _)| old.as_ref());
                standard(signer, old, event, now_ms)
            }
            Self::Livekit(key) => livekit(key, event, keys, now_ms),
        }
    }
}

/// The same for each attempt, so that a receiver can tell a repetition.
fn id_of(event: &StoredEvent) -> String {
    format!("evt_{}", crate::words::cursor(event.number))
}

fn message(kind: &'static str, headers: &[(&'static str, String)], body: String) -> Option<Message> {
    let mut all = HeaderMap::new();
    all.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    all.insert(header::CONNECTION, HeaderValue::from_static("close"));
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in headers {
        all.insert(HeaderName::from_static(name), HeaderValue::from_str(value).ok()?);
    }
    Some(Message { headers: all, body })
}

fn standard(signer: &Signer, old: Option<&Signer>, event: &StoredEvent, now_ms: i64) -> Option<Message> {
    #[derive(serde::Serialize)]
    struct Thin {
        #[serde(rename = "type")]
        kind: String,
        timestamp: String,
        data: crate::events::envelope::Facts,
    }
    let Envelope { kind, timestamp, data, .. } = Envelope::from(event);
    let body = serde_json::to_string(&Thin { kind, timestamp, data }).ok()?;
    let (id, at) = (id_of(event), now_ms / 1_000);
    // A receiver takes what one of them matches.
    let signatures = [Some(signer), old].into_iter().flatten().map(|signer| signer.sign(&id, at, &body));
    let signature = signatures.collect::<Vec<_>>().join(" ");
    let headers = [("webhook-id", id), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)];
    message("application/json", &headers, body)
}

/// Those of our facts that LiveKit has a place for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Known {
    room: String,
    participant: String,
    identity: String,
    role: Option<Role>,
    track: String,
    medium: Option<Medium>,
}

fn livekit(key: &str, event: &StoredEvent, keys: &Keys, now_ms: i64) -> Option<Message> {
    let word = match event.kind.as_str() {
        "session.started" => RoomEvent::RoomStarted,
        "session.ended" => RoomEvent::RoomFinished,
        "participant.joined" => RoomEvent::ParticipantJoined,
        "participant.left" => RoomEvent::ParticipantLeft,
        "track.published" => RoomEvent::TrackPublished,
        "track.unpublished" => RoomEvent::TrackUnpublished,
        _ => return None,
    };
    let Known { room, participant, identity, role, track, medium } =
        serde_json::from_str(&event.body).unwrap_or_default();
    let participant = WebhookParticipant { sid: participant, identity, role };
    let body = Webhook {
        event: word,
        id: id_of(event),
        at_ms: event.at_ms,
        room: event.session.as_str().to_owned(),
        room_sid: room,
        participant: (!participant.identity.is_empty()).then_some(participant),
        track: medium.map(|medium| (track, medium)),
    }
    .body();
    let hash = digest::digest(&digest::SHA256, body.as_bytes());
    let now = u64::try_from(now_ms / 1_000).unwrap_or_default();
    let authorization = parlour_signal::webhook_authorization(hash.as_ref(), key, keys, now)?;
    message(parlour_signal::WEBHOOK_CONTENT_TYPE, &[("authorization", authorization)], body)
}
