//! A token as a stranger writes it, which never opens the door, and the claims of one that is rightly signed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlour_signal::config::Keys;
use parlour_signal::{Claims, verify};

fuzz_target!(|bytes: &[u8]| {
    let keys = Keys::new([("key", "a secret that the fuzzer cannot know")]);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(verify(text, &keys, 1_000).is_err(), "forged");
    }
    let Ok(claims) = serde_json::from_slice::<Claims>(bytes) else { return };
    if let Ok(bearer) = claims.bearer() {
        assert!(!bearer.identity.as_str().is_empty() && !bearer.session.as_str().is_empty());
        assert!(bearer.attributes.0.keys().all(|name| !name.starts_with("parlour.")));
    }
});
