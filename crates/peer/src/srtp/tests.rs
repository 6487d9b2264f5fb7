//! Vectors of RFC 3711 (appendix B) and RFC 7714 (16, 17), and the properties of a connection's two halves.
#![allow(clippy::unwrap_used)]

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, LessSafeKey, UnboundKey};
use proptest::prelude::*;

use super::cipher::{Cipher, CounterMode};
use super::derivation::{Label, derive};
use super::index::WINDOW;
use super::sources::MAX_RETIRED;
use super::*;
use crate::{DatagramDrop, SealError};

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn halves(profile: SrtpProfile) -> (Outbound, Inbound) {
    let key: Vec<u8> = (0..profile.key_len() as u8).collect();
    let salt: Vec<u8> = (100..100 + profile.salt_len() as u8).collect();
    let master = MasterKey { key: &key, salt: &salt };
    (Outbound::new(profile, &master).unwrap(), Inbound::new(profile, &master).unwrap())
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend(7u32.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn sealed(outbound: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD, 0);
    let len = outbound.seal_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn session_keys_are_those_of_rfc_3711_b3() {
    let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
    let master = MasterKey { key: &key, salt: &salt };
    let session = |label, len| {
        let mut out = vec![0xaa; len];
        derive(&master, label, &mut out).unwrap();
        out
    };
    assert_eq!(session(Label::RtpEncryption, 16), hex("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(session(Label::RtpSalt, 14), hex("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        session(Label::RtpAuthentication, 94),
        hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098\
             6371C10C9A369AC2F94A8C5FBCDDDC256D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2")
    );
}

#[test]
fn the_key_stream_is_that_of_rfc_3711_b2() {
    use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
    let key = UnboundCipherKey::new(&AES_128, &hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let cipher = Cipher::CounterMode(Box::new(CounterMode {
        key: EncryptingKey::ctr(key).unwrap(),
        salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
        authentication: aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[]),
    }));
    let mut buffer = vec![0; 48 + 10];
    cipher.seal_rtp(&mut buffer, 0, 48, 0, 0).unwrap();
    assert_eq!(
        buffer[..48],
        hex("E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0")
    );
}

/// The vector libsrtp publishes for the whole transform, with the master key of RFC 3711 B.3.
#[test]
fn a_counter_mode_packet_is_sealed_as_libsrtp_seals_it() {
    let (key, salt) = (hex("E1F97A0D3E018BE0D64FA32C06DE4139"), hex("0EC675AD498AFEEBB6960B3AABE6"));
    let master = MasterKey { key: &key, salt: &salt };
    let mut outbound = Outbound::new(SrtpProfile::Aes128CmSha1_80, &master).unwrap();
    let clear = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let expected = hex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    assert_eq!(sealed(&mut outbound, &clear), expected);
    let mut packet = expected;
    let mut inbound = Inbound::new(SrtpProfile::Aes128CmSha1_80, &master).unwrap();
    let len = inbound.open_rtp(&mut packet).unwrap();
    assert_eq!(packet[..len], clear);
}

fn gcm(key: &str) -> Cipher {
    let key = hex(key);
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap());
    Cipher::Gcm { key, salt: hex("517569642070726f2071756f").try_into().unwrap() }
}

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn rtp_is_sealed_as_in_rfc_7714_16() {
    let clear =
        hex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    for (key, expected) in [
        (
            KEY_128,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            KEY_256,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let mut buffer = clear.clone();
        buffer.resize(clear.len() + 16, 0);
        gcm(key).seal_rtp(&mut buffer, 12, clear.len(), 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(buffer, hex(expected));
        let len = gcm(key).open_rtp(&mut buffer, 12, 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(buffer[..len], clear);
    }
}

#[test]
fn rtcp_is_sealed_as_in_rfc_7714_17() {
    let clear = hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeef\
                     deadbeef");
    let expected =
        hex("81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303d\
                        ed0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4");
    let mut buffer = clear.clone();
    buffer.resize(clear.len() + MAX_OVERHEAD, 0);
    gcm(KEY_128).seal_rtcp(&mut buffer, clear.len(), 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(buffer, expected);
    assert_eq!(gcm(KEY_128).rtcp_index(&buffer), Some(0x5d4));
    let len = gcm(KEY_128).open_rtcp(&mut buffer, 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(buffer[..len], clear);
}

#[test]
fn authenticated_rtcp_in_the_clear_is_taken_as_in_rfc_7714_17_3() {
    let clear = hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeef\
                     deadbeef");
    let mut packet = clear.clone();
    packet.extend(hex("841dd9683dd78ec92ae58790125f62b3000005d4"));
    let len = gcm(KEY_128).open_rtcp(&mut packet, 0x4d61_7273, 0x5d4).unwrap();
    assert_eq!(packet[..len], clear);
}

#[test]
fn an_index_rolls_over_on_both_sides() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = halves(profile);
        for sequence in (0xfff0..=0xffff).chain(0..0x20) {
            let clear = rtp(9, sequence, b"media");
            let mut packet = sealed(&mut outbound, &clear);
            let len = inbound.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[..len], clear, "{profile:?} {sequence}");
        }
    }
}

#[test]
fn packets_that_pass_each_other_at_the_rollover_are_opened() {
    let (mut outbound, mut inbound) = halves(SrtpProfile::AeadAes128Gcm);
    let mut open = |sequence| {
        let mut packet = sealed(&mut outbound, &rtp(9, sequence, b"media"));
        inbound.open_rtp(&mut packet).map(|_| ())
    };
    for sequence in [0xfffd, 0xffff, 1, 0xfffe, 0, 3, 2] {
        assert_eq!(open(sequence), Ok(()), "{sequence}");
    }
}

#[test]
fn a_replay_is_dropped_and_so_is_what_is_too_old() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = halves(profile);
        let packets: Vec<_> = (1..=WINDOW as u16 + 2).map(|seq| sealed(&mut outbound, &rtp(9, seq, b"x"))).collect();
        let mut open = |index: usize| inbound.open_rtp(&mut packets[index].clone()).map(|_| ());
        assert_eq!(open(5), Ok(()));
        assert_eq!(open(5), Err(DatagramDrop::Replayed));
        assert_eq!(open(packets.len() - 1), Ok(()));
        assert_eq!(open(0), Err(DatagramDrop::Replayed), "too old to tell");
        assert_eq!(open(5), Err(DatagramDrop::Replayed));
        assert_eq!(open(7), Ok(()));
    }
}

#[test]
fn a_forged_packet_changes_nothing() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = halves(profile);
        let good = sealed(&mut outbound, &rtp(9, 100, b"media"));
        for at in 0..good.len() {
            let mut forged = good.clone();
            forged[at] ^= 1;
            assert!(inbound.open_rtp(&mut forged).is_err(), "{profile:?}: byte {at} is not protected");
        }
        assert_eq!(format!("{inbound:?}"), "Inbound { sources: 0, .. }");
        assert!(inbound.open_rtp(&mut good.clone()).is_ok());
    }
}

