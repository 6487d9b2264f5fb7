//! The shell around the shards: one thread and one UDP port per worker, timers, mailboxes. It moves bytes and commands
//! and decides nothing about media or sessions.

mod engine;
mod handle;
mod line_tests;
mod metrics;
mod socket;
mod worker;

pub use engine::{Engine, EngineConfig, EngineError, MediaListen};
pub use handle::{EVENT_BACKLOG, EngineHandle, EventStream};
pub use metrics::EngineMetrics;
pub use parlour_linetest::LineTestRefusal;
