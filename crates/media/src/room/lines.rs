//! What receivers' lines carry, and what follows: layers chosen anew, video let out faster or slower, probes filled.

use std::time::{Duration, Instant};

use parlour_estimator::State;
use parlour_model::command::LineHint;
use parlour_model::{Bitrate, MediaKind, ParticipantKey};
use parlour_rtp::rtcp::TransportFeedback;

use crate::egress::downlink::Downlink;
use crate::egress::lines::Home;
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::protection::Conditions;
use crate::egress::start::Start;
use crate::ingress::UplinkMeter;
use crate::room::Room;
use crate::room::participant::Participant;

/// Packets looked at, from the newest, for one that can fill a probe.
const LOOK_BACK: u64 = 64;

/// Padding of one packet: its length is written in one byte (RFC 3550, 5.1).
const MOST_PADDING: u8 = u8::MAX;

/// A queue of this much is the line's own cause of losses.
const FULL: Duration = Duration::from_millis(60);

/// What a line must carry, of what layers take, for repairs to be sent twice: at 5 % of loss they are a fifth of the packets.
const ROOM_FOR_REPAIRS: f64 = 1.2;

/// What counts how much where people share a line (bandwidth.md of the design, idea 6): speech, the picture of one that
/// comes first, another's.
const WEIGHTS: (f64, f64, f64) = (8.0, 4.0, 1.0);

impl Room {
    /// Something came from a participant.
    pub(super) fn heard(&mut self, slot: u16, now: Instant) {
        let participant = self.participants.get_mut(slot);
        if let Some(estimation) = participant.and_then(|participant| participant.downlink.estimation.as_mut()) {
            estimation.handle_heard(&mut self.lines, now);
        }
    }

    /// A receiver says what of its packets arrived, and when.
    pub(super) fn handle_feedback(&mut self, now: Instant, slot: u16, feedback: &TransportFeedback<'_>) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let newest = participant.downlink.transport.newest();
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        estimation.handle_feedback(&mut self.lines, newest, feedback.arrivals(), now);
        self.judge_sharing(slot);
        self.protect(slot, now);
        self.follow_shared(slot, now);
    }

    /// Decides how speech and pictures to a receiver are protected from here on.
    fn protect(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get(slot).filter(|_| self.config.copies) else { return };
        let downlink = &participant.downlink;
        let Some(estimation) = &downlink.estimation else { return };
        let Some(line) = estimation.trace(&self.lines, now) else { return };
        let voices = self.voices_heard(slot);
        let share = |rate: Bitrate| rate.as_bps() as f64 / (line.estimate.capacity.as_bps() as f64).max(1.0);
        let calm = matches!(line.estimate.state, State::Start | State::Steady) && line.queue < FULL;
        let conditions = Conditions {
            congested: !calm,
            share: share(voices.published),
            rtt: downlink.rtt,
            redundant: voices.redundant,
            has_room: downlink.spent.scaled(ROOM_FOR_REPAIRS) <= downlink.budget,
        };
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let Downlink { estimation, protection, narrow, .. } = &mut participant.downlink;
        let results = estimation.iter().flat_map(|estimation| estimation.results());
        protection.handle_feedback(results.map(|result| result.arrival.is_some()), now);
        protection.judge(conditions);
        narrow.judge(!calm, share(voices.bare), now);
    }

    /// Someone is seen elsewhere.
    pub(super) fn move_home(&mut self, key: ParticipantKey, home: Option<Home>, now: Instant) {
        let Some(slot) = self.participants.find(key) else { return };
        let Some(participant) = self.participants.get_mut(slot).filter(|participant| participant.home != home) else {
            return;
        };
        participant.home = home;
        participant.shares = None;
        participant.uplink.meter = UplinkMeter::new(now);
        self.uplinks.look(now);
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        estimation.move_to(&mut self.lines, home, &self.config, now);
        self.counters.lines_joined += u64::from(self.lines.is_shared(estimation.place()));
        // It is news to the line what it wants.
        self.aim(slot, now);
        self.follow_shared(slot, now);
    }

