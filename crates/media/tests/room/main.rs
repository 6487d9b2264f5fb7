//! What a room does, seen from outside: packets in, packets and events out.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod commands;
mod forwarding;
mod layers;
mod lossy;
mod numbering;
mod repair;
mod reports;
mod sources;
mod stage;
