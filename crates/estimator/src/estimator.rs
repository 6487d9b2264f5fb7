//! A client on a line of its own, as far as is known.

use std::time::{Duration, Instant};

use parlour_model::Bitrate;

use crate::line::{Line, MemberId};
use crate::types::{Config, Counters, Estimate, PacketResult, ReceiverReport, SentPacket, TracePoint};

/// How much can be sent to one client. A [`Line`] with one member.
#[derive(Clone, Debug)]
pub struct Estimator {
    line: Line,
    member: MemberId,
}

impl Estimator {
    /// Knows only its configuration.
    pub fn new(config: Config, now: Instant) -> Self {
        let mut line = Line::new(config, now);
        let member = line.join(1.0, now).unwrap_or_else(|| unreachable!("a new line has room"));
        Self { line, member }
    }

    /// How much the media could use, all included. Infinite until told.
    pub fn handle_demand(&mut self, demand: Bitrate) {
        self.line.handle_demand(self.member, demand);
    }

    /// A packet was handed to the network.
    pub fn handle_sent(&mut self, packet: SentPacket) {
        self.line.handle_sent(self.member, &packet);
    }

    /// A transport-wide feedback message, results in order of sequence number.
    pub fn handle_feedback(&mut self, results: &[PacketResult], now: Instant) {
        self.line.handle_feedback(self.member, results, now);
    }

    /// A receiver report.
    pub fn handle_receiver_report(&mut self, report: ReceiverReport, now: Instant) {
        self.line.handle_receiver_report(self.member, report, now);
    }

    /// A STUN round trip.
    pub fn handle_stun_rtt(&mut self, rtt: Duration, now: Instant) {
        self.line.handle_stun_rtt(self.member, rtt, now);
    }

    /// Anything at all came from the client.
    pub fn handle_heard(&mut self, now: Instant) {
        self.line.handle_heard(self.member, now);
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.line.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.line.poll_timeout()
    }

    /// What is held true now.
    pub fn estimate(&self) -> Estimate {
        self.line.estimate(self.member)
    }

    /// A line of the trace.
    pub fn trace(&self, now: Instant) -> TracePoint {
        self.line.trace(self.member, now)
    }

    /// What was refused.
    pub fn counters(&self) -> Counters {
        self.line.counters(self.member)
    }
}
