//! The opponent: Google congestion control as str0m carries it, through two `Rtc` in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_estimator::TracePoint;
use parlour_simnet::{Epoch, Micros, UDP_OVERHEAD};
use str0m::bwe::Bitrate;
use str0m::format::Codec;
use str0m::media::{MediaKind, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc};

use crate::leg::{Leg, LegStats, Transmit, Wire};
use crate::media::{Budget, MediaPacket, OVERHEAD, VIDEO_PAYLOAD};

const AUDIO_SSRC: u32 = 10;
/// The estimate is read as statistics, as often as feedback comes. `EgressBitrateEstimate` is a mean over three seconds:
/// with it M1 stood on a full queue most of the time, which is that event's doing and not the algorithm's.
const ESTIMATE_EVERY: Duration = Duration::from_millis(50);

/// Sender and receiver of the opponent.
pub struct GccLeg {
    epoch: Epoch,
    ends: [End; 2],
    out: VecDeque<Transmit>,
    received: VecDeque<MediaPacket>,
    estimate: f64,
    /// What the server allows, wire bit/s.
    bound: f64,
    video_pt: Pt,
    audio_pt: Pt,
    sequences: [u64; 4],
    stats: LegStats,
}

struct End {
    rtc: Rtc,
    address: SocketAddr,
    due: Instant,
}

fn end(rtc: Rtc, address: SocketAddr, due: Instant) -> End {
    End { rtc, address, due }
}

impl GccLeg {
    /// A connected pair. The handshake happens before the epoch, over a path without delay.
    pub fn new(
        epoch: Epoch,
        sender: SocketAddr,
        receiver: SocketAddr,
        start: f64,
        pictures: usize,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let before = epoch.0 - Duration::from_secs(5);
        let initial = Bitrate::bps(start as u64);
        let left = Rtc::builder()
            .set_rtp_mode(true)
            .enable_bwe(Some(initial))
            .set_stats_interval(Some(ESTIMATE_EVERY))
            .build(before);
        let right = Rtc::builder().set_rtp_mode(true).build(before);
        let mut leg = Self {
            epoch,
            ends: [end(left, sender, before), end(right, receiver, before)],
            out: VecDeque::new(),
            received: VecDeque::new(),
            estimate: start,
            bound: f64::INFINITY,
            video_pt: 0.into(),
            audio_pt: 0.into(),
            sequences: [1_000; 4],
            stats: LegStats::default(),
        };
        leg.connect(before)?;
        leg.declare(pictures)?;
        leg.stats = LegStats::default();
        leg.received.clear();
        Ok(leg)
    }

    fn connect(&mut self, before: Instant) -> Result<(), Box<dyn std::error::Error>> {
        let hosts = [self.ends[0].address, self.ends[1].address];
        for (mine, theirs) in [(0, 1), (1, 0)] {
            let fingerprint = self.ends[theirs].rtc.direct_api().local_dtls_fingerprint().clone();
            let credentials = self.ends[theirs].rtc.direct_api().local_ice_credentials();
            let rtc = &mut self.ends[mine].rtc;
            rtc.add_local_candidate(Candidate::host(hosts[mine], "udp")?);
            rtc.add_remote_candidate(Candidate::host(hosts[theirs], "udp")?);
            let mut direct = rtc.direct_api();
            direct.set_remote_fingerprint(fingerprint);
            direct.set_remote_ice_credentials(credentials);
            direct.set_ice_controlling(mine == 0);
        }
        self.ends[0].rtc.direct_api().start_dtls(true)?;
        self.ends[1].rtc.direct_api().start_dtls(false)?;
        let mut at = before;
        while at < self.epoch.0 {
            for index in 0..2 {
                self.ends[index].rtc.handle_input(Input::Timeout(at))?;
                self.drain(index);
            }
            while let Some(sent) = self.out.pop_front() {
                let index = usize::from(sent.to == hosts[1]);
                self.deliver(index, at, sent.from, sent.wire);
            }
            at += Duration::from_millis(20);
        }
        if self.ends.iter().all(|end| end.rtc.is_connected()) { Ok(()) } else { Err("no connection".into()) }
    }

