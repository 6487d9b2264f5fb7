//! Going, being cut off, coming back; and what time alone does.

use std::time::Instant;

use parlour_model::session::{Admission, Departure, EndReason, SessionEvent, SessionPhase, Space};
use parlour_model::{Identity, LeaveReason, ParticipantKey};

use crate::people::{LineState, Person};
use crate::place::Lead;
use crate::session::Session;

/// What is no longer heard of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Signalling broke; media still arrives. Edges stay.
    Signalling,
    /// Nothing arrives. Edges are cut, and a therapist counts as gone.
    Everything,
}

/// Seats that other clients still see after a quick exit, for as long as they would see a lost line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ghosts {
    ghosts: Vec<Ghost>,
}

#[derive(Clone, Debug)]
struct Ghost {
    key: ParticipantKey,
    identity: Identity,
    /// As they were: where they seem to be follows from it as for anybody.
    person: Person,
    space: Space,
    until: Instant,
}

impl Ghosts {
    /// More quick exits within one resume window than seats: the oldest is seen to go a little early.
    const MAX: usize = 12;

    fn add(&mut self, ghost: Ghost) {
        if self.ghosts.len() >= Self::MAX {
            self.ghosts.remove(0);
        }
        self.ghosts.push(ghost);
    }

    /// Who is back among the others is no ghost.
    pub fn forget(&mut self, identity: &Identity) {
        self.ghosts.retain(|ghost| ghost.identity != *identity);
    }

    pub fn clear(&mut self) {
        self.ghosts.clear();
    }

    /// Those whom clients in this space still see.
    pub fn seen_in(&self, space: Space) -> impl Iterator<Item = ParticipantKey> {
        self.ghosts.iter().filter(move |ghost| ghost.space == space).map(|ghost| ghost.key)
    }

    /// Whose seat this was.
    pub fn identity_of(&self, key: ParticipantKey) -> Option<&Identity> {
        self.ghosts.iter().find(|ghost| ghost.key == key).map(|ghost| &ghost.identity)
    }

    /// Who they are.
    pub fn iter(&self) -> impl Iterator<Item = (&Identity, &Person, ParticipantKey)> {
        self.ghosts.iter().map(|ghost| (&ghost.identity, &ghost.person, ghost.key))
    }

    /// Where they seem to be now, in order.
    pub fn place(&mut self, spaces: Vec<Space>) {
        for (ghost, space) in self.ghosts.iter_mut().zip(spaces) {
            ghost.space = space;
        }
    }

    /// No therapist came back: they seem to wait like the others.
    fn send_to_wait(&mut self) {
        for ghost in self.ghosts.iter_mut().filter(|ghost| !ghost.person.is_therapist()) {
            ghost.person.admission = Admission::Waiting;
        }
    }

    /// Takes those away whose time is over; who they were.
    fn expire(&mut self, now: Instant) -> Vec<Identity> {
        let (gone, left) = std::mem::take(&mut self.ghosts).into_iter().partition(|ghost| ghost.until <= now);
        self.ghosts = left;
        Vec::into_iter(gone).map(|ghost: Ghost| ghost.identity).collect()
    }

    fn next(&self) -> Option<Instant> {
        self.ghosts.iter().map(|ghost| ghost.until).min()
    }
}

impl Session {
    /// A connection is gone for good. One that has no seat (any more) is passed over.
    pub fn handle_left(&mut self, key: ParticipantKey, how: Departure, now: Instant) {
        self.depart(key, how, now);
        self.settle(now);
    }

