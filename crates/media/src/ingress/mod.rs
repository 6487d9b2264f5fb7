//! What is kept of one publishing connection, packet by packet, before anything is forwarded: to which encoding a stream
//! belongs, what is missing of it and to be asked again, when its packets arrived, how loud its owner is.
//!
//! Nothing here knows a receiver. Each part is a machine of its own; `publication` and `room` join them.

pub mod gaps;
pub mod home_uplink;
pub mod keyframes;
pub mod rtx;
pub mod sources;
pub mod speakers;
pub mod statistics;
pub mod told;
pub mod transport;
pub mod uplink;

pub use gaps::{GapTracker, Repair};
pub use home_uplink::HomeUplink;
pub use keyframes::{KeyframeAsk, KeyframeMethod, KeyframeRequests};
pub use sources::{Role, Source, SourceError, SourceTable};
pub use speakers::Speakers;
pub use statistics::{Arrival, SourceStatistics};
pub use told::Told;
pub use transport::TransportRecorder;
pub use uplink::{UplinkMeter, UplinkSight};
