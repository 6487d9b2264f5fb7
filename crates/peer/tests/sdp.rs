//! Offers of real browsers (Chromium 156, Firefox 153) and broken ones, against a peer.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use parlour_model::Codec;
use parlour_peer::{
    AnswerError, Certificate, DtlsVersions, IceChange, IceCredentials, OfferError, OfferedSection, Peer, PeerConfig,
    PeerTimes, ReceivePlan, RedUse, Section, SectionKind, SectionPlan, SendPlan,
};
use parlour_rtp::ExtensionKind;
use proptest::prelude::*;

const CHROMIUM_FIRST: &str = include_str!("fixtures/chromium-first.sdp");
const CHROMIUM_PUBLISH: &str = include_str!("fixtures/chromium-publish.sdp");
const CHROMIUM_RESTART: &str = include_str!("fixtures/chromium-restart.sdp");
const FIREFOX_FIRST: &str = include_str!("fixtures/firefox-first.sdp");
const FIREFOX_PUBLISH: &str = include_str!("fixtures/firefox-publish.sdp");
const FIREFOX_RESTART: &str = include_str!("fixtures/firefox-restart.sdp");

static CONFIG: LazyLock<Arc<PeerConfig>> = LazyLock::new(|| {
    let candidates = vec!["203.0.113.7:7882".parse().unwrap(), "[2001:db8::7]:7882".parse().unwrap()];
    PeerConfig::new(Certificate::generate().unwrap(), candidates, DtlsVersions::Both, PeerTimes::default()).unwrap()
});

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.to_owned(), password: "p".repeat(24) }
}

fn peer() -> Peer {
    Peer::new(Arc::clone(&CONFIG), credentials("first"), [1; 32], Instant::now())
}

fn offered(sdp: &str) -> Result<Peer, OfferError> {
    let mut peer = peer();
    peer.handle_offer(sdp, credentials("fresh"), Instant::now()).map(|_| peer)
}

fn receive_all(sections: &[Section]) -> Vec<SectionPlan> {
    let plan = |section: &Section| match section.kind {
        _ if section.rejected => SectionPlan::Inactive,
        SectionKind::Application => SectionPlan::Application,
        _ if section.direction.sends() => SectionPlan::Receive(ReceivePlan::default()),
        _ => SectionPlan::Inactive,
    };
    sections.iter().map(plan).collect()
}

fn send(codec: Codec) -> SectionPlan {
    SectionPlan::Send(SendPlan {
        stream_id: "PA_a|TR_b".into(),
        track_id: "TR_b".into(),
        ssrc: 11,
        rtx_ssrc: Some(12),
        cname: "PA_a".into(),
        codec,
    })
}

/// The lines of one media section.
fn section(sdp: &str, index: usize) -> Vec<&str> {
    sdp.split("m=").nth(index + 1).unwrap().lines().collect()
}

#[test]
fn the_first_offer_of_browsers_is_three_audio_three_video_and_data() {
    for sdp in [CHROMIUM_FIRST, FIREFOX_FIRST] {
        let peer = offered(sdp).unwrap();
        let kinds: Vec<_> = peer.sections().iter().map(|section| section.kind).collect();
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
        assert_eq!(kinds.len(), 7);
        let counts = [SectionKind::Audio, SectionKind::Video, SectionKind::Application].map(count);
        assert_eq!(counts, [3, 3, 1]);
        assert!(peer.sections().iter().all(|section| !section.rejected), "bundle-only is no rejection");
    }
}

#[test]
fn codecs_come_with_their_repair_and_feedback() {
    let peer = offered(CHROMIUM_PUBLISH).unwrap();
    let sections = peer.sections();
    let audio = sections.iter().find(|section| section.kind == SectionKind::Audio).unwrap();
    let opus = audio.codec(Codec::Opus).unwrap();
    assert_eq!((opus.payload_type, opus.red, opus.rtx), (111, Some(63), None));
    let video =
        sections.iter().find(|section| section.direction.sends() && section.kind == SectionKind::Video).unwrap();
    let vp8 = video.codec(Codec::Vp8).unwrap();
    assert_eq!((vp8.payload_type, vp8.rtx), (96, Some(97)));
    assert!(vp8.feedback.nack && vp8.feedback.pli && vp8.feedback.fir && vp8.feedback.transport_cc);
    let h264 = video.codec(Codec::H264).unwrap();
    assert!(h264.fmtp.contains("packetization-mode=1;profile-level-id=42e0"), "{}", h264.fmtp);
    assert_eq!(video.codecs.len(), 2, "AV1, VP9 and the other profiles are not ours");
}

