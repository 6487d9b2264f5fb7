//! What is sent: kinds, sources, codecs, layers, and the edge along which media may go.

use serde::{Deserialize, Serialize};

use crate::id::{ParticipantKey, TrackCid};
use crate::redacted::Redacted;
use crate::unit::Bitrate;

/// What an RTP stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Moving picture.
    Video,
}

/// What an edge is about. `Data` is everything that goes by data channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// A microphone.
    Audio,
    /// A camera.
    Camera,
    /// The sound of a shared screen.
    ScreenAudio,
    /// The picture of a shared screen.
    ScreenVideo,
    /// Data channel messages.
    Data,
}

impl Medium {
    /// Every medium, in the order of protection: what comes first is given up last.
    pub const ALL: [Self; 5] = [Self::Audio, Self::ScreenAudio, Self::Data, Self::Camera, Self::ScreenVideo];
}

/// One permission to forward: this publisher's medium to this receiver. Computed only by `parlour-session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Who sends.
    pub publisher: ParticipantKey,
    /// Who receives.
    pub receiver: ParticipantKey,
    /// What.
    pub medium: Medium,
}

/// Where a track comes from, as its client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrackSource {
    /// Not said; treated by its kind as microphone or camera.
    Unknown,
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// The picture of a shared screen.
    ScreenShare,
    /// The sound of a shared screen.
    ScreenShareAudio,
}

impl TrackSource {
    /// The medium on whose edges a track of this source and kind goes.
    pub fn medium(self, kind: MediaKind) -> Medium {
        match (self, kind) {
            (Self::ScreenShare | Self::ScreenShareAudio, MediaKind::Video) => Medium::ScreenVideo,
            (Self::ScreenShare | Self::ScreenShareAudio, MediaKind::Audio) => Medium::ScreenAudio,
            (_, MediaKind::Video) => Medium::Camera,
            (_, MediaKind::Audio) => Medium::Audio,
        }
    }
}

/// The codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 6184.
    H264,
}

impl Codec {
    /// Audio or video.
    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Vp8 | Self::H264 => MediaKind::Video,
        }
    }

    /// RTP clock rate in Hz.
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::Vp8 | Self::H264 => 90_000,
        }
    }
}

/// Which of a publication's encodings, from the smallest; at most three (simulcast rids q, h, f).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Layer(pub u8);

/// A rung a client names when it speaks of simulcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quality {
    /// rid `q`
    Low,
    /// rid `h`
    Medium,
    /// rid `f`, or the only one
    High,
}

/// Pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VideoSize {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// What a publisher says of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSpec {
    /// Its rung.
    pub quality: Quality,
    /// Its picture size.
    pub size: VideoSize,
    /// Its intended rate; zero when not said.
    pub bitrate: Bitrate,
    /// Its SSRC where the client names it; zero when not.
    pub ssrc: u32,
}

/// End-to-end encryption of a track's frames, as its publisher declares it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// Frames are readable by the server.
    #[default]
    None,
    /// AES-GCM frames.
    Gcm,
    /// The integrator's own.
    Custom,
}

/// A client's wish to publish.
#[derive(Clone, Debug)]
pub struct TrackRequest {
    /// The client's name of the track, to be met again in its offer.
    pub cid: TrackCid,
    /// Free text shown to others.
    pub name: Redacted<String>,
    /// Audio or video.
    pub kind: MediaKind,
    /// Camera, microphone, screen.
    pub source: TrackSource,
    /// Starts muted.
    pub muted: bool,
    /// Full size; zero for audio.
    pub size: VideoSize,
    /// Encodings, for video.
    pub layers: Vec<LayerSpec>,
    /// Two audio channels.
    pub stereo: bool,
    /// The client will not use Opus DTX.
    pub disable_dtx: bool,
    /// The client will not send RED.
    pub disable_red: bool,
    /// End-to-end encryption.
    pub encryption: Encryption,
    /// Groups tracks for lip sync; free text.
    pub stream: String,
}