    fn declare(&mut self, pictures: usize) -> Result<(), Box<dyn std::error::Error>> {
        for (index, end) in self.ends.iter_mut().enumerate() {
            let mut direct = end.rtc.direct_api();
            direct.declare_media("aud".into(), MediaKind::Audio);
            let audio: Ssrc = AUDIO_SSRC.into();
            if index == 0 {
                direct.declare_stream_tx(audio, None, "aud".into(), None).set_unpaced(true);
            } else {
                direct.expect_stream_rx(audio, None, "aud".into(), None);
            }
            for picture in 1..=pictures as u32 {
                let mid = format!("v{picture}").as_str().into();
                direct.declare_media(mid, MediaKind::Video);
                let (ssrc, repair): (Ssrc, Ssrc) =
                    ((AUDIO_SSRC + picture * 2).into(), (AUDIO_SSRC + 100 + picture).into());
                if index == 0 {
                    direct.declare_stream_tx(ssrc, Some(repair), mid, None);
                } else {
                    direct.expect_stream_rx(ssrc, Some(repair), mid, None);
                }
            }
            if index == 1 {
                direct.enable_twcc_feedback();
            }
        }
        let codec = |rtc: &Rtc, codec: Codec| rtc.codec_config().find(|p| p.spec().codec == codec).map(|p| p.pt());
        self.video_pt = codec(&self.ends[0].rtc, Codec::Vp8).ok_or("no VP8")?;
        self.audio_pt = codec(&self.ends[0].rtc, Codec::Opus).ok_or("no Opus")?;
        Ok(())
    }

    fn deliver(&mut self, index: usize, at: Instant, from: SocketAddr, wire: Wire) {
        let Wire::Datagram(bytes) = wire else { return };
        let destination = self.ends[index].address;
        let Ok(contents) = bytes.as_slice().try_into() else { return };
        let receive = Receive { proto: Protocol::Udp, source: from, destination, contents };
        let is_media = index == 1 && is_media(&bytes);
        let before = self.received.len();
        let wire_bytes = bytes.len() as u64 + UDP_OVERHEAD;
        // A refused packet (a late duplicate, say) is the library's business.
        let _ = self.ends[index].rtc.handle_input(Input::Receive(at, receive));
        self.drain(index);
        if is_media {
            self.stats.arrived_packets += 1;
            self.stats.arrived_bytes += wire_bytes;
            if self.received.len() == before {
                self.stats.useless_bytes += wire_bytes;
            }
        }
    }

    fn advance(&mut self, index: usize, at: Instant) {
        // What it cannot do it reports by closing; then nothing arrives any more, and the figures show it.
        let _ = self.ends[index].rtc.handle_input(Input::Timeout(at));
        self.drain(index);
    }

    fn drain(&mut self, index: usize) {
        loop {
            match self.ends[index].rtc.poll_output() {
                Ok(Output::Timeout(due)) => {
                    self.ends[index].due = due;
                    return;
                }
                Ok(Output::Transmit(sent)) => {
                    self.transmit(index, sent.source, sent.destination, sent.contents.to_vec())
                }
                Ok(Output::Event(event)) => self.note(&event),
                Err(_) => return,
            }
        }
    }

    fn transmit(&mut self, index: usize, from: SocketAddr, to: SocketAddr, contents: Vec<u8>) {
        let bytes = contents.len() as u64 + UDP_OVERHEAD;
        if index == 0 {
            self.stats.sent_bytes += bytes;
            // Connectivity checks and reports arrive elsewhere: they are no media that could be missing.
            self.stats.sent_packets += u64::from(is_media(&contents));
        } else {
            self.stats.feedback_bytes += bytes;
        }
        self.out.push_back(Transmit { from, to, bytes, wire: Wire::Datagram(contents) });
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::PeerStats(stats) => self.estimate = stats.bwe_tx.map_or(self.estimate, |estimate| estimate.as_f64()),
            Event::RtpPacket(packet) => self.received.extend(decode(&packet.payload)),
            _ => {}
        }
    }
}

/// RTP, and not RTCP (RFC 5761 section 4) or anything else.
pub fn is_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| (128..192).contains(first)) && !parlour_rtp::is_rtcp(datagram)
}

