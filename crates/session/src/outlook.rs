//! What one viewer may see of the session, for the control API and its pages.
//!
//! The rule of this file: whoever is held, waits or is outside sees nothing that depends on what others do across the
//! seal or the door, so that their view does not even change by it. Therapists and server keys see everything.

use parlour_model::session::{CheckInId, RecordingPolicy, SessionPhase, Space};
use parlour_model::view::{
    CheckInFacts, ConsentFacts, FloorFacts, LineFacts, MomentFacts, OwnPlace, PairFacts, PersonFacts, Place,
    SessionFacts, TherapistState, Viewer,
};
use parlour_model::{Identity, Redacted, Role, SessionView};

use crate::people::Person;
use crate::place::Lead;
use crate::session::Session;

/// Who looks, and from where.
struct Outlook<'a> {
    session: &'a Session,
    /// Who and as what; `None` for a server key.
    person: Option<(&'a Identity, Role)>,
    /// Sees what therapists see.
    leads: bool,
    place: Place,
}

impl Session {
    /// What this viewer may see. Names are kept outside; `name_of` knows them.
    pub fn view(&self, viewer: &Viewer, name_of: impl Fn(&Identity) -> Redacted<String>) -> SessionView {
        let outlook = Outlook::of(self, viewer);
        let leads = outlook.leads;
        SessionView {
            session: outlook.facts(),
            me: outlook.person.map(|(identity, role)| OwnPlace {
                identity: identity.clone(),
                role,
                place: outlook.place,
            }),
            consent: outlook.consent(),
            recording_agreement: outlook.recording_agreement(),
            waiting_message: self.door.message.clone().filter(|_| leads || outlook.place == Place::Waiting),
            floor: outlook.is_inside().then(|| FloorFacts::from(self.floor())),
            same_room: outlook.same_room(),
            minutes_left: self.timeline.minutes_left(self.policy()).filter(|_| outlook.is_inside()),
            therapist: outlook.therapist(),
            people: leads.then(|| self.people_facts(name_of)),
            check_ins: leads.then(|| self.check_in_facts()),
            signals: leads.then(|| self.moments(|person| person.signalled_at)),
            quick_exits: leads.then(|| self.moments(|person| person.quick_exit_at)),
        }
    }

    fn people_facts(&self, name_of: impl Fn(&Identity) -> Redacted<String>) -> Vec<PersonFacts> {
        let facts = self.facts();
        let person_facts = |identity: &Identity, person: &Person| {
            let space = self.space_of(identity);
            let is_up = person.line.is_some_and(|line| line.lost_since().is_none());
            PersonFacts {
                identity: identity.clone(),
                name: name_of(identity),
                role: person.role,
                place: place_of(space),
                check_in: space.and_then(check_in_of),
                line: if is_up { LineFacts::Up } else { LineFacts::Lost },
                admission: person.admission,
                held: person.held_by_therapist || person.held_by_restart,
                consented: facts.has_consented(person),
            }
        };
        self.people.iter().map(|(identity, person)| person_facts(identity, person)).collect()
    }

    fn check_in_facts(&self) -> Vec<CheckInFacts> {
        let facts = self.check_ins.iter().map(|(id, check_in)| CheckInFacts {
            id,
            therapist: check_in.therapist.clone(),
            members: check_in.members.clone(),
        });
        facts.collect()
    }

    fn moments(&self, when: impl Fn(&Person) -> Option<std::time::Instant>) -> Vec<MomentFacts> {
        let moments = self.people.iter().filter_map(|(identity, person)| {
            Some(MomentFacts { identity: identity.clone(), at_ms: self.clock.unix_ms_at(when(person)?) })
        });
        moments.collect()
    }

    /// Where someone sits.
    fn space_of(&self, identity: &Identity) -> Option<Space> {
        self.space(self.seat(identity)?)
    }

    /// Whether somebody leads the session as a whole.
    fn lead_state(&self) -> TherapistState {
        let mut therapists = self.people.seats().filter(|(_, person, _)| person.is_therapist() && person.is_admitted());
        match self.lead {
            Lead::Present => TherapistState::Present,
            Lead::Grace { .. } => TherapistState::Lost,
            Lead::Absent if therapists.next().is_some() => TherapistState::Lost,
            Lead::Absent => TherapistState::Away,
        }
    }
}