#[test]
fn extensions_rids_and_ids_are_read() {
    for sdp in [CHROMIUM_PUBLISH, FIREFOX_PUBLISH] {
        let peer = offered(sdp).unwrap();
        let video = peer.sections().iter().find(|section| section.sent_rids().count() > 0).unwrap();
        let rids: Vec<_> = video.sent_rids().map(|rid| rid.as_str()).collect();
        assert_eq!(rids, ["q", "h", "f"]);
        for kind in [ExtensionKind::Mid, ExtensionKind::Rid, ExtensionKind::RepairedRid, ExtensionKind::TransportCc] {
            assert!(video.extensions.id(kind).is_some(), "{kind:?}");
        }
        let (stream, track) = video.msid.as_ref().unwrap();
        assert!(!stream.is_empty() && !track.is_empty());
    }
}

#[test]
fn an_answer_has_the_offers_sections_in_its_order() {
    for sdp in [CHROMIUM_FIRST, CHROMIUM_PUBLISH, FIREFOX_FIRST, FIREFOX_PUBLISH] {
        let mut peer = offered(sdp).unwrap();
        let answer = peer.answer(&receive_all(peer.sections())).unwrap();
        let mids =
            |sdp: &str| sdp.lines().filter(|line| line.starts_with("a=mid:")).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(mids(&answer), mids(sdp));
        let kinds = |sdp: &str| {
            sdp.lines()
                .filter_map(|line| line.strip_prefix("m=")?.split(' ').next().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&answer), kinds(sdp));
        assert!(answer.lines().all(|line| line != "a=sendrecv"));
        assert_eq!(answer.matches("a=setup:passive").count(), peer.sections().len());
        assert!(answer.contains("a=ice-lite\r\n"));
        assert_eq!(answer.matches("typ host").count(), 2, "candidates once, for the bundle");
    }
}

#[test]
fn a_published_simulcast_is_received_in_the_offers_order() {
    let mut peer = offered(CHROMIUM_PUBLISH).unwrap();
    let index = peer.sections().iter().position(|section| section.sent_rids().count() > 0).unwrap();
    let answer = peer.answer(&receive_all(peer.sections())).unwrap();
    let lines = section(&answer, index);
    for line in ["a=recvonly", "a=rid:q recv", "a=simulcast:recv q;h;f", "a=rtpmap:96 VP8/90000", "a=fmtp:97 apt=96"] {
        assert!(lines.contains(&line), "{line} is missing in {lines:#?}");
    }
    assert!(!answer.contains("video-layers-allocation") && !answer.contains("AV1") && !answer.contains("flexfec"));
}

