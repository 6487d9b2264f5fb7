//! Payload formats: fixed vectors, write-then-parse, and arbitrary bytes.

#![allow(clippy::unwrap_used)]

use parlour_rtp::vp8::{Descriptor, PictureId, Temporal};
use parlour_rtp::{h264, opus, red, rtx};
use proptest::prelude::*;

/// A key frame of 640 x 360 as libvpx begins it.
const KEY_FRAME: [u8; 10] = [0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

#[test]
fn vp8_descriptors_in_the_forms_of_rfc_7741_are_read() {
    // As in section 4.6.1: a key frame with a 15-bit picture id.
    let (descriptor, len) = Descriptor::parse(&[0x90, 0x80, 0x92, 0x34, 0x00]).unwrap();
    assert_eq!((descriptor.picture_id, len), (Some(PictureId::Wide(0x1234)), 4));
    assert!(descriptor.starts_key_frame(&[0x00]));
    // Every field there is.
    let (descriptor, len) = Descriptor::parse(&[0xb0, 0xf0, 0x92, 0x34, 0x56, 0x7f]).unwrap();
    assert_eq!(len, 6);
    assert!(descriptor.non_reference && descriptor.starts_frame());
    assert_eq!(descriptor.tl0_picture_index, Some(0x56));
    assert_eq!(descriptor.temporal, Some(Temporal { layer: 1, sync: true }));
    assert_eq!(descriptor.key_index, Some(0x1f));
}

#[test]
fn vp8_key_frames_begin_only_with_the_first_partition() {
    let frame = &KEY_FRAME[..];
    let key = |first| Descriptor::parse(&[first]).unwrap().0.starts_key_frame(frame);
    assert!(key(0x10));
    assert!(!key(0x00), "not the start of a partition");
    assert!(!key(0x11), "second partition");
    let (start, _) = Descriptor::parse(&[0x10]).unwrap();
    assert!(!start.starts_key_frame(&[0x51]), "inverse key frame flag");
    assert!(!start.starts_key_frame(&[]));
}

#[test]
fn vp8_size_is_read_from_the_clear_bytes_alone() {
    let (start, _) = Descriptor::parse(&[0x10]).unwrap();
    assert_eq!(start.key_frame_size(&KEY_FRAME), Some((640, 360)));
    assert_eq!(start.key_frame_size(&KEY_FRAME[..9]), None);
    let mut scaled = KEY_FRAME;
    scaled[7] |= 0xc0;
    assert_eq!(start.key_frame_size(&scaled), Some((640, 360)), "the scale is not part of the size");
}

#[test]
fn vp8_rewriting_in_place_touches_only_the_descriptor() {
    let mut payload = vec![0x90, 0xe0, 0x80, 0x01, 5, 0x40, 0xaa, 0xbb];
    Descriptor::renumber(&mut payload, 0xffff, 9, 3);
    assert_eq!(payload, [0x90, 0xe0, 0xff, 0xff, 9, 0x40, 0xaa, 0xbb]);
    let mut plain = [0x10, 0xe0, 0x80, 0x01, 5, 0x40];
    Descriptor::renumber(&mut plain, 0xffff, 9, 3);
    assert_eq!(plain, [0x10, 0xe0, 0x80, 0x01, 5, 0x40], "there are no numbers");
}

#[test]
fn h264_key_frames_are_found_in_every_packetisation() {
    let found = |payload: &[u8]| (h264::contents(payload).key_frame, h264::contents(payload).starts_frame);
    assert_eq!(found(&[0x67, 0x42]), (true, true), "SPS");
    assert_eq!(found(&[0x65, 0x88]), (true, true), "IDR, first slice");
    assert_eq!(found(&[0x65, 0x08]), (true, false), "IDR, later slice");
    assert_eq!(found(&[0x41, 0x9a]), (false, true), "other slice");
    assert_eq!(found(&[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce]), (true, true), "STAP-A with SPS");
    assert_eq!(found(&[0x78, 0, 2, 0x09, 0x10, 0, 2, 0x65, 0x88]), (true, true), "STAP-A, IDR second");
    assert_eq!(found(&[0x7c, 0x85, 0x88]), (true, true), "FU-A, start of IDR");
    assert_eq!(found(&[0x7c, 0x05, 0x88]), (false, false), "FU-A, middle of IDR");
    assert_eq!(found(&[0x7c, 0x81, 0x9a]), (false, true), "FU-A, start of slice");
    for nothing in [&[][..], &[0x7c], &[0x78, 0], &[0x78, 0, 0], &[0x1f], &[0x00]] {
        assert_eq!(found(nothing), (false, false), "{nothing:?}");
    }
}

#[test]
fn red_blocks_come_oldest_first_and_the_primary_last() {
    // One redundant block of two bytes 960 samples ago, then the primary.
    let payload = [0x80 | 111, 0x0f, 0x00, 0x02, 111, 1, 2, 3];
    let blocks: Vec<_> = red::blocks(&payload).unwrap().collect();
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].timestamp_offset, blocks[0].data, blocks[0].primary), (960, &[1, 2][..], false));
    assert_eq!((blocks[1].payload_type, blocks[1].data, blocks[1].primary), (111, &[3][..], true));
    assert_eq!(red::unwrap(&payload).unwrap().data, [3]);
}

#[test]
fn red_that_lies_about_its_lengths_is_refused() {
    assert_eq!(red::unwrap(&[]), Err(red::RedError::Truncated));
    assert_eq!(red::unwrap(&[0x80 | 111, 0, 0]), Err(red::RedError::Truncated));
    assert_eq!(red::unwrap(&[0x80 | 111, 0, 0, 2, 111, 1]), Err(red::RedError::Truncated), "one byte short");
    assert!(red::unwrap(&[0x80 | 111, 0, 0, 2, 111, 1, 2]).is_ok(), "an empty primary block");
    let endless = [0x80 | 111, 0, 0, 0].repeat(red::MAX_BLOCKS + 1);
    assert_eq!(red::unwrap(&endless), Err(red::RedError::TooManyBlocks));
}

