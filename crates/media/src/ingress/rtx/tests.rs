//! Retransmissions become the packets they repeat.

use parlour_rtp::{Header, HeaderWriter};
use proptest::prelude::*;

use super::*;

/// A packet with one header extension element.
fn packet(header: Header, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 64 + payload.len()];
    let mut writer = HeaderWriter::new(&mut bytes, header).unwrap();
    writer.put_bytes(1, b"mid").unwrap();
    let len = writer.finish().unwrap();
    bytes.truncate(len);
    bytes.extend(payload);
    bytes
}

proptest! {
    #[test]
    fn a_recovered_packet_equals_the_original(
        marker: bool, sequence: u16, timestamp: u32, payload in prop::collection::vec(any::<u8>(), 0..1_200),
    ) {
        let header = Header { marker, payload_type: 96, sequence, timestamp, ssrc: 0xabcd_ef01 };
        let original = packet(header, &payload);
        let repair = Header { payload_type: 97, sequence: 7, ssrc: 1, ..header };
        let mut bytes = packet(repair, &[&sequence.to_be_bytes()[..], &payload].concat());
        prop_assert_eq!(recover(&mut bytes, header.ssrc, 96).unwrap(), &original[..]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let len = bytes.len();
        if let Ok(recovered) = recover(&mut bytes, 1, 96) {
            prop_assert_eq!(recovered.len() + OSN_LEN, len);
            prop_assert!(Packet::parse(recovered).is_ok());
        }
    }
}

#[test]
fn a_probe_repeats_nothing() {
    let mut bytes = packet(Header::default(), &[]);
    assert_eq!(recover(&mut bytes, 1, 96), Err(RecoverError::Empty));
    // All of its payload is padding.
    bytes[0] |= 0x20;
    bytes.extend([0, 0, 3]);
    assert_eq!(recover(&mut bytes, 1, 96), Err(RecoverError::Empty));
    assert!(matches!(recover(&mut [0; 20], 1, 96), Err(RecoverError::Malformed(_))));
}
