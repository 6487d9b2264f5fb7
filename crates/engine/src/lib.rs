//! The shell around the shards: one thread and one UDP port per worker, timers, mailboxes. It moves bytes and commands
//! and decides nothing about media or sessions.

pub mod handle;

pub use handle::{EngineHandle, EventStream};
