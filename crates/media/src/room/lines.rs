//! What receivers' lines carry, and what follows: layers chosen anew, video let out faster or slower, probes filled.

use std::time::Instant;

use parlour_rtp::rtcp::TransportFeedback;

use crate::egress::outgoing::{Form, Outgoing};
use crate::room::Room;

/// Packets looked at, from the newest, for one that can fill a probe.
const LOOK_BACK: u64 = 64;

/// Padding of one packet: its length is written in one byte (RFC 3550, 5.1).
const MOST_PADDING: u8 = u8::MAX;

impl Room {
    /// Something came from a participant.
    pub(super) fn heard(&mut self, slot: u16, now: Instant) {
        let participant = self.participants.get_mut(slot);
        if let Some(estimation) = participant.and_then(|participant| participant.downlink.estimation.as_mut()) {
            estimation.handle_heard(now);
        }
    }

    /// A receiver says what of its packets arrived, and when.
    pub(super) fn handle_feedback(&mut self, now: Instant, slot: u16, feedback: &TransportFeedback<'_>) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let newest = participant.downlink.transport.newest();
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        estimation.handle_feedback(newest, feedback.arrivals(), now);
        self.follow_line(slot, now);
    }

    /// Does what is due on a receiver's line.
    pub(super) fn upkeep_line(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        if estimation.poll_timeout().is_some_and(|due| due <= now) {
            estimation.handle_timeout(now);
            self.follow_line(slot, now);
        }
        self.fill_probe(slot, now);
    }

    fn follow_line(&mut self, slot: u16, now: Instant) {
        self.begin_probe(slot, now);
        let share = self.config.repair_share;
        let Some(participant) = self.participants.get_mut(slot) else { return };
        if participant.downlink.follow_line(share, now) {
            self.aim(slot, now);
        }
        if self.participants.get_mut(slot).is_some_and(|participant| participant.downlink.release(now)) {
            self.mark_ready(slot);
        }
    }

    /// A probe begins once there is something to fill it with: at the start of a call nothing was sent that could be
    /// sent again.
    fn begin_probe(&mut self, slot: u16, now: Instant) {
        let estimation = self.participants.get(slot).and_then(|participant| participant.downlink.estimation.as_ref());
        if !estimation.is_some_and(|estimation| estimation.wants_probe()) {
            return;
        }
        if self.filling(slot).or_else(|| self.padding(slot)).is_none() {
            return;
        }
        let participant = self.participants.get_mut(slot);
        if let Some(estimation) = participant.and_then(|participant| participant.downlink.estimation.as_mut()) {
            estimation.begin_probe(now);
        }
    }

    /// A probe that media does not fill is filled with repetitions of what was sent last: of use if it was lost, and never
    /// more than the line is being asked about.
    fn fill_probe(&mut self, slot: u16, now: Instant) {
        loop {
            let Some(participant) = self.participants.get_mut(slot) else { return };
            let Some(estimation) = participant.downlink.estimation.as_ref() else { return };
            if !estimation.wants_filling(now) {
                return;
            }
            let found = self.filling(slot).or_else(|| self.padding(slot));
            let Some(participant) = self.participants.get_mut(slot) else { return };
            let downlink = &mut participant.downlink;
            let Some(estimation) = downlink.estimation.as_mut() else { return };
            let Some((item, size)) = found else { return estimation.give_up_probe() };
            estimation.fill(size);
            if downlink.repeat(item, size, now).is_err() {
                return;
            }
            self.mark_ready(slot);
        }
    }

    /// Padding, where a picture is wanted that does not fit and nothing was sent lately: the way back up would be closed
    /// if only pictures could open it.
    fn padding(&self, slot: u16) -> Option<(Outgoing, usize)> {
        let streams = &self.participants.get(slot)?.downlink.streams;
        let (index, stream) = (0u16..)
            .zip(streams)
            .find(|(_, stream)| stream.binding.is_some_and(|binding| binding.held_back) && stream.can_probe())?;
        let timestamp = stream.history.newest().and_then(|newest| stream.history.get(newest));
        let item = Outgoing {
            stream: index,
            publication: 0,
            layer: 0,
            form: Form::Padding(MOST_PADDING),
            incoming: 0,
            sequence: 0,
            timestamp: timestamp.map_or(0, |sent| sent.timestamp),
            picture: None,
        };
        Some((item, usize::from(MOST_PADDING)))
    }

    /// A packet of a picture that was sent to this receiver lately and can be sent again on a repair stream.
    fn filling(&self, slot: u16) -> Option<(Outgoing, usize)> {
        let streams = &self.participants.get(slot)?.downlink.streams;
        for (index, stream) in (0u16..).zip(streams) {
            let Some(binding) = stream.binding.filter(|binding| binding.open && !binding.settings.disabled) else {
                continue;
            };
            if !stream.can_probe() {
                continue;
            }
            let Some(publication) = self.publications.get(binding.publication).filter(|one| !one.muted) else {
                continue;
            };
            let Some(newest) = stream.history.newest() else { continue };
            // The largest of the last packets: small ones fill a probe with headers.
            let recent = (newest.saturating_sub(LOOK_BACK)..=newest).filter_map(|sequence| {
                let sent = stream.history.get(sequence).filter(|sent| sent.publication == binding.publication)?;
                let cached = publication.encoding(sent.layer)?.cache.get(u64::from(sent.incoming))?;
                Some((cached.2.len(), sequence, *sent))
            });
            let Some((size, sequence, sent)) = recent.max_by_key(|&(size, sequence, _)| (size, sequence)) else {
                continue;
            };
            let item = Outgoing {
                stream: index,
                publication: sent.publication,
                layer: sent.layer,
                form: Form::Probe,
                incoming: u64::from(sent.incoming),
                sequence,
                timestamp: sent.timestamp,
                picture: sent.picture,
            };
            return Some((item, size));
        }
        None
    }
}