#[test]
fn opus_is_asked_for_red_and_dtx_the_same_in_the_whole_bundle() {
    let mut peer = offered(CHROMIUM_PUBLISH).unwrap();
    let mut plan = receive_all(peer.sections());
    let answer = peer.answer(&plan).unwrap();
    let fmtps: Vec<_> = answer.lines().filter(|line| line.starts_with("a=fmtp:111 ")).collect();
    assert!(fmtps.len() > 1 && fmtps.iter().all(|line| *line == "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1"));
    assert!(answer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 63 111"), "RED comes first");

    peer.handle_offer(CHROMIUM_PUBLISH, credentials("fresh"), Instant::now()).unwrap();
    for plan in &mut plan {
        if let SectionPlan::Receive(receive) = plan {
            (receive.dtx, receive.red) = (false, RedUse::Refused);
        }
    }
    let answer = peer.answer(&plan).unwrap();
    assert!(!answer.contains("usedtx"));
    assert!(answer.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"));
}

#[test]
fn what_we_send_is_named_for_the_client() {
    let mut peer = offered(CHROMIUM_PUBLISH).unwrap();
    let index = |peer: &Peer, kind| peer.sections().iter().position(|one| one.kind == kind && one.direction.receives());
    let (audio, video) = (index(&peer, SectionKind::Audio).unwrap(), index(&peer, SectionKind::Video).unwrap());
    let mut plan = receive_all(peer.sections());
    (plan[audio], plan[video]) = (send(Codec::Opus), send(Codec::H264));
    let answer = peer.answer(&plan).unwrap();
    let lines = section(&answer, video);
    for line in ["a=sendonly", "a=msid:PA_a|TR_b TR_b", "a=ssrc-group:FID 11 12", "a=ssrc:11 cname:PA_a"] {
        assert!(lines.contains(&line), "{line} is missing in {lines:#?}");
    }
    assert!(lines[0].ends_with("108 109"), "only the codec sent: {}", lines[0]);
    assert!(
        !section(&answer, audio).iter().any(|line| line.starts_with("a=ssrc:12")),
        "no repair where none is offered"
    );
}

#[test]
fn a_plan_that_does_not_fit_gives_no_answer_and_costs_nothing() {
    let mut peer = offered(CHROMIUM_FIRST).unwrap();
    let good = receive_all(peer.sections());
    let with = |index: usize, plan: SectionPlan| {
        let mut all = good.clone();
        all[index] = plan;
        all
    };
    let application = peer.sections().iter().position(|section| section.kind == SectionKind::Application).unwrap();
    let audio = peer.sections().iter().position(|section| section.kind == SectionKind::Audio).unwrap();
    assert_eq!(peer.answer(&good[1..]), Err(AnswerError::Count));
    assert_eq!(
        peer.answer(&with(audio, SectionPlan::Receive(ReceivePlan::default()))),
        Err(AnswerError::Direction { section: audio })
    );
    assert_eq!(peer.answer(&with(audio, send(Codec::Vp8))), Err(AnswerError::Codec { section: audio }));
    let kind = SectionKind::Application;
    assert_eq!(
        peer.answer(&with(application, send(Codec::Vp8))),
        Err(AnswerError::Kind { section: application, kind })
    );
    assert!(peer.answer(&good).is_ok());
    assert_eq!(peer.answer(&good), Err(AnswerError::NoOffer));
}

#[test]
fn a_restart_is_told_from_a_renegotiation() {
    for [first, publish, restart] in
        [[CHROMIUM_FIRST, CHROMIUM_PUBLISH, CHROMIUM_RESTART], [FIREFOX_FIRST, FIREFOX_PUBLISH, FIREFOX_RESTART]]
    {
        let mut peer = peer();
        let mut offer = |sdp, name| {
            let outcome = peer.handle_offer(sdp, credentials(name), Instant::now()).unwrap();
            let answer = peer.answer(&receive_all(peer.sections())).unwrap();
            (outcome.ice, peer.local_ufrag().to_owned(), answer)
        };
        let (ice, ufrag, _) = offer(first, "second");
        assert_eq!((ice, ufrag.as_str()), (IceChange::Same, "first"));
        let (ice, ufrag, _) = offer(publish, "third");
        assert_eq!((ice, ufrag.as_str()), (IceChange::Same, "first"));
        let (ice, ufrag, answer) = offer(restart, "fourth");
        assert_eq!((ice, ufrag.as_str()), (IceChange::Restarted, "fourth"));
        assert!(answer.contains("a=ice-ufrag:fourth\r\n") && !answer.contains("a=ice-ufrag:first\r\n"));
    }
}

#[test]
fn bad_offers_are_refused_by_kind() {
    let cases: &[(&str, &str, OfferError)] = &[
        ("a=mid:1\r", "a=mid:0\r", OfferError::Mid),
        ("a=mid:1\r", "a=mid:\r", OfferError::Mid),
        ("a=mid:1\r", "a=mid:seventeen-letters\r", OfferError::Mid),
        ("a=mid:1\r", "a=x:1\r", OfferError::Mid),
        ("SAVPF 96", "SAVPF 128", OfferError::PayloadType),
        ("a=rtpmap:96", "a=rtpmap:300", OfferError::PayloadType),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", OfferError::Fingerprint),
        ("a=fingerprint:", "a=x-fingerprint:", OfferError::Fingerprint),
        ("a=setup:actpass", "a=setup:passive", OfferError::Setup),
        ("a=setup:actpass", "a=x:y", OfferError::Setup),
        ("a=ice-ufrag:", "a=ice-ufrag:!", OfferError::IceCredentials),
        ("a=ice-pwd:", "a=x-pwd:", OfferError::IceCredentials),
        ("a=extmap:4 ", "a=extmap:0 ", OfferError::Extension),
        ("a=extmap:4 ", "a=extmap:3 ", OfferError::Extension),
        ("a=rid:q send", "a=rid:q sideways", OfferError::Encodings),
        ("a=rid:q send", "a=rid:h send", OfferError::Encodings),
        ("m=audio", "m=smell", OfferError::Malformed),
        ("v=0", "w=0", OfferError::Malformed),
    ];
    for (from, to, error) in cases {
        let sdp = CHROMIUM_PUBLISH.replace(from, to);
        assert_ne!(sdp, CHROMIUM_PUBLISH, "{from} is not in the fixture");
        assert_eq!(offered(&sdp).map(|_| ()), Err(*error), "{from} -> {to}");
    }
    assert_eq!(offered("").map(|_| ()), Err(OfferError::Malformed));
}

#[test]
fn a_thousand_sections_are_refused_before_they_are_parsed() {
    let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
    let many = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(1000);
    assert_eq!(offered(&format!("{head}{many}")).map(|_| ()), Err(OfferError::TooManySections));
    let huge = format!("{head}a={}\r\n", "x".repeat(256 * 1024));
    assert_eq!(offered(&huge).map(|_| ()), Err(OfferError::TooLarge));
}

#[test]
fn sections_never_go_away_or_change_places() {
    let mut peer = offered(CHROMIUM_PUBLISH).unwrap();
    peer.answer(&receive_all(peer.sections())).unwrap();
    let before = peer.sections().len();
    let mut refuse = |sdp: &str, error| {
        let result = peer.handle_offer(sdp, credentials("fresh"), Instant::now());
        assert_eq!(result, Err(error));
        assert_eq!(peer.sections().len(), before, "a refused offer changes nothing");
    };
    refuse(CHROMIUM_FIRST, OfferError::Order);
    refuse(&CHROMIUM_PUBLISH.replace("a=mid:1\r", "a=mid:other\r"), OfferError::Order);
}

#[test]
fn a_section_without_a_codec_of_ours_is_rejected_in_its_place() {
    let sdp = CHROMIUM_FIRST.replace("opus/48000/2", "speex/16000");
    let mut peer = offered(&sdp).unwrap();
    assert!(peer.sections().iter().all(|section| section.rejected == (section.kind == SectionKind::Audio)));
    let answer = peer.answer(&receive_all(peer.sections())).unwrap();
    assert_eq!(answer.matches("m=audio 0 ").count(), 3);
    let group = answer.lines().find(|line| line.starts_with("a=group:BUNDLE")).unwrap();
    assert_eq!(group.split(' ').count(), 1 + 4, "{group}");
}

#[test]
fn an_ice_restart_of_ours_voids_an_offer_that_was_not_answered() {
    let mut peer = peer();
    let plan = [OfferedSection::Application];
    let offer = peer.create_offer(&plan).unwrap();
    peer.restart_ice(IceCredentials { ufrag: "fresh".into(), password: "p".repeat(24) });
    assert_eq!(peer.handle_answer(&offer, Instant::now()), Err(OfferError::State), "an answer that comes too late");
    assert!(peer.create_offer(&plan).unwrap().contains("a=ice-ufrag:fresh\r\n"));
}

#[test]
fn our_own_offer_is_answered_section_by_section() {
    let mut peer = peer();
    let SectionPlan::Send(video) = send(Codec::Vp8) else { unreachable!() };
    let plan = [OfferedSection::Application, OfferedSection::Send(video)];
    let offer = peer.create_offer(&plan).unwrap();
    assert!(offer.contains("a=setup:actpass") && offer.contains("a=msid:PA_a|TR_b TR_b"));
    assert_eq!(peer.create_offer(&plan), Err(AnswerError::OfferOpen));
    // What a client would say: our lines, its transport, the other direction.
    let answer = offer
        .replace("a=setup:actpass", "a=setup:active")
        .replace("a=sendonly", "a=recvonly")
        .replace("a=ice-lite\r\n", "");
    let missing = answer.split("m=video").next().unwrap();
    assert_eq!(peer.handle_answer(missing, Instant::now()), Err(OfferError::Order));
    peer.handle_answer(&answer, Instant::now()).unwrap();
    assert!(peer.sections()[1].direction.receives());
    assert_eq!(peer.handle_answer(&answer, Instant::now()), Err(OfferError::State));
    assert_eq!(
        peer.handle_offer(CHROMIUM_FIRST, credentials("fresh"), Instant::now()).map(|_| ()),
        Err(OfferError::State)
    );
    assert_eq!(peer.create_offer(&plan[1..]), Err(AnswerError::Count), "sections are only appended");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_offer_never_panics(at in 0usize..20_000, bytes in "[ -~\\r\\n]{0,6}", cut in 0usize..25_000) {
        let mut sdp = CHROMIUM_PUBLISH.to_owned();
        let at = at.min(sdp.len());
        sdp.replace_range(at..(at + bytes.len()).min(sdp.len()), &bytes);
        sdp.truncate(cut.max(100));
        let _ = offered(&sdp);
    }

    #[test]
    fn lines_in_any_order_never_panic(picks in prop::collection::vec(0usize..600, 0..80)) {
        let lines: Vec<_> = FIREFOX_PUBLISH.lines().collect();
        let sdp: String = picks.iter().map(|pick| format!("{}\r\n", lines[pick % lines.len()])).collect();
        let _ = offered(&format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{sdp}"));
    }
}
