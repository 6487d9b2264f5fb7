//! Reports both ways (RFC 3550 section 6) and transport-wide feedback: what a publisher hears of what it sends, and a
//! receiver of what it gets.

use std::time::{Duration, Instant};

use parlour_model::Edge;
use parlour_model::command::Leg;
use parlour_rtp::rtcp::compact_ntp;

use crate::egress::stream::{Reception, Stream};
use crate::event::ReceiverReport;
use crate::room::Room;
use crate::room::wake::Wake;

/// What a receiver said longer ago is not how it fares now: browsers report every second, or five for audio.
const REPORT_MEMORY: Duration = Duration::from_secs(10);

impl Room {
    /// Packets that went along an edge, on the streams that carry it now.
    pub fn packets_along(&self, edge: Edge) -> u64 {
        let Some(receiver) = self.participants.find(edge.receiver).and_then(|slot| self.participants.get(slot)) else {
            return 0;
        };
        let publisher = self.participants.find(edge.publisher);
        let along = |stream: &&Stream| {
            let publication = stream.binding.and_then(|binding| self.publications.get(binding.publication));
            publication.is_some_and(|one| Some(one.owner) == publisher && one.medium() == edge.medium)
        };
        receiver.downlink.streams.iter().filter(along).map(|stream| u64::from(stream.packets)).sum()
    }

    /// Transport-wide feedback to a publisher, if there is enough to tell; whether there was.
    pub(super) fn send_feedback(&mut self, slot: u16, now: Instant) -> bool {
        let Some(participant) = self.participants.get_mut(slot) else { return false };
        let (ours, uplink) = (participant.ssrc, &mut participant.uplink);
        let Some(recorder) = &mut uplink.recorder else { return false };
        let theirs = uplink.any_ssrc;
        let mut sent = false;
        while recorder.is_ready(now) {
            let outbox = participant.rtcp.on(Leg::Publish);
            match outbox.push(|writer| Ok(recorder.write_feedback(now, ours, theirs, writer))) {
                Ok(true) => sent = true,
                Ok(false) => break,
                Err(_) => {
                    self.counters.rtcp_overflow += 1;
                    break;
                }
            }
        }
        if sent {
            // The timer set for it moves on.
            self.wake = Wake::Unknown;
            self.mark_ready(slot);
        }
        sent
    }

    /// How we receive what a participant sends.
    pub(super) fn send_receiver_report(&mut self, slot: u16, now: Instant) {
        let (mut blocks, mut loss) = (Vec::new(), 0.0_f32);
        for (_, publication) in self.publications.iter_mut().filter(|(_, publication)| publication.owner == slot) {
            for encoding in publication.encodings.iter_mut().flatten() {
                let ssrc = encoding.ssrc;
                blocks.extend(encoding.statistics.report_block(ssrc, now));
                loss = loss.max(encoding.take_loss());
            }
        }
        let Some(participant) = self.participants.get_mut(slot) else { return };
        participant.uplink_loss = loss;
        if blocks.is_empty() {
            return;
        }
        let ours = participant.ssrc;
        let outcome = participant.rtcp.on(Leg::Publish).push(|writer| {
            writer.receiver_report(ours, &blocks)?;
            writer.sdes(ours, b"parlour")
        });
        self.counters.rtcp_overflow += u64::from(outcome.is_err());
        self.mark_ready(slot);
    }

    /// What we send to a participant, with the publishers' clocks: lips stay in step because all streams of one publisher
    /// are told on its clock, under one canonical name.
    pub(super) fn send_sender_reports(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let leg = participant.downlink.leg;
        let mut sent = false;
        for stream in &mut participant.downlink.streams {
            let recent = |reception: &Reception| now.saturating_duration_since(reception.at) < REPORT_MEMORY;
            stream.reception = stream.reception.filter(recent);
            let Some(binding) = stream.binding.filter(|binding| binding.open && stream.packets > 0) else { continue };
            let Some(publication) = self.publications.get(binding.publication) else { continue };
            let Some((source, _)) = stream.rewriter.newest() else { continue };
            let clock = publication.encoding(source.layer).and_then(|encoding| encoding.clock);
            let rate = publication.codec().clock_rate();
            let info = clock.and_then(|clock| stream.sender_info(source, &clock, rate, now));
            let Some(info) = info else { continue };
            let ssrc = stream.spec.ssrc;
            let outcome = participant.rtcp.on(leg).push(|writer| {
                writer.sender_report(ssrc, &info, &[])?;
                writer.sdes(ssrc, stream.spec.cname.as_bytes())
            });
            self.counters.rtcp_overflow += u64::from(outcome.is_err());
            let [last, _] = stream.reports;
            stream.reports = [Some((compact_ntp(info.ntp), now)), last];
            sent = true;
        }
        if sent {
            self.mark_ready(slot);
        }
    }

    /// Tells a receiver that a stream ends for now.
    pub(super) fn send_bye(&mut self, slot: u16, ssrc: u32) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let leg = participant.downlink.leg;
        let outcome = participant.rtcp.on(leg).push(|writer| writer.bye(&[ssrc]));
        self.counters.rtcp_overflow += u64::from(outcome.is_err());
        self.mark_ready(slot);
    }

    pub(super) fn quality(&self, slot: u16) -> Option<ReceiverReport> {
        let participant = self.participants.get(slot)?;
        let mut report = ReceiverReport {
            uplink_loss: participant.uplink_loss,
            rtt: participant.downlink.rtt,
            ..Default::default()
        };
        for (_, publication) in self.publications.iter().filter(|(_, publication)| publication.owner == slot) {
            let rate = u64::from(publication.codec().clock_rate());
            for encoding in publication.encodings.iter().flatten() {
                let jitter = Duration::from_micros(u64::from(encoding.statistics.jitter()) * 1_000_000 / rate);
                report.uplink_jitter = report.uplink_jitter.max(jitter);
            }
        }
        let (mut lost, mut weight) = (0.0, 0.0);
        for stream in &participant.downlink.streams {
            let Some(binding) = stream.binding.filter(|binding| binding.open) else { continue };
            report.held_back |= binding.held_back;
            let Some(reception) = stream.reception else { continue };
            report.downlink_jitter = report.downlink_jitter.max(reception.jitter);
            lost += reception.loss;
            weight += 1.0;
        }
        report.downlink_loss = if weight > 0.0 { lost / weight } else { 0.0 };
        Some(report)
    }
}
