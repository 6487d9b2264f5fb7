//! Which stream belongs where, and that no other can take its place.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use parlour_model::{Codec, Medium};
use parlour_rtp::{Header, HeaderWriter};
use proptest::prelude::*;

use super::*;

const MEDIA: u8 = 96;
const RTX: u8 = 97;

fn section(mid: &str, publication: u32, rids: &[&str], ssrcs: &[(u32, Option<u32>)]) -> IngressSection {
    IngressSection {
        mid: mid.into(),
        publication: PublicationKey(publication),
        medium: Medium::Camera,
        codec: Codec::Vp8,
        payload_type: MEDIA,
        rtx: Some(RTX),
        red: None,
        nack: true,
        pli: true,
        fir: false,
        remb: false,
        rids: rids.iter().map(|&rid| rid.into()).collect(),
        ssrcs: ssrcs.to_vec(),
        encrypted: false,
        layers: Vec::new(),
    }
}

fn extensions() -> ExtensionMap {
    [(ExtensionKind::Mid, 1), (ExtensionKind::Rid, 2), (ExtensionKind::RepairedRid, 3)].into_iter().collect()
}

fn table(sections: &[IngressSection], now: Instant) -> SourceTable {
    let mut table = SourceTable::new();
    table.set_sections(&extensions(), sections, now);
    table
}

/// Resolves a packet with these extension elements.
fn resolve(
    table: &mut SourceTable,
    ssrc: u32,
    payload_type: u8,
    elements: &[(u8, &str)],
    now: Instant,
) -> Result<(u32, u8, Role), SourceError> {
    let mut buffer = [0; 128];
    let mut writer = HeaderWriter::new(&mut buffer, Header { ssrc, payload_type, ..Header::default() }).unwrap();
    elements.iter().for_each(|&(id, value)| writer.put_bytes(id, value.as_bytes()).unwrap());
    let len = writer.finish().unwrap();
    let source = table.resolve(&Packet::parse(&buffer[..len]).unwrap(), now)?;
    Ok((source.publication.0, source.layer.0, source.role))
}

#[test]
fn a_stream_is_bound_by_its_first_names_and_known_without_them_after() {
    let now = Instant::now();
    let mut table = table(&[section("0", 1, &[], &[]), section("1", 2, &["q", "h", "f"], &[])], now);
    assert_eq!(resolve(&mut table, 10, MEDIA, &[], now), Err(SourceError::Unknown));
    assert_eq!(resolve(&mut table, 10, MEDIA, &[(1, "1"), (2, "h")], now), Ok((2, 1, Role::Media)));
    assert_eq!(resolve(&mut table, 10, MEDIA, &[], now), Ok((2, 1, Role::Media)));
    assert_eq!(resolve(&mut table, 11, RTX, &[(1, "1"), (3, "h")], now), Ok((2, 1, Role::Repair)));
    assert_eq!(resolve(&mut table, 11, RTX, &[], now), Ok((2, 1, Role::Repair)));
    assert_eq!(resolve(&mut table, 12, MEDIA, &[(1, "0")], now), Ok((1, 0, Role::Media)));
    assert_eq!(table.ssrc_of(PublicationKey(2), Layer(1), Role::Repair), Some(11));
    assert_eq!(table.source_of(12).map(|source| source.publication), Some(PublicationKey(1)));
}

#[test]
fn wrong_names_and_types_bind_nothing() {
    let now = Instant::now();
    let mut table = table(&[section("1", 2, &["q", "h"], &[])], now);
    assert_eq!(resolve(&mut table, 1, MEDIA, &[(1, "9"), (2, "q")], now), Err(SourceError::Unknown), "mid");
    assert_eq!(resolve(&mut table, 1, MEDIA, &[(1, "1"), (2, "z")], now), Err(SourceError::Unknown), "rid");
    assert_eq!(resolve(&mut table, 1, MEDIA, &[(1, "1"), (3, "q")], now), Err(SourceError::Unknown), "repaired rid");
    assert_eq!(resolve(&mut table, 1, 50, &[(1, "1"), (2, "q")], now), Err(SourceError::PayloadType));
    assert_eq!(resolve(&mut table, 1, MEDIA, &[(1, "1"), (2, "q")], now), Ok((2, 0, Role::Media)));
    assert_eq!(resolve(&mut table, 1, RTX, &[], now), Err(SourceError::PayloadType), "media turned repair");
}

#[test]
fn signalled_streams_need_no_names_and_cannot_be_replaced() {
    let now = Instant::now();
    let later = now + 10 * SILENCE;
    let mut table = table(&[section("1", 2, &[], &[(20, Some(21)), (22, None)])], now);
    assert_eq!(resolve(&mut table, 20, MEDIA, &[], now), Ok((2, 0, Role::Media)));
    assert_eq!(resolve(&mut table, 21, RTX, &[], now), Ok((2, 0, Role::Repair)));
    assert_eq!(resolve(&mut table, 22, MEDIA, &[], now), Ok((2, 1, Role::Media)));
    assert_eq!(resolve(&mut table, 99, MEDIA, &[(1, "1")], later), Err(SourceError::Unknown));
    assert_eq!(resolve(&mut table, 20, MEDIA, &[(1, "9")], later), Ok((2, 0, Role::Media)), "names do not move it");
    table.set_sections(&extensions(), &[section("1", 2, &["q"], &[(20, None)])], now);
    assert_eq!(resolve(&mut table, 99, MEDIA, &[(1, "1"), (2, "q")], later), Err(SourceError::Taken), "nor does a rid");
}

