//! A client's description: whatever is accepted has an answer with the same sections.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use parlour_model::Codec;
use parlour_peer::{
    Certificate, DtlsVersions, IceCredentials, OfferedSection, Peer, PeerConfig, PeerTimes, ReceivePlan, SectionKind,
    SectionPlan, SendPlan,
};

static CONFIG: LazyLock<Arc<PeerConfig>> = LazyLock::new(|| {
    let candidates = vec!["203.0.113.7:7882".parse().expect("an address")];
    PeerConfig::new(Certificate::generate().expect("keys"), candidates, DtlsVersions::Both, PeerTimes::default())
        .expect("settings")
});

fn credentials() -> IceCredentials {
    IceCredentials { ufrag: "ufrag".into(), password: "p".repeat(24) }
}

fn send(codec: Codec) -> SendPlan {
    let text = String::from("PA_a");
    SendPlan { stream_id: text.clone(), track_id: text.clone(), ssrc: 1, rtx_ssrc: Some(2), cname: text, codec }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(sdp) = std::str::from_utf8(bytes) else { return };
    let now = Instant::now();
    let mut peer = Peer::new(Arc::clone(&CONFIG), credentials(), [0; 32], now);
    if peer.handle_offer(sdp, credentials(), now).is_ok() {
        let plan: Vec<_> = peer
            .sections()
            .iter()
            .map(|section| match section.kind {
                _ if section.rejected => SectionPlan::Inactive,
                SectionKind::Application => SectionPlan::Application,
                _ if section.direction.sends() => SectionPlan::Receive(ReceivePlan::default()),
                _ if section.direction.receives() => SectionPlan::Send(send(section.codecs[0].codec)),
                _ => SectionPlan::Inactive,
            })
            .collect();
        let answer = peer.answer(&plan).expect("the plan fits");
        assert_eq!(answer.matches("\r\nm=").count(), plan.len());
        // What we write, we can read.
        let mut other = Peer::new(Arc::clone(&CONFIG), credentials(), [0; 32], now);
        other.handle_offer(&answer.replace("a=setup:passive", "a=setup:active"), credentials(), now).expect("reads back");
    }
    let mut peer = Peer::new(Arc::clone(&CONFIG), credentials(), [0; 32], now);
    let plan = [OfferedSection::Application, OfferedSection::Send(send(Codec::Vp8))];
    peer.create_offer(&plan).expect("the plan fits");
    let _ = peer.handle_answer(sdp, now);
});
