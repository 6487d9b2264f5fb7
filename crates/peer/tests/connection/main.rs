//! Both sides of a connection in virtual time: a peer, and `str0m` as its client.
#![allow(clippy::unwrap_used, missing_docs)]

mod channels;
mod duo;

use std::time::Duration;

use duo::Duo;
use parlour_peer::{
    ChannelError, ChannelId, CloseReason, DatagramDrop, DtlsVersion as Spoken, DtlsVersions, IceChange, MAX_CHANNELS,
    MAX_MESSAGE_SIZE, OfferError, PeerEvent, Reliability, SealError, SrtpProfile,
};
use proptest::prelude::*;
use str0m::channel::ChannelConfig;
use str0m::config::DtlsVersion;

fn any_duo() -> Duo {
    Duo::connected(DtlsVersions::Both, DtlsVersion::Auto)
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn either_version_of_dtls_connects_and_takes_gcm() {
    for (client, spoken) in
        [(DtlsVersion::Dtls12, Spoken::V12), (DtlsVersion::Dtls13, Spoken::V13), (DtlsVersion::Auto, Spoken::V13)]
    {
        let duo = Duo::connected(DtlsVersions::Both, client);
        let connected = PeerEvent::Connected { dtls: spoken, srtp: SrtpProfile::AeadAes256Gcm };
        assert!(duo.saw(|event| *event == connected), "{client:?}: {:?}", duo.events);
        assert!(duo.client.is_connected());
    }
    for (server, client) in [(DtlsVersions::Only12, DtlsVersion::Dtls12), (DtlsVersions::Only13, DtlsVersion::Dtls13)] {
        Duo::connected(server, client);
    }
}

#[test]
fn media_goes_both_ways() {
    let mut duo = any_duo();
    for sequence in 1..=50 {
        duo.speak(sequence, &[sequence as u8; 80]);
        duo.send(sequence as u16, &[sequence as u8; 90]);
        duo.run(Duration::from_millis(20));
    }
    assert_eq!(duo.received.len(), 50);
    assert!(duo.received.iter().all(|packet| packet.len() >= 92));
    assert_eq!(duo.packets.len(), 50);
    assert_eq!(duo.packets[49], vec![50; 90]);
    assert_eq!(duo.peer.counters().rtp_in, 50);
}

#[test]
fn messages_go_both_ways_on_the_clients_channels() {
    let mut duo = any_duo();
    duo.run(seconds(1));
    let mut opened: Vec<_> = duo
        .events
        .iter()
        .filter_map(|event| match event {
            PeerEvent::ChannelOpened { id, label, ordered, reliable } => {
                Some((*id, label.clone(), *ordered, *reliable))
            }
            _ => None,
        })
        .collect();
    opened.sort_by(|a, b| a.1.cmp(&b.1));
    let [(lossy, lossy_label, false, false), (reliable, reliable_label, true, true)] = &opened[..] else {
        panic!("{opened:?}")
    };
    assert_eq!((lossy_label.as_str(), reliable_label.as_str()), ("_lossy", "_reliable"));

    let large = vec![7; 60_000];
    duo.peer.send_channel(*reliable, &large, true).unwrap();
    duo.peer.send_channel(*lossy, b"text", false).unwrap();
    duo.peer.send_channel(*reliable, b"", true).unwrap();
    for (id, _) in duo.channels.clone() {
        assert!(duo.client.channel(id).unwrap().write(true, &[9; 5000]).unwrap());
    }
    duo.drive_client();
    duo.run(seconds(3));
    let mut lengths: Vec<_> = duo.messages.iter().map(Vec::len).collect();
    lengths.sort_unstable();
    assert_eq!(lengths, [0, 4, 60_000]);
    let got = |id| {
        duo.saw(|event| matches!(event, PeerEvent::ChannelMessage { id: on, payload, binary: true } if *on == id && payload.len() == 5000))
    };
    assert!(got(*lossy) && got(*reliable));
}

#[test]
fn what_waits_to_be_sent_on_a_channel_is_bounded() {
    let mut duo = any_duo();
    duo.run(seconds(1));
    let id = duo.events.iter().find_map(|event| match event {
        PeerEvent::ChannelOpened { id, reliable: true, .. } => Some(*id),
        _ => None,
    });
    let id = id.unwrap();
    assert_eq!(duo.peer.send_channel(ChannelId(77), b"x", true), Err(ChannelError::Unknown));
    assert_eq!(duo.peer.send_channel(id, &vec![0; MAX_MESSAGE_SIZE + 1], true), Err(ChannelError::TooLarge));
    duo.cut = true;
    let sent = (0..1000).take_while(|_| duo.peer.send_channel(id, &[0; 10_000], true).is_ok()).count();
    assert_eq!(duo.peer.send_channel(id, &[0; 10_000], true), Err(ChannelError::Full));
    assert!((50..=105).contains(&sent), "{sent}");
    assert!(duo.peer.buffered_amount(id) >= sent * 10_000);
    duo.cut = false;
    duo.run(seconds(20));
    assert_eq!(duo.messages.len(), sent, "and nothing accepted is lost");
}

#[test]
fn channels_are_bounded_in_number() {
    let mut duo = any_duo();
    for number in 0..20 {
        duo.client
            .direct_api()
            .create_data_channel(ChannelConfig { label: format!("c{number}"), ..Default::default() });
    }
    duo.run(seconds(3));
    let opened = duo.events.iter().filter(|event| matches!(event, PeerEvent::ChannelOpened { .. })).count();
    assert_eq!(opened, MAX_CHANNELS);
    assert_eq!(duo.peer.counters().messages_dropped, 2 + 20 - MAX_CHANNELS as u64);
    assert_eq!(duo.peer.open_channel("mine", Reliability::Reliable), Err(ChannelError::TooManyChannels));
}

#[test]
fn the_certificate_cannot_change_within_a_connection() {
    let mut duo = any_duo();
    let offer = duo.new_offer();
    let at = offer.find("a=fingerprint:sha-256 ").unwrap() + 22;
    let digit = if &offer[at..=at] == "0" { "1" } else { "0" };
    let other = offer.replace(&offer[at..at + 95], &format!("{digit}{}", &offer[at + 1..at + 95]));
    assert_eq!(duo.offer(&other), Err(OfferError::FingerprintChanged));
    assert!(duo.offer(&offer).is_ok());
}

#[test]
fn a_wrong_fingerprint_ends_the_connection_before_any_key_is_used() {
    let mut duo = Duo::new(DtlsVersions::Both, DtlsVersion::Auto);
    duo.negotiate(|sdp| {
        let at = sdp.find("a=fingerprint:sha-256 ").unwrap() + 22;
        let digit = if &sdp[at..=at] == "0" { "1" } else { "0" };
        sdp.replace(&sdp[at..at + 95], &format!("{digit}{}", &sdp[at + 1..at + 95]))
    });
    duo.run(seconds(3));
    assert!(duo.saw(|event| *event == PeerEvent::Closed(CloseReason::FingerprintMismatch)), "{:?}", duo.events);
    assert!(!duo.saw(|event| matches!(event, PeerEvent::Connected { .. })));
    assert_eq!(duo.peer.seal_rtp(&mut [0x80; 100], 50), Err(SealError::NoKeys));
}

#[test]
fn an_ice_restart_keeps_keys_and_media() {
    let mut duo = any_duo();
    duo.speak(1, b"before");
    assert_eq!(duo.restart_ice().ice, IceChange::Restarted);
    assert_eq!(duo.peer.local_ufrag(), "server2");
    duo.run(seconds(3));
    assert!(duo.saw(|event| *event == PeerEvent::UfragRetired("server0".into())));
    duo.speak(2, b"after");
    assert_eq!(duo.received.len(), 2);
    let handshakes = duo.events.iter().filter(|event| matches!(event, PeerEvent::Connected { .. })).count();
    assert_eq!(handshakes, 1);
}

#[test]
fn the_route_follows_a_client_whose_address_changes() {
    let mut duo = any_duo();
    duo.client_address = "198.51.100.9:1234".parse().unwrap();
    duo.run(seconds(10));
    assert_eq!(duo.peer.route().unwrap().remote, duo.client_address);
    duo.speak(1, b"from elsewhere");
    assert_eq!(duo.received.len(), 1);
}

#[test]
fn silence_is_told_and_a_short_one_is_survived() {
    let mut duo = any_duo();
    duo.cut = true;
    duo.run(seconds(2));
    duo.cut = false;
    duo.run(seconds(5));
    assert!(!duo.saw(|event| *event == PeerEvent::ConsentLost), "two seconds are nothing");
    duo.cut = true;
    duo.run(seconds(16));
    assert!(duo.saw(|event| *event == PeerEvent::ConsentLost));
    duo.run(seconds(15));
    assert_eq!(duo.events.last(), Some(&PeerEvent::Closed(CloseReason::ConsentExpired)));
    assert_eq!(duo.peer.poll_timeout(), None, "a closed peer wants nothing");
}

#[test]
fn a_client_that_never_comes_is_given_up() {
    let mut duo = Duo::new(DtlsVersions::Both, DtlsVersion::Auto);
    duo.negotiate(str::to_owned);
    duo.cut = true;
    duo.run(seconds(31));
    assert_eq!(duo.events, [PeerEvent::Closed(CloseReason::ConnectTimeout)]);
}

#[test]
fn goodbyes_are_heard() {
    let mut duo = any_duo();
    duo.peer.close(duo.now);
    duo.run(seconds(1));
    assert_eq!(duo.events.last(), Some(&PeerEvent::Closed(CloseReason::Local)));
    assert!(!duo.client.is_alive() || !duo.client.is_connected(), "the client heard close_notify");

    let mut duo = any_duo();
    duo.client.close().unwrap();
    duo.drive_client();
    duo.run(seconds(1));
    assert_eq!(duo.events.last(), Some(&PeerEvent::Closed(CloseReason::Remote)));
    assert_eq!(duo.peer.counters().drop_dtls_failed, 0, "a goodbye is no failure");
}

#[test]
fn a_replayed_or_forged_packet_is_a_counted_drop() {
    let mut duo = any_duo();
    duo.speak(1, b"once");
    let packet = duo.last_media.clone();
    duo.deliver(packet.clone());
    let mut forged = packet.clone();
    *forged.last_mut().unwrap() ^= 1;
    forged[3] ^= 0x40;
    duo.deliver(forged);
    duo.deliver(packet[..9].to_vec());
    duo.deliver(vec![0x80; 2000]);
    duo.deliver(vec![99; 10]);
    duo.deliver(Vec::new());
    let expected = [
        DatagramDrop::Replayed,
        DatagramDrop::NotAuthentic,
        DatagramDrop::TooShort,
        DatagramDrop::NotAuthentic,
        DatagramDrop::Unknown,
        DatagramDrop::Unknown,
    ];
    assert_eq!(duo.drops, expected);
    let counters = duo.peer.counters();
    assert_eq!((counters.drop_replayed, counters.drop_not_authentic, counters.drop_unknown), (1, 2, 2));
    duo.speak(2, b"still there");
    assert_eq!(duo.received.len(), 2);
}

#[test]
fn dtls_and_media_out_of_place_are_dropped() {
    let mut duo = Duo::new(DtlsVersions::Both, DtlsVersion::Auto);
    duo.deliver(vec![22; 100]);
    duo.deliver(vec![0x80; 100]);
    duo.negotiate(str::to_owned);
    duo.deliver(vec![22; 100]);
    assert_eq!(duo.drops, [DatagramDrop::DtlsOutOfPlace, DatagramDrop::BeforeKeys, DatagramDrop::DtlsOutOfPlace]);
    // What begins a ClientHello, but no valid check came from its address.
    let hello = [&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1][..], &[0; 11]].concat();
    duo.deliver(hello);
    assert_eq!(duo.drops[3..], [DatagramDrop::DtlsOutOfPlace]);
    assert_eq!(duo.peer.counters().dtls_in, 0, "nothing was begun");
    duo.run(seconds(2));
    assert!(duo.peer.is_connected());
    duo.deliver([&[22, 0xfe, 0xfd][..], &[0; 300]].concat());
    duo.run(seconds(1));
    duo.speak(1, b"junk from the client's own address ends nothing");
    assert_eq!(duo.received.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn datagrams_never_panic(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..40)) {
        let mut duo = any_duo();
        for datagram in datagrams {
            for first in [0, 1, 20, 22, 23, 44, 128, 129, 255] {
                let mut datagram = datagram.clone();
                if let Some(byte) = datagram.first_mut() {
                    *byte = first;
                }
                duo.deliver(datagram);
            }
        }
        duo.run(Duration::from_millis(100));
        duo.speak(1, b"alive");
        prop_assert_eq!(duo.received.len(), 1);
    }
}