impl<'a> Outlook<'a> {
    fn of(session: &'a Session, viewer: &'a Viewer) -> Self {
        let Viewer::Person { identity, role } = viewer else {
            return Self { session, person: None, leads: true, place: Place::Outside };
        };
        let known = session.people.person(identity);
        let leads = *role == Role::Therapist && known.is_none_or(|p| p.is_therapist() && p.is_admitted());
        let role = known.map(|person| person.role).filter(|_| *role == Role::Therapist).unwrap_or(*role);
        Self { session, person: Some((identity, role)), leads, place: place_of(session.space_of(identity)) }
    }

    /// Together with others, or above them.
    fn is_inside(&self) -> bool {
        self.leads || matches!(self.place, Place::Main | Place::CheckIn)
    }

    fn known(&self) -> Option<&'a Person> {
        self.session.people.person(self.person?.0)
    }

    fn facts(&self) -> SessionFacts {
        let (session, policy) = (self.session, self.session.policy());
        let schedule = session.timeline.schedule;
        let is_held = self.place == Place::Hold && !self.leads;
        SessionFacts {
            id: session.id.as_str().to_owned(),
            kind: session.options.kind,
            modality: session.options.modality,
            // Whether a therapist is there is news from across the seal.
            phase: if is_held { SessionPhase::Live } else { session.phase },
            starts_at_ms: schedule.map(|schedule| schedule.starts_at_ms),
            planned_end_ms: session.timeline.planned_end_ms(),
            // For who is outside it would tell when the first of the others came.
            ends_at_ms: self.is_inside().then(|| session.ends_at_ms().0),
            recording: policy.recording,
            e2ee: policy.e2ee,
            locked: self.leads.then_some(session.door.locked),
        }
    }

    fn consent(&self) -> Option<ConsentFacts> {
        let text = self.session.policy().consent.as_ref()?;
        Some(ConsentFacts {
            id: text.id.clone(),
            sha256: text.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            accepted: self.known().is_some_and(|person| person.consent.as_ref() == Some(text)),
        })
    }

    fn recording_agreement(&self) -> Option<bool> {
        let possible = self.session.policy().recording == RecordingPolicy::ByServiceWithConsent;
        self.known().filter(|_| possible).map(|person| person.recording_agreed)
    }

    /// A client's own pairs with those whom it may know of, ghosts too: a quick exit must not show here either.
    fn same_room(&self) -> Vec<PairFacts> {
        let own = self.person.map(|(identity, _)| identity);
        let visible = |other: &Identity| own.is_some_and(|own| self.session.sees(own, other));
        let may_know =
            |a: &Identity, b: &Identity| self.leads || (own == Some(a) && visible(b)) || (own == Some(b) && visible(a));
        let pairs = self.session.voice.pairs().filter(|(a, b, _)| may_know(a, b));
        pairs.map(|(a, b, how)| PairFacts { a: a.clone(), b: b.clone(), how }).collect()
    }

    fn therapist(&self) -> Option<TherapistState> {
        if self.leads {
            return Some(self.session.lead_state());
        }
        match self.place {
            Place::Hold => None,
            // A line that broke is no business of who is not inside, until it is gone for good.
            Place::Outside | Place::Waiting => Some(match self.session.lead {
                Lead::Present | Lead::Grace { .. } => TherapistState::Present,
                Lead::Absent => TherapistState::Away,
            }),
            Place::Main | Place::CheckIn => Some(self.therapist_here()),
        }
    }

    fn therapist_here(&self) -> TherapistState {
        let here = self.person.and_then(|(identity, _)| self.session.space_of(identity));
        let lines = self.session.people.seats().filter(|(_, person, _)| person.is_therapist());
        let mut lines = lines.filter(|(_, _, line)| self.session.space(line.key) == here).peekable();
        match (lines.peek().is_some(), lines.any(|(_, _, line)| line.is_connected())) {
            (_, true) => TherapistState::Present,
            (true, false) => TherapistState::Lost,
            (false, false) => TherapistState::Away,
        }
    }
}

fn place_of(space: Option<Space>) -> Place {
    match space {
        None => Place::Outside,
        Some(Space::Waiting(_)) => Place::Waiting,
        Some(Space::Hold(_)) => Place::Hold,
        Some(Space::Main) => Place::Main,
        Some(Space::CheckIn(_)) => Place::CheckIn,
    }
}

fn check_in_of(space: Space) -> Option<CheckInId> {
    match space {
        Space::CheckIn(id) => Some(id),
        Space::Main | Space::Hold(_) | Space::Waiting(_) => None,
    }
}
