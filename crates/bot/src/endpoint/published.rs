//! The tracks an endpoint sends: their sources, sections and counts.

use std::time::{Duration, Instant};

use str0m::Rtc;
use str0m::change::SdpApi;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::rtp::{ExtensionValues, RtpWrite, Ssrc};

use crate::media::{AudioConfig, AudioSource, SourcePacket, VideoConfig, VideoSource};

/// How long sent packets can be asked for again, and how many.
const REPAIR_HISTORY: (usize, Duration) = (4_096, Duration::from_secs(2));

/// Of what is sent, the share that is payload.
const PAYLOAD_SHARE: f64 = 0.93;

/// Counts of what an endpoint sent.
#[derive(Clone, Debug, Default)]
pub struct SentStats {
    /// Audio packets.
    pub audio_packets: u64,
    /// Video packets over all encodings, without repairs.
    pub video_packets: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Keyframe requests taken.
    pub key_requests: u64,
    /// What the server takes at most, as it said last.
    pub bound_bps: Option<f64>,
}

pub(crate) struct Published {
    epoch: Instant,
    seed: u64,
    tracks: Vec<Track>,
    stats: SentStats,
    fresh: Vec<SourcePacket>,
    /// What the server takes at most, bits per second on the wire.
    bound: Option<f64>,
}

struct Track {
    cid: String,
    source: Source,
    muted: bool,
    /// Once it is part of an offer.
    mid: Option<Mid>,
    /// Once the offer is answered.
    wire: Option<Wire>,
}

enum Source {
    Audio(AudioSource),
    Video(Box<VideoSource>),
}

struct Wire {
    payload_type: Pt,
    red: Option<Pt>,
    /// By encoding; an encoding the server did not take has none.
    ssrcs: Vec<Option<Ssrc>>,
}

impl Published {
    pub(crate) fn new(epoch: Instant, seed: u64) -> Self {
        Self { epoch, seed, tracks: Vec::new(), stats: SentStats::default(), fresh: Vec::new(), bound: None }
    }

    pub(crate) fn stats(&self) -> &SentStats {
        &self.stats
    }

    pub(crate) fn add_audio(&mut self, cid: &str, config: AudioConfig, now: Instant) {
        let source = AudioSource::new(config, self.next_seed(), self.epoch, now);
        self.add(cid, Source::Audio(source));
    }

    pub(crate) fn add_video(&mut self, cid: &str, config: VideoConfig, now: Instant) {
        let source = VideoSource::new(config, self.next_seed(), self.epoch, now);
        self.add(cid, Source::Video(Box::new(source)));
    }

    fn add(&mut self, cid: &str, source: Source) {
        self.tracks.push(Track { cid: cid.to_owned(), source, muted: false, mid: None, wire: None });
    }

    fn next_seed(&mut self) -> u64 {
        // Any odd constant spreads consecutive seeds (golden ratio).
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.seed
    }

    /// Forgets a track; gives its section if it has one.
    pub(crate) fn remove(&mut self, cid: &str) -> Option<Mid> {
        let index = self.tracks.iter().position(|track| track.cid == cid)?;
        self.tracks.remove(index).mid
    }

    pub(crate) fn set_muted(&mut self, cid: &str, muted: bool) {
        if let Some(track) = self.tracks.iter_mut().find(|track| track.cid == cid) {
            track.muted = muted;
            if let (Source::Video(source), false) = (&mut track.source, muted) {
                (0..source.config().layers.len()).for_each(|layer| source.request_key(layer));
            }
        }
    }

    pub(crate) fn set_active_layers(&mut self, cid: &str, active: &[bool]) {
        if let Some(Track { source: Source::Video(source), .. }) = self.tracks.iter_mut().find(|t| t.cid == cid) {
            for (layer, active) in active.iter().enumerate() {
                source.set_active(layer, *active);
            }
        }
        self.follow_bound();
    }

    /// The server takes no more than this in all (REMB). Sound is not touched; pictures share the rest.
    pub(crate) fn set_bound(&mut self, bits_per_second: f64) {
        self.bound = Some(bits_per_second);
        self.stats.bound_bps = Some(bits_per_second);
        self.follow_bound();
    }

    fn follow_bound(&mut self) {
        let Some(bound) = self.bound else { return };
        let sound = |track: &Track| match &track.source {
            Source::Audio(source) => source.config().bitrate_bps as f64 * (1.0 + source.config().redundancy as f64),
            Source::Video(_) => 0.0,
        };
        let (sound, pictures) =
            (self.tracks.iter().map(sound).sum::<f64>(), self.tracks.iter().filter(|t| t.is_video()));
        let part = (bound * PAYLOAD_SHARE - sound) / pictures.count().max(1) as f64;
        for track in &mut self.tracks {
            if let Source::Video(source) = &mut track.source {
                source.set_bound(part);
            }
        }
    }

    pub(crate) fn microphone(&mut self, cid: &str) -> Option<&mut AudioSource> {
        match &mut self.tracks.iter_mut().find(|track| track.cid == cid)?.source {
            Source::Audio(source) => Some(source),
            Source::Video(_) => None,
        }
    }

