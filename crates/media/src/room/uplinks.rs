//! What the line of a home carries upward is divided among those who publish from it (`ingress/home_uplink.rs`). What arrives
//! of each is looked at here, and each is told its part (REMB).

use std::collections::BTreeMap;
use std::time::Instant;

use crate::egress::lines::Home;
use crate::ingress::home_uplink::{HomeUplink, LOOK_INTERVAL};
use crate::room::Room;

/// Who publishes over one line: those of a home, or one who is found not to share its.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Behind {
    Home(Home),
    Alone(u16),
}

/// When uplinks are looked at next, and what is known of them: no more than there are participants.
#[derive(Debug, Default)]
pub(super) struct Uplinks {
    next: Option<Instant>,
    lines: BTreeMap<Behind, HomeUplink>,
}

impl Uplinks {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Who publishes from where has changed. Looks go on in their time: what comes between two that follow each other at
    /// once says little of a rate.
    pub fn look(&mut self, now: Instant) {
        self.next.get_or_insert(now);
    }
}

impl Room {
    /// Looks at the uplinks of those who publish.
    pub(super) fn upkeep_uplinks(&mut self, now: Instant) {
        if self.uplinks.next.is_some_and(|next| next > now) {
            return;
        }
        let lines = self.publishers_by_line();
        self.uplinks.lines.retain(|line, _| lines.contains_key(line));
        self.uplinks.next = (!lines.is_empty()).then_some(now + LOOK_INTERVAL);
        for (line, slots) in lines {
            self.divide_uplink(line, &slots, now);
        }
    }

    /// Whose line nothing is known of (the machine itself) is not among them.
    fn publishers_by_line(&self) -> BTreeMap<Behind, Vec<u16>> {
        let mut lines: BTreeMap<Behind, Vec<u16>> = BTreeMap::new();
        for (slot, participant) in self.participants.iter() {
            let publishes = !participant.uplink.publications.is_empty();
            let Some(home) = participant.home.filter(|_| publishes) else { continue };
            let line = if participant.shares == Some(false) { Behind::Alone(slot) } else { Behind::Home(home) };
            lines.entry(line).or_default().push(slot);
        }
        lines
    }

    fn divide_uplink(&mut self, line: Behind, slots: &[u16], now: Instant) {
        let mut sights = Vec::with_capacity(slots.len());
        for &slot in slots {
            sights.extend(self.participants.get_mut(slot).map(|one| one.uplink.meter.take(now)));
        }
        let mut uplink = self.uplinks.lines.remove(&line).unwrap_or_default();
        let parts = uplink.divide(&sights, || slots.iter().map(|&slot| self.sent_by(slot).0).collect());
        let (starved, narrow) = uplink.is_too_small(self.voices_sent(slots), self.pictures_sent(slots), now);
        self.uplinks.lines.insert(line, uplink);
        for (index, &slot) in slots.iter().enumerate() {
            let part = parts.get(index).copied();
            let Some(participant) = self.participants.get_mut(slot) else { continue };
            participant.uplink.narrow = narrow;
            let turned = std::mem::replace(&mut participant.uplink.starved, starved) != starved;
            if turned {
                self.withhold_pictures(slot, now);
            }
            let Some(participant) = self.participants.get_mut(slot) else { continue };
            if std::mem::replace(&mut participant.uplink.part, part).or(part).is_some() {
                self.cap_publisher(slot, now);
            }
        }
    }
}
