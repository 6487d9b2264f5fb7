//! Records into figures (the metrics of docs/bandwidth/schema.md).

use parlour_simnet::Micros;

use crate::media::{AUDIO_WIRE, LADDER, best};
use crate::receiver::{AUDIO_DEADLINE, Decoded};
use crate::record::{FlowRecord, LinkRecord, Record, TICK};
use crate::scenario::{Direction, Scenario, Target};

/// A figure that never came: the time that was left, as the worst it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// Only reported.
    Neither,
}

/// Which way is better.
pub fn better(metric: &str) -> Better {
    match metric {
        "use_pct" | "left_pct" | "rate_mean_kbps" | "layer_mean" | "utility_pct" | "fairness" => Better::Higher,
        "share_pct" | "priority_ratio" => Better::Neither,
        _ => Better::Lower,
    }
}

struct Window<'a> {
    record: &'a Record,
    target: &'a Target,
    from: f64,
    until: f64,
    /// Downward flows, or the one named.
    flows: Vec<&'a FlowRecord>,
}

fn tick(seconds: f64) -> usize {
    (seconds * 1e6 / TICK.0 as f64) as usize
}

/// The figure of a target; `None` when the run has nothing to measure it by.
pub fn measure(scenario: &Scenario, target: &Target, record: &Record) -> Option<f64> {
    let from = target.from_s.unwrap_or(0.0);
    let until = target.until_s.unwrap_or(scenario.duration_s);
    let flows = record.flows.iter().filter(|flow| match &target.flow {
        Some(name) => flow.name == *name,
        None => flow.direction == Direction::Down,
    });
    let window = Window { record, target, from, until, flows: flows.collect() };
    let first = *window.flows.first()?;
    match target.metric.as_str() {
        "use_pct" => window.use_pct(0.0),
        "left_pct" => window.use_pct(window.tcp_bytes(first.bottleneck)),
        "share_pct" => {
            let own = window.own_bytes();
            Some(100.0 * own / (own + window.tcp_bytes(first.bottleneck)))
        }
        "rate_mean_kbps" => {
            Some(window.flows.iter().map(|f| received(f, from, until)).sum::<f64>() * 8.0 / (until - from) / 1e3)
        }
        "rise_s" => window.rise(first),
        "fall_ms" => window.fall(first),
        "queue_p95_ms" => percentile(window.queue(first), 0.95),
        "queue_max_ms" => percentile(window.queue(first), 1.0),
        "drained_s" => window.drained(first),
        "padding_pct" => {
            let span = |f: &FlowRecord| (delta(f, from, until, |s| s.useless), delta(f, from, until, |s| s.arrived));
            let (useless, arrived) = span(first);
            (arrived > 0.0).then(|| 100.0 * useless / arrived)
        }
        "own_loss_pct" => window.own_loss(first),
        "uplink_loss_pct" => window.uplinks().map(own_path_loss).reduce(f64::max),
        "uplink_audio_missing_pct" => window.uplinks().map(|flow| audio_missing(flow, from, until)).reduce(f64::max),
        "audio_missing_pct" => window.flows.iter().map(|flow| audio_missing(flow, from, until)).reduce(f64::max),
        "audio_delay_p99_ms" => {
            let delays = first.player.audio.iter().filter(|(made, _)| window.holds(*made));
            percentile(delays.map(|(made, at)| (*at - *made).as_millis()).collect(), 0.99)
        }
        "audio_gap_p99_ms" => audio_gaps(first, from, until),
        "audio_back_ms" => {
            let back =
                first.player.audio.iter().filter(|(made, _)| made.as_seconds() >= from).map(|(_, at)| at.0).min();
            Some(back.map_or(1e3 * (until - from), |at| at as f64 / 1e3 - from * 1e3))
        }
        "picture_s" => {
            let layer = target.layer.unwrap_or(0);
            let fits = |frame: &&Decoded| frame.layer >= layer && frame.made.as_seconds() >= from.max(first.from);
            let at = first.player.frames.iter().find(fits).map(|frame| frame.at.as_seconds());
            Some(at.map_or(until - from, |at| at - from.max(first.from)))
        }
        "frame_delay_p95_ms" => {
            let delays =
                window.flows.iter().flat_map(|flow| &flow.player.frames).filter(|frame| window.holds(frame.made));
            percentile(delays.map(|frame| (frame.at - frame.made).as_millis()).collect(), 0.95)
        }
        "freezes" => Some(window.freezes().len() as f64),
        "freezes_per_min" => {
            let minutes = window.flows.iter().map(|flow| window.camera_seconds(flow)).sum::<f64>() / 60.0;
            (minutes > 0.0).then(|| window.freezes().len() as f64 / minutes)
        }
        "freeze_max_s" => Some(window.freezes().into_iter().fold(0.0, f64::max)),
        "switches_per_min" => {
            let switches =
                first.switches.iter().filter(|at| window.holds(**at) && at.as_seconds() > from + 0.1).count();
            // The first choice of a run is none.
            let first_choice = usize::from(from == 0.0 && switches > 0);
            Some((switches - first_choice) as f64 * 60.0 / (until - from))
        }
        "layer_mean" => {
            let layers: Vec<f64> =
                first.player.frames.iter().filter(|f| window.holds(f.made)).map(|f| f64::from(f.layer)).collect();
            (!layers.is_empty()).then(|| layers.iter().sum::<f64>() / layers.len() as f64)
        }
        "utility_pct" => window.utility(first),
        "target_drop_max_pct" => window.largest_drop(first),
        "fairness" => window.fairness(),
        "priority_ratio" => {
            let rest: Vec<f64> = window.flows[1..].iter().map(|flow| received(flow, from, until)).collect();
            let mean = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
            (mean > 0.0).then(|| received(first, from, until) / mean)
        }
        "feedback_pct" => {
            let up = &record.links[first.bottleneck ^ 1];
            let capacity = up.config.rate.as_ref()?.capacity(Micros::seconds(first.from), Micros::seconds(first.until));
            Some(100.0 * first.feedback_bytes as f64 / capacity)
        }
        "stale_pct" => {
            let all: Vec<_> = first.player.received.iter().filter(|(at, ..)| window.holds(*at)).collect();
            let stale = all.iter().filter(|(_, _, age)| *age > Micros::millis(500)).count();
            Some(100.0 * stale as f64 / all.len().max(1) as f64)
        }
        "shared_known_s" => {
            let known =
                record.flows.iter().filter_map(|f| f.samples.iter().skip(tick(from)).position(|s| s.shared)).min();
            Some(known.map_or(until - from, |ticks| ticks as f64 * TICK.as_seconds()))
        }
        _ => None,
    }
}

