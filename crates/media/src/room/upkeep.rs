//! What is done by the clock: requests to publishers, reports, speakers, layers. Each participant has its own times, spread
//! over the interval: nothing is done for all at once.

use std::time::{Duration, Instant};

use parlour_model::command::Leg;
use rand::Rng;

use crate::event::MediaEvent;
use crate::ingress::KeyframeAsk;
use crate::ingress::gaps::INITIAL_RTT;
use crate::room::Room;
use crate::room::wake::{Soonest, Wake};

/// How often rates are measured and layers looked after.
const LAYERS_INTERVAL: Duration = Duration::from_secs(1);

/// Sequence numbers asked for in one NACK.
const MAX_NACK: usize = 128;

impl Room {
    pub(super) fn upkeep(&mut self, now: Instant) {
        self.upkeep_lines(now);
        if self.uplinks.poll_timeout().is_some_and(|due| due <= now) {
            self.upkeep_uplinks(now);
        }
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
        let mut soonest = Soonest::default();
        for (_, participant) in self.participants.iter() {
            soonest.consider(Some(participant.next_report));
            soonest.consider(participant.uplink.recorder.as_ref().and_then(|recorder| recorder.poll_timeout()));
            soonest.consider(participant.downlink.poll_timeout());
        }
        for (_, publication) in self.publications.iter() {
            for encoding in publication.encodings.iter().flatten() {
                soonest.consider(encoding.gaps.poll_timeout());
                soonest.consider(encoding.keyframes.poll_timeout());
            }
        }
        soonest.consider(self.lines.poll_timeout());
        soonest.consider(self.uplinks.poll_timeout());
        soonest.consider(self.speakers.poll_timeout());
        soonest.consider(Some(self.next_layers).filter(|_| !self.publications.is_empty()));
        soonest.0
    }

    fn upkeep_participant(&mut self, slot: u16, now: Instant) {
        self.send_feedback(slot, now);
        self.upkeep_line(slot, now);
        self.send_copies(slot, now);
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
        self.wake = Wake::Unknown;
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
        self.wake.no_later_than(encoding.keyframes.poll_timeout());
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
        self.wake = Wake::Unknown;
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

    fn look_after_layers(&mut self, now: Instant) {
        for (_, publication) in self.publications.iter_mut() {
            publication.encodings.iter_mut().flatten().for_each(|encoding| encoding.meter.roll(now));
            publication.look_for_thin_layers();
        }
        for receiver in self.participants.indices() {
            self.aim(receiver, now);
        }
        for publication in self.publications.indices() {
            self.tell_subscribed_layers(publication, now);
        }
        self.look_after_caps(now);
        self.look_after_voices();
        self.upkeep_uplinks(now);
    }
}
