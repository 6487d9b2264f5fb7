//! What happened, sent to where integrators want it: endpoints and delivery from the store's outbox.

use crate::operation::Operation;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    Vec::new()
}