impl Window<'_> {
    fn holds(&self, at: Micros) -> bool {
        at.as_seconds() >= self.from && at.as_seconds() < self.until
    }

    fn uplinks(&self) -> impl Iterator<Item = &FlowRecord> {
        self.record.flows.iter().filter(|flow| flow.direction == Direction::Up)
    }

    fn own_bytes(&self) -> f64 {
        self.flows.iter().map(|flow| useful(flow, &self.record.links[flow.bottleneck], self.from, self.until)).sum()
    }

    fn tcp_bytes(&self, link: usize) -> f64 {
        let flows = self.record.tcp.iter().filter(|(on, _)| *on == link);
        let segments: u64 = flows.map(|(_, seen)| between(seen, self.from, self.until)).sum();
        segments as f64 * 1_500.0
    }

    /// Own bytes of the capacity of every bottleneck that the flows use, less what others took, or of the demand.
    fn use_pct(&self, taken: f64) -> Option<f64> {
        let mut links: Vec<usize> = self.flows.iter().map(|flow| flow.bottleneck).collect();
        links.sort_unstable();
        links.dedup();
        let mut possible = 0.0;
        for link in links {
            let capacity = match (self.target.capacity_mbps, &self.record.links[link].config.rate) {
                (Some(mbps), _) => mbps * 1e6 / 8.0 * (self.until - self.from),
                (None, Some(rate)) => rate.capacity(Micros::seconds(self.from), Micros::seconds(self.until)),
                (None, None) => return None,
            };
            let demand: f64 = self
                .flows
                .iter()
                .filter(|flow| flow.bottleneck == link)
                .map(|flow| flow.demand / 8.0 * (self.until.min(flow.until) - self.from.max(flow.from)).max(0.0))
                .sum();
            possible += (capacity - taken).min(demand);
        }
        Some(100.0 * self.own_bytes() / possible)
    }

    fn capacity_at(&self, flow: &FlowRecord, at: f64) -> f64 {
        let link = &self.record.links[flow.bottleneck].config;
        let capacity = link.rate.as_ref().map_or(f64::INFINITY, |rate| rate.rate_at(Micros::seconds(at)) as f64);
        capacity.min(flow.demand)
    }

    fn rise(&self, flow: &FlowRecord) -> Option<f64> {
        let level = self.target.level.unwrap_or(0.9) * self.capacity_at(flow, self.from + 0.5);
        let packets = &flow.player.received;
        let (mut tail, mut bytes) = (0, 0u64);
        for &(at, size, _) in packets {
            bytes += u64::from(size);
            while packets[tail].0 + Micros::millis(200) < at {
                bytes -= u64::from(packets[tail].1);
                tail += 1;
            }
            // A window that lies wholly after the event.
            let whole = at.as_seconds() >= self.from + 0.2 || packets[tail].0.as_seconds() >= self.from;
            if at.as_seconds() >= self.from && whole && bytes as f64 * 8.0 / 0.2 >= level {
                return Some(at.as_seconds() - self.from);
            }
        }
        Some(self.until - self.from)
    }

    fn fall(&self, flow: &FlowRecord) -> Option<f64> {
        let capacity = self.capacity_at(flow, self.from + 0.01);
        let (start, width) = (tick(self.from), tick(0.1));
        let end = tick(self.from + 5.0).min(flow.samples.len());
        let mut last = start;
        for now in start..end {
            let sent = flow.samples[now].sent - flow.samples[now.saturating_sub(width)].sent;
            if sent as f64 * 8.0 / 0.1 > 1.05 * capacity {
                // Frames are bursts: what the queue absorbs in one frame is no excess. Only excess at the start counts.
                if now - last > tick(0.25) {
                    break;
                }
                last = now;
            }
        }
        Some((last - start) as f64 * TICK.as_millis())
    }

    fn queue(&self, flow: &FlowRecord) -> Vec<f64> {
        let queue = &self.record.links[flow.bottleneck].queue;
        let (from, until) = (tick(self.from.max(flow.from)), tick(self.until).min(queue.len()));
        queue.get(from..until).unwrap_or(&[]).iter().map(|&us| f64::from(us) / 1e3).collect()
    }

    fn drained(&self, flow: &FlowRecord) -> Option<f64> {
        let queue = self.queue(flow);
        let peak = queue.iter().position(|&ms| ms > 60.0);
        let Some(peak) = peak else { return Some(0.0) };
        let drained = queue[peak..].iter().position(|&ms| ms <= 30.0);
        Some(drained.map_or(self.until - self.from, |ticks| (peak + ticks) as f64 * TICK.as_seconds()))
    }

    fn own_loss(&self, flow: &FlowRecord) -> Option<f64> {
        let link = &self.record.links[flow.bottleneck];
        // With other traffic on the link its drops are shared; then the flow's own balance is what there is.
        if !self.record.tcp.is_empty() {
            return Some(own_path_loss(flow));
        }
        let dropped = link.dropped_queue + link.dropped_policer;
        (link.offered > 0).then(|| 100.0 * dropped as f64 / link.offered as f64)
    }

    fn camera_seconds(&self, flow: &FlowRecord) -> f64 {
        let overlap = |&(from, until): &(f64, f64)| (until.min(self.until) - from.max(self.from)).max(0.0);
        flow.camera.iter().map(overlap).sum()
    }

    /// Lengths of gaps that a viewer sees as freezes, seconds.
    fn freezes(&self) -> Vec<f64> {
        let mut found = Vec::new();
        for flow in &self.flows {
            for stream in 1..=flow.pictures as u8 {
                for &(from, until) in &flow.camera {
                    let shown = flow.player.frames.iter().filter(|frame| frame.stream == stream);
                    let mut times: Vec<f64> = shown
                        .map(|frame| frame.at.as_seconds())
                        .filter(|&at| at >= from.max(self.from) && at < until.min(self.until))
                        .collect();
                    if let Some(&last) = times.last() {
                        let end = until.min(self.until);
                        times.extend((end - last > 1.0).then_some(end));
                    }
                    let mut mean: f64 = 0.0333;
                    for pair in times.windows(2) {
                        let gap = pair[1] - pair[0];
                        if gap > (3.0 * mean).max(mean + 0.15) {
                            found.push(gap);
                        } else {
                            mean += 0.05 * (gap - mean);
                        }
                    }
                }
            }
        }
        found
    }

    fn utility(&self, flow: &FlowRecord) -> Option<f64> {
        let rate = self.record.links[flow.bottleneck].config.rate.as_ref()?;
        let worth = |layer: u8| (1.0 + LADDER[usize::from(layer)] / 100e3).log2();
        let (mut got, mut possible) = (0.0, 0.0);
        for second in self.from as u64..self.until as u64 {
            let at = Micros::millis(second * 1_000);
            let frames: Vec<&Decoded> =
                flow.player.frames.iter().filter(|f| f.made >= at && f.made < at + Micros::millis(1_000)).collect();
            // Thirty frames a second of a layer are its worth.
            got += frames.iter().map(|frame| worth(frame.layer)).sum::<f64>() / 30.0;
            let capacity = rate.capacity(at, at + Micros::millis(1_000)) * 8.0;
            possible += best(capacity - AUDIO_WIRE, flow.pictures).into_iter().flatten().map(worth).sum::<f64>();
        }
        (possible > 0.0).then(|| 100.0 * got / possible)
    }

    fn largest_drop(&self, flow: &FlowRecord) -> Option<f64> {
        let targets: Vec<f64> =
            flow.samples.iter().take(tick(self.until)).skip(tick(self.from)).map(|s| s.target).collect();
        let width = tick(1.0);
        let drop = |now: usize| {
            let before = targets[now.saturating_sub(width)..=now].iter().copied().fold(0.0, f64::max);
            if before > 0.0 { 100.0 * (1.0 - targets[now] / before) } else { 0.0 }
        };
        (0..targets.len()).map(drop).reduce(f64::max)
    }

    fn fairness(&self) -> Option<f64> {
        let mut indices = Vec::new();
        let mut at = self.from;
        while at + 5.0 <= self.until {
            let present =
                self.flows.iter().filter(|f| f.from <= at && f.until >= at + 5.0 && self.camera_covers(f, at));
            let rates: Vec<f64> = present.map(|flow| received(flow, at, at + 5.0) / flow.priority).collect();
            let (sum, squares) = (rates.iter().sum::<f64>(), rates.iter().map(|rate| rate * rate).sum::<f64>());
            if rates.len() > 1 && squares > 0.0 {
                indices.push(sum * sum / (rates.len() as f64 * squares));
            }
            at += 5.0;
        }
        (!indices.is_empty()).then(|| indices.iter().sum::<f64>() / indices.len() as f64)
    }

    fn camera_covers(&self, flow: &FlowRecord, at: f64) -> bool {
        flow.camera.iter().any(|&(from, until)| from <= at && until >= at + 5.0)
    }
}