    /// Adds sections for tracks that have none.
    pub(crate) fn add_sections(&mut self, api: &mut SdpApi<'_>) {
        for track in self.tracks.iter_mut().filter(|track| track.mid.is_none()) {
            let (kind, simulcast) = match &track.source {
                Source::Audio(_) => (MediaKind::Audio, None),
                Source::Video(source) => (MediaKind::Video, simulcast(source.config())),
            };
            let mid = api.add_media(kind, Direction::SendOnly, Some("-".into()), Some(track.cid.clone()), simulcast);
            track.mid = Some(mid);
        }
    }

    /// Finds, after an answer, what each track is sent as.
    pub(crate) fn settle(&mut self, rtc: &mut Rtc) {
        for track in &mut self.tracks {
            track.wire = track.mid.and_then(|mid| wire_of(rtc, mid, &track.source));
        }
    }

    pub(crate) fn request_key(&mut self, mid: Mid, rid: Option<Rid>) {
        let Some(track) = self.tracks.iter_mut().find(|track| track.mid == Some(mid)) else { return };
        let Source::Video(source) = &mut track.source else { return };
        self.stats.key_requests += 1;
        let layer = match rid {
            Some(rid) => source.config().layers.iter().position(|layer| *layer.rid == *rid),
            None => Some(0),
        };
        if let Some(layer) = layer {
            source.request_key(layer);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let due = |track: &Track| match &track.source {
            Source::Audio(source) => source.poll_timeout(),
            Source::Video(source) => source.poll_timeout(),
        };
        self.tracks.iter().filter(|track| track.sends()).map(due).min()
    }

    pub(crate) fn handle_timeout(&mut self, rtc: &mut Rtc, now: Instant) {
        let Self { tracks, fresh, stats, .. } = self;
        for track in tracks.iter_mut().filter(|track| track.sends()) {
            let Some(wire) = &track.wire else { continue };
            let (payload_type, level) = match &mut track.source {
                Source::Audio(source) => {
                    let red = wire.red.filter(|_| source.config().redundancy > 0);
                    source.handle_timeout(now, red.is_some(), fresh);
                    (red.unwrap_or(wire.payload_type), Some(source.config().level))
                }
                Source::Video(source) => {
                    source.handle_timeout(now, fresh);
                    (wire.payload_type, None)
                }
            };
            for packet in fresh.drain(..) {
                stats.bytes += packet.payload.len() as u64;
                match level {
                    Some(_) => stats.audio_packets += 1,
                    None => stats.video_packets += 1,
                }
                write(rtc, wire, payload_type, level, packet, now);
            }
        }
    }
}

impl Track {
    fn sends(&self) -> bool {
        !self.muted && self.wire.is_some()
    }

    fn is_video(&self) -> bool {
        matches!(self.source, Source::Video(_))
    }
}

fn simulcast(config: &VideoConfig) -> Option<Simulcast> {
    let rids: Vec<_> = config.layers.iter().filter(|layer| !layer.rid.is_empty()).collect();
    (!rids.is_empty()).then(|| {
        let mut simulcast = Simulcast::new();
        rids.iter().for_each(|layer| simulcast.add_send_layer(SimulcastLayer::new(&layer.rid)));
        simulcast
    })
}

fn wire_of(rtc: &mut Rtc, mid: Mid, source: &Source) -> Option<Wire> {
    let media = rtc.media(mid)?;
    if !media.direction().is_sending() {
        return None;
    }
    let payload_types = media.remote_pts().to_vec();
    let config = rtc.codec_config().clone();
    let params = config.params().iter().find(|params| payload_types.contains(&params.pt()))?;
    let rids: Vec<Option<Rid>> = match source {
        Source::Audio(_) => vec![None],
        Source::Video(source) => {
            let rid = |name: &str| (!name.is_empty()).then(|| Rid::from(name));
            source.config().layers.iter().map(|layer| rid(&layer.rid)).collect()
        }
    };
    let mut api = rtc.direct_api();
    let ssrcs = rids
        .into_iter()
        .map(|rid| {
            let stream = api.stream_tx_by_mid(mid, rid)?;
            // Every loss of a simulated link is to be repaired; a share would cut it off.
            stream.set_rtx_cache(REPAIR_HISTORY.0, REPAIR_HISTORY.1, None);
            Some(stream.ssrc())
        })
        .collect();
    Some(Wire { payload_type: params.pt(), red: params.red(), ssrcs })
}

fn write(rtc: &mut Rtc, wire: &Wire, payload_type: Pt, level: Option<i8>, packet: SourcePacket, now: Instant) {
    let Some(ssrc) = wire.ssrcs.get(packet.layer).copied().flatten() else { return };
    let mut api = rtc.direct_api();
    let Some(stream) = api.stream_tx(&ssrc) else { return };
    let extensions = ExtensionValues {
        audio_level: level,
        voice_activity: level.map(|level| level > -60),
        ..ExtensionValues::default()
    };
    let write = RtpWrite::new(payload_type, packet.sequence.into(), packet.timestamp, now, packet.payload)
        .marker(packet.marker)
        .nackable(level.is_none())
        .ext_vals(extensions);
    stream.write_rtp(write);
}
