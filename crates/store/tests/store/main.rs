//! The store on real files: what is kept, what is refused, what survives.

#![allow(clippy::unwrap_used)]

mod audit;
mod crash;
mod disk;
mod outbox;
mod sessions;
mod stage;
mod tickets;
