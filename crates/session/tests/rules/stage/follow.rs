//! What happens to the oracle: who comes and goes, what is commanded, what time brings.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parlour_model::session::{Admission, Departure, RecordingPolicy, SessionCommand, SessionEvent, SessionReply};
use parlour_model::{Encryption, Entry, Grants, ParticipantKey, Role};
use parlour_session::SessionOptions;

use super::cast::Who;
use super::oracle::{Fact, Oracle};

impl Oracle {
    /// Someone came in on this connection.
    pub fn joined(&mut self, who: Who, key: ParticipantKey, encryption: Encryption, entry: Entry, now: Instant) {
        let admission = self.admission_at_join(who, now);
        let mut fact = self.facts.get(&who).cloned().unwrap_or_else(|| new_fact(encryption));
        if entry == Entry::HandOver {
            fact.successor = Some(key);
        } else {
            fact = Fact { admission, seat: Some(key), encryption, grants: Grants::ALL, left_at: None, ..fact };
            (fact.successor, fact.lost, fact.signalling_lost) = (None, false, false);
        }
        self.facts.insert(who, fact);
    }

    /// Something the session told; what time alone brings about is news.
    pub fn hears(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Departed { key, identity, how: Departure::Lost } => {
                let who = self.who(identity);
                let fact = self.facts.get_mut(&who).expect("known");
                if fact.seat == Some(*key) {
                    (fact.seat, fact.offered_until) = (None, None);
                }
            }
            SessionEvent::HandedOver { identity, to, .. } => {
                let who = self.who(identity);
                if self.facts[&who].successor == Some(*to) {
                    self.moves_seat(who);
                }
            }
            SessionEvent::Close { key, .. } => self.loses_successor(*key),
            SessionEvent::TherapistGone if self.policy.waiting_room => {
                let others = self.facts.iter_mut().filter(|(who, _)| who.role() != Role::Therapist);
                for (_, fact) in others.filter(|(_, fact)| fact.admission == Admission::Admitted) {
                    fact.admission = Admission::Waiting;
                }
                self.ghosts.retain(|who, _| who.role() == Role::Therapist);
            }
            SessionEvent::Ended(_) => {
                self.ended = true;
                self.check_ins.clear();
                self.let_past.clear();
                self.facts.values_mut().for_each(|fact| fact.seat = None);
            }
            _ => {}
        }
    }

    /// A device that was to take a seat over is out.
    pub fn loses_successor(&mut self, key: ParticipantKey) {
        for fact in self.facts.values_mut().filter(|fact| fact.successor == Some(key)) {
            fact.successor = None;
        }
    }

    /// Ghosts whose person is back among the others, and those whose time is over, are none.
    pub fn lays_ghosts(&mut self, now: Instant) {
        let is_back = |who: &Who| self.facts[who].seat.is_some() && self.alone(*who).is_none();
        let gone: Vec<Who> =
            self.ghosts.iter().filter(|(who, (until, _))| *until <= now || is_back(who)).map(|(who, _)| *who).collect();
        for who in gone {
            self.ghosts.remove(&who);
        }
    }

    /// The server came back from what it kept.
    pub fn restarts(&mut self) {
        self.check_ins.clear();
        self.let_past.clear();
        self.ghosts.clear();
        for (who, fact) in &mut self.facts {
            (fact.seat, fact.successor, fact.lost, fact.left_at) = (None, None, false, None);
            fact.offered_until = None;
            fact.apart |= who.role() != Role::Therapist && fact.admission == Admission::Admitted;
        }
    }

    /// The device that takes the seat over is up.
    pub fn moves_seat(&mut self, who: Who) {
        let fact = self.facts.get_mut(&who).expect("known");
        fact.seat = fact.successor.take();
        (fact.lost, fact.signalling_lost, fact.offered_until) = (false, false, None);
        (fact.encryption, fact.grants) = (Encryption::Gcm, Grants::ALL);
    }

    /// Someone goes.
    pub fn left(&mut self, who: Who, how: Departure, now: Instant) {
        let fact = &self.facts[&who];
        if how == Departure::QuickExit && fact.admission == Admission::Admitted {
            self.ghosts.insert(who, (now + SessionOptions::RESUME_WINDOW, fact.agreed));
        }
        let waiting_room = self.policy.waiting_room;
        let fact = self.facts.get_mut(&who).expect("known");
        if fact.successor.is_some() && how != Departure::QuickExit {
            return self.moves_seat(who);
        }
        if how != Departure::Lost {
            fact.left_at = Some(now);
        }
        let admitted = fact.admission == Admission::Admitted;
        if how == Departure::QuickExit && who.role() != Role::Therapist && waiting_room && admitted {
            fact.admission = Admission::Waiting;
        }
        (fact.seat, fact.successor, fact.offered_until) = (None, None, None);
    }

    /// A command was answered.
    pub fn obeys(&mut self, by: Option<Who>, command: &SessionCommand, reply: &SessionReply, now: Instant) {
        if *command == SessionCommand::QuickExit {
            return self.left(by.expect("someone"), Departure::QuickExit, now);
        }
        let oracle = self;
        match command {
            SessionCommand::Admit(identity) => {
                let who = oracle.who(identity);
                let fact = oracle.facts.get_mut(&who).expect("known");
                if fact.admission != Admission::Admitted {
                    (fact.admission, fact.apart, fact.left_at) = (Admission::Admitted, false, None);
                }
            }
            SessionCommand::Deny(identity) => {
                let who = oracle.who(identity);
                let fact = oracle.facts.get_mut(&who).expect("known");
                if fact.admission == Admission::Waiting {
                    (fact.admission, fact.seat) = (Admission::Denied, None);
                }
            }
            SessionCommand::Remove(identity) => {
                let who = oracle.who(identity);
                oracle.expel(who);
                let fact = oracle.facts.get_mut(&who).expect("known");
                (fact.admission, fact.seat) = (Admission::Removed, None);
            }
            SessionCommand::ReturnToWaiting(identity) => {
                let who = oracle.who(identity);
                oracle.expel(who);
                oracle.facts.get_mut(&who).expect("known").admission = Admission::Waiting;
            }
            SessionCommand::Hold(identity) => {
                let who = oracle.who(identity);
                oracle.expel(who);
                oracle.facts.get_mut(&who).expect("known").apart = true;
            }
            SessionCommand::Resume(identity) => {
                let who = oracle.who(identity);
                oracle.resumes(who);
            }
            SessionCommand::ResumeAll => {
                for fact in oracle.facts.values_mut().filter(|fact| fact.admission == Admission::Admitted) {
                    fact.apart = false;
                }
            }
            SessionCommand::StartCheckIn { .. } => {
                let SessionReply::Receipt(receipt) = reply else { panic!("a check-in has a receipt") };
                if !oracle.check_ins.contains_key(&receipt.id) {
                    let past = oracle.check_ins.values().flatten().copied();
                    let members: BTreeSet<Who> = receipt.members.iter().map(|i| oracle.who(i)).collect();
                    oracle.let_past.insert(receipt.id, past.collect());
                    oracle.check_ins.insert(receipt.id, members);
                }
            }
            SessionCommand::EndCheckIn(id) => {
                oracle.check_ins.remove(id);
                oracle.let_past.remove(id);
            }
            SessionCommand::SetFloor(floor) => oracle.floor = floor.clone(),
            SessionCommand::SetSameRoom { a, b, how } => {
                let (a, b) = (oracle.who(a), oracle.who(b));
                oracle.same_room.insert((a.min(b), a.max(b)), *how);
            }
            SessionCommand::OfferHandOver => {
                let fact = oracle.facts.get_mut(&by.expect("someone")).expect("known");
                fact.offered_until = Some(now + Duration::from_secs(120));
            }
            SessionCommand::AcceptConsent(text) => {
                oracle.facts.get_mut(&by.expect("someone")).expect("known").consent = Some(text.clone());
            }
            SessionCommand::AgreeToRecording(agreed) => {
                oracle.facts.get_mut(&by.expect("someone")).expect("known").agreed = *agreed;
            }
            SessionCommand::SetPolicy(policy) => {
                oracle.policy = (**policy).clone();
                if policy.recording == RecordingPolicy::Never {
                    let services = oracle.facts.iter_mut().filter(|(who, _)| who.role() == Role::Service);
                    services.for_each(|(_, fact)| fact.seat = None);
                }
            }
            SessionCommand::SetWaitingMessage(_)
            | SessionCommand::Mute { .. }
            | SessionCommand::SetLock(_)
            | SessionCommand::ExtendUntil(_)
            | SessionCommand::End
            | SessionCommand::Signal
            | SessionCommand::QuickExit => {}
        }
    }

    /// Resuming ends what keeps this person alone: holds, seals against them, and a check-in without a therapist; not the
    /// membership in a check-in that goes on.
    fn resumes(&mut self, who: Who) {
        let is_inside = self.check_in_of(who);
        let goes_on = is_inside.is_some_and(|id| self.check_ins[&id].iter().any(|member| self.leads(*member)));
        let seated = self.facts[&who].seat.is_some();
        let consent = self.policy.consent.is_some() && self.facts[&who].consent != self.policy.consent;
        let waits_for_text = consent && matches!(who.role(), Role::Client | Role::Guest);
        self.facts.get_mut(&who).expect("known").apart = false;
        if seated && !goes_on && !waits_for_text {
            self.expel(who);
            self.let_past.values_mut().for_each(|past| {
                past.insert(who);
            });
        }
    }
}

fn new_fact(encryption: Encryption) -> Fact {
    Fact {
        admission: Admission::Waiting,
        apart: false,
        consent: None,
        agreed: false,
        seat: None,
        successor: None,
        signalling_lost: false,
        lost: false,
        encryption,
        grants: Grants::ALL,
        left_at: None,
        offered_until: None,
    }
}
