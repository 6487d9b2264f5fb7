//! Virtual links, a virtual clock and the traffic that crosses them.
//!
//! Everything here is deterministic: the same configuration, seed and calls give the same run, bit for bit. Inside,
//! time is whole microseconds since an epoch ([`Micros`]); at the surface it is [`std::time::Instant`], so that pure
//! state machines of the server run on it unchanged. What a link does to packets follows RFC 8867 (paths) and
//! RFC 8868 section 4.5 (jitter without reordering).
//!
//! Not here: media, congestion control of media, or anything that knows what a datagram means.

mod clock;
mod link;
mod loss;
mod network;
mod policer;
mod queue;
mod random;
mod schedule;
mod tcp;

pub use clock::{Epoch, Micros, SkewedClock};
pub use link::{Link, LinkConfig, LinkStats};
pub use loss::Loss;
pub use network::{Datagram, HomeConfig, HomeId, LinkId, Network, UDP_OVERHEAD};
pub use policer::Policer;
pub use queue::{Discipline, QueueConfig};
pub use random::Random;
pub use schedule::RateSchedule;
pub use tcp::{TcpAlgorithm, TcpConfig, TcpId, TcpLoad, TcpStats};
