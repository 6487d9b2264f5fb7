//! What the tests of this crate share.

use std::time::Instant;

/// Any instant; time is an argument from here on.
#[allow(clippy::disallowed_methods)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