fn between(counts: &[u64], from: f64, until: f64) -> u64 {
    let at = |seconds: f64| counts.get(tick(seconds).min(counts.len().saturating_sub(1))).copied().unwrap_or(0);
    at(until) - at(from)
}

fn delta(flow: &FlowRecord, from: f64, until: f64, of: fn(&crate::record::Sample) -> u64) -> f64 {
    let at = |seconds: f64| flow.samples.get(tick(seconds).min(flow.samples.len().saturating_sub(1))).map_or(0, of);
    (at(until) - at(from)) as f64
}

/// Unique bytes received.
fn received(flow: &FlowRecord, from: f64, until: f64) -> f64 {
    let inside = flow.player.received.iter().filter(|(at, ..)| at.as_seconds() >= from && at.as_seconds() < until);
    inside.map(|&(_, bytes, _)| f64::from(bytes)).sum()
}

/// Bytes that occupied the bottleneck for a purpose: what arrived and was new, and with it what the medium lost after
/// the bottleneck in the same proportion. What the queue dropped took nothing.
fn useful(flow: &FlowRecord, link: &LinkRecord, from: f64, until: f64) -> f64 {
    let arrived = delta(flow, from, until, |s| s.arrived);
    let useless = delta(flow, from, until, |s| s.useless);
    let passed = link.delivered.max(1) as f64;
    (arrived - useless) * (passed + link.dropped_loss as f64) / passed
}

