//! What is counted of signalling. Labels come from enums and fixed words, never from a client.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// The counters of this crate.
#[derive(Clone)]
pub struct SignalMetrics {
    /// Join attempts by result: `joined`, `resumed`, a refusal, or what was wrong with the token or request.
    pub joins: IntCounterVec,
    /// Requests of integrators' servers by result: `done` or a word of Twirp.
    pub server_requests: IntCounterVec,
    /// WebSockets open now.
    pub sockets: IntGauge,
    /// Participants whose signalling this process runs.
    pub participants: IntGauge,
    /// Messages by direction (`in`, `out`) and kind.
    pub messages: IntCounterVec,
    /// What was not done, by reason.
    pub drops: IntCounterVec,
    /// WebSockets that ended, by reason.
    pub closes: IntCounterVec,
}

impl SignalMetrics {
    /// Creates the counters and registers them.
    ///
    /// # Errors
    /// When `registry` has metrics of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let vec = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<IntCounterVec> {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let gauge = |name: &str, help: &str| -> prometheus::Result<IntGauge> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        Ok(Self {
            joins: vec("parlour_signal_joins_total", "Join attempts by result.", &["result"])?,
            server_requests: vec(
                "parlour_signal_server_requests_total",
                "Requests to RoomService by result.",
                &["result"],
            )?,
            sockets: gauge("parlour_signal_sockets", "Signalling WebSockets open.")?,
            participants: gauge("parlour_signal_participants", "Participants with a signalling link.")?,
            messages: vec("parlour_signal_messages_total", "Signalling messages.", &["direction", "kind"])?,
            drops: vec("parlour_signal_drops_total", "Signalling input not acted on, by reason.", &["reason"])?,
            closes: vec("parlour_signal_closes_total", "Signalling WebSockets that ended, by reason.", &["reason"])?,
        })
    }

    pub(crate) fn joined(&self, result: &'static str) {
        self.joins.with_label_values(&[result]).inc();
    }

    pub(crate) fn asked(&self, result: &'static str) {
        self.server_requests.with_label_values(&[result]).inc();
    }

    pub(crate) fn received(&self, kind: &'static str) {
        self.messages.with_label_values(&["in", kind]).inc();
    }

    pub(crate) fn sent(&self, kind: &'static str) {
        self.messages.with_label_values(&["out", kind]).inc();
    }

    pub(crate) fn dropped(&self, reason: Drop) {
        self.drops.with_label_values(&[reason.as_str()]).inc();
    }

    pub(crate) fn closed(&self, reason: Close) {
        self.closes.with_label_values(&[reason.as_str()]).inc();
    }
}

/// Why something was not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// Over the limit of attempts of its address.
    Rate,
    /// Over the limit of sockets, in all or of its address.
    Sockets,
    /// A request that is out of its bounds.
    InvalidRequest,
    /// A request that we do not know or support.
    UnsupportedRequest,
    /// The worker's mailbox was full.
    EngineBusy,
    /// A data message that does not decode, is too large or of a kind clients may not send.
    InvalidData,
    /// A reliable data message sent again after a resume though it had arrived.
    DuplicateData,
    /// A message for a client whose signalling is away, of a kind that loses its meaning.
    WhileAway,
    /// A resume for a stay that is not here.
    UnknownResume,
}

impl Drop {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Sockets => "sockets",
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedRequest => "unsupported_request",
            Self::EngineBusy => "engine_busy",
            Self::InvalidData => "invalid_data",
            Self::DuplicateData => "duplicate_data",
            Self::WhileAway => "while_away",
            Self::UnknownResume => "unknown_resume",
        }
    }
}

/// Why a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// The client closed it.
    Client,
    /// The connection broke, or its framing is wrong, or a frame is over the limit.
    Broken,
    /// We are done with it.
    Server,
    /// Not a protocol message.
    Junk,
    /// Nothing came for too long.
    Silent,
    /// It does not take what is sent to it.
    Slow,
}

impl Close {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Broken => "broken",
            Self::Server => "server",
            Self::Junk => "junk",
            Self::Silent => "silent",
            Self::Slow => "slow",
        }
    }
}