    /// A test found lately what someone's line carries.
    pub(super) fn hint_line(&mut self, key: ParticipantKey, hint: LineHint, now: Instant) {
        let Some(slot) = self.participants.find(key) else { return };
        let Some(participant) = self.participants.get_mut(slot) else { return };
        participant.downlink.hint_line(Start::of(hint, now), &mut self.lines, &self.config, now);
        self.aim(slot, now);
    }

    /// Delays have told whether a receiver is where its address says it is. Who is not has a line of its own from now on;
    /// so has who says nothing of its line.
    fn judge_sharing(&mut self, slot: u16) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        let place = estimation.place();
        if !self.lines.is_shared(place) {
            return;
        }
        let shares = self.lines.get(place).and_then(|line| line.is_shared(place.member));
        let parts = shares == Some(false) || estimation.is_mute();
        if shares.is_some() && participant.shares != shares {
            participant.shares = shares;
            self.counters.lines_confirmed += u64::from(shares == Some(true));
            self.counters.lines_refuted += u64::from(shares == Some(false));
        }
        if parts {
            estimation.part(&mut self.lines);
        }
    }

    /// How much a receiver counts on its line.
    pub(super) fn weight_of(&self, receiver: u16) -> f64 {
        let streams = self.participants.get(receiver).map(|participant| &participant.downlink.streams);
        let bindings = streams.into_iter().flatten().filter_map(|stream| stream.binding.filter(|binding| binding.open));
        let weights = bindings.filter_map(|binding| {
            let publication = self.publications.get(binding.publication).filter(|publication| !publication.muted)?;
            Some(match binding.kind {
                MediaKind::Audio => WEIGHTS.0,
                MediaKind::Video if publication.priority > 1 => WEIGHTS.1,
                MediaKind::Video => WEIGHTS.2,
            })
        });
        weights.sum::<f64>().max(WEIGHTS.2)
    }

    /// Everyone on the line of `slot` follows what is known of it now.
    fn follow_shared(&mut self, slot: u16, now: Instant) {
        let line_of = |participant: &Participant| Some(participant.downlink.estimation.as_ref()?.place().line);
        let Some(line) = self.participants.get(slot).and_then(line_of) else { return };
        self.follow_line_of(line, now);
    }

    fn follow_line_of(&mut self, line: u16, now: Instant) {
        for slot in self.participants.indices() {
            let estimation = self.participants.get(slot).and_then(|one| one.downlink.estimation.as_ref());
            if estimation.is_some_and(|estimation| estimation.place().line == line) {
                self.follow_line(slot, now);
            }
        }
    }

    /// Lets time pass on all lines.
    pub(super) fn upkeep_lines(&mut self, now: Instant) {
        for line in self.lines.handle_timeout(now) {
            self.follow_line_of(line, now);
        }
    }

    /// Does what is due of one receiver on its line.
    pub(super) fn upkeep_line(&mut self, slot: u16, now: Instant) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        let Some(estimation) = &mut participant.downlink.estimation else { return };
        if estimation.poll_timeout().is_some_and(|due| due <= now) {
            estimation.handle_timeout(now);
            self.judge_sharing(slot);
            self.follow_line(slot, now);
        }
        self.fill_probe(slot, now);
    }

    fn follow_line(&mut self, slot: u16, now: Instant) {
        self.begin_probe(slot, now);
        let share = self.config.repair_share;
        let Some(participant) = self.participants.get_mut(slot) else { return };
        if participant.downlink.follow_line(&self.lines, share, now) {
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
        if !estimation.is_some_and(|estimation| estimation.wants_probe(&self.lines)) {
            return;
        }
        if self.filling(slot).or_else(|| self.padding(slot)).is_none() {
            return;
        }
        let participant = self.participants.get_mut(slot);
        if let Some(estimation) = participant.and_then(|participant| participant.downlink.estimation.as_mut()) {
            estimation.begin_probe(&self.lines, now);
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
        let (index, stream) = (0u16..).zip(streams).find(|(_, stream)| {
            stream.binding.is_some_and(|binding| binding.open && binding.held_back) && stream.can_probe()
        })?;
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
