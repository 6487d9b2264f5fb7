//! What goes to one receiver: a stream per section, the pacer between them and the wire, and what is remembered of it.

pub(crate) mod downlink;
pub(crate) mod estimation;
pub(crate) mod history;
pub(crate) mod lines;
pub(crate) mod outgoing;
pub(crate) mod pacer;
pub(crate) mod packet;
pub(crate) mod protection;
pub(crate) mod repair;
pub(crate) mod rewriter;
pub(crate) mod selector;
pub(crate) mod start;
pub(crate) mod stream;
pub(crate) mod transport;
