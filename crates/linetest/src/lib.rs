//! Tests of clients' lines before a session: what they carry each way, lose and delay, over the very path that media
//! will take.
//!
//! A test is a peer connection of its own on a worker's port with one data channel, unordered and without repetition.
//! The client leads: beats that are echoed, then a load from us, then one of its own; each load is steered by what the
//! other side reports, so that it fills a line hardly longer than it takes to know it. See docs/line-test.md.
//!
//! [`LineTests`] holds all of a worker. It has no socket or clock. Its owner asks [`LineTests::owns`] of each datagram,
//! then drains [`LineTests::poll_transmit`], then sleeps until [`LineTests::poll_timeout`].

mod arrivals;
mod course;
mod line_test;
mod line_tests;
mod load;
mod message;
#[cfg(test)]
mod whole;

pub use line_tests::{LineTestCounters, LineTestRefusal, LineTests, MAX_AT_ONCE, TRIES, TRIES_WITHIN};