    /// Nothing, or only media, is heard of a connection. Its seat is kept for the resume window. Report a therapist's
    /// loss early (a few seconds without any packet): until then clients are together unattended.
    pub fn handle_lost(&mut self, key: ParticipantKey, loss: Loss, now: Instant) {
        let Some(identity) = self.people.seated(key).map(|(identity, _)| identity.clone()) else { return };
        let Some(line) = self.people.person_mut(&identity).and_then(|person| person.line.as_mut()) else { return };
        let since = line.lost_since();
        line.state = match loss {
            Loss::Signalling if line.is_connected() => LineState::SignalLost { since: since.unwrap_or(now) },
            _ => LineState::Lost { since: since.unwrap_or(now) },
        };
        if since.is_none() {
            self.tell(SessionEvent::LineLost(identity));
        }
        self.settle(now);
    }

    /// The connection is heard again, on the same seat.
    pub fn handle_back(&mut self, key: ParticipantKey, now: Instant) {
        let Some(identity) = self.people.seated(key).map(|(identity, _)| identity.clone()) else { return };
        let Some(line) = self.people.person_mut(&identity).and_then(|person| person.line.as_mut()) else { return };
        if line.state != LineState::Up {
            line.state = LineState::Up;
            self.tell(SessionEvent::LineBack(identity));
            self.settle(now);
        }
    }

