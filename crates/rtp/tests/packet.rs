//! RTP headers and their extensions: fixed vectors, write-then-parse, and arbitrary bytes.

#![allow(clippy::unwrap_used)]

use parlour_rtp::extension::{ExtensionValue, token};
use parlour_rtp::packet::Prefix;
use parlour_rtp::seq::{TimestampUnwrapper, Unwrapper, newer, timestamp_newer};
use parlour_rtp::{
    AbsSendTime, AudioLevel, ExtensionKind, ExtensionMap, Front, Header, HeaderWriter, Packet, RtpError,
    TransportSequence, VideoOrientation, is_rtcp,
};
use proptest::prelude::*;

/// RFC 3550 section 5.1 with one contributing source, the one-byte extension example of RFC 8285 section 4.2 (id 1 with
/// one byte, id 2 with two and padding, id 3 with four), and three bytes of padding.
const FULL: &[u8] = &[
    0xb1, 0xe0, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef, // fixed
    0, 0, 0, 7, // contributing source
    0xbe, 0xde, 0, 3, 0x10, 0xaa, 0x21, 0xbb, 0xbc, 0, 0, 0x33, 1, 2, 3, 4, // extension
    b'h', b'i', 0, 0, 3,
];

#[test]
fn every_part_of_a_full_header_is_read() {
    let packet = Packet::parse(FULL).unwrap();
    let header = Header { marker: true, payload_type: 96, sequence: 0x1234, timestamp: 9, ssrc: 0xdead_beef };
    assert_eq!(packet.header(), header);
    assert_eq!((packet.header_len, packet.payload, packet.padding_len), (32, &b"hi"[..], 3));
    let elements: Vec<_> = packet.extensions().collect();
    assert_eq!(elements, [(1, &[0xaa][..]), (2, &[0xbb, 0xbc][..]), (3, &[1, 2, 3, 4][..])]);
    assert_eq!(packet.extension(2), Some(&[0xbb, 0xbc][..]));
    assert_eq!(packet.extension(4), None);
}

#[test]
fn two_byte_elements_may_be_empty_and_long() {
    let mut bytes = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x10, 0x05, 0, 6];
    bytes.extend([200, 0, 0, 15, 20]);
    bytes.extend([7; 19]);
    let error = Packet::parse(&bytes).unwrap().extensions().collect::<Vec<_>>();
    assert_eq!(error, [(200, &[][..])], "an element longer than its block ends the iteration");
    bytes[20] = 19;
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.extensions().collect::<Vec<_>>(), [(200, &[][..]), (15, &[7; 19][..])]);
}

#[test]
fn id_fifteen_ends_a_one_byte_block() {
    let bytes = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 2, 0x10, 1, 0xf0, 2, 0x20, 3, 0, 0];
    assert_eq!(Packet::parse(&bytes).unwrap().extensions().collect::<Vec<_>>(), [(1, &[1][..])]);
}

#[test]
fn an_unknown_profile_is_skipped_not_refused() {
    let bytes = [0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xab, 0xcd, 0, 1, 0x10, 1, 0, 0, 9];
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!((packet.extensions().count(), packet.payload), (0, &[9][..]));
}

#[test]
fn each_malformed_header_has_its_reason() {
    let reason = |bytes: &[u8]| Packet::parse(bytes).err();
    assert_eq!(reason(&FULL[..11]), Some(RtpError::Truncated));
    assert_eq!(reason(&FULL[..15]), Some(RtpError::Truncated), "contributing source");
    assert_eq!(reason(&FULL[..18]), Some(RtpError::Truncated), "extension header");
    assert_eq!(reason(&FULL[..31]), Some(RtpError::Truncated), "extension");
    assert_eq!(reason(&FULL[..32]), Some(RtpError::Padding), "no byte to hold the padding's length");
    let mut bytes = FULL.to_vec();
    bytes[36] = 6;
    assert_eq!(reason(&bytes), Some(RtpError::Padding), "longer than the payload");
    bytes[36] = 0;
    assert_eq!(reason(&bytes), Some(RtpError::Padding), "of no length");
    bytes[0] = 0x71;
    assert_eq!(reason(&bytes), Some(RtpError::Version));
}

