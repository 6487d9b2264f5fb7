//! Wrong packets under right keys, from a participant of a live call: each is a counted drop, and the others lose nothing.

#![allow(clippy::unwrap_used)]

mod raw;

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_media::{RtcpDrop, RtpDrop};
use parlour_peer::PeerCounters;
use parlour_shard::ShardDrop;
use parlour_simnet::Random;
use raw::{FIRST_TSN, RawClient, chunk, packet};

const SESSION: &str = "couple";
const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// A therapist and a client in a call, and one more who sends what it likes.
struct Call {
    world: World,
    bots: Vec<BotId>,
    raw: RawClient,
    random: Random,
}

impl Call {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed).unwrap();
        let people = [("therapist", Role::Therapist), ("ann", Role::Client)];
        let bots: Vec<_> = people.map(|(who, role)| world.join(SESSION, who, role, None).unwrap()).to_vec();
        for bot in &bots {
            world.publish_audio(*bot, AudioConfig::default());
            world.publish_video(*bot, VideoConfig::default());
        }
        world.run_for(Duration::from_secs(4));
        let raw = RawClient::connect(&mut world, SESSION, "raw");
        world.run_for(Duration::from_secs(1));
        world.reset_received();
        Self { world, bots, raw, random: Random::new(seed) }
    }

    fn rtp_drops(&self, reason: RtpDrop) -> u64 {
        let at = RtpDrop::ALL.iter().position(|one| *one == reason).unwrap();
        self.world.shard().snapshot().totals.rtp_drops[at]
    }

    fn malformed_rtcp(&self) -> u64 {
        let at = RtcpDrop::Malformed as usize;
        self.world.shard().snapshot().totals.rtcp_drops[at]
    }

    fn sctp_drops(&self) -> u64 {
        self.world.shard().snapshot().totals.peers.drop_sctp
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..self.random.bits() % length).map(|_| self.random.bits() as u8).collect()
    }

    /// Everything the others sent each other arrived and played.
    fn expect_unharmed(&mut self) {
        self.world.run_for(Duration::from_secs(2));
        assert_eq!(self.world.shard().counters().panics, 0);
        for bot in &self.bots {
            assert_eq!(self.world.left(*bot), None);
            let endpoint = &self.world.bot(*bot).endpoint;
            assert!(endpoint.is_connected() && endpoint.failure().is_none());
            let playing: Vec<_> = endpoint.received().filter(|(_, track)| track.packets > 0).collect();
            assert_eq!(playing.len(), 2, "the other's microphone and camera, and nothing of the third");
            for (sid, track) in playing {
                let harm = (track.missing, track.frames_broken, track.freezes, track.bad_switches);
                assert_eq!(harm, (0, 0, 0, 0), "{sid}: {track:?}");
                assert!(track.frames_decoded > 50, "{sid}: {track:?}");
            }
        }
    }
}

