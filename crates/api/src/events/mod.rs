//! What happened, to be read: `GET /v1/events` and its stream.
//!
//! An event is written down once, by the recorder, in the words of [`vocabulary`]; readers, streams and webhooks all get
//! it as the same [`envelope`], and a reader that was away goes on where it was.

pub(crate) mod envelope;
mod news;
mod read;
mod stream;
mod vocabulary;

pub(crate) use news::{LOOK_AGAIN, News};
pub(crate) use vocabulary::Vocabulary;

use crate::operation::{Operation, get};
use crate::scope::Scope;

/// The operations of this module.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        get("/v1/events", "listEvents", "What happened, oldest first", read::list)
            .key(Scope::EventsRead)
            .query::<read::EventQuery>()
            .gives::<read::EventPage>(200),
        get("/v1/events/stream", "streamEvents", "What happens, as server-sent events", stream::open)
            .key(Scope::EventsRead)
            .query::<stream::StreamQuery>()
            .gives_text("text/event-stream"),
    ]
}
