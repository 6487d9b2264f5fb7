//! RTCP in: what publishers say of what they send, and receivers of what they get (RFC 3550 section 6, RFC 4585).

use std::time::{Duration, Instant};

use parlour_model::{MediaKind, ParticipantKey};
use parlour_rtp::rtcp::{self, Message, ReportBlock, SenderInfo};

use crate::egress::downlink::Downlink;
use crate::egress::history::Sent;
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::repair::may_repeat;
use crate::egress::stream::Reception;
use crate::error::RtcpDrop;
use crate::ingress::Role;
use crate::publication::clock::SenderClock;
use crate::room::Room;

/// Sequence numbers of one NACK that are looked at; a receiver that misses more needs a keyframe.
const MAX_REQUESTED: usize = 256;

/// A round trip beyond this is a wrong clock.
const MAX_RTT: Duration = Duration::from_secs(10);

impl Room {
    pub(super) fn receive_rtcp(&mut self, now: Instant, from: ParticipantKey, packet: &[u8]) -> Result<(), RtcpDrop> {
        let slot = self.participants.find(from).ok_or(RtcpDrop::UnknownParticipant)?;
        let mut outcome = Ok(());
        self.heard(slot, now);
        for message in rtcp::parse(packet) {
            match message {
                Ok(message) => self.handle_message(now, slot, &message),
                Err(_) => outcome = Err(RtcpDrop::Malformed),
            }
        }
        outcome
    }

    fn handle_message(&mut self, now: Instant, slot: u16, message: &Message<'_>) {
        match message {
            Message::SenderReport(report) => {
                self.handle_sender_report(now, slot, report.ssrc, report.info);
                report.report_blocks().for_each(|block| self.handle_report_block(now, slot, &block));
            }
            Message::ReceiverReport(report) => {
                report.report_blocks().for_each(|block| self.handle_report_block(now, slot, &block));
            }
            Message::Nack(nack) => {
                let sequences = nack.sequences().take(MAX_REQUESTED);
                self.handle_nack(now, slot, nack.media_ssrc, sequences);
            }
            Message::Pli(pli) => self.handle_keyframe_request(now, slot, pli.media_ssrc),
            Message::Fir(fir) => {
                fir.entries().for_each(|entry| self.handle_keyframe_request(now, slot, entry.media_ssrc));
            }
            Message::TransportFeedback(feedback) => self.handle_feedback(now, slot, feedback),
            // A source that ends is followed by an answer without it; estimates by the receiver are not used.
            Message::Sdes(_) | Message::Bye(_) | Message::Remb(_) => {}
        }
    }

    fn handle_sender_report(&mut self, now: Instant, slot: u16, ssrc: u32, info: SenderInfo) {
        let source = self.participants.get(slot).and_then(|participant| participant.uplink.table.source_of(ssrc));
        let Some(source) = source.filter(|source| source.role == Role::Media) else { return };
        let Some(publication) = self.publications.find(source.publication) else { return };
        let encoding = self.publications.get_mut(publication).and_then(|state| state.encoding_mut(source.layer.0));
        let Some(encoding) = encoding.filter(|encoding| encoding.ssrc == ssrc) else { return };
        encoding.statistics.handle_sender_report(info, now);
        encoding.clock = Some(SenderClock { ntp: info.ntp, timestamp: info.rtp_timestamp, received: now });
    }

    fn handle_report_block(&mut self, now: Instant, slot: u16, block: &ReportBlock) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let downlink = &mut participant.downlink;
        let Some(stream) = downlink.streams.iter_mut().find(|stream| stream.spec.ssrc == block.ssrc) else { return };
        let rate = stream.binding.map_or(1, |binding| match binding.kind {
            MediaKind::Audio => 48_000,
            MediaKind::Video => 90_000,
        });
        let loss = stream.take_loss(f32::from(block.fraction_lost) / 256.0);
        stream.reception = Some(Reception {
            at: now,
            loss,
            jitter: Duration::from_micros(u64::from(block.jitter) * 1_000_000 / rate),
        });
        let is_video = stream.binding.is_some_and(|binding| binding.kind == MediaKind::Video);
        if let Some(estimation) = downlink.estimation.as_mut().filter(|_| is_video) {
            estimation.handle_report(&mut self.lines, f64::from(block.fraction_lost) / 256.0, downlink.rtt, now);
        }
        let echoed = stream.reports.iter().flatten().find(|&&(ntp, _)| ntp == block.last_sender_report);
        let Some(&(_, sent)) = echoed else { return };
        let held = Duration::from_micros(u64::from(block.delay_since_last_sender_report) * 1_000_000 / 65_536);
        let rtt = now.saturating_duration_since(sent).saturating_sub(held);
        if rtt <= MAX_RTT {
            // RFC 6298's weight: one report should not throw the spacing of repairs over.
            downlink.rtt = Some(downlink.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
        }
    }