#[test]
fn a_prefix_does_not_look_at_encrypted_padding() {
    let mut bytes = FULL.to_vec();
    *bytes.last_mut().unwrap() = 0xff;
    let prefix = Prefix::parse(&bytes).unwrap();
    assert_eq!((prefix.header_len, prefix.padded, prefix.header.sequence), (32, true, 0x1234));
    assert_eq!(prefix.extensions().count(), 3);
}

#[test]
fn rtcp_is_told_from_rtp_by_its_second_byte() {
    assert!(is_rtcp(&[0x80, 200]) && is_rtcp(&[0x81, 206]));
    assert!(!is_rtcp(&[0x80, 96]) && !is_rtcp(&[0x80, 96 | 0x80]) && !is_rtcp(&[0x80]));
}

#[test]
fn typed_values_come_back() {
    let mut buffer = [0; 64];
    let mut writer = HeaderWriter::new(&mut buffer, Header::default()).unwrap();
    let level = AudioLevel { level_dbov: 42, voice: true };
    writer.put(1, &level).unwrap();
    writer.put(2, &TransportSequence(0xabcd)).unwrap();
    writer.put(3, &AbsSendTime(0x12_3456)).unwrap();
    writer.put(4, &VideoOrientation(0b1011)).unwrap();
    writer.put_bytes(5, b"mid0").unwrap();
    let len = writer.finish().unwrap();
    let packet = Packet::parse(&buffer[..len]).unwrap();
    let value = |id| packet.extension(id).unwrap();
    assert_eq!(AudioLevel::decode(value(1)), Some(level));
    assert_eq!(TransportSequence::decode(value(2)), Some(TransportSequence(0xabcd)));
    assert_eq!(AbsSendTime::decode(value(3)), Some(AbsSendTime(0x12_3456)));
    assert_eq!(VideoOrientation::decode(value(4)), Some(VideoOrientation(0b1011)));
    assert_eq!(token(value(5)), Some("mid0"));
}

#[test]
fn send_time_wraps_at_sixty_four_seconds() {
    assert_eq!(AbsSendTime::from_micros(1_000_000), AbsSendTime(1 << 18));
    assert_eq!(AbsSendTime::from_micros(64_000_000), AbsSendTime(0));
    assert_eq!(AbsSendTime::from_micros(u64::MAX).0 >> 24, 0);
}

#[test]
fn a_header_that_does_not_fit_is_refused() {
    let mut buffer = [0; 19];
    assert!(HeaderWriter::new(&mut buffer[..11], Header::default()).is_err());
    let mut writer = HeaderWriter::new(&mut buffer, Header::default()).unwrap();
    writer.put(1, &TransportSequence(1)).unwrap();
    assert!(writer.finish().is_err(), "the padding to a word has no room");
}

#[test]
fn kinds_are_found_by_uri_and_by_id() {
    for kind in ExtensionKind::ALL {
        assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(kind));
    }
    let map = ExtensionMap::from_iter([(ExtensionKind::Mid, 4), (ExtensionKind::AudioLevel, 200)]);
    assert_eq!(map.id(ExtensionKind::AudioLevel), Some(200));
    assert_eq!((map.kind(4), map.kind(5), map.kind(0)), (Some(ExtensionKind::Mid), None, None));
    assert_eq!(map.iter().count(), 2);
}

#[test]
fn only_ascii_words_are_names() {
    assert_eq!(token(b"f"), Some("f"));
    assert!(
        token(b"").is_none() && token(b"a b").is_none() && token("é".as_bytes()).is_none() && token(&[0]).is_none()
    );
}

