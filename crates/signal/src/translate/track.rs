//! Tracks: announcements in, records out.

use livekit_protocol as proto;
use parlour_model::participant::TrackRecord;
use parlour_model::{
    Bitrate, Codec, Encryption, LayerSpec, MediaKind, Quality, Redacted, TrackCid, TrackRequest, TrackSource, VideoSize,
};

use super::request::Invalid;

/// Longest name, client id and stream of a track.
const MAX_TRACK_TEXT: usize = 256;
/// Encodings of one track (rids q, h, f).
const MAX_LAYERS: usize = 3;

/// What a client announces.
pub(crate) fn request(request: proto::AddTrackRequest) -> Result<TrackRequest, Invalid> {
    let texts = [&request.cid, &request.name, &request.stream];
    if request.cid.is_empty() || texts.iter().any(|text| text.len() > MAX_TRACK_TEXT) {
        return Err(Invalid);
    }
    // A further codec for a track that is published already: nobody asks for one here.
    if !request.sid.is_empty() {
        return Err(Invalid);
    }
    let kind = kind(request.r#type())?;
    let source = source(request.source());
    let encryption = encryption(request.encryption());
    let features = request.audio_features.clone();
    let has = |feature: proto::AudioTrackFeature| features.contains(&(feature as i32));
    #[allow(deprecated)] // older SDKs say it this way
    let (stereo, disable_dtx) = (
        request.stereo || has(proto::AudioTrackFeature::TfStereo),
        request.disable_dtx || has(proto::AudioTrackFeature::TfNoDtx),
    );
    let layers = if request.layers.is_empty() {
        request.simulcast_codecs.first().map(|codec| codec.layers.as_slice()).unwrap_or_default()
    } else {
        request.layers.as_slice()
    };
    Ok(TrackRequest {
        kind,
        source,
        muted: request.muted,
        size: VideoSize { width: request.width, height: request.height },
        layers: self::layers(layers)?,
        stereo,
        disable_dtx,
        disable_red: request.disable_red,
        encryption,
        cid: TrackCid::from(request.cid),
        name: Redacted(request.name),
        stream: request.stream,
    })
}

/// The encodings a client lists.
pub(crate) fn layers(layers: &[proto::VideoLayer]) -> Result<Vec<LayerSpec>, Invalid> {
    if layers.len() > MAX_LAYERS {
        return Err(Invalid);
    }
    layers.iter().map(layer).collect()
}

fn layer(layer: &proto::VideoLayer) -> Result<LayerSpec, Invalid> {
    Ok(LayerSpec {
        quality: quality(layer.quality()).ok_or(Invalid)?,
        size: VideoSize { width: layer.width, height: layer.height },
        bitrate: Bitrate::bps(layer.bitrate.into()),
        ssrc: layer.ssrc,
    })
}

/// `None` for "off".
pub(crate) fn quality(quality: proto::VideoQuality) -> Option<Quality> {
    match quality {
        proto::VideoQuality::Low => Some(Quality::Low),
        proto::VideoQuality::Medium => Some(Quality::Medium),
        proto::VideoQuality::High => Some(Quality::High),
        proto::VideoQuality::Off => None,
    }
}

pub(crate) fn quality_out(quality: Quality) -> proto::VideoQuality {
    match quality {
        Quality::Low => proto::VideoQuality::Low,
        Quality::Medium => proto::VideoQuality::Medium,
        Quality::High => proto::VideoQuality::High,
    }
}

fn kind(kind: proto::TrackType) -> Result<MediaKind, Invalid> {
    match kind {
        proto::TrackType::Audio => Ok(MediaKind::Audio),
        proto::TrackType::Video => Ok(MediaKind::Video),
        proto::TrackType::Data => Err(Invalid),
    }
}

fn source(source: proto::TrackSource) -> TrackSource {
    match source {
        proto::TrackSource::Unknown => TrackSource::Unknown,
        proto::TrackSource::Camera => TrackSource::Camera,
        proto::TrackSource::Microphone => TrackSource::Microphone,
        proto::TrackSource::ScreenShare => TrackSource::ScreenShare,
        proto::TrackSource::ScreenShareAudio => TrackSource::ScreenShareAudio,
    }
}

pub(crate) fn source_out(source: TrackSource) -> proto::TrackSource {
    match source {
        TrackSource::Unknown => proto::TrackSource::Unknown,
        TrackSource::Camera => proto::TrackSource::Camera,
        TrackSource::Microphone => proto::TrackSource::Microphone,
        TrackSource::ScreenShare => proto::TrackSource::ScreenShare,
        TrackSource::ScreenShareAudio => proto::TrackSource::ScreenShareAudio,
    }
}

fn encryption(encryption: proto::encryption::Type) -> Encryption {
    match encryption {
        proto::encryption::Type::None => Encryption::None,
        proto::encryption::Type::Gcm => Encryption::Gcm,
        proto::encryption::Type::Custom => Encryption::Custom,
    }
}

fn encryption_out(encryption: Encryption) -> proto::encryption::Type {
    match encryption {
        Encryption::None => proto::encryption::Type::None,
        Encryption::Gcm => proto::encryption::Type::Gcm,
        Encryption::Custom => proto::encryption::Type::Custom,
    }
}

/// The name that LiveKit and SDP (RFC 6838) give a codec.
pub(crate) fn mime_type(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Vp8 => "video/VP8",
        Codec::H264 => "video/H264",
    }
}

