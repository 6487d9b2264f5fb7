//! The waiting room and holds: a therapist decides about one person at a time.

use std::time::Instant;

use parlour_model::session::{Admission, Departure, SessionEvent, Space};
use parlour_model::{Identity, LeaveReason, Redacted};

use crate::command::MAX_WAITING_MESSAGE;
use crate::error::CommandRefusal;
use crate::people::Person;
use crate::session::Session;

impl Session {
    /// In, past every earlier decision; not past the seal of a running check-in.
    pub(crate) fn admit(&mut self, identity: &Identity) -> Result<(), CommandRefusal> {
        let person = self.known(identity)?;
        if person.is_admitted() {
            return Ok(());
        }
        if person.line.is_some() {
            self.check_room_inside(person.role)?;
        }
        let person = self.known_mut(identity)?;
        person.admission = Admission::Admitted;
        person.held_by_therapist = false;
        person.held_by_restart = false;
        person.left_at = None;
        person.quick_exit_at = None;
        self.tell(SessionEvent::Admitted(identity.clone()));
        Ok(())
    }

    pub(crate) fn deny(&mut self, identity: &Identity, now: Instant) -> Result<(), CommandRefusal> {
        match self.known(identity)?.admission {
            Admission::Admitted => Err(CommandRefusal::NotWaiting),
            Admission::Denied | Admission::Removed => Ok(()),
            Admission::Waiting => {
                self.expel(identity, Admission::Denied, Departure::Denied, now);
                Ok(())
            }
        }
    }

    /// Back to where one waits to be admitted.
    pub(crate) fn return_to_waiting(&mut self, identity: &Identity) -> Result<(), CommandRefusal> {
        let person = self.outside_the_lead(identity)?;
        match person.admission {
            Admission::Waiting => return Ok(()),
            Admission::Denied | Admission::Removed => return Err(CommandRefusal::NotPresent),
            Admission::Admitted => {}
        }
        self.known_mut(identity)?.admission = Admission::Waiting;
        self.check_ins.expel(identity);
        Ok(())
    }

    pub(crate) fn set_waiting_message(&mut self, message: Option<Redacted<String>>) -> Result<(), CommandRefusal> {
        if message.as_ref().is_some_and(|Redacted(text)| text.chars().count() > MAX_WAITING_MESSAGE) {
            return Err(CommandRefusal::Limit);
        }
        if self.door.message != message {
            self.door.message.clone_from(&message);
            self.tell(SessionEvent::WaitingMessage(message));
        }
        Ok(())
    }

    /// Alone from now on, whether connected at this moment or not; also out of a check-in.
    pub(crate) fn hold(&mut self, identity: &Identity) -> Result<(), CommandRefusal> {
        let person = self.outside_the_lead(identity)?;
        if !person.is_admitted() {
            return Err(CommandRefusal::NotPresent);
        }
        let is_new = !person.held_by_therapist;
        self.known_mut(identity)?.held_by_therapist = true;
        self.check_ins.expel(identity);
        if is_new {
            self.tell(SessionEvent::Held(identity.clone()));
        }
        Ok(())
    }

    /// No longer kept alone: not by a therapist, not since a restart, not by a running seal (to the main space, never
    /// into the check-in), and not by a check-in that lost its therapist.
    pub(crate) fn resume(&mut self, identity: &Identity) -> Result<(), CommandRefusal> {
        let person = self.outside_the_lead(identity)?;
        if !person.is_admitted() {
            return Err(CommandRefusal::NotPresent);
        }
        let (held, restarted, line) = (person.held_by_therapist, person.held_by_restart, person.line);
        let is_kept = line.and_then(|line| self.space(line.key)).is_some_and(|space| matches!(space, Space::Hold(_)));
        if !(held || restarted || is_kept) {
            return Ok(());
        }
        let person = self.known_mut(identity)?;
        person.held_by_therapist = false;
        person.held_by_restart = false;
        if is_kept {
            self.check_ins.expel(identity);
            self.check_ins.exempt(identity);
        }
        if held || restarted {
            self.tell(SessionEvent::Resumed(identity.clone()));
        }
        Ok(())
    }

    pub(crate) fn resume_all(&mut self) {
        let held: Vec<Identity> = self
            .people
            .iter()
            .filter(|(_, person)| person.is_admitted() && (person.held_by_therapist || person.held_by_restart))
            .map(|(identity, _)| identity.clone())
            .collect();
        for identity in held {
            if let Some(person) = self.people.person_mut(&identity) {
                person.held_by_therapist = false;
                person.held_by_restart = false;
            }
            self.tell(SessionEvent::Resumed(identity));
        }
    }

    /// Sends someone out and remembers why. Someone who is out already only changes standing.
    pub(crate) fn expel(&mut self, identity: &Identity, standing: Admission, how: Departure, now: Instant) {
        let Some(person) = self.people.person_mut(identity) else { return };
        person.admission = standing;
        let seat = person.line.map(|line| line.key);
        self.check_ins.expel(identity);
        if let Some(key) = seat {
            self.tell(SessionEvent::Close { key, reason: LeaveReason::Removed });
            self.depart(key, how, now);
        }
    }

    /// Therapists are not held or made to wait: a session must not lose its lead by a wrong tap.
    fn outside_the_lead(&self, identity: &Identity) -> Result<&Person, CommandRefusal> {
        let person = self.known(identity)?;
        if person.is_therapist() { Err(CommandRefusal::NotAllowed) } else { Ok(person) }
    }
}
