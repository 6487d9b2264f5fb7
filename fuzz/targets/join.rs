//! What comes with a WebSocket's URL: a join request as it stands there, and unwrapped.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_signal::fuzz::{join_request, join_request_content};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        join_request(text);
    }
    join_request_content(bytes);
});
