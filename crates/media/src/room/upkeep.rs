//! What is done by the clock: requests to publishers, feedback, reports, speakers, layers. Each participant has its own
//! times, spread over the interval: nothing is done for all at once.

use std::time::{Duration, Instant};

use parlour_model::command::Leg;
use parlour_rtp::rtcp::compact_ntp;
use rand::Rng;

use crate::event::{MediaEvent, ReceiverReport};
use crate::ingress::KeyframeAsk;
use crate::ingress::gaps::INITIAL_RTT;
use crate::room::Room;

/// How often rates are measured and layers looked after.
const LAYERS_INTERVAL: Duration = Duration::from_secs(1);

/// Sequence numbers asked for in one NACK.
const MAX_NACK: usize = 128;

impl Room {
    pub(super) fn upkeep(&mut self, now: Instant) {
        for slot in self.participants.indices() {
            self.upkeep_participant(slot, now);
        }
        for slot in self.publications.indices() {
            self.upkeep_publication(slot, now);
        }
        let changes = self.speakers.poll_changes(now);
        if !changes.is_empty() {
            self.events.push(MediaEvent::Speakers(changes), &mut self.counters);
        }
        if self.next_layers <= now {
            self.next_layers = now + LAYERS_INTERVAL;
            self.look_after_layers(now);
        }
    }

    pub(super) fn next_upkeep(&self) -> Option<Instant> {
        let participants = self.participants.iter().flat_map(|(_, participant)| {
            let recorder = participant.uplink.recorder.as_ref();
            let feedback = recorder.and_then(|recorder| recorder.poll_timeout());
            [Some(participant.next_report), feedback, participant.downlink.poll_timeout()]
        });
        let publications = self.publications.iter().flat_map(|(_, publication)| {
            publication
                .encodings
                .iter()
                .flatten()
                .flat_map(|encoding| [encoding.gaps.poll_timeout(), encoding.keyframes.poll_timeout()])
        });
        let others = [self.speakers.poll_timeout(), Some(self.next_layers).filter(|_| !self.publications.is_empty())];
        participants.chain(publications).chain(others).flatten().min()
    }

    fn upkeep_participant(&mut self, slot: u16, now: Instant) {
        self.send_feedback(slot, now);
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let due = participant.next_report <= now;
        if due {
            // RFC 3550, 6.3.1: between half and one and a half of the interval.
            let interval = self.config.report_interval.mul_f64(self.rng.random_range(0.5..1.5));
            participant.next_report = now + interval;
        }
        if participant.downlink.poll_timeout().is_some_and(|at| at <= now) && participant.downlink.release(now) {
            self.mark_ready(slot);
        }
        if due {
            self.send_sender_reports(slot, now);
            self.send_receiver_report(slot, now);
        }
    }

    fn upkeep_publication(&mut self, slot: u16, now: Instant) {
        let Some(publication) = self.publications.get(slot) else { return };
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let layers =
            (0u8..).zip(&publication.encodings).filter_map(|(layer, encoding)| Some((layer, encoding.as_ref()?)));
        let mut nacks = [false; crate::publication::dynacast::LAYERS];
        let mut keyframes = nacks;
        for (layer, encoding) in layers {
            if let (Some(nack), Some(keyframe)) =
                (nacks.get_mut(usize::from(layer)), keyframes.get_mut(usize::from(layer)))
            {
                *nack = due(encoding.gaps.poll_timeout());
                *keyframe = due(encoding.keyframes.poll_timeout());
            }
        }
        for (layer, (nack, keyframe)) in (0u8..).zip(nacks.into_iter().zip(keyframes)) {
            if nack {
                self.request_missing(slot, layer, now);
            }
            if keyframe {
                self.poll_keyframe_request(slot, layer, now);
            }
        }
    }

    /// Asks a publisher for what is missing of an encoding.
    pub(super) fn request_missing(&mut self, slot: u16, layer: u8, now: Instant) {
        let Some(publication) = self.publications.get_mut(slot) else { return };
        let (owner, nack) = (publication.owner, publication.section.nack);
        let Some(participant) = self.participants.get_mut(owner) else { return };
        let rtt = participant.downlink.rtt.unwrap_or(INITIAL_RTT);
        let Some(encoding) = publication.encoding_mut(layer) else { return };
        let mut sequences = [0; MAX_NACK];
        let count = encoding.gaps.poll_requests(now, rtt, &mut sequences);
        let sequences = sequences.get(..count).unwrap_or_default();
        if encoding.gaps.take_beyond_repair() {
            encoding.keyframes.request(now);
        }
        if count == 0 || !nack {
            return;
        }
        let (ours, theirs) = (participant.ssrc, encoding.ssrc);
        let outcome = participant.rtcp.on(Leg::Publish).push(|writer| writer.nack(ours, theirs, sequences));
        self.counters.nack_out += count as u64;
        self.counters.rtcp_overflow += u64::from(outcome.is_err());
        self.mark_ready(owner);
    }

