//! One therapy session as a state machine: who is here, in which space, and who may send what to whom.
//!
//! What it is: the rules of the house, pure. Time, connections and commands come in through `handle_*`; the set of
//! allowed [`Edge`](parlour_model::Edge)s, each viewer's roster and a queue of events come out. A person is known by
//! identity and keeps standing (admitted, held, in a check-in) while connections, each a [`ParticipantKey`], come and
//! go; that is what makes every state be reached again after a drop, a reconnect or a hand-over.
//!
//! What it is not: it knows no RTP, HTTP or database, reads no clock and keeps no name, chat or media.
//!
//! Two questions are each answered by one pure function of the state: where everyone is ([`place`]) and which edges
//! follow from that ([`edges`]). Commands only change facts; nothing else opens or cuts an edge.
//!
//! [`ParticipantKey`]: parlour_model::ParticipantKey

mod check_in;
mod clock;
mod command;
mod edges;
mod error;
mod event_queue;
mod join;
mod outlook;
mod people;
mod place;
mod presence;
mod seal;
mod session;
mod snapshot;
mod timeline;
mod view;
mod voice;
mod waiting_room;

pub use clock::Clock;
pub use error::{CommandRefusal, JoinRefusal, TrackRefusal};
pub use join::{JoinRequest, Seat};
pub use parlour_model::Entry;
pub use people::{LineState, MAX_PEOPLE};
pub use presence::Loss;
pub use session::{Session, SessionOptions};
pub use view::PersonView;
