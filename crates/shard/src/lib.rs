//! The peers and rooms of one worker thread, joined: datagrams, commands and time go in; datagrams, replies and events
//! come out.
//!
//! A [`Shard`] has no socket, thread or clock. Its owner calls a `handle_*`, then drains [`Shard::poll_transmit`] and
//! [`Shard::poll_event`], then sleeps until [`Shard::poll_timeout`].

mod act;
mod allowance;
mod audience;
mod config;
mod contain;
mod counters;
mod data;
mod demux;
mod ghost;
mod goodbye;
mod home;
mod join;
mod names;
mod negotiate;
mod notices;
mod open;
mod outbox;
mod participant;
mod peers;
mod publication;
mod publish;
mod room;
mod rooms;
mod roster;
mod rule;
mod sections;
mod shard;
mod subscribe;
mod sync;
mod timers;
mod totals;
mod trace;
mod transmit;
mod watch;

pub use config::ShardConfig;
pub use counters::{ShardCounters, ShardDrop};
pub use join::ROLE_ATTRIBUTE;
pub use outbox::{MAX_DATAGRAM, Outbox, Run};
pub use parlour_session::Clock;
pub use shard::Shard;
pub use totals::{RTCP_DROPS, ShardSnapshot, Totals};
