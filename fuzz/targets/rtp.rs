//! An RTP packet: whatever is accepted can be written again and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_rtp::packet::Prefix;
use parlour_rtp::{HeaderWriter, Packet};

fuzz_target!(|bytes: &[u8]| {
    let prefix = Prefix::parse(bytes);
    let Ok(packet) = Packet::parse(bytes) else { return };
    assert_eq!(prefix.expect("a packet has a prefix").header_len, packet.header_len);
    assert_eq!(packet.header_len + packet.payload.len() + packet.padding_len, bytes.len());
    // An element takes at least one byte, and at most one more in the two-byte form.
    let mut buffer = vec![0; 2 * bytes.len() + 32];
    let mut writer = HeaderWriter::new(&mut buffer, packet.header()).expect("fits");
    for (id, value) in packet.extensions() {
        writer.put_bytes(id, value).expect("fits");
    }
    let len = writer.finish().expect("fits");
    let again = Packet::parse(&buffer[..len]).expect("what we write is a packet");
    assert_eq!(again.header(), packet.header());
    assert!(again.extensions().eq(packet.extensions()));
});