fn layer_out(layer: &LayerSpec, alone: bool) -> proto::VideoLayer {
    let rid = match (alone, layer.quality) {
        (true, _) => "",
        (false, Quality::Low) => "q",
        (false, Quality::Medium) => "h",
        (false, Quality::High) => "f",
    };
    proto::VideoLayer {
        quality: quality_out(layer.quality).into(),
        width: layer.size.width,
        height: layer.size.height,
        bitrate: u32::try_from(layer.bitrate.as_bps()).unwrap_or(u32::MAX),
        ssrc: layer.ssrc,
        rid: rid.to_owned(),
        ..Default::default()
    }
}

/// As others, and its owner, are told of a track.
#[allow(deprecated)] // older SDKs read the old fields
pub(crate) fn info(track: &TrackRecord) -> proto::TrackInfo {
    let layers: Vec<_> = track.layers.iter().map(|layer| layer_out(layer, track.layers.len() == 1)).collect();
    // Before the offer was answered the codec of video is not known; audio has only one.
    let mime = match (track.codec, track.kind) {
        (Some(codec), _) => mime_type(codec),
        (None, MediaKind::Audio) => mime_type(Codec::Opus),
        (None, MediaKind::Video) => "",
    };
    let mid = track.mid.clone().unwrap_or_default();
    let mode = proto::video_layer::Mode::OneSpatialLayerPerStream;
    let codecs = if mime.is_empty() || track.kind == MediaKind::Audio {
        Vec::new()
    } else {
        vec![proto::SimulcastCodecInfo {
            mime_type: mime.to_owned(),
            mid: mid.clone(),
            cid: track.cid.as_str().to_owned(),
            layers: layers.clone(),
            video_layer_mode: mode.into(),
            ..Default::default()
        }]
    };
    proto::TrackInfo {
        sid: track.sid.as_str().to_owned(),
        r#type: match track.kind {
            MediaKind::Audio => proto::TrackType::Audio.into(),
            MediaKind::Video => proto::TrackType::Video.into(),
        },
        name: track.name.0.clone(),
        muted: track.muted,
        width: track.size.width,
        height: track.size.height,
        simulcast: track.simulcast,
        disable_dtx: track.disable_dtx,
        source: source_out(track.source).into(),
        layers,
        mime_type: mime.to_owned(),
        mid,
        codecs,
        stereo: track.stereo,
        disable_red: track.disable_red,
        encryption: encryption_out(track.encryption).into(),
        stream: track.stream.clone(),
        audio_features: audio_features(track),
        ..Default::default()
    }
}

fn audio_features(track: &TrackRecord) -> Vec<i32> {
    let mut features = Vec::new();
    if track.kind == MediaKind::Audio {
        if track.stereo {
            features.push(proto::AudioTrackFeature::TfStereo.into());
        }
        if track.disable_dtx {
            features.push(proto::AudioTrackFeature::TfNoDtx.into());
        }
    }
    features
}
