//! The tracks an endpoint receives: which section and source carries which, and their counts.

use std::collections::BTreeMap;
use std::time::Instant;

use str0m::Rtc;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid, Pt};
use str0m::rtp::{RtpPacket, Ssrc};

use super::KEY_REQUEST_SPACING;
use super::sdp::{has_audio_nack, sending_sections};
use super::sections::Sections;
use crate::media::{TrackKind, TrackReceiver, TrackStats};

pub(crate) struct Received {
    epoch: Instant,
    /// By track sid, also after the track is gone.
    tracks: BTreeMap<String, Remote>,
    /// Which track a section carries now.
    by_mid: BTreeMap<Mid, String>,
    mids: BTreeMap<Ssrc, Mid>,
    red: Option<Pt>,
    /// Packets of sections that carry nothing as far as we were told.
    pub(crate) unexpected: u64,
}

struct Remote {
    receiver: TrackReceiver,
    ssrc: Option<Ssrc>,
    last_key_request: Option<Instant>,
}

impl Received {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            tracks: BTreeMap::new(),
            by_mid: BTreeMap::new(),
            mids: BTreeMap::new(),
            red: None,
            unexpected: 0,
        }
    }

    pub(crate) fn stats(&self) -> impl Iterator<Item = (&str, &TrackStats)> {
        self.tracks.iter().map(|(sid, track)| (sid.as_str(), track.receiver.stats()))
    }

    pub(crate) fn carried(&self) -> impl Iterator<Item = &str> {
        self.by_mid.values().map(String::as_str)
    }

    pub(crate) fn reset(&mut self) {
        self.tracks.values_mut().for_each(|track| track.receiver.reset_stats());
    }

    /// Takes over what an answer says: (mid, track sid) for every section that carries a track.
    pub(crate) fn assign(&mut self, rtc: &mut Rtc, sections: &Sections, answer: &str, tracks: &[(String, String)]) {
        self.by_mid.clear();
        self.mids.clear();
        self.red = rtc.codec_config().params().iter().find_map(|params| params.red());
        for (mid, sid) in tracks {
            let mid = Mid::from(mid.as_str());
            let Some(kind) = sections.kind(mid) else { continue };
            let kind = match kind {
                MediaKind::Audio => TrackKind::Audio,
                MediaKind::Video => TrackKind::Video,
            };
            let fresh =
                || Remote { receiver: TrackReceiver::new(kind, self.epoch), ssrc: None, last_key_request: None };
            self.tracks.entry(sid.clone()).or_insert_with(fresh);
            self.by_mid.insert(mid, sid.clone());
        }
        for (mid, ssrcs) in sending_sections(answer) {
            if !has_audio_nack(answer, &mid) {
                continue;
            }
            for ssrc in ssrcs {
                // `str0m` takes the absence of RTX for the absence of NACK; Opus is repaired plainly.
                if let Some(stream) = rtc.direct_api().stream_rx(&ssrc.into()) {
                    stream.suppress_nack(false);
                }
            }
        }
    }

    pub(crate) fn handle_packet(&mut self, rtc: &mut Rtc, now: Instant, packet: &RtpPacket) {
        if packet.payload.is_empty() {
            return;
        }
        let ssrc = packet.header.ssrc;
        let mid = match self.mids.get(&ssrc) {
            Some(mid) => *mid,
            None => {
                let Some(mid) = rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else { return };
                self.mids.insert(ssrc, mid);
                mid
            }
        };
        let Some(remote) = self.by_mid.get(&mid).and_then(|sid| self.tracks.get_mut(sid)) else {
            self.unexpected += 1;
            return;
        };
        if remote.ssrc.replace(ssrc).is_some_and(|before| before != ssrc) {
            remote.receiver.begin_stream();
        }
        match remote.receiver.kind() {
            TrackKind::Audio => {
                let red = self.red == Some(packet.header.payload_type);
                remote.receiver.handle_audio(now, red, &packet.payload);
            }
            TrackKind::Video => {
                remote.receiver.handle_video(now, *packet.seq_no, packet.header.marker, &packet.payload);
                remote.ask_for_key(rtc, now);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tracks.values().filter_map(|track| track.receiver.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, rtc: &mut Rtc, now: Instant) {
        for track in self.tracks.values_mut() {
            if track.receiver.poll_timeout().is_some_and(|at| at <= now) {
                track.receiver.handle_timeout(now);
                track.ask_for_key(rtc, now);
            }
        }
    }
}

impl Remote {
    fn ask_for_key(&mut self, rtc: &mut Rtc, now: Instant) {
        if self.last_key_request.is_some_and(|last| now < last + KEY_REQUEST_SPACING) {
            return;
        }
        if !self.receiver.take_key_request() {
            return;
        }
        let Some(ssrc) = self.ssrc else { return };
        if let Some(stream) = rtc.direct_api().stream_rx(&ssrc) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            self.last_key_request = Some(now);
        }
    }
}
