//! A worker's line tests: beside the shard, on the same sockets, and never in the way of its calls. A panic in here ends
//! all tests that run, and nothing else.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use parlour_linetest::{LineTestRefusal, LineTests};
use parlour_shard::Outbox;
use prometheus::IntCounterVec;

use crate::handle::TestLine;

pub(crate) struct GuardedLineTests {
    tests: LineTests,
    /// Where a datagram is written before the outbox takes it.
    scratch: Vec<u8>,
    panics: u64,
}

impl GuardedLineTests {
    pub(crate) fn new(tests: LineTests) -> Self {
        Self { tests, scratch: Vec::new(), panics: 0 }
    }

    pub(crate) fn begin(&mut self, test: TestLine, now: Instant) {
        let TestLine { session, identity, offer, reply } = test;
        let answer = self.guarded(|tests, _| tests.begin(session, identity, &offer, now));
        // Whoever asked may be gone.
        let _ = reply.send(answer.unwrap_or(Err(LineTestRefusal::Offer)));
    }

    /// None runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.tests.is_idle()
    }

    /// Takes a datagram if it is for a test; `false`: it is for the shard.
    pub(crate) fn take(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) -> bool {
        if !self.tests.owns(from, datagram) {
            return false;
        }
        self.guarded(|tests, _| tests.handle_datagram(now, from, to, datagram));
        true
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if !self.tests.is_idle() {
            self.guarded(|tests, _| tests.handle_timeout(now));
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.tests.poll_timeout()
    }

    /// Fills the outbox; `false`: nothing was left to fill it with.
    pub(crate) fn poll_transmit(&mut self, now: Instant, outbox: &mut Outbox) -> bool {
        if self.tests.is_idle() {
            return false;
        }
        self.guarded(|tests, scratch| {
            while outbox.has_room()
                && let Some(transmit) = tests.poll_transmit(now, scratch)
            {
                outbox.push(transmit.from, transmit.to, scratch);
            }
        });
        !outbox.is_empty()
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut LineTests, &mut Vec<u8>) -> T) -> Option<T> {
        let Self { tests, scratch, .. } = self;
        let result = catch_unwind(AssertUnwindSafe(|| work(tests, scratch)));
        if result.is_err() {
            self.panics += 1;
            self.tests.clear();
        }
        result.ok()
    }

    /// Adds what was counted since the last call.
    pub(crate) fn count(&mut self, counters: &IntCounterVec) {
        let counted = self.tests.take_counters();
        for (what, number) in [
            ("begun", counted.begun),
            ("complete", counted.complete),
            ("incomplete", counted.incomplete),
            ("over_budget", counted.over_budget),
            ("refused_busy", counted.refused_busy),
            ("refused_too_often", counted.refused_too_often),
            ("refused_offer", counted.refused_offer),
            ("bytes_in", counted.bytes_in),
            ("bytes_out", counted.bytes_out),
            ("panic", std::mem::take(&mut self.panics)),
        ] {
            counters.with_label_values(&[what]).inc_by(number);
        }
    }
}
