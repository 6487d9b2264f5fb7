//! What happened, to be read: `GET /v1/events` and its stream.

use crate::operation::Operation;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    Vec::new()
}