#[test]
fn other_keys_open_nothing() {
    let (mut outbound, _) = halves(SrtpProfile::AeadAes128Gcm);
    let (_, mut other) = halves(SrtpProfile::Aes128CmSha1_80);
    let mut packet = sealed(&mut outbound, &rtp(9, 100, b"media of some length"));
    assert_eq!(other.open_rtp(&mut packet), Err(DatagramDrop::NotAuthentic));
}

#[test]
fn many_sources_come_and_go_and_none_is_opened_or_sealed_a_second_time() {
    let (mut outbound, mut inbound) = halves(SrtpProfile::AeadAes128Gcm);
    let first = sealed(&mut outbound, &rtp(0, 1, b"x"));
    inbound.open_rtp(&mut first.clone()).unwrap();
    for ssrc in 1..4 * MAX_SOURCES as u32 {
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(ssrc, 1, b"x"))).unwrap();
    }
    assert_eq!(inbound.open_rtp(&mut first.clone()), Err(DatagramDrop::Replayed), "though its window is gone");
    let mut again = [rtp(0, 1, b"y"), vec![0; MAX_OVERHEAD]].concat();
    assert_eq!(outbound.seal_rtp(&mut again, 13), Err(SealError::IndexUsed));
    inbound.open_rtp(&mut sealed(&mut outbound, &rtp(0, 2, b"x"))).unwrap();
    assert_eq!(inbound.open_rtp(&mut first.clone()), Err(DatagramDrop::Replayed));
}

#[test]
fn a_source_goes_on_with_its_round_after_many_others() {
    let (mut outbound, mut inbound) = halves(SrtpProfile::AeadAes128Gcm);
    for sequence in [0xfff0, 0xffff, 5] {
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(7, sequence, b"x"))).unwrap();
    }
    for ssrc in 100..100 + MAX_SOURCES as u32 {
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(ssrc, 1, b"x"))).unwrap();
    }
    let mut late = [rtp(7, 0xfff5, b"x"), vec![0; MAX_OVERHEAD]].concat();
    assert_eq!(outbound.seal_rtp(&mut late, 13), Err(SealError::IndexUsed), "it may have been used");
    inbound.open_rtp(&mut sealed(&mut outbound, &rtp(7, 6, b"x"))).unwrap();
}

#[test]
fn the_source_in_use_stays_while_others_come_and_go() {
    let (mut outbound, mut inbound) = halves(SrtpProfile::AeadAes128Gcm);
    for other in 0..3 * MAX_SOURCES as u16 {
        let late = sealed(&mut outbound, &rtp(7, 2 * other, b"x"));
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(7, 2 * other + 1, b"x"))).unwrap();
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(1_000 + u32::from(other), 1, b"x"))).unwrap();
        inbound.open_rtp(&mut late.clone()).unwrap();
    }
}

