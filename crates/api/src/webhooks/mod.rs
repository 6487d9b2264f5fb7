//! What happened, sent to where integrators want it: endpoints and delivery from the store's outbox.

use crate::operation::Operation;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    Vec::new()
}

/// How an event is called outside, and its body: thin, without names. `None`: it is not told.
pub(crate) fn words(notice: &parlour_model::SessionNotice) -> Option<(&'static str, String)> {
    let _ = notice;
    None
}
