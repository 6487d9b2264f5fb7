//! Join requests: every honest form, and the dishonest ones.

#![allow(clippy::unwrap_used)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::{any, proptest};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn query(compression: i32, join_request: Vec<u8>, padded: bool) -> Query {
    let wrapped = proto::WrappedJoinRequest { compression, join_request }.encode_to_vec();
    let text = if padded {
        base64::engine::general_purpose::URL_SAFE.encode(wrapped)
    } else {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(wrapped)
    };
    Query { join_request: Some(text), ..Query::default() }
}

fn request() -> proto::JoinRequest {
    proto::JoinRequest {
        client_info: Some(proto::ClientInfo { client_protocol: 2, capabilities: vec![2], ..Default::default() }),
        connection_settings: Some(proto::ConnectionSettings { auto_subscribe: true, ..Default::default() }),
        add_track_requests: vec![proto::AddTrackRequest { cid: "c".into(), ..Default::default() }],
        publisher_offer: Some(proto::SessionDescription { sdp: "v=0".repeat(4_000), id: 1, ..Default::default() }),
        ..Default::default()
    }
}

#[test]
fn every_way_of_packing_says_the_same() {
    let bytes = request().encode_to_vec();
    for padded in [true, false] {
        for (compression, packed) in [(0, bytes.clone()), (1, gzip(&bytes))] {
            let request = from_v1(&query(compression, packed, padded)).unwrap();
            assert!(request.auto_subscribe);
            assert_eq!(request.client, ClientTraits { client_protocol: 2, capabilities: vec![2] });
            let Intent::Join(wishes) = request.intent else { panic!("not a join") };
            assert_eq!((wishes.tracks.len(), wishes.offer.unwrap().id), (1, 1));
        }
    }
}

#[test]
fn a_client_that_says_nothing_wants_everything() {
    assert!(from_v1(&Query::default()).unwrap().auto_subscribe);
    assert!(from_v0(&Query::default()).auto_subscribe);
}

#[test]
fn a_resume_is_told_from_a_join_in_both_versions() {
    let v1 = proto::JoinRequest { reconnect: true, participant_sid: "PA_1".into(), ..Default::default() };
    let v1 = from_v1(&query(0, v1.encode_to_vec(), true)).unwrap();
    let v0 = Query { reconnect: Some("1".into()), sid: Some("PA_1".into()), ..Query::default() };
    for intent in [v1.intent, from_v0(&v0).intent] {
        let Intent::Resume { participant, .. } = intent else { panic!("not a resume") };
        assert_eq!(participant.as_str(), "PA_1");
    }
}

#[test]
fn a_gzip_bomb_is_an_error_and_not_inflated() {
    let bomb = gzip(&vec![0; 40 << 20]);
    assert!(bomb.len() < MAX_JOIN_REQUEST_COMPRESSED);
    assert_eq!(from_v1(&query(1, bomb, false)).err(), Some(JoinRequestError::TooLarge));
}

#[test]
fn many_tiny_fields_are_an_error_and_not_decoded() {
    let tracks = vec![proto::AddTrackRequest::default(); 100_000];
    let bytes = proto::JoinRequest { add_track_requests: tracks, ..Default::default() }.encode_to_vec();
    assert_eq!(from_v1(&query(1, gzip(&bytes), false)).err(), Some(JoinRequestError::TooLarge));
    let tracks = vec![proto::AddTrackRequest::default(); MAX_JOIN_TRACKS + 1];
    let bytes = proto::JoinRequest { add_track_requests: tracks, ..Default::default() }.encode_to_vec();
    assert_eq!(from_v1(&query(0, bytes, false)).err(), Some(JoinRequestError::TooLarge));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let text = |text: &str| Query { join_request: Some(text.into()), ..Query::default() };
    assert_eq!(from_v1(&text("@@@")).err(), Some(JoinRequestError::Base64));
    assert_eq!(from_v1(&query(1, vec![1, 2, 3], true)).err(), Some(JoinRequestError::Inflate));
    assert_eq!(from_v1(&query(0, vec![0xff; 9], true)).err(), Some(JoinRequestError::Protobuf));
    assert_eq!(from_v1(&text(&"A".repeat(200_000))).err(), Some(JoinRequestError::TooLarge));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256), compression in 0..3) {
        let _ = from_v1(&query(compression, bytes.clone(), true));
        let _ = from_v1(&query(1, gzip(&bytes), true));
    }
}
