//! A message of a data channel, on its way to the others.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_signal::fuzz::data_packet;

fuzz_target!(|bytes: &[u8]| data_packet(bytes));
