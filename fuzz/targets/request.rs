//! Requests: frames of the signalling WebSocket, and bodies of the server API.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_signal::fuzz::{frame, room_service};

fuzz_target!(|bytes: &[u8]| {
    frame(bytes);
    room_service(bytes);
});
