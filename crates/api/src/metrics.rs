//! What is counted of the API. Labels are operation ids and problem words, never anything of a request.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The counters of this crate.
#[derive(Clone)]
pub struct ApiMetrics {
    /// Requests by operation and problem (`none`: it was done).
    pub requests: IntCounterVec,
    /// From the arrival of a request to its answer.
    pub duration: Histogram,
    /// From the arrival of a protecting command until the session is so.
    pub in_force: Histogram,
    /// Session events recorded.
    pub recorded: IntCounter,
    /// Times the record could not be written.
    pub record_failures: IntCounter,
    /// Attempts to deliver an event to a webhook endpoint, by what came of it.
    pub deliveries: IntCounterVec,
    /// Streams open now.
    pub streams: IntGauge,
    /// Tickets by result: `redeemed`, or why not.
    pub tickets: IntCounterVec,
}

impl ApiMetrics {
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
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let histogram = |name: &str, help: &str| -> prometheus::Result<Histogram> {
            let buckets = vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0];
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok(histogram)
        };
        let streams = IntGauge::new("parlour_api_streams", "Streams of views and events open.")?;
        registry.register(Box::new(streams.clone()))?;
        Ok(Self {
            requests: vec("parlour_api_requests_total", "Requests of the API by result.", &["operation", "problem"])?,
            duration: histogram("parlour_api_request_seconds", "From a request's arrival to its answer.")?,
            in_force: histogram("parlour_api_in_force_seconds", "From a command's arrival until it is in force.")?,
            recorded: counter("parlour_api_events_recorded_total", "Session events recorded.")?,
            record_failures: counter("parlour_api_record_failures_total", "Times the record could not be written.")?,
            deliveries: vec("parlour_webhook_deliveries_total", "Webhook attempts by result.", &["result"])?,
            streams,
            tickets: vec("parlour_api_tickets_total", "Tickets tried, by result.", &["result"])?,
        })
    }

    pub(crate) fn delivered(&self, result: &'static str) {
        self.deliveries.with_label_values(&[result]).inc();
    }

    pub(crate) fn answered(&self, operation: &'static str, problem: &'static str, after: Duration) {
        self.requests.with_label_values(&[operation, problem]).inc();
        self.duration.observe(after.as_secs_f64());
    }
}
