//! Where everyone is: one pure function of the facts.
//!
//! The order of its questions is the order of protection. Whoever is not admitted waits; whoever a therapist, a restart
//! or a seal keeps apart is alone; a shared space without a therapist dissolves, each of its people alone.

use std::collections::BTreeMap;
use std::time::Instant;

use parlour_model::session::{Admission, RecordingPolicy, SessionPolicy, Space};
use parlour_model::{Identity, ParticipantKey, Role};

use crate::people::{People, Person};
use crate::presence::Ghosts;
use crate::seal::{CheckIn, CheckIns};

/// Whether somebody leads the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lead {
    /// No therapist came yet, or the last one is gone for good.
    Absent,
    /// At least one is connected.
    Present,
    /// The last one dropped; the room holds.
    Grace {
        /// Until then.
        until: Instant,
    },
}

/// What the places depend on.
pub(crate) struct Facts<'a> {
    pub people: &'a People,
    pub check_ins: &'a CheckIns,
    pub ghosts: &'a Ghosts,
    pub lead: Lead,
    pub policy: &'a SessionPolicy,
}

impl Facts<'_> {
    /// The space of every seat.
    pub fn spaces(&self) -> BTreeMap<ParticipantKey, Space> {
        let main_is_led = self.main_is_led();
        let all_agree = self.everyone_agrees_to_recording();
        self.people
            .seats()
            .map(|(identity, person, line)| (line.key, self.space(identity, person, line.key, main_is_led, all_agree)))
            .collect()
    }

    /// Where those who left by quick exit seem to be, in order: where they would be with a lost line.
    pub fn ghost_spaces(&self) -> Vec<Space> {
        let main_is_led = self.main_is_led();
        let all_agree = self.everyone_agrees_to_recording();
        let ghosts = self.ghosts.iter();
        ghosts.map(|(identity, person, key)| self.space(identity, person, key, main_is_led, all_agree)).collect()
    }

    fn space(
        &self,
        identity: &Identity,
        person: &Person,
        key: ParticipantKey,
        main_is_led: bool,
        all_agree: bool,
    ) -> Space {
        if person.admission != Admission::Admitted || !self.has_consented(person) {
            return Space::Waiting(key);
        }
        if person.role == Role::Service && !all_agree {
            return Space::Hold(key);
        }
        if let Some((id, check_in)) = self.check_ins.of(identity) {
            return if self.is_led(check_in) { Space::CheckIn(id) } else { Space::Hold(key) };
        }
        if person.is_therapist() {
            return Space::Main;
        }
        if person.held_by_therapist || person.held_by_restart || self.check_ins.keep_out(identity) {
            return Space::Hold(key);
        }
        if self.policy.require_therapist && !main_is_led {
            return if self.lead == Lead::Absent { Space::Waiting(key) } else { Space::Hold(key) };
        }
        Space::Main
    }

    /// Clients and guests accept the session's text, in the version it has now.
    pub fn has_consented(&self, person: &Person) -> bool {
        match (&self.policy.consent, person.role) {
            (Some(text), Role::Client | Role::Guest) => person.consent.as_ref() == Some(text),
            _ => true,
        }
    }

    /// A therapist is in the main space, reachable.
    fn main_is_led(&self) -> bool {
        self.people.seats().any(|(identity, person, line)| {
            person.is_therapist()
                && person.is_admitted()
                && line.is_connected()
                && self.check_ins.of(identity).is_none()
        })
    }

    fn is_led(&self, check_in: &CheckIn) -> bool {
        let members = check_in.members.iter().filter_map(|identity| self.people.person(identity));
        members.into_iter().any(|person| person.is_therapist() && person.is_admitted() && person.is_connected())
    }

    /// Whether a recording service may receive anything: everyone inside, therapists too, said yes. Who left by quick
    /// exit is asked for as long as they seem to be there: a recorder that comes in at once would tell on them.
    fn everyone_agrees_to_recording(&self) -> bool {
        let inside = self.people.seats().filter(|(_, person, _)| person.is_admitted()).map(|(_, person, _)| person);
        let ghosts = self.ghosts.iter().filter(|(_, person, _)| person.is_admitted()).map(|(_, person, _)| person);
        self.policy.recording == RecordingPolicy::ByServiceWithConsent
            && inside.chain(ghosts).all(|person| person.role == Role::Service || person.recording_agreed)
    }
}
