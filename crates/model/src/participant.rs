//! A person (or a listed service) in a session, as others are told of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{Identity, ParticipantSid, TrackCid, TrackSid};
use crate::media::{Codec, Encryption, LayerSpec, MediaKind, TrackSource, VideoSize};
use crate::redacted::Redacted;

/// What someone is in the session. There is no hidden role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Leads the session.
    Therapist,
    /// Comes for therapy.
    Client,
    /// Invited by the therapist or clients.
    Guest,
    /// A program of the integrator's: captioner, recorder. Listed like everyone.
    Service,
}

impl Role {
    /// The word used in tokens, tickets and the control API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Therapist => "therapist",
            Self::Client => "client",
            Self::Guest => "guest",
            Self::Service => "service",
        }
    }
}

/// What a token lets its bearer do, after the role has allowed it: a grant narrows, never widens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grants {
    /// May publish microphone.
    pub microphone: bool,
    /// May publish camera.
    pub camera: bool,
    /// May share screen, picture and sound.
    pub screen: bool,
    /// May receive media.
    pub subscribe: bool,
    /// May send data.
    pub data: bool,
    /// May change its own metadata and attributes.
    pub update_own_metadata: bool,
}

impl Grants {
    /// Everything a participant may ever do.
    pub const ALL: Self =
        Self { microphone: true, camera: true, screen: true, subscribe: true, data: true, update_own_metadata: true };

    /// Only what both allow.
    pub fn narrowed_by(self, other: Self) -> Self {
        Self {
            microphone: self.microphone && other.microphone,
            camera: self.camera && other.camera,
            screen: self.screen && other.screen,
            subscribe: self.subscribe && other.subscribe,
            data: self.data && other.data,
            update_own_metadata: self.update_own_metadata && other.update_own_metadata,
        }
    }

    /// Whether a track of this source may be published.
    pub fn may_publish(self, source: TrackSource, kind: MediaKind) -> bool {
        match (source, kind) {
            (TrackSource::ScreenShare | TrackSource::ScreenShareAudio, _) => self.screen,
            (_, MediaKind::Audio) => self.microphone,
            (_, MediaKind::Video) => self.camera,
        }
    }

    /// Whether anything may be published.
    pub fn may_publish_any(self) -> bool {
        self.microphone || self.camera || self.screen
    }
}

/// How far a participant's connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParticipantState {
    /// Signalling is up, media is not yet.
    Joined,
    /// Media is up.
    Active,
    /// Gone.
    Disconnected,
}

/// What others are told of a participant. Names and metadata live in memory only.
#[derive(Clone, Debug)]
pub struct ParticipantRecord {
    /// This stay.
    pub sid: ParticipantSid,
    /// Who.
    pub identity: Identity,
    /// As what.
    pub role: Role,
    /// Shown to others.
    pub name: Redacted<String>,
    /// The integrator's, opaque.
    pub metadata: Redacted<String>,
    /// The integrator's, opaque; bounded in number and size where they enter.
    pub attributes: Redacted<BTreeMap<String, String>>,
    /// What they may do.
    pub grants: Grants,
    /// How far the connection is.
    pub state: ParticipantState,
    /// Milliseconds since the Unix epoch.
    pub joined_at_ms: i64,
    /// Grows with every change; a receiver drops what is older than what it has.
    pub version: u32,
    /// What the client library said of itself, mirrored to the others for RPC and streams.
    pub client: ClientTraits,
    /// What they publish.
    pub tracks: Vec<TrackRecord>,
}

/// Protocol traits of a client library that its peers need to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTraits {
    /// Feature level between clients.
    pub client_protocol: i32,
    /// Optional abilities, as the protocol numbers them.
    pub capabilities: Vec<i32>,
}

/// What others are told of a publication.
#[derive(Clone, Debug)]
pub struct TrackRecord {
    /// The server's name of it.
    pub sid: TrackSid,
    /// The client's name of it.
    pub cid: TrackCid,
    /// Audio or video.
    pub kind: MediaKind,
    /// Camera, microphone, screen.
    pub source: TrackSource,
    /// Free text.
    pub name: Redacted<String>,
    /// Nothing is sent at the moment.
    pub muted: bool,
    /// Full size; zero for audio.
    pub size: VideoSize,
    /// More than one encoding is sent.
    pub simulcast: bool,
    /// Encodings from the smallest.
    pub layers: Vec<LayerSpec>,
    /// Known once the offer that carries the track was answered.
    pub codec: Option<Codec>,
    /// Media section in the publisher's connection; known likewise.
    pub mid: Option<String>,
    /// Two audio channels.
    pub stereo: bool,
    /// No Opus DTX.
    pub disable_dtx: bool,
    /// No RED.
    pub disable_red: bool,
    /// End-to-end encryption.
    pub encryption: Encryption,
    /// Lip sync group.
    pub stream: String,
}
