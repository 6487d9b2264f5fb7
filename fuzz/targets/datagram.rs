//! Datagrams of strangers: the first byte says how many follow before the client's offer and a right check of its, the
//! rest are split by length. After the check, DTLS is listened to.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use aws_lc_rs::hmac;
use is::stun::{StunMessage, TransId};
use libfuzzer_sys::fuzz_target;
use parlour_peer::srtp::{Inbound, MasterKey};
use parlour_peer::{
    Certificate, DtlsVersions, IceCredentials, Incoming, Peer, PeerConfig, PeerTimes, SrtpProfile, stun_ufrag,
};

const OFFER: &str = include_str!("../../crates/peer/tests/fixtures/chromium-first.sdp");

static CONFIG: LazyLock<Arc<PeerConfig>> = LazyLock::new(|| {
    let candidates = vec!["203.0.113.7:7882".parse().expect("an address")];
    PeerConfig::new(Certificate::generate().expect("keys"), candidates, DtlsVersions::Both, PeerTimes::default())
        .expect("settings")
});

fn credentials() -> IceCredentials {
    IceCredentials { ufrag: "ufrag".into(), password: "p".repeat(24) }
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    context.sign().as_ref().try_into().expect("20 bytes")
}

/// A check as the client of the offer sends it.
fn check(remote: &str) -> Vec<u8> {
    let ours = credentials();
    let username = format!("{}:{remote}", ours.ufrag);
    let message = StunMessage::binding_request(&username, TransId::new(), true, 1, 100, true);
    let mut bytes = vec![0; 256];
    let len = message.to_bytes(Some(ours.password.as_bytes()), &mut bytes, hmac_sha1).expect("fits");
    bytes.truncate(len);
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let Some((early, mut rest)) = bytes.split_first() else { return };
    let now = Instant::now();
    let mut peer = Peer::new(Arc::clone(&CONFIG), credentials(), [0; 32], now);
    let (from, to) = ("198.51.100.1:5000".parse().expect("address"), "203.0.113.7:7882".parse().expect("address"));
    let mut count = 0;
    while let Some((len, after)) = rest.split_first() {
        let (datagram, after) = after.split_at(after.len().min(usize::from(*len) * 8));
        rest = after;
        if count == *early {
            peer.handle_offer(OFFER, credentials(), now).expect("a real offer");
            let ufrag = OFFER.split("a=ice-ufrag:").nth(1).and_then(|rest| rest.lines().next()).expect("there is one");
            peer.handle_datagram(now, from, to, &mut check(ufrag)).expect("a right check");
        }
        count = count.saturating_add(1);
        let _ = stun_ufrag(datagram);
        parlour_signal::fuzz::stun(datagram);
        let mut datagram = datagram.to_vec();
        let media = peer.handle_datagram(now, from, to, &mut datagram);
        assert!(!matches!(media, Ok(Incoming::Rtp(_) | Incoming::Rtcp(_))), "there are no keys");
        for profile in [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80] {
            let (key, salt) = (vec![1; profile.key_len()], vec![2; profile.salt_len()]);
            let mut inbound = Inbound::new(profile, &MasterKey { key: &key, salt: &salt }).expect("keys");
            let _ = inbound.open_rtp(&mut datagram.clone());
            let _ = inbound.open_rtcp(&mut datagram.clone());
        }
    }
    let mut buffer = Vec::new();
    while peer.poll_transmit(now, &mut buffer).is_some() {}
    peer.handle_timeout(now);
});
