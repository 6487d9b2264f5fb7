//! The rules of therapy sessions, kept by the real worker: bots on simulated links in virtual time, with packets, events
//! and datagrams counted where the bots get them.

#![allow(clippy::unwrap_used)]

mod again;
mod exit;
mod hand_over;
mod late_words;
mod play;
mod properties;
mod receipt;
mod restart;
mod stage;
mod tracks;