    /// Someone needs a keyframe of this layer.
    pub(super) fn request_keyframe(&mut self, slot: u16, layer: u8, now: Instant) {
        let encoding = self.publications.get_mut(slot).and_then(|publication| publication.encoding_mut(layer));
        // What never sent anything begins with a keyframe.
        let Some(encoding) = encoding else { return };
        encoding.keyframes.request(now);
        if !self.asks.contains(&(slot, layer)) {
            self.asks.push((slot, layer));
        }
    }

    /// Sends what was asked for since the last time. Not done at once: the packet under way may be the keyframe.
    pub(super) fn send_keyframe_requests(&mut self, now: Instant) {
        while let Some((slot, layer)) = self.asks.pop() {
            self.poll_keyframe_request(slot, layer, now);
        }
    }

    fn poll_keyframe_request(&mut self, slot: u16, layer: u8, now: Instant) {
        let Some(publication) = self.publications.get_mut(slot) else { return };
        let owner = publication.owner;
        let needed = !publication.muted
            && publication.audience.iter().any(|&(receiver, stream)| {
                let streams = self.participants.get(receiver).map(|participant| &participant.downlink.streams);
                let binding = streams.and_then(|streams| streams.get(usize::from(stream))?.binding);
                binding.is_some_and(|binding| binding.takes(layer))
            });
        let Some(encoding) = publication.encoding_mut(layer) else { return };
        if !needed {
            // Nobody would see it; whoever waits asks again when it flows again.
            return encoding.keyframes.cancel();
        }
        let Some(ask) = encoding.keyframes.poll_request(now) else { return };
        let theirs = encoding.ssrc;
        let Some(participant) = self.participants.get_mut(owner) else { return };
        let ours = participant.ssrc;
        let outcome = participant.rtcp.on(Leg::Publish).push(|writer| match ask {
            KeyframeAsk::Pli => writer.pli(ours, theirs),
            KeyframeAsk::Fir { sequence } => {
                writer.fir(ours, &[parlour_rtp::rtcp::FirEntry { media_ssrc: theirs, sequence }])
            }
        });
        self.counters.keyframe_requests_out += 1;
        self.counters.rtcp_overflow += u64::from(outcome.is_err());
        self.mark_ready(owner);
    }

    /// Transport-wide feedback to a publisher.
    fn send_feedback(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let (ours, uplink) = (participant.ssrc, &mut participant.uplink);
        let Some(recorder) = &mut uplink.recorder else { return };
        let theirs = uplink.any_ssrc;
        let mut sent = false;
        while recorder.poll_timeout().is_some_and(|due| due <= now) {
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
            self.mark_ready(slot);
        }
    }

    /// How we receive what a participant sends.
    fn send_receiver_report(&mut self, slot: u16, now: Instant) {
        let mut blocks = Vec::new();
        for (_, publication) in self.publications.iter_mut().filter(|(_, publication)| publication.owner == slot) {
            for encoding in publication.encodings.iter_mut().flatten() {
                let ssrc = encoding.ssrc;
                blocks.extend(encoding.statistics.report_block(ssrc, now));
            }
        }
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let lost = blocks.iter().map(|block| f32::from(block.fraction_lost) / 256.0).fold(0.0, f32::max);
        participant.uplink_loss = lost;
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
    fn send_sender_reports(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let leg = participant.downlink.leg;
        let mut sent = false;
        for stream in &mut participant.downlink.streams {
            let Some(binding) = stream.binding.filter(|binding| binding.open && stream.packets > 0) else { continue };
            let Some(publication) = self.publications.get(binding.publication) else { continue };
            let Some((source, _)) = stream.rewriter.newest() else { continue };
            let clock = publication.encoding(source.layer).and_then(|encoding| encoding.clock);
            let rate = publication.codec().clock_rate();
            let info = clock.and_then(|clock| stream.sender_info(source, &clock, rate, now));
            let Some(info) = info else { continue };
            let ssrc = stream.spec.ssrc;
            let mut name = [0; 12];
            let name = canonical_name(publication.owner, &mut name);
            let outcome = participant.rtcp.on(leg).push(|writer| {
                writer.sender_report(ssrc, &info, &[])?;
                writer.sdes(ssrc, name)
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

    fn look_after_layers(&mut self, now: Instant) {
        for (_, publication) in self.publications.iter_mut() {
            publication.encodings.iter_mut().flatten().for_each(|encoding| encoding.meter.roll(now));
        }
        for receiver in self.participants.indices() {
            self.aim(receiver, now);
        }
        for publication in self.publications.indices() {
            self.tell_subscribed_layers(publication, now);
        }
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
            report.downlink_jitter = report.downlink_jitter.max(stream.reception.jitter);
            lost += stream.reception.loss;
            weight += 1.0;
        }
        report.downlink_loss = if weight > 0.0 { lost / weight } else { 0.0 };
        Some(report)
    }
}

/// Of all streams of one publisher in this room. Says nothing about the person.
fn canonical_name(owner: u16, buffer: &mut [u8; 12]) -> &[u8] {
    use std::io::Write;
    let mut rest = &mut buffer[..];
    // Six bytes always fit.
    let _ = write!(rest, "p{owner}");
    let free = rest.len();
    buffer.get(..buffer.len() - free).unwrap_or_default()
}
