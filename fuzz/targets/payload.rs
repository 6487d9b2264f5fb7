//! Payloads: whatever descriptor or redundancy is accepted can be written again and reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_rtp::vp8::Descriptor;
use parlour_rtp::{h264, opus, red, rtx};

fuzz_target!(|bytes: &[u8]| {
    if let Ok((descriptor, len)) = Descriptor::parse(bytes) {
        let mut buffer = [0; 8];
        let written = descriptor.write(&mut buffer).expect("a descriptor has at most six bytes");
        // Reserved bits, and an extension byte that announces nothing, are not written again.
        assert!(written <= len);
        assert_eq!(Descriptor::parse(&buffer), Ok((descriptor, written)));
        let _ = descriptor.key_frame_size(&bytes[len..]);
    }
    if let Ok(blocks) = red::blocks(bytes) {
        let mut blocks: Vec<_> = blocks.collect();
        let primary = blocks.pop().expect("there is a primary block");
        assert!(primary.primary && blocks.iter().all(|block| !block.primary));
        let redundant: Vec<_> = blocks.iter().map(|block| (block.timestamp_offset, block.data)).collect();
        let mut buffer = vec![0; bytes.len()];
        let len = red::wrap(primary.payload_type, &redundant, primary.data, &mut buffer).expect("no longer than before");
        assert_eq!(len, bytes.len());
        assert_eq!(red::unwrap(&buffer), Ok(primary));
    }
    let _ = h264::contents(bytes);
    let _ = opus::duration(bytes);
    let _ = rtx::split(bytes);
});