    /// Time passes.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.phase == SessionPhase::Ended {
            return;
        }
        self.expire_lines(now);
        self.expire_take_overs(now);
        for identity in self.ghosts.expire(now) {
            self.tell(SessionEvent::Unseen(identity));
        }
        self.open_on_time(now);
        self.expire_grace(now);
        self.keep_hours(now);
        self.settle(now);
    }

    /// When to call [`Session::handle_timeout`]; `None` when nothing is to come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.phase == SessionPhase::Ended {
            return None;
        }
        let lines = self.people.seats().filter_map(|(_, _, line)| self.seat_kept_until(line.lost_since()?)).min();
        let take_overs = self.people.iter().filter_map(|(_, person)| Some(person.successor?.until)).min();
        let grace = match self.lead {
            Lead::Grace { until } => Some(until),
            Lead::Absent | Lead::Present => None,
        };
        let opening = (self.phase == SessionPhase::Scheduled).then(|| self.timeline.opens_at_ms()).flatten();
        let warning = self.timeline.next_warning_ms(self.policy());
        let calendar = [opening, warning, Some(self.ends_at_ms().0)].into_iter().flatten();
        let calendar = calendar.filter_map(|at_ms| self.clock.instant_at(at_ms)).min();
        let idle = self.timeline.idle_end(self.policy(), &self.clock);
        [lines, take_overs, self.ghosts.next(), grace, calendar, idle].into_iter().flatten().min()
    }

    /// Takes a connection's seat away. What is known of the person stays.
    pub(crate) fn depart(&mut self, key: ParticipantKey, how: Departure, now: Instant) {
        let Some(identity) = self.people.identity_of(key).cloned() else { return };
        let Some(person) = self.people.person_mut(&identity) else { return };
        if person.successor.is_some_and(|successor| successor.line.key == key) {
            self.people.drop_successor(&identity);
            return;
        }
        if person.successor.is_some() && matches!(how, Departure::Left | Departure::Lost) {
            // The old device went first: the new one takes the seat as it is.
            self.complete_take_over(&identity);
            return;
        }
        person.hand_over_until = None;
        if matches!(how, Departure::Left | Departure::QuickExit) {
            person.left_at = Some(now);
        }
        if let Some(successor) = self.people.drop_successor(&identity) {
            let ended = how == Departure::SessionEnded;
            let reason = if ended { LeaveReason::SessionEnded } else { LeaveReason::Removed };
            self.tell(SessionEvent::Close { key: successor.key, reason });
        }
        self.people.unseat(&identity);
        if how == Departure::QuickExit {
            self.leave_no_trace(key, &identity, now);
        }
        self.tell(SessionEvent::Departed { key, identity, how });
    }

    /// The other clients go on seeing what a lost line looks like. Nobody comes in again by what is left open on the
    /// device: the person is admitted anew.
    fn leave_no_trace(&mut self, key: ParticipantKey, identity: &Identity, now: Instant) {
        let (waits, until) = (self.policy().waiting_room, self.seat_kept_until(now));
        if let Some(person) = self.people.person_mut(identity) {
            person.quick_exit_at = Some(now);
            let before = person.clone();
            if !person.is_therapist() && person.is_admitted() && waits {
                person.admission = Admission::Waiting;
            }
            if let (true, Some(until)) = (before.is_admitted(), until) {
                let identity = identity.clone();
                self.ghosts.add(Ghost { key, identity, person: before, space: Space::Hold(key), until });
            }
        }
        self.tell(SessionEvent::QuickExit(identity.clone()));
    }

    /// Ends the session: everyone out, nothing left to forward.
    pub(crate) fn end(&mut self, reason: EndReason, now: Instant) {
        let keys: Vec<ParticipantKey> = self.people.seats().map(|(_, _, line)| line.key).collect();
        for key in keys {
            self.tell(SessionEvent::Close { key, reason: LeaveReason::SessionEnded });
            self.depart(key, Departure::SessionEnded, now);
        }
        self.check_ins.clear();
        self.ghosts.clear();
        self.enter(SessionPhase::Ended);
        self.tell(SessionEvent::Ended(reason));
    }

    fn seat_kept_until(&self, since: Instant) -> Option<Instant> {
        since.checked_add(self.options.resume_window)
    }

    fn expire_lines(&mut self, now: Instant) {
        let expired: Vec<ParticipantKey> = self
            .people
            .seats()
            .filter(|(_, _, line)| {
                line.lost_since().and_then(|since| self.seat_kept_until(since)).is_some_and(|until| until <= now)
            })
            .map(|(_, _, line)| line.key)
            .collect();
        for key in expired {
            self.depart(key, Departure::Lost, now);
            self.tell(SessionEvent::Close { key, reason: LeaveReason::ConnectionLost });
        }
    }

    fn expire_take_overs(&mut self, now: Instant) {
        let expired: Vec<Identity> = self
            .people
            .iter()
            .filter(|(_, person)| person.successor.is_some_and(|successor| successor.until <= now))
            .map(|(identity, _)| identity.clone())
            .collect();
        for identity in expired {
            if let Some(line) = self.people.drop_successor(&identity) {
                self.tell(SessionEvent::Close { key: line.key, reason: LeaveReason::ConnectionLost });
            }
        }
    }

    fn open_on_time(&mut self, now: Instant) {
        let now_ms = self.clock.unix_ms_at(now);
        if self.phase == SessionPhase::Scheduled && self.timeline.opens_at_ms().is_none_or(|at| at <= now_ms) {
            self.enter(SessionPhase::Open);
        }
    }

    /// No therapist came back: everyone waits. With a waiting room they are admitted anew; without one the next
    /// therapist's arrival lets them in. Holds and check-ins stand, so nobody is joined whom a therapist kept apart.
    fn expire_grace(&mut self, now: Instant) {
        if !matches!(self.lead, Lead::Grace { until } if until <= now) {
            return;
        }
        self.lead = Lead::Absent;
        if self.policy().waiting_room {
            for person in self.people.values_mut().filter(|person| !person.is_therapist() && person.is_admitted()) {
                person.admission = Admission::Waiting;
            }
            self.ghosts.send_to_wait();
        }
        self.tell(SessionEvent::TherapistGone);
    }

    fn keep_hours(&mut self, now: Instant) {
        let now_ms = self.clock.unix_ms_at(now);
        let (end_ms, reason) = self.ends_at_ms();
        let idle = self.timeline.idle_end(self.policy(), &self.clock).is_some_and(|at| at <= now);
        if end_ms <= now_ms {
            self.end(reason, now);
        } else if idle {
            self.end(EndReason::Idle, now);
        } else if let Some(minutes_left) = self.timeline.warn(&self.options.policy, now_ms) {
            self.tell(SessionEvent::EndsSoon { minutes_left });
        }
    }
}