const HEADER: usize = 32;

fn encode(packet: &MediaPacket) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(usize::from(packet.payload).max(HEADER));
    bytes.extend([packet.stream, packet.layer, packet.temporal, u8::from(packet.key)]);
    for word in [packet.number, packet.frame, packet.refers] {
        bytes.extend(word.to_be_bytes());
    }
    for half in [packet.index, packet.count, packet.payload] {
        bytes.extend(half.to_be_bytes());
    }
    bytes.extend(packet.made.0.to_be_bytes());
    bytes.resize(usize::from(packet.payload).max(HEADER), 0);
    bytes
}

fn decode(bytes: &[u8]) -> Option<MediaPacket> {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
    let half = |at: usize| bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
    let made = bytes.get(22..30).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes)?;
    Some(MediaPacket {
        stream: *bytes.first()?,
        layer: *bytes.get(1)?,
        temporal: *bytes.get(2)?,
        key: *bytes.get(3)? != 0,
        number: word(4)?,
        frame: word(8)?,
        refers: word(12)?,
        index: half(16)?,
        count: half(18)?,
        payload: half(20)?,
        made: Micros(made),
    })
}

impl Leg for GccLeg {
    fn write(&mut self, now: Micros, packet: MediaPacket) {
        let stream = u32::from(packet.stream);
        let (ssrc, pt, clock) = match stream {
            0 => (AUDIO_SSRC, self.audio_pt, 48),
            _ => (AUDIO_SSRC + stream * 2, self.video_pt, 90),
        };
        let Some(sequence) = self.sequences.get_mut(stream as usize) else { return };
        *sequence += 1;
        let time = (packet.made.0 / 1_000 * clock) as u32;
        let at = self.epoch.instant(now);
        let last = packet.index + 1 == packet.count;
        let write = RtpWrite::new(pt, (*sequence).into(), time, at, encode(&packet)).marker(last).nackable(stream > 0);
        // Time moves only by input; without it the packet would be sent, and recorded as sent, at the time of the last.
        self.advance(0, at);
        if let Some(stream) = self.ends[0].rtc.direct_api().stream_tx(&ssrc.into()) {
            stream.write_rtp(write);
        }
        self.advance(0, at);
    }

    fn handle(&mut self, now: Micros, from: SocketAddr, to: SocketAddr, wire: Wire) {
        if let Wire::Bound(bound) = wire {
            self.bound = bound;
            return;
        }
        let index = usize::from(to == self.ends[1].address);
        self.deliver(index, self.epoch.instant(now), from, wire);
    }

    fn handle_timeout(&mut self, now: Micros) {
        let at = self.epoch.instant(now);
        for index in 0..2 {
            if self.ends[index].due <= at {
                self.advance(index, at);
                // A deadline that does not move would stop the clock.
                self.ends[index].due = self.ends[index].due.max(at + Duration::from_micros(100));
            }
        }
    }

    fn poll_timeout(&self) -> Micros {
        self.epoch.micros(self.ends[0].due.min(self.ends[1].due))
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    fn poll_received(&mut self) -> Option<MediaPacket> {
        self.received.pop_front()
    }

    fn poll_key_needed(&mut self) -> Option<u8> {
        None
    }

    fn budget(&self) -> Budget {
        // str0m counts payload bytes.
        let wire = self.estimate * (VIDEO_PAYLOAD + OVERHEAD) as f64 / VIDEO_PAYLOAD as f64;
        // libwebrtc sends at the smaller of its own estimate and what the receiver allows.
        let wire = wire.min(self.bound);
        Budget { now: wire, lasting: wire }
    }

    fn set_demand(&mut self, _now: Micros, demand: f64) {
        let payload = demand * VIDEO_PAYLOAD as f64 / (VIDEO_PAYLOAD + OVERHEAD) as f64;
        self.ends[0].rtc.bwe().set_bitrate(Bitrate::ZERO, Bitrate::bps(payload as u64));
    }

    fn takes_video(&self) -> bool {
        true
    }

    fn stats(&self) -> LegStats {
        self.stats
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn leave(&mut self) {}

    fn trace(&self, _now: Micros) -> Option<TracePoint> {
        None
    }
}
