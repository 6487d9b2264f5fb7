//! An endpoint against a bare `str0m` peer in virtual time, over a link that only delays.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::media::KeyframeRequestKind;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::*;

const DELAY: Duration = Duration::from_millis(20);

struct Bench {
    now: Instant,
    bot: Endpoint,
    bot_addr: SocketAddr,
    server: Rtc,
    server_addr: SocketAddr,
    to_server: VecDeque<(Instant, Vec<u8>)>,
    to_bot: VecDeque<(Instant, Vec<u8>)>,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let bot_addr = "10.0.0.1:5000".parse().unwrap();
        let server_addr = "10.0.0.2:5000".parse().unwrap();
        let bot = Endpoint::new(EndpointConfig::new(bot_addr, now, 1), now).unwrap();
        let mut server = Rtc::builder().set_ice_lite(true).set_rtp_mode(true).build(now);
        server.add_local_candidate(Candidate::host(server_addr, "udp").unwrap());
        Self {
            now,
            bot,
            bot_addr,
            server,
            server_addr,
            to_server: VecDeque::new(),
            to_bot: VecDeque::new(),
            events: Vec::new(),
        }
    }

    fn negotiate(&mut self) -> bool {
        let Some(offer) = self.bot.poll_offer(self.now) else { return false };
        let answer = self.server.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer.sdp).unwrap()).unwrap();
        self.bot.handle_answer(offer.id, &answer.to_sdp_string(), &[], self.now).unwrap();
        true
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let server_timeout = self.poll_server();
            while let Some(outgoing) = self.bot.poll_transmit() {
                self.to_server.push_back((self.now + DELAY, outgoing.bytes));
            }
            let due = [
                Some(server_timeout),
                self.bot.poll_timeout(),
                self.to_server.front().map(|d| d.0),
                self.to_bot.front().map(|d| d.0),
            ];
            let next = due.into_iter().flatten().min().unwrap();
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            while self.to_server.front().is_some_and(|d| d.0 <= self.now) {
                let (_, bytes) = self.to_server.pop_front().unwrap();
                let receive = Receive::new(Protocol::Udp, self.bot_addr, self.server_addr, &bytes).unwrap();
                self.server.handle_input(Input::Receive(self.now, receive)).unwrap();
                self.poll_server();
            }
            while self.to_bot.front().is_some_and(|d| d.0 <= self.now) {
                let (_, bytes) = self.to_bot.pop_front().unwrap();
                self.bot.handle_datagram(self.now, self.server_addr, &bytes);
            }
            self.server.handle_input(Input::Timeout(self.now)).unwrap();
            self.bot.handle_timeout(self.now);
        }
    }

    fn poll_server(&mut self) -> Instant {
        loop {
            match self.server.poll_output().unwrap() {
                Output::Timeout(at) => return at,
                Output::Transmit(t) => self.to_bot.push_back((self.now + DELAY, t.contents.to_vec())),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn packets_by_rid(&self, rid: Option<&str>) -> usize {
        let of_rid = |e: &&Event| matches!(e, Event::RtpPacket(p) if p.header.ext_vals.rid.as_deref() == rid);
        self.events.iter().filter(of_rid).count()
    }
}

#[test]
fn three_encodings_sound_and_channels_reach_the_other_side() {
    let mut bench = Bench::new();
    bench.bot.publish_audio("mic", AudioConfig::default(), bench.now);
    bench.bot.publish_video("cam", VideoConfig::default(), bench.now);
    assert!(bench.negotiate());
    assert!(!bench.negotiate(), "nothing more to say");
    bench.run(Duration::from_secs(3));
    assert!(bench.bot.is_connected());
    for rid in ["q", "h", "f"] {
        assert!(bench.packets_by_rid(Some(rid)) > 60, "{rid}");
    }
    assert!(bench.packets_by_rid(None) > 100);
    let opened = std::iter::from_fn(|| bench.bot.poll_event()).filter(|e| matches!(e, EndpointEvent::ChannelOpen(_)));
    assert_eq!(opened.count(), 2);
}

#[test]
fn a_keyframe_request_makes_a_keyframe_of_that_encoding() {
    let mut bench = Bench::new();
    bench.bot.publish_video("cam", VideoConfig::default(), bench.now);
    bench.negotiate();
    bench.run(Duration::from_secs(2));
    let packet = bench.events.iter().find_map(|e| match e {
        Event::RtpPacket(p) if p.header.ext_vals.rid.as_ref().is_some_and(|r| &**r == "h") => Some(p.header.ssrc),
        _ => None,
    });
    let ssrc = packet.unwrap();
    bench.server.direct_api().stream_rx(&ssrc).unwrap().request_keyframe(KeyframeRequestKind::Pli);
    bench.events.clear();
    bench.run(Duration::from_millis(500));
    let keys = bench.events.iter().filter(|event| match event {
        Event::RtpPacket(p) => {
            let (descriptor, length) = crate::media::vp8::Descriptor::parse(&p.payload).unwrap();
            descriptor.start && crate::media::vp8::is_key(&p.payload[length..])
        }
        _ => false,
    });
    assert_eq!(keys.count(), 1);
    assert_eq!(bench.bot.sent().key_requests, 1);
}

#[test]
fn sections_grow_when_asked_and_an_empty_wish_still_makes_an_offer() {
    let mut bench = Bench::new();
    bench.negotiate();
    bench.run(Duration::from_secs(1));
    bench.bot.add_sections(1, 2);
    let offer = bench.bot.poll_offer(bench.now).unwrap();
    assert_eq!(offer.sdp.matches("\r\nm=").count(), 7 + 3);
    let answer = bench.server.sdp_api().accept_offer(SdpOffer::from_sdp_string(&offer.sdp).unwrap()).unwrap();
    bench.bot.handle_answer(offer.id, &answer.to_sdp_string(), &[], bench.now).unwrap();
    bench.bot.add_sections(0, 0);
    assert!(bench.negotiate());
}