fn own_path_loss(flow: &FlowRecord) -> f64 {
    let lost = flow.sent_packets.saturating_sub(flow.arrived_packets);
    100.0 * lost as f64 / flow.sent_packets.max(1) as f64
}

fn in_time(flow: &FlowRecord) -> std::collections::BTreeSet<Micros> {
    let timely = flow.player.audio.iter().filter(|(made, at)| *at - *made <= AUDIO_DEADLINE);
    timely.map(|(made, _)| *made).collect()
}

fn audio_due(flow: &FlowRecord, from: f64, until: f64) -> impl Iterator<Item = &Micros> {
    // What was made in the last half second may still be on its way.
    let last = until.min(flow.until) - 0.5;
    flow.audio_made.iter().filter(move |made| made.as_seconds() >= from && made.as_seconds() < last)
}

fn audio_missing(flow: &FlowRecord, from: f64, until: f64) -> f64 {
    let timely = in_time(flow);
    let (mut made, mut missing) = (0u64, 0u64);
    for packet in audio_due(flow, from, until) {
        made += 1;
        missing += u64::from(!timely.contains(packet));
    }
    100.0 * missing as f64 / made.max(1) as f64
}

fn audio_gaps(flow: &FlowRecord, from: f64, until: f64) -> Option<f64> {
    let timely = in_time(flow);
    let mut runs = vec![0.0];
    let mut run = 0.0;
    for packet in audio_due(flow, from, until) {
        if timely.contains(packet) {
            if run > 0.0 {
                runs.push(run);
            }
            run = 0.0;
        } else {
            run += 20.0;
        }
    }
    percentile(runs, 0.99)
}

/// Nearest rank.
pub fn percentile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(rank).copied()
}
