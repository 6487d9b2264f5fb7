//! Packets out: one receiver after the other, each as long as it has something, so that its packets come in one run.

use std::time::Instant;

use parlour_model::command::Leg;

use crate::egress::downlink::Moment;
use crate::egress::outgoing::{Form, Outgoing};
use crate::egress::packet::Cached;
use crate::error::ForwardDrop;
use crate::event::{Transmit, TransmitKind};
use crate::room::Room;

impl Room {
    /// Puts a participant on the list of those that have something to send.
    pub(super) fn mark_ready(&mut self, slot: u16) {
        let Some(participant) = self.participants.get_mut(slot) else { return };
        if !participant.marked {
            participant.marked = true;
            self.ready.push_back(slot);
        }
    }

    /// Takes the first participant off that list and notes what is due now that all it was sent is out.
    fn unmark_ready(&mut self) {
        let slot = self.ready.pop_front();
        let Some(participant) = slot.and_then(|slot| self.participants.get_mut(slot)) else { return };
        participant.marked = false;
        let downlink = &participant.downlink;
        self.wake.no_later_than(downlink.protection.poll_timeout());
        if let Some(estimation) = &downlink.estimation {
            // An answer is awaited from the first packet on, and silence is one from the first that is not acknowledged.
            self.wake.no_later_than(estimation.poll_timeout());
            self.wake.no_later_than(self.lines.due(estimation.place()));
        }
    }

    pub(super) fn next_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.send_keyframe_requests(now);
        loop {
            let &slot = self.ready.front()?;
            let Some(participant) = self.participants.get_mut(slot) else {
                self.ready.pop_front();
                continue;
            };
            if let Some((leg, len)) = participant.rtcp.pop(buffer) {
                self.counters.rtcp_out += 1;
                return Some(Transmit { to: participant.key, leg, kind: TransmitKind::Rtcp, len });
            }
            if let Some(item) = participant.downlink.poll() {
                let (to, leg) = (participant.key, participant.downlink.leg);
                match self.write(slot, &item, now, buffer) {
                    Ok(len) => return Some(Transmit { to, leg, kind: TransmitKind::Rtp, len }),
                    Err(reason) => self.counters.count_forward_drop(reason),
                }
            } else if !participant.downlink.release(now) && !self.send_feedback(slot, now) {
                self.unmark_ready();
            }
        }
    }

    fn write(&mut self, slot: u16, item: &Outgoing, now: Instant, buffer: &mut [u8]) -> Result<usize, ForwardDrop> {
        let participant = self.participants.get_mut(slot).ok_or(ForwardDrop::Expired)?;
        let downlink = &mut participant.downlink;
        let len = if let Form::Padding(padding) = item.form {
            downlink.write_padding(item, padding, now, &mut self.lines, buffer)?
        } else {
            let publication = self.publications.get(item.publication).ok_or(ForwardDrop::Expired)?;
            let encoding = publication.encoding(item.layer).ok_or(ForwardDrop::Expired)?;
            let (kept, _, payload) = encoding.cache.get(item.incoming).ok_or(ForwardDrop::Expired)?;
            let cached = Cached { kept, payload, codec: publication.codec() };
            let moment = Moment { now, tick: self.epoch.tick(now), keep: self.keep };
            downlink.write(item, cached, moment, &mut self.lines, buffer)?
        };
        self.counters.packets_out += 1;
        self.counters.bytes_out += len as u64;
        match item.form {
            Form::Media => {}
            Form::Repair => self.counters.repaired_out += 1,
            Form::Copy => self.counters.copies_out += 1,
            Form::Probe => self.counters.probes_out += 1,
            Form::Filler => self.counters.fillers_out += 1,
            Form::Padding(_) => self.counters.paddings_out += 1,
        }
        Ok(len)
    }
}

/// RTCP for both connections of a participant.
#[derive(Debug, Default)]
pub(super) struct RtcpOutboxes {
    publish: crate::rtcp_outbox::RtcpOutbox,
    subscribe: crate::rtcp_outbox::RtcpOutbox,
}

impl RtcpOutboxes {
    pub fn on(&mut self, leg: Leg) -> &mut crate::rtcp_outbox::RtcpOutbox {
        match leg {
            Leg::Publish => &mut self.publish,
            Leg::Subscribe => &mut self.subscribe,
        }
    }

    fn pop(&mut self, buffer: &mut [u8]) -> Option<(Leg, usize)> {
        // Asked before each packet of media, and nearly always so.
        if self.publish.is_empty() && self.subscribe.is_empty() {
            return None;
        }
        self.pop_waiting(buffer)
    }

    fn pop_waiting(&mut self, buffer: &mut [u8]) -> Option<(Leg, usize)> {
        for leg in [Leg::Publish, Leg::Subscribe] {
            let outbox = self.on(leg);
            while !outbox.is_empty() {
                if let Some(len) = outbox.pop(buffer) {
                    return Some((leg, len));
                }
            }
        }
        None
    }
}