/// An RTP packet with an extension block as it is given, whole words.
fn rtp(payload_type: u8, ssrc: u32, sequence: u16, block: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![if block.is_empty() { 0x80 } else { 0x90 }, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    if !block.is_empty() {
        packet.extend([0xbe, 0xde, 0, (block.len() / 4) as u8]);
        packet.extend(block);
    }
    packet.extend(payload);
    packet
}

/// An element of one-byte form, and the padding of its block.
fn element(id: u8, value: &[u8]) -> Vec<u8> {
    let mut block = vec![id << 4 | (value.len() as u8 - 1)];
    block.extend(value);
    block.resize(block.len().next_multiple_of(4), 0);
    block
}

#[test]
fn media_that_belongs_nowhere_is_dropped_by_its_reason() {
    let mut call = Call::new(31);
    let opus = call.raw.said("audio", "a=rtpmap:").into_iter().find(|map| map.contains("opus/")).unwrap();
    let opus: u8 = opus.split(' ').next().unwrap().parse().unwrap();
    let mid = call.raw.said("audio", "a=mid:").remove(0);
    let id = call.raw.said("audio", "a=extmap:").into_iter().find(|map| map.ends_with(MID)).unwrap();
    let id: u8 = id.split([' ', '/']).next().unwrap().parse().unwrap();
    let cases = [
        (RtpDrop::UnknownSource, rtp(opus, 1, 1, &[], &[1; 50])),
        (RtpDrop::UnknownSource, rtp(opus, 2, 1, &element(id, b"99"), &[1; 50])),
        (RtpDrop::UnknownSource, rtp(opus, 3, 1, &element(id, &[0xff; 16]), &[1; 50])),
        (RtpDrop::UnknownPayload, rtp(45, 4, 1, &element(id, mid.as_bytes()), &[1; 50])),
        // An element that runs over the end of its block.
        (RtpDrop::UnknownSource, rtp(opus, 5, 1, &[id << 4 | 15, b'0', b'0', b'0'], &[1; 50])),
        // More padding than there is payload, and none where some is announced.
        (RtpDrop::Malformed, [&[0xa0], &rtp(opus, 6, 1, &[], &[200; 50])[1..]].concat()),
        (RtpDrop::Malformed, [&[0xa0], &rtp(opus, 7, 1, &[], &[0; 50])[1..]].concat()),
    ];
    for (number, (reason, packet)) in cases.iter().enumerate() {
        let before = call.rtp_drops(*reason);
        call.raw.send_rtp(&mut call.world, packet);
        assert_eq!(call.rtp_drops(*reason) - before, 1, "case {number}: {reason}");
        call.world.run_for(Duration::from_millis(5));
    }
    call.expect_unharmed();
}

#[test]
fn datagrams_that_come_together_are_judged_each_for_itself() {
    let mut call = Call::new(37);
    let nowhere = |sequence| rtp(111, 1, sequence, &[], &[1; 50]);
    let sealed: Vec<_> = (1..=3).map(|sequence| call.raw.sealed(&nowhere(sequence))).collect();
    let mut forged = sealed[2].clone();
    forged[30] ^= 1;
    let stray = vec![64; forged.len()];
    let last = call.raw.sealed(&rtp(111, 1, 4, &[], &[1; 20]));
    let [one, two, three] = [0, 1, 2].map(|place| sealed[place].clone());
    let run = [one.clone(), forged, stray, two, one, three, last];
    let before = call.world.shard().snapshot();
    let strays = call.world.shard().counters().dropped(ShardDrop::UnknownProtocol);
    call.raw.inject_run(&mut call.world, &run);
    let after = call.world.shard().snapshot();
    let peers = |name: fn(&PeerCounters) -> u64| name(&after.totals.peers) - name(&before.totals.peers);
    assert_eq!(call.world.shard().counters().dropped(ShardDrop::UnknownProtocol) - strays, 1);
    assert_eq!(
        (peers(|one| one.rtp_in), peers(|one| one.drop_not_authentic), peers(|one| one.drop_replayed)),
        (4, 1, 1)
    );
    call.expect_unharmed();
}

#[test]
fn headers_longer_than_their_packet_are_too_short_to_open() {
    let mut call = Call::new(32);
    let fifteen_sources = [&[0x8f], &rtp(111, 1, 1, &[], &[0; 20])[1..]].concat();
    let long_extension = [&rtp(111, 1, 2, &[], &[])[..], &[0xbe, 0xde, 0xff, 0xff], &[0; 40]].concat();
    let long_extension = [&[0x90], &long_extension[1..]].concat();
    let no_extension = [&[0x90], &rtp(111, 1, 3, &[], &[])[1..]].concat();
    for packet in [fifteen_sources, long_extension, no_extension] {
        let before = call.world.shard().snapshot().totals.peers.drop_too_short;
        call.raw.send_rtp(&mut call.world, &packet);
        assert_eq!(call.world.shard().snapshot().totals.peers.drop_too_short - before, 1);
    }
    call.expect_unharmed();
}

#[test]
fn malformed_rtcp_is_counted_and_the_rest_of_its_datagram_left() {
    let mut call = Call::new(33);
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let faults: [&[u8]; 9] = [
        &[0x81, 200, 0, 1, 0, 0, 0, 9],       // a sender report of one word
        &[0x9f, 201, 0, 1, 0, 0, 0, 9],       // 31 blocks, none there
        &[0x80, 201, 0xff, 0xff, 0, 0, 0, 9], // longer than the datagram
        &[0x81, 205, 0, 1, 0, 0, 0, 9],       // NACK of nothing
        &[0x8f, 205, 0, 4, 0, 0, 0, 9, 0, 0, 0, 9, 0, 1, 255, 255, 0, 0, 0, 0], // feedback of packets it does not tell
        &[0xbf, 202, 0, 1, 0, 0, 0, 255],     // padding beyond its message
        &[0x81, 202, 0, 2, 0, 0, 0, 9, 1, 200, b'a', b'b'], // a name longer than its message
        &[0x84, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 9], // FIR without an entry
        &[0x00, 201, 0, 1, 0, 0, 0, 9],       // of version 0
    ];
    for (number, fault) in faults.iter().enumerate() {
        let before = call.malformed_rtcp();
        call.raw.send_rtcp(&mut call.world, &[&report, *fault].concat());
        assert_eq!(call.malformed_rtcp() - before, 1, "case {number}");
    }
    let junk: Vec<_> = (0..500).map(|_| [&report, &call.bytes(200)[..]].concat()).collect();
    for datagram in junk {
        call.raw.send_rtcp(&mut call.world, &datagram);
        call.world.run_for(Duration::from_millis(2));
    }
    call.expect_unharmed();
}

#[test]
fn what_is_no_sctp_packet_is_counted_before_and_after_an_association() {
    let mut call = Call::new(34);
    let init = chunk(1, 0, &[&[0, 0, 0, 8, 0, 16, 0, 0, 0, 4, 0, 4][..], &FIRST_TSN.to_be_bytes()].concat());
    let right = packet(0, &init);
    let mut wrong: Vec<_> = (1..right.len()).map(|length| right[..length].to_vec()).collect();
    wrong.extend((0..right.len()).map(|at| {
        let mut flipped = right.clone();
        flipped[at] ^= 0x10;
        flipped
    }));
    // Framing that does not hold, under a right checksum; then what only an association may say.
    wrong.extend((1..init.len()).map(|length| packet(0, &init[..length])));
    wrong.push(packet(0, &chunk(99, 0, &[0; 8])));
    wrong.push(packet(0, &[1, 0, 0, 0]));
    wrong.push(packet(5, &chunk(0, 3, &[0; 20])));
    wrong.extend((0..200).map(|_| call.bytes(1_100)).filter(|bytes| !bytes.is_empty()));
    for associated in [false, true] {
        if associated {
            call.raw.associate(&mut call.world);
        }
        let before = call.sctp_drops();
        for bytes in &wrong {
            call.raw.send_below(&mut call.world, bytes);
            call.world.run_for(Duration::from_millis(1));
        }
        assert_eq!(call.sctp_drops() - before, wrong.len() as u64, "associated: {associated}");
    }
    let open = [&[0; 4][..], &[0; 4], &50u32.to_be_bytes(), b"\x03\0\0\0\0\0\0\0\0\x09\0\0_reliable"].concat();
    let mut open = chunk(0, 3, &open);
    open[4..8].copy_from_slice(&FIRST_TSN.to_be_bytes());
    call.raw.send_chunks(&mut call.world, &open);
    let kinds: Vec<_> = (0..2).map(|_| call.raw.next_packet(&mut call.world)[12]).collect();
    assert!(kinds.contains(&0) && kinds.contains(&3), "its channel opens none the less: {kinds:?}");
    call.expect_unharmed();
}

/// A message of two bytes on a stream, the whole of it in one chunk.
fn data(number: u32, stream: u16) -> Vec<u8> {
    let body = [&number.to_be_bytes()[..], &stream.to_be_bytes(), &[0; 2], &53u32.to_be_bytes(), b"hi"].concat();
    chunk(0, 3, &body)
}

#[test]
fn streams_that_were_not_agreed_on_are_not_made() {
    let mut call = Call::new(36);
    call.raw.associate(&mut call.world);
    let before = call.sctp_drops();
    for stream in [1_024, 5_000, u16::MAX] {
        call.raw.send_chunks(&mut call.world, &data(FIRST_TSN, stream));
    }
    assert_eq!(call.sctp_drops() - before, 3);
    call.raw.send_chunks(&mut call.world, &data(FIRST_TSN, 1_023));
    assert_eq!(call.raw.next_packet(&mut call.world)[12], 3, "SACK");
    assert_eq!(call.sctp_drops() - before, 3);
    call.expect_unharmed();
}

#[test]
fn a_message_in_a_thousand_small_pieces_ends_its_association() {
    const ABORT: u8 = 6;
    let mut call = Call::new(37);
    call.raw.associate(&mut call.world);
    let piece = |number: u32| {
        let body = [&(FIRST_TSN + number).to_be_bytes()[..], &[0, 9, 0, 0], &53u32.to_be_bytes(), b"!"].concat();
        chunk(0, if number == 0 { 2 } else { 0 }, &body)
    };
    let before = call.sctp_drops();
    for packet in 0..1_024 / 32 {
        let pieces: Vec<_> = (0..32).flat_map(|number| piece(32 * packet + number)).collect();
        call.raw.send_chunks(&mut call.world, &pieces);
    }
    assert_eq!(call.sctp_drops() - before, 0);
    call.raw.send_chunks(&mut call.world, &piece(1_024));
    assert_eq!(call.sctp_drops() - before, 1);
    assert!((0..200).any(|_| call.raw.next_packet(&mut call.world)[12] == ABORT));
    call.expect_unharmed();
}

/// As clients do that fill every packet: the last message in it goes on in the next.
#[test]
fn small_pieces_among_whole_messages_are_no_fault() {
    let mut call = Call::new(38);
    call.raw.associate(&mut call.world);
    let before = call.sctp_drops();
    let body = |number: u32, place: u16, text: &[u8]| {
        let number = (FIRST_TSN + number).to_be_bytes();
        [&number[..], &[0, 9], &place.to_be_bytes(), &53u32.to_be_bytes(), text].concat()
    };
    for packet in 0..1_500u32 {
        let (first, place) = (3 * packet, 2 * packet as u16);
        let whole = chunk(0, 3, &body(first, place, &[7; 900]));
        let begun = chunk(0, 2, &body(first + 1, place + 1, &[7; 100]));
        let ended = chunk(0, 1, &body(first + 2, place + 1, &[7; 100]));
        call.raw.send_chunks(&mut call.world, &[whole, begun].concat());
        call.raw.send_chunks(&mut call.world, &ended);
    }
    assert_eq!(call.sctp_drops() - before, 0);
    call.expect_unharmed();
}

#[test]
fn wild_chunks_in_right_packets_end_at_most_their_own_association() {
    let mut call = Call::new(35);
    call.raw.associate(&mut call.world);
    let kinds = [0, 3, 4, 5, 7, 8, 9, 10, 11, 14, 130, 192, 194, 2, 1, 6];
    for kind in kinds {
        for _ in 0..40 {
            let (flags, mut body) = (call.random.bits() as u8 & 7, call.bytes(120));
            if kind == 0 && body.len() > 4 {
                let number = FIRST_TSN + (call.random.bits() % 64) as u32;
                body[..4].copy_from_slice(&number.to_be_bytes());
            }
            let chunks = chunk(kind, flags, &body);
            call.raw.send_chunks(&mut call.world, &chunks);
            call.world.run_for(Duration::from_millis(2));
        }
    }
    call.expect_unharmed();
}
