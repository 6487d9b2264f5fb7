//! What the workers did, for Prometheus. Labels come from enums, never from ids.

use std::sync::{Arc, Mutex};

use parlour_media::{ForwardDrop, RtpDrop};
use parlour_shard::{RTCP_DROPS, ShardDrop, ShardSnapshot};
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, Result as PrometheusResult,
};

/// Metrics of all workers.
#[derive(Clone)]
pub struct EngineMetrics {
    shared: Arc<Shared>,
}

struct Shared {
    turn: Histogram,
    first_media: Histogram,
    receive_errors: IntCounter,
    send_errors: IntCounter,
    event_overflows: IntCounter,
    session_event_overflows: IntCounter,
    line_tests: IntCounterVec,
    sessions: IntGauge,
    participants: IntGauge,
    publications: IntGauge,
    peers: IntGauge,
    datagrams: IntCounterVec,
    bytes: IntCounterVec,
    packets: IntCounterVec,
    drops: IntCounterVec,
    repairs: IntCounterVec,
    lines: IntCounterVec,
    life: IntCounterVec,
    connections: IntCounterVec,
    data: IntCounterVec,
    workers: Mutex<Vec<Arc<Mutex<ShardSnapshot>>>>,
}

/// What one worker writes itself.
#[derive(Clone)]
pub(crate) struct WorkerMetrics {
    pub(crate) turn: Histogram,
    pub(crate) first_media: Histogram,
    pub(crate) receive_errors: IntCounter,
    pub(crate) send_errors: IntCounter,
    pub(crate) event_overflows: IntCounter,
    pub(crate) session_event_overflows: IntCounter,
    pub(crate) line_tests: IntCounterVec,
}

