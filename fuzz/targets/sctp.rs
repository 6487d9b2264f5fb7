//! SCTP within a connection: chunks from a client that has set up its association rightly and then says what it likes.
//!
//! The input is a list of packets: a length, then that many bytes of chunks. The common header with its checksum is put
//! before them, and the numbers of DATA chunks count from the client's first, or nothing would ever be let in.

#![no_main]

use std::time::{Duration, Instant};

use crc::{CRC_32_ISCSI, Crc};
use libfuzzer_sys::fuzz_target;
use parlour_peer::fuzz::{Association, read};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const OUR_TAG: u32 = 7;
const FIRST_TSN: u32 = 1_000;
const DATA: u8 = 0;

/// RFC 9260 3.1.
fn packet(tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = [5_000u16.to_be_bytes(), 5_000u16.to_be_bytes()].concat();
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let sum = CRC.checksum(&packet);
    packet[8..12].copy_from_slice(&sum.to_le_bytes());
    packet
}

fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((4 + body.len() as u16).to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// RFC 9260 5.1; the tag of the other side.
fn set_up(association: &mut Association, now: Instant) -> u32 {
    let (tag, streams, tsn) = (OUR_TAG.to_be_bytes(), [4, 0], FIRST_TSN.to_be_bytes());
    let init = [&tag[..], &[0, 16, 0, 0], &streams, &streams, &tsn, &[0xc0, 0, 0, 4]].concat();
    assert!(association.handle_packet(now, packet(0, &chunk(1, 0, &init))));
    let answer = association.poll_packet(now).expect("INIT ACK");
    let tag = u32::from_be_bytes(answer[16..20].try_into().expect("four bytes"));
    let mut parameters = &answer[32..];
    let cookie = loop {
        let length = usize::from(u16::from_be_bytes([parameters[2], parameters[3]]));
        if parameters[..2] == [0, 7] {
            break &parameters[4..length];
        }
        parameters = &parameters[length.next_multiple_of(4)..];
    };
    assert!(association.handle_packet(now, packet(tag, &chunk(10, 0, cookie))));
    tag
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let mut now = Instant::now();
    let mut association = Association::default();
    let tag = set_up(&mut association, now);
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first() {
        let (chunks, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        let mut chunks = chunks.to_vec();
        if let [DATA, _, _, _, number @ ..] = &mut chunks[..]
            && let Some(number) = number.first_chunk_mut::<4>()
        {
            *number = u32::from_be_bytes(*number).wrapping_add(FIRST_TSN).to_be_bytes();
        }
        association.handle_packet(now, packet(tag, &chunks));
        let answers = std::iter::from_fn(|| association.poll_packet(now)).take(10_000).count();
        assert!(answers < 10_000, "an answer without end");
        association.drain_events();
        now += Duration::from_millis(300);
        association.handle_timeout(now);
    }
    association.handle_packet(now, bytes.to_vec());
});