#[test]
fn a_stranger_takes_a_place_only_after_silence() {
    let now = Instant::now();
    let mut table = table(&[section("1", 2, &["q"], &[])], now);
    let names = [(1, "1"), (2, "q")];
    assert!(resolve(&mut table, 10, MEDIA, &names, now).is_ok());
    assert_eq!(resolve(&mut table, 11, MEDIA, &names, now + SILENCE / 2), Err(SourceError::Taken));
    assert!(resolve(&mut table, 10, MEDIA, &[], now + SILENCE / 2).is_ok());
    assert_eq!(resolve(&mut table, 11, MEDIA, &names, now + SILENCE), Err(SourceError::Taken), "it was heard since");
    assert!(resolve(&mut table, 11, MEDIA, &names, now + 2 * SILENCE).is_ok());
    assert_eq!(resolve(&mut table, 10, MEDIA, &[], now + 2 * SILENCE), Err(SourceError::Unknown));
}

#[test]
fn streams_of_unchanged_sections_stay_known_and_others_do_not() {
    let now = Instant::now();
    let (audio, video) = (section("0", 1, &[], &[]), section("1", 2, &["q"], &[]));
    let mut table = table(&[audio.clone(), video.clone()], now);
    resolve(&mut table, 10, MEDIA, &[(1, "0")], now).unwrap();
    resolve(&mut table, 11, MEDIA, &[(1, "1"), (2, "q")], now).unwrap();
    let reused = IngressSection { publication: PublicationKey(3), ..audio };
    table.set_sections(&extensions(), &[video, reused], now);
    assert_eq!(resolve(&mut table, 11, MEDIA, &[], now), Ok((2, 0, Role::Media)));
    assert_eq!(table.source_of(11).map(|source| source.section), Some(0), "its section moved");
    assert_eq!(resolve(&mut table, 10, MEDIA, &[], now), Err(SourceError::Unknown), "its section was reused");
    assert_eq!(resolve(&mut table, 10, MEDIA, &[(1, "0")], now), Ok((3, 0, Role::Media)));
}

#[test]
fn without_mid_a_payload_type_of_one_section_decides() {
    let now = Instant::now();
    let other = IngressSection { payload_type: 111, rtx: None, ..section("0", 1, &[], &[]) };
    let mut table = table(&[other, section("1", 2, &[], &[])], now);
    assert_eq!(resolve(&mut table, 10, 111, &[], now), Ok((1, 0, Role::Media)));
    let twins = [section("0", 1, &[], &[]), section("1", 2, &[], &[])];
    table.set_sections(&extensions(), &twins, now);
    assert_eq!(resolve(&mut table, 20, MEDIA, &[], now), Err(SourceError::Unknown), "two have it");
}

#[test]
fn the_number_of_streams_is_bounded() {
    let now = Instant::now();
    let mids: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    let sections: Vec<_> = mids.iter().map(|mid| section(mid, 1, &[], &[])).collect();
    let mut table = table(&sections, now);
    let results: Vec<_> = (0..40_u32).map(|n| resolve(&mut table, n, MEDIA, &[(1, &mids[n as usize])], now)).collect();
    assert!(results[..MAX_SOURCES].iter().all(Result::is_ok));
    assert!(results[MAX_SOURCES..].iter().all(|result| *result == Err(SourceError::TooMany)));
}

proptest! {
    #[test]
    fn no_place_ever_has_two_streams(
        packets in prop::collection::vec((0_u32..8, 96_u8..99, "[01]?", "[qhz]?", 0_u64..200), 0..200),
    ) {
        let start = Instant::now();
        let mut now = start;
        let mut table = table(&[section("0", 1, &[], &[]), section("1", 2, &["q", "h"], &[])], start);
        for (ssrc, payload_type, mid, rid, ms) in packets {
            now += Duration::from_millis(ms);
            let before = table.source_of(ssrc);
            let after = resolve(&mut table, ssrc, payload_type, &[(1, &mid), (2, &rid)], now);
            if let (Some(before), Ok(after)) = (before, after) {
                prop_assert_eq!((before.publication.0, before.layer.0, before.role), after, "a known stream moved");
            }
            let mut places: Vec<_> = table.entries.iter().map(|entry| (entry.source.section, entry.source.layer, entry.source.role)).collect();
            places.sort();
            let count = places.len();
            places.dedup();
            prop_assert_eq!(places.len(), count);
            prop_assert_eq!(table.ssrcs.len(), count);
        }
    }
}