impl EngineMetrics {
    /// Makes the metrics and registers them.
    pub fn new(registry: &Registry) -> PrometheusResult<Self> {
        let register = Registered(registry);
        let shared = Shared {
            turn: register.histogram(
                "parlour_worker_turn_seconds",
                "Time a media worker spends on one turn: mailbox, sockets, timers",
                vec![10e-6, 30e-6, 100e-6, 300e-6, 1e-3, 3e-3, 10e-3, 30e-3, 100e-3],
            )?,
            first_media: register.histogram(
                "parlour_first_media_seconds",
                "Time from joining to the first packet of media sent to the participant",
                vec![0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0],
            )?,
            receive_errors: register.counter("parlour_socket_receive_errors_total", "Failed receive calls")?,
            send_errors: register
                .counter("parlour_socket_send_errors_total", "Failed send calls: their packets are lost")?,
            event_overflows: register.counter(
                "parlour_event_overflows_total",
                "Participants cut off because their signalling did not take events",
            )?,
            session_event_overflows: register.counter(
                "parlour_session_event_overflows_total",
                "What sessions told and nobody recorded, because the recorder did not keep up",
            )?,
            line_tests: register.counters(
                "parlour_line_tests_total",
                "Tests of lines before sessions, by what became of them, and their bytes",
                &["what"],
            )?,
            sessions: register.gauge("parlour_sessions", "Sessions now")?,
            participants: register.gauge("parlour_participants", "Participants now")?,
            publications: register.gauge("parlour_publications", "Publications now")?,
            peers: register.gauge("parlour_peer_connections", "Peer connections now")?,
            datagrams: register.counters("parlour_datagrams_total", "UDP datagrams", &["direction"])?,
            bytes: register.counters("parlour_bytes_total", "UDP payload bytes", &["direction"])?,
            packets: register.counters(
                "parlour_packets_total",
                "RTP and RTCP packets of media",
                &["kind", "direction"],
            )?,
            drops: register.counters(
                "parlour_drops_total",
                "What went no further, by stage and reason",
                &["stage", "reason"],
            )?,
            repairs: register.counters("parlour_repairs_total", "Repair and keyframe requests", &["what"])?,
            lines: register.counters(
                "parlour_lines_total",
                "Receivers that joined the line of others with the same public address, and what their delays said",
                &["what"],
            )?,
            life: register.counters(
                "parlour_lifecycle_total",
                "What happened to participants and their connections",
                &["what"],
            )?,
            connections: register.counters("parlour_connections_total", "Connections that came up", &["protocol"])?,
            data: register.counters("parlour_data_messages_total", "Data messages, once per receiver", &["result"])?,
            workers: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn watch(&self, snapshot: Arc<Mutex<ShardSnapshot>>) {
        if let Ok(mut workers) = self.shared.workers.lock() {
            workers.push(snapshot);
        }
    }

    pub(crate) fn of_worker(&self) -> WorkerMetrics {
        WorkerMetrics {
            turn: self.shared.turn.clone(),
            first_media: self.shared.first_media.clone(),
            receive_errors: self.shared.receive_errors.clone(),
            send_errors: self.shared.send_errors.clone(),
            event_overflows: self.shared.event_overflows.clone(),
            session_event_overflows: self.shared.session_event_overflows.clone(),
            line_tests: self.shared.line_tests.clone(),
        }
    }

    /// Brings counters up to what the workers last reported. To be called before metrics are gathered.
    pub fn refresh(&self) {
        let Ok(workers) = self.shared.workers.lock() else { return };
        let snapshots: Vec<ShardSnapshot> =
            workers.iter().filter_map(|worker| Some(worker.lock().ok()?.clone())).collect();
        drop(workers);
        self.shared.refresh(&snapshots);
    }
}

impl Shared {
    fn refresh(&self, all: &[ShardSnapshot]) {
        let all = All(all);
        self.sessions.set(all.sum(|one| one.sessions) as i64);
        self.participants.set(all.sum(|one| one.participants) as i64);
        self.publications.set(all.sum(|one| one.publications) as i64);
        self.peers.set(all.sum(|one| one.peers) as i64);

        raise(&self.datagrams, &["in"], all.sum(|one| one.shard.datagrams_in));
        raise(&self.datagrams, &["out"], all.sum(|one| one.shard.datagrams_out));
        raise(&self.bytes, &["in"], all.sum(|one| one.shard.bytes_in));
        raise(&self.bytes, &["out"], all.sum(|one| one.shard.bytes_out));
        raise(&self.packets, &["rtp", "in"], all.sum(|one| one.totals.media.packets_in));
        raise(&self.packets, &["rtp", "out"], all.sum(|one| one.totals.media.packets_out));
        raise(&self.packets, &["rtcp", "in"], all.sum(|one| one.totals.media.rtcp_in));
        raise(&self.packets, &["rtcp", "out"], all.sum(|one| one.totals.media.rtcp_out));
        raise(&self.data, &["sent"], all.sum(|one| one.shard.data_out));
        raise(&self.data, &["dropped"], all.sum(|one| one.shard.data_dropped));
        raise(&self.data, &["withheld"], all.sum(|one| one.shard.data_withheld));
        self.refresh_repairs(&all);
        self.refresh_life(&all);
        self.refresh_drops(&all);
    }

    fn refresh_repairs(&self, all: &All<'_>) {
        raise(&self.repairs, &["nack_in"], all.sum(|one| one.totals.media.nack_in));
        raise(&self.repairs, &["nack_refused"], all.sum(|one| one.totals.media.nack_refused));
        raise(&self.repairs, &["nack_out"], all.sum(|one| one.totals.media.nack_out));
        raise(&self.repairs, &["packet_in"], all.sum(|one| one.totals.media.repaired_in));
        raise(&self.repairs, &["packet_out"], all.sum(|one| one.totals.media.repaired_out));
        raise(&self.repairs, &["keyframe_request_in"], all.sum(|one| one.totals.media.keyframe_requests_in));
        raise(&self.repairs, &["keyframe_request_out"], all.sum(|one| one.totals.media.keyframe_requests_out));
        raise(&self.repairs, &["keyframe_in"], all.sum(|one| one.totals.media.keyframes_in));
        raise(&self.repairs, &["probe_out"], all.sum(|one| one.totals.media.probes_out));
        raise(&self.repairs, &["padding_out"], all.sum(|one| one.totals.media.paddings_out));
        raise(&self.repairs, &["copy_out"], all.sum(|one| one.totals.media.copies_out));
        raise(&self.repairs, &["copy_refused"], all.sum(|one| one.totals.media.copies_refused));
        raise(&self.repairs, &["bound_out"], all.sum(|one| one.totals.media.bounds_out));
        raise(&self.repairs, &["narrowed"], all.sum(|one| one.totals.media.narrowed));
        raise(&self.lines, &["joined"], all.sum(|one| one.totals.media.lines_joined));
        raise(&self.lines, &["confirmed"], all.sum(|one| one.totals.media.lines_confirmed));
        raise(&self.lines, &["refuted"], all.sum(|one| one.totals.media.lines_refuted));
        raise(&self.repairs, &["layer_switch"], all.sum(|one| one.totals.media.layer_switches));
    }

    fn refresh_life(&self, all: &All<'_>) {
        raise(&self.life, &["joined"], all.sum(|one| one.shard.joins));
        raise(&self.life, &["resumed"], all.sum(|one| one.shard.resumes));
        raise(&self.life, &["left"], all.sum(|one| one.shard.leaves));
        raise(&self.life, &["peer_closed"], all.sum(|one| one.shard.peers_closed));
        raise(&self.life, &["consent_lost"], all.sum(|one| one.shard.consent_lost));
        raise(&self.life, &["offer_refused"], all.sum(|one| one.shard.offers_refused));
        raise(&self.life, &["over_allowance"], all.sum(|one| one.shard.over_allowance));
        raise(&self.life, &["answer_failed"], all.sum(|one| one.shard.answers_failed));
        raise(&self.life, &["session_event_dropped"], all.sum(|one| one.shard.session_events_dropped));
        raise(&self.life, &["panic"], all.sum(|one| one.shard.panics));
        for (index, name) in ["dtls_1_2", "dtls_1_3"].into_iter().enumerate() {
            raise(&self.connections, &[name], all.sum(|one| one.shard.connected_dtls[index]));
        }
        for (index, name) in ["aes_128_gcm", "aes_256_gcm", "aes_128_cm_sha1_80"].into_iter().enumerate() {
            raise(&self.connections, &[name], all.sum(|one| one.shard.connected_srtp[index]));
        }
    }

    fn refresh_drops(&self, all: &All<'_>) {
        for reason in ShardDrop::ALL {
            raise(&self.drops, &["shard", reason.as_str()], all.sum(|one| one.shard.dropped(reason)));
        }
        for (index, reason) in RtpDrop::ALL.into_iter().enumerate() {
            raise(&self.drops, &["rtp", reason.as_str()], all.sum(|one| one.totals.rtp_drops[index]));
        }
        for (index, name) in ["unknown_participant", "malformed"].into_iter().enumerate().take(RTCP_DROPS.len()) {
            raise(&self.drops, &["rtcp", name], all.sum(|one| one.totals.rtcp_drops[index]));
        }
        for (index, reason) in ForwardDrop::ALL.into_iter().enumerate() {
            raise(&self.drops, &["forward", reason.as_str()], all.sum(|one| one.totals.forward_drops[index]));
        }
        macro_rules! peer_drops {
            ($($reason:literal $field:ident)*) => {
                $(raise(&self.drops, &["peer", $reason], all.sum(|one| one.totals.peers.$field));)*
            };
        }
        peer_drops!("unknown" drop_unknown "malformed_stun" drop_malformed_stun "stun_credentials" drop_stun_credentials
            "stun_integrity" drop_stun_integrity "stun_role" drop_stun_role "stun_flood" drop_stun_flood
            "dtls_out_of_place" drop_dtls_out_of_place "dtls_failed" drop_dtls_failed "sctp" drop_sctp
            "before_keys" drop_before_keys "too_short" drop_too_short "not_authentic" drop_not_authentic
            "replayed" drop_replayed "too_many_sources" drop_too_many_sources "closed" drop_closed
            "message" messages_dropped);
    }
}

/// The last reports of all workers.
struct All<'a>(&'a [ShardSnapshot]);

impl All<'_> {
    fn sum(&self, count: impl Fn(&ShardSnapshot) -> u64) -> u64 {
        self.0.iter().map(count).sum()
    }
}

/// Raises a counter to a total that the worker keeps.
fn raise(counters: &IntCounterVec, labels: &[&str], total: u64) {
    let counter = counters.with_label_values(labels);
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// Makes metrics and registers them at once.
struct Registered<'a>(&'a Registry);

impl Registered<'_> {
    fn keep<C: Collector + Clone + 'static>(&self, metric: C) -> PrometheusResult<C> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn histogram(&self, name: &str, help: &str, buckets: Vec<f64>) -> PrometheusResult<Histogram> {
        self.keep(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?)
    }

    fn counter(&self, name: &str, help: &str) -> PrometheusResult<IntCounter> {
        self.keep(IntCounter::new(name, help)?)
    }

    fn gauge(&self, name: &str, help: &str) -> PrometheusResult<IntGauge> {
        self.keep(IntGauge::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> PrometheusResult<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }
}
