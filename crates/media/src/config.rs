//! What can be tuned, with defaults that hold for calls of two to six people. Values here are already valid: reading a
//! file and judging it is the work of the binary.

use std::time::Duration;

use parlour_model::{Bitrate, DataSize};

/// How a room forwards.
#[derive(Clone, Debug)]
pub struct MediaConfig {
    /// What a receiver may be sent where nothing is estimated, and the most that is ever estimated. Large: without an
    /// estimate nobody is held back.
    pub budget: Bitrate,
    /// Video leaves at this multiple of the budget. Pacing at exactly the budget delays every frame by its own length.
    pub pace_factor: f64,
    /// How long video may wait for its turn before it is thrown away up to the next keyframe.
    pub pacer_delay: Duration,
    /// How much video may wait, per receiver.
    pub pacer_size: DataSize,
    /// How long a packet stays repairable.
    pub repair_history: Duration,
    /// How much one encoding may keep for repair; at higher rates the history gets shorter.
    pub repair_size: DataSize,
    /// What a receiver may ask to be repeated in a second, as a share of its budget.
    pub repair_share: f64,
    /// Audio older than this is of no use to anybody and is not repeated.
    pub stale_audio: Duration,
    /// Whether speech, repairs and the ends of pictures may be sent twice to receivers on lines that lose packets, and speech
    /// without its redundancy to those whose lines hardly carry it.
    pub copies: bool,
    /// How often publishers hear of the arrival of their packets (transport-wide feedback).
    pub feedback_interval: Duration,
    /// The mean time between two sender and receiver reports (RFC 3550, 6.2 allows a reduced minimum).
    pub report_interval: Duration,
    /// How long a layer that nobody takes is still asked for.
    pub dynacast_delay: Duration,
    /// A layer without packets for so long has stopped if frames of another layer of the same publication come, whatever its
    /// own frames were like until then; most are known to have stopped sooner (`publication/life.rs`).
    pub layer_timeout: Duration,
    /// Whether what a receiver's line carries is estimated from its transport-wide feedback. Without it, and for clients
    /// that agreed to send none, the budget is `budget`.
    pub estimate: bool,
    /// What a line is taken to carry until feedback tells.
    pub initial_budget: Bitrate,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            budget: Bitrate::mbps(50),
            pace_factor: 2.5,
            pacer_delay: Duration::from_millis(300),
            pacer_size: DataSize::kib(512),
            repair_history: Duration::from_secs(1),
            repair_size: DataSize::kib(512),
            repair_share: 0.25,
            stale_audio: Duration::from_millis(200),
            copies: true,
            feedback_interval: Duration::from_millis(50),
            report_interval: Duration::from_secs(1),
            dynacast_delay: Duration::from_secs(5),
            layer_timeout: Duration::from_secs(1),
            estimate: true,
            initial_budget: Bitrate::kbps(800),
        }
    }
}
