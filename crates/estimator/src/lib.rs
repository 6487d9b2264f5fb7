//! How much can be sent to one client: capacity of its line, pacing, probes, and why.
//!
//! Input is what was sent, the transport-wide feedback about it, and two slower witnesses (receiver reports and STUN
//! round trips). Output is an [`Estimate`]. The parts, each with its file:
//!
//! - [`history`](self) (private): what was sent and not yet judged, a ring.
//! - observer: one feedback message into one observation: queueing delay, delivery rate, losses, burst dispersion.
//! - loss: whether losses are congestion, by their response to the rate.
//! - control: observations into capacity and rate. The law is described there.
//! - line: several clients behind one line under one control ([`Line`]).
//! - brake: the bound of RFC 8083.
//! - pace: when the next packet of a picture may leave, for the pacers of the server and of the bench ([`Pace`]).
//! - caps: what publishers need to send, given what receivers can take; pure functions beside the rest.
//!
//! Not here: tracks, rooms, packets' contents, the pacer's queue.

mod brake;
mod caps;
mod control;
mod estimator;
mod history;
mod line;
mod loss;
mod observer;
mod pace;
mod train;
mod types;
mod window;

pub use caps::{DISTINCT, publisher_caps, uplink_caps};
pub use estimator::Estimator;
pub use line::{Line, MAX_MEMBERS, MemberId};
pub use pace::{Pace, Speed};
pub use types::{
    Burst, Config, Counters, Estimate, PacketKind, PacketResult, ProbePlan, Reason, ReceiverReport, SentPacket, State,
    TracePoint,
};