#[test]
fn sources_are_bounded_both_ways() {
    let (mut outbound, mut inbound) = halves(SrtpProfile::AeadAes128Gcm);
    let (mut second, _) = halves(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..(MAX_SOURCES + MAX_RETIRED) as u32 {
        inbound.open_rtp(&mut sealed(&mut outbound, &rtp(ssrc, 1, b"x"))).unwrap();
    }
    let packet = rtp(100_000, 1, b"x");
    assert_eq!(inbound.open_rtp(&mut sealed(&mut second, &packet)), Err(DatagramDrop::TooManySources));
    let mut buffer = [packet, vec![0; MAX_OVERHEAD]].concat();
    assert_eq!(outbound.seal_rtp(&mut buffer, 13), Err(SealError::TooManySources));
    inbound.open_rtp(&mut sealed(&mut outbound, &rtp(0, 2, b"x"))).unwrap();
}

#[test]
fn no_index_is_sealed_twice() {
    let (mut outbound, _) = halves(SrtpProfile::AeadAes128Gcm);
    let packet = rtp(9, 100, b"x");
    sealed(&mut outbound, &packet);
    let mut buffer = [packet, vec![0; MAX_OVERHEAD]].concat();
    assert_eq!(outbound.seal_rtp(&mut buffer, 13), Err(SealError::IndexUsed));
}

#[test]
fn a_repeatable_source_gives_the_same_bytes_again() {
    for profile in PROFILES {
        let (mut outbound, _) = halves(profile);
        outbound.set_repeatable(&[9]);
        let first: Vec<_> = (100..200).map(|sequence| sealed(&mut outbound, &rtp(9, sequence, b"audio"))).collect();
        assert_eq!(sealed(&mut outbound, &rtp(9, 190, b"another")), first[90], "never another packet under that index");
        let mut old = [rtp(9, 100, b"audio"), vec![0; MAX_OVERHEAD]].concat();
        assert_eq!(outbound.seal_rtp(&mut old, 17), Err(SealError::IndexUsed), "too old to be kept");
        outbound.set_repeatable(&[]);
        let mut other = [rtp(9, 190, b"audio"), vec![0; MAX_OVERHEAD]].concat();
        assert_eq!(outbound.seal_rtp(&mut other, 17), Err(SealError::IndexUsed));
    }
}

#[test]
fn rtcp_goes_both_ways_and_is_not_replayed() {
    for profile in PROFILES {
        let (mut outbound, mut inbound) = halves(profile);
        for _ in 0..3 {
            let clear = hex("80c90001 00000007 01020304");
            let mut packet = [clear.clone(), vec![0; MAX_OVERHEAD]].concat();
            let len = outbound.seal_rtcp(&mut packet, clear.len()).unwrap();
            packet.truncate(len);
            let mut again = packet.clone();
            let len = inbound.open_rtcp(&mut packet).unwrap();
            assert_eq!(packet[..len], clear);
            assert_eq!(inbound.open_rtcp(&mut again), Err(DatagramDrop::Replayed));
        }
    }
}

#[test]
fn there_is_no_sealing_without_room() {
    for profile in PROFILES {
        let (mut outbound, _) = halves(profile);
        let mut packet = rtp(9, 1, b"x");
        assert_eq!(outbound.seal_rtp(&mut packet, 13), Err(SealError::TooShort));
        assert_eq!(outbound.seal_rtp(&mut packet, 14), Err(SealError::TooShort));
        assert_eq!(outbound.seal_rtcp(&mut packet, 13), Err(SealError::TooShort));
        assert_eq!(outbound.seal_rtp(&mut [], 0), Err(SealError::TooShort));
    }
}

proptest! {
    #[test]
    fn opening_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..80), version in any::<bool>()) {
        if let (true, Some(first)) = (version, bytes.first_mut()) {
            *first = *first & 0x3f | 0x80;
        }
        for profile in PROFILES {
            let (_, mut inbound) = halves(profile);
            prop_assert!(inbound.open_rtp(&mut bytes.clone()).is_err());
            prop_assert!(inbound.open_rtcp(&mut bytes.clone()).is_err());
        }
    }

    #[test]
    fn what_is_sealed_opens_to_the_same(
        payload in prop::collection::vec(any::<u8>(), 0..1300),
        sequence in any::<u16>(),
        ssrc in any::<u32>(),
    ) {
        for profile in PROFILES {
            let (mut outbound, mut inbound) = halves(profile);
            let clear = rtp(ssrc, sequence, &payload);
            let mut packet = sealed(&mut outbound, &clear);
            let len = inbound.open_rtp(&mut packet).unwrap();
            prop_assert_eq!(&packet[..len], &clear[..]);
        }
    }
}