#[test]
fn half_the_range_is_newer() {
    assert!(newer(0, 65_535) && newer(32_767, 0) && !newer(32_768, 0) && !newer(5, 5));
    assert!(timestamp_newer(0, u32::MAX) && !timestamp_newer(u32::MAX, 0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        if let Ok(packet) = Packet::parse(&bytes) {
            packet.extensions().for_each(drop);
            prop_assert_eq!(packet.header_len + packet.payload.len() + packet.padding_len, bytes.len());
        }
        prop_assert!(Packet::parse(&bytes).is_err() || Prefix::parse(&bytes).is_ok());
    }

    #[test]
    fn what_is_written_is_read(
        marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        elements in prop::collection::vec((1_u8..=20, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
        payload in prop::collection::vec(any::<u8>(), 0..32),
    ) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut buffer = [0; 512];
        let mut writer = HeaderWriter::new(&mut buffer, header).unwrap();
        for (id, value) in &elements {
            writer.put_bytes(*id, value).unwrap();
        }
        let len = writer.finish().unwrap();
        buffer[len..len + payload.len()].copy_from_slice(&payload);
        let packet = Packet::parse(&buffer[..len + payload.len()]).unwrap();
        prop_assert_eq!(packet.header(), header);
        prop_assert_eq!(packet.payload, &payload[..]);
        let read: Vec<_> = packet.extensions().map(|(id, value)| (id, value.to_vec())).collect();
        prop_assert_eq!(read, elements);
    }

    #[test]
    fn extended_numbers_follow_a_walk_across_wraps(start: u16, steps in prop::collection::vec(-100_i64..1_000, 1..500)) {
        let mut unwrapper = Unwrapper::new();
        let mut truth = 65_536 + i64::from(start);
        prop_assert_eq!(unwrapper.unwrap(start), truth as u64);
        let mut highest = truth;
        for step in steps {
            truth = (highest + step).max(0);
            prop_assert_eq!(unwrapper.unwrap(truth as u16), truth as u64);
            highest = highest.max(truth);
            prop_assert_eq!(unwrapper.highest(), Some(highest as u64));
        }
    }

    #[test]
    fn extended_timestamps_follow_a_walk_across_wraps(start: u32, steps in prop::collection::vec(any::<i32>(), 1..100)) {
        let mut unwrapper = TimestampUnwrapper::new();
        let mut truth = i64::from(start);
        prop_assert_eq!(unwrapper.unwrap(start), truth);
        for step in steps {
            truth += i64::from(step);
            prop_assert_eq!(unwrapper.unwrap(truth as u32), truth);
        }
    }
}

proptest! {
    #[test]
    fn a_header_from_a_front_is_the_one_written_element_by_element(
        mid in "[a-z0-9]{1,16}", (mid_id, number_id) in (1..=20_u8, 1..=20_u8), number: u16, level in 0..=127_u8, marker: bool,
    ) {
        let header = Header { marker, payload_type: 96, sequence: number, timestamp: 7, ssrc: 9 };
        let level = AudioLevel { level_dbov: level, voice: marker };
        let mut plain = [0xff; 100];
        let mut writer = HeaderWriter::new(&mut plain, header).unwrap();
        writer.put_bytes(mid_id, mid.as_bytes()).unwrap();
        writer.put(number_id, &TransportSequence(number)).unwrap();
        writer.put(3, &level).unwrap();
        let len = writer.finish().unwrap();
        let front = Front::new(number_id, |writer| writer.put_bytes(mid_id, mid.as_bytes()));
        prop_assert_eq!(front.is_some(), mid.len() <= 12 && mid_id <= 14 && number_id <= 14);
        let Some(front) = front else { return Ok(()) };
        let mut copied = [0xff; 100];
        let mut writer = HeaderWriter::with_front(&mut copied, header, &front, number).unwrap();
        writer.put(3, &level).unwrap();
        prop_assert_eq!((writer.finish().unwrap(), &copied[..len]), (len, &plain[..len]));
    }
}