#[test]
fn red_leaves_out_what_its_header_cannot_say() {
    let long = [0; red::MAX_BLOCK_LEN + 1];
    let mut buffer = [0; 64];
    let redundant = [(1_000, &long[..]), (red::MAX_TIMESTAMP_OFFSET + 1, &[1][..]), (960, &[2][..])];
    let len = red::wrap(111, &redundant, &[3], &mut buffer).unwrap();
    assert_eq!(buffer[..len], [0x80 | 111, 0x0f, 0, 1, 111, 2, 3]);
}

#[test]
fn opus_silence_and_durations_are_told_from_the_first_byte() {
    assert!(opus::is_dtx(&[0x78]) && opus::is_dtx(&[]) && !opus::is_dtx(&[0x78, 1, 2]));
    assert_eq!(opus::duration(&[0x78]), Some(960), "hybrid fullband 20 ms (configuration 15)");
    assert_eq!(opus::duration(&[31 << 3]), Some(960), "CELT fullband 20 ms");
    assert_eq!(opus::duration(&[16 << 3 | 1]), Some(240), "two of 2.5 ms");
    assert_eq!(opus::duration(&[3 << 3 | 3, 2]), Some(5_760), "two of 60 ms");
    assert_eq!(opus::duration(&[3 << 3 | 3, 3]), None, "more than 120 ms");
    assert_eq!(opus::duration(&[3]), None);
}

#[test]
fn rtx_gives_back_the_original() {
    let mut buffer = [0; 4];
    let at = rtx::write_original_sequence(0xabcd, &mut buffer).unwrap();
    buffer[at..].copy_from_slice(&[1, 2]);
    assert_eq!(rtx::split(&buffer), Some((0xabcd, &[1, 2][..])));
    assert_eq!(rtx::split(&[1]), None);
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let picture_id = prop_oneof![
        Just(None),
        (0_u8..128).prop_map(|id| Some(PictureId::Narrow(id))),
        (0_u16..1 << 15).prop_map(|id| Some(PictureId::Wide(id))),
    ];
    let temporal = prop::option::of((0_u8..4, any::<bool>()).prop_map(|(layer, sync)| Temporal { layer, sync }));
    let flags = (any::<bool>(), any::<bool>(), 0_u8..8);
    (flags, picture_id, any::<Option<u8>>(), temporal, prop::option::of(0_u8..32)).prop_map(
        |((non_reference, partition_start, partition), picture_id, tl0_picture_index, temporal, key_index)| {
            Descriptor { non_reference, partition_start, partition, picture_id, tl0_picture_index, temporal, key_index }
        },
    )
}

proptest! {
    #[test]
    fn vp8_descriptors_come_back(descriptor in descriptor()) {
        let mut buffer = [0; 8];
        let len = descriptor.write(&mut buffer).unwrap();
        prop_assert_eq!(Descriptor::parse(&buffer), Ok((descriptor, len)));
        prop_assert!(Descriptor::parse(&buffer[..len - 1]).is_err());
    }

    #[test]
    fn vp8_descriptors_are_renumbered_field_by_field(
        descriptor in descriptor(), picture in any::<u16>(), tl0 in any::<u8>(), key in any::<u8>(), cut in 0_usize..8,
    ) {
        let renumbered = Descriptor {
            picture_id: descriptor.picture_id.map(|id| id.with_value(picture)),
            tl0_picture_index: descriptor.tl0_picture_index.map(|_| tl0),
            key_index: descriptor.key_index.map(|_| key & 0x1f),
            ..descriptor
        };
        let (mut buffer, mut expected) = ([0xa5; 8], [0xa5; 8]);
        descriptor.write(&mut buffer).unwrap();
        renumbered.write(&mut expected).unwrap();
        // One that is cut off does no harm.
        let mut short = buffer;
        Descriptor::renumber(&mut short[..cut], picture, tl0, key);
        Descriptor::renumber(&mut buffer, picture, tl0, key);
        prop_assert_eq!(buffer, expected);
    }

    #[test]
    fn red_blocks_come_back(
        payload_type in 0_u8..128, primary in prop::collection::vec(any::<u8>(), 0..20),
        redundant in prop::collection::vec((0..=red::MAX_TIMESTAMP_OFFSET, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
    ) {
        let borrowed: Vec<_> = redundant.iter().map(|(offset, data)| (*offset, &data[..])).collect();
        let mut buffer = [0; 512];
        let len = red::wrap(payload_type, &borrowed, &primary, &mut buffer).unwrap();
        let mut blocks: Vec<_> = red::blocks(&buffer[..len]).unwrap().collect();
        let last = blocks.pop().unwrap();
        prop_assert_eq!((last.payload_type, last.data, last.primary), (payload_type, &primary[..], true));
        let read: Vec<_> = blocks.iter().map(|block| (block.timestamp_offset, block.data)).collect();
        prop_assert_eq!(read, borrowed);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok((descriptor, len)) = Descriptor::parse(&bytes) {
            prop_assert!(len <= bytes.len());
            let _ = descriptor.key_frame_size(&bytes[len..]);
        }
        let _ = h264::contents(&bytes);
        if let Ok(blocks) = red::blocks(&bytes) {
            prop_assert!(blocks.last().is_some_and(|block| block.primary));
        }
        let _ = opus::duration(&bytes);
        let _ = rtx::split(&bytes);
    }
}
