//! What a run leaves behind for the metrics, the plots and the trace.

use parlour_estimator::TracePoint;
use parlour_simnet::{LinkConfig, Micros};

use crate::receiver::Player;
use crate::scenario::Direction;

/// Queues and rates are sampled, and budgets looked at, this often.
pub const TICK: Micros = Micros::millis(5);

/// One sample of a flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Wire bytes sent so far.
    pub sent: u64,
    pub useless: u64,
    pub arrived: u64,
    pub target: f64,
    pub layer: Option<u8>,
    pub shared: bool,
}

/// What a flow left behind.
pub struct FlowRecord {
    pub name: String,
    pub direction: Direction,
    pub from: f64,
    pub until: f64,
    pub priority: f64,
    pub demand: f64,
    pub samples: Vec<Sample>,
    pub player: Player,
    /// When each audio packet was made.
    pub audio_made: Vec<Micros>,
    pub sent_packets: u64,
    pub arrived_packets: u64,
    pub feedback_bytes: u64,
    pub switches: Vec<Micros>,
    /// Spans with the camera on, seconds.
    pub camera: Vec<(f64, f64)>,
    pub pictures: usize,
    /// Index of its bottleneck among the links of the run.
    pub bottleneck: usize,
    /// Ours, when asked for: what the estimator held true at each look.
    pub trace: Vec<(Micros, TracePoint)>,
}

/// One bottleneck of a run.
pub struct LinkRecord {
    pub config: LinkConfig,
    /// Waiting time at each tick, microseconds.
    pub queue: Vec<u32>,
    pub dropped_queue: u64,
    pub dropped_policer: u64,
    pub dropped_loss: u64,
    pub delivered: u64,
    pub offered: u64,
}

/// Everything the metrics need.
pub struct Record {
    pub flows: Vec<FlowRecord>,
    pub links: Vec<LinkRecord>,
    /// Per TCP source and tick: segments acknowledged so far; and its down link.
    pub tcp: Vec<(usize, Vec<u64>)>,
}