    /// A receiver misses packets: repeats those that are still of use to it, within its repair budget.
    fn handle_nack(&mut self, now: Instant, slot: u16, ssrc: u32, sequences: impl Iterator<Item = u16>) {
        let Some(participant) = self.participants.get(slot) else { return };
        let streams = &participant.downlink.streams;
        let index = streams.iter().position(|stream| stream.spec.ssrc == ssrc);
        for sequence in sequences {
            self.counters.nack_in += 1;
            let repeated =
                index.is_some_and(|index| self.repeat(now, slot, (index as u16, sequence), Form::Repair).is_some());
            self.counters.nack_refused += u64::from(!repeated);
        }
    }

    /// Sends the copies that are due.
    pub(super) fn send_copies(&mut self, slot: u16, now: Instant) {
        while let Some(participant) = self.participants.get_mut(slot) {
            self.counters.copies_refused += participant.downlink.protection.take_refused();
            let Some(copy) = participant.downlink.protection.poll(now) else { return };
            let sent = self.repeat(now, slot, (copy.stream, copy.sequence), Form::Copy).is_some();
            self.counters.copies_refused += u64::from(!sent);
        }
    }

    /// Repeats one packet of a stream, if it may be.
    fn repeat(&mut self, now: Instant, slot: u16, (index, sequence): (u16, u16), form: Form) -> Option<()> {
        let tick = self.epoch.tick(now);
        let participant = self.participants.get_mut(slot)?;
        let Downlink { streams, repair, rtt, protection, .. } = &mut participant.downlink;
        let stream = streams.get_mut(usize::from(index))?;
        let binding = stream.binding.filter(|binding| binding.open && !binding.settings.disabled)?;
        let sequence = stream.history.extended(sequence).filter(|_| stream.spec.nack)?;
        let sent = stream.history.get_mut(sequence).filter(|sent| sent.publication == binding.publication)?;
        let publication = self.publications.get(binding.publication).filter(|publication| !publication.muted)?;
        let (_, arrived, payload) = publication.encoding(sent.layer)?.cache.get(u64::from(sent.incoming))?;
        let useful = match binding.kind {
            MediaKind::Audio => self.config.stale_audio,
            MediaKind::Video => self.config.repair_history,
        };
        if form == Form::Copy && sent.tries > 0 {
            return None;
        }
        let size = Downlink::wire_size(payload.len());
        if tick.since(arrived) > useful || !may_repeat(sent, *rtt, tick) || !repair.take(size, now) {
            return None;
        }
        // A copy that was not needed repairs nothing.
        stream.repeated = stream.repeated.wrapping_add(u32::from(sent.tries == 0 && form == Form::Repair));
        sent.tries += 1;
        sent.repeated = tick;
        let Sent { layer, incoming, timestamp, picture, publication, .. } = *sent;
        let incoming = u64::from(incoming);
        let item = Outgoing { stream: index, publication, layer, form, incoming, sequence, timestamp, picture };
        let twice = form == Form::Repair && binding.kind == MediaKind::Video && protection.doubles_repairs();
        let times = if twice && repair.take_spare(size, now) { 2 } else { 1 };
        let outcome = (0..times).try_for_each(|_| participant.downlink.repeat(item, size, now));
        self.mark_ready(slot);
        if let Err(loss) = outcome {
            self.counters.count_forward_drops(loss.reason, loss.packets);
        }
        outcome.ok()
    }

    fn handle_keyframe_request(&mut self, now: Instant, slot: u16, ssrc: u32) {
        self.counters.keyframe_requests_in += 1;
        let Some(participant) = self.participants.get(slot) else { return };
        let stream = participant.downlink.streams.iter().find(|stream| stream.spec.ssrc == ssrc);
        let binding = stream.and_then(|stream| stream.binding).filter(|binding| binding.open);
        let Some(binding) = binding else { return };
        // Of what goes out; where a switch is under way the keyframe of the new layer serves as well.
        let layer = binding.selector.awaited().or(binding.selector.current());
        if let Some(layer) = layer {
            self.request_keyframe(binding.publication, layer, now);
        }
    }
}
