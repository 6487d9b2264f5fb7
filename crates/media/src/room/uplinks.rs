//! Partners at one home share its line upward as well (`ingress/home_uplink.rs`). Where two or more publish from one home,
//! what arrives of each is looked at here, and each is told its part (REMB).

use std::collections::BTreeMap;
use std::time::Instant;

use parlour_model::Bitrate;

use crate::egress::lines::Home;
use crate::ingress::home_uplink::{HomeUplink, LOOK_INTERVAL};
use crate::room::Room;

/// When uplinks are looked at next, and those that are shared: no more than there are participants.
#[derive(Debug, Default)]
pub(super) struct Uplinks {
    next: Option<Instant>,
    homes: BTreeMap<Home, HomeUplink>,
}

impl Uplinks {
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Who publishes from where has changed.
    pub fn look(&mut self, now: Instant) {
        self.next = Some(now);
    }
}

impl Room {
    /// Looks at uplinks that several publishers share.
    pub(super) fn upkeep_uplinks(&mut self, now: Instant) {
        if self.uplinks.next.is_some_and(|next| next > now) {
            return;
        }
        let homes = self.shared_homes();
        self.uplinks.homes.retain(|home, _| homes.contains_key(home));
        for slot in self.participants.indices() {
            let Some(participant) = self.participants.get_mut(slot) else { continue };
            let shares = participant.home.is_some_and(|home| homes.contains_key(&home));
            participant.uplink.part = participant.uplink.part.filter(|_| shares);
        }
        self.uplinks.next = (!homes.is_empty()).then_some(now + LOOK_INTERVAL);
        for (home, slots) in homes {
            self.divide_uplink(home, &slots, now);
        }
    }

    /// Homes from which more than one publishes, with those.
    fn shared_homes(&self) -> BTreeMap<Home, Vec<u16>> {
        let mut homes: BTreeMap<Home, Vec<u16>> = BTreeMap::new();
        for (slot, participant) in self.participants.iter().filter(|(_, one)| one.shares != Some(false)) {
            let publishes = !participant.uplink.publications.is_empty();
            if let Some(home) = participant.home.filter(|_| publishes) {
                homes.entry(home).or_default().push(slot);
            }
        }
        homes.retain(|_, slots| slots.len() > 1);
        homes
    }

    fn divide_uplink(&mut self, home: Home, slots: &[u16], now: Instant) {
        let mut sights = Vec::with_capacity(slots.len());
        for &slot in slots {
            sights.extend(self.participants.get_mut(slot).map(|one| one.uplink.meter.take(now)));
        }
        let wanted: Vec<Bitrate> = slots.iter().map(|&slot| self.sent_by(slot).0).collect();
        let parts = self.uplinks.homes.entry(home).or_default().divide(&sights, &wanted);
        for (&slot, part) in slots.iter().zip(parts) {
            if let Some(participant) = self.participants.get_mut(slot) {
                participant.uplink.part = part;
            }
            self.cap_publisher(slot, now);
        }
    }
}
