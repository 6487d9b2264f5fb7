//! LiveKit's webhooks: what its servers tell an integrator's server, in its form. The body is the JSON of a protobuf
//! message; a token of an API key carries the body's hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use livekit_protocol as proto;
use parlour_model::{MediaKind, Medium, Role, TrackSource};
use serde::Serialize;

use crate::config::Keys;
use crate::translate::track;

/// What a webhook is sent as.
pub const WEBHOOK_CONTENT_TYPE: &str = "application/webhook+json";
/// How long the token of a webhook is good: a receiver's queue, not more.
const LIFETIME_SECONDS: u64 = 300;
/// Clocks of receivers may be behind.
const LEEWAY_SECONDS: u64 = 60;

/// What LiveKit has a word for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// The first thing happened in a room.
    RoomStarted,
    /// It is over.
    RoomFinished,
    /// Someone came in, perhaps to wait.
    ParticipantJoined,
    /// Someone went, in whatever way.
    ParticipantLeft,
    /// A track is there.
    TrackPublished,
    /// A track is there no more.
    TrackUnpublished,
}

impl RoomEvent {
    fn as_str(self) -> &'static str {
        match self {
            Self::RoomStarted => "room_started",
            Self::RoomFinished => "room_finished",
            Self::ParticipantJoined => "participant_joined",
            Self::ParticipantLeft => "participant_left",
            Self::TrackPublished => "track_published",
            Self::TrackUnpublished => "track_unpublished",
        }
    }
}

/// What is told. Fields that an event does not have are empty or `None`.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What happened.
    pub event: RoomEvent,
    /// The same for each attempt to deliver it.
    pub id: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The session.
    pub room: String,
    /// This opening of it.
    pub room_sid: String,
    /// Who.
    pub participant: Option<WebhookParticipant>,
    /// Which track, and of what.
    pub track: Option<(String, Medium)>,
}

/// Of whom it is told; without a name.
#[derive(Clone, Debug)]
pub struct WebhookParticipant {
    /// The stay.
    pub sid: String,
    /// Who.
    pub identity: String,
    /// As what, where it is known.
    pub role: Option<Role>,
}

impl Webhook {
    /// The body to be sent.
    pub fn body(self) -> String {
        let participant = self.participant.map(|who| participant(who, self.event, self.at_ms));
        let message = proto::WebhookEvent {
            event: self.event.as_str().to_owned(),
            room: Some(proto::Room { sid: self.room_sid, name: self.room, ..Default::default() }),
            participant,
            track: self.track.map(|(sid, medium)| described(sid, medium)),
            id: self.id,
            created_at: self.at_ms / 1_000,
            ..Default::default()
        };
        // Our own messages have no number or key that JSON lacks.
        serde_json::to_string(&message).unwrap_or_default()
    }
}

fn participant(who: WebhookParticipant, event: RoomEvent, at_ms: i64) -> proto::ParticipantInfo {
    use proto::participant_info::{Kind, State};
    let left = event == RoomEvent::ParticipantLeft;
    let joined = if event == RoomEvent::ParticipantJoined { at_ms } else { 0 };
    proto::ParticipantInfo {
        sid: who.sid,
        identity: who.identity,
        state: if left { State::Disconnected } else { State::Active }.into(),
        joined_at: joined / 1_000,
        joined_at_ms: joined,
        kind: if who.role == Some(Role::Service) { Kind::Agent } else { Kind::Standard }.into(),
        ..Default::default()
    }
}

fn described(sid: String, medium: Medium) -> proto::TrackInfo {
    let (kind, source) = match medium {
        Medium::Audio => (MediaKind::Audio, TrackSource::Microphone),
        Medium::ScreenAudio => (MediaKind::Audio, TrackSource::ScreenShareAudio),
        Medium::ScreenVideo => (MediaKind::Video, TrackSource::ScreenShare),
        Medium::Camera | Medium::Data => (MediaKind::Video, TrackSource::Camera),
    };
    let kind = match kind {
        MediaKind::Audio => proto::TrackType::Audio,
        MediaKind::Video => proto::TrackType::Video,
    };
    proto::TrackInfo { sid, r#type: kind.into(), source: track::source_out(source).into(), ..Default::default() }
}

#[derive(Serialize)]
struct BodyClaims<'a> {
    iss: &'a str,
    nbf: u64,
    exp: u64,
    sha256: String,
}

/// The `Authorization` header of a body with this SHA-256: a token of an API key. `now` in seconds since the Unix
/// epoch. `None`: there is no such key.
pub fn webhook_authorization(sha256: &[u8], key: &str, keys: &Keys, now: u64) -> Option<String> {
    let secret = keys.secret(key)?;
    let claims = BodyClaims {
        iss: key,
        nbf: now.saturating_sub(LEEWAY_SECONDS),
        exp: now.saturating_add(LIFETIME_SECONDS),
        sha256: STANDARD.encode(sha256),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.0.as_bytes())).ok()
}
