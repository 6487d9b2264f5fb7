//! What outlives the process, and the session that comes back from it: everyone held until a therapist resumes them.

use std::collections::BTreeMap;

use parlour_model::session::{Admission, Floor, PersonSnapshot, SameRoom, SessionPhase, SessionSnapshot};
use parlour_model::{Identity, Role, SessionId};

use crate::clock::Clock;
use crate::people::{People, Person};
use crate::seal::CheckIns;
use crate::session::{Session, SessionOptions};
use crate::voice::Voice;

impl Session {
    /// Everything that must not be lost. Connections, running check-ins and texts are not in it: the first cannot
    /// outlive the process, the second come back as holds, the third are not kept.
    pub fn snapshot(&self) -> SessionSnapshot {
        SessionSnapshot {
            phase: self.phase,
            policy: self.policy().clone(),
            created_at_ms: self.timeline.created_at_ms,
            begun_at_ms: self.timeline.begun_at_ms,
            extended_until_ms: self.timeline.extended_until_ms,
            locked: self.door.locked,
            floor: self.voice.floor.clone(),
            same_room: self.voice.pairs().map(|(a, b, how)| (a.clone(), b.clone(), how)).collect(),
            next_check_in: self.check_ins.next_number(),
            people: self.people.iter().map(|(identity, person)| (identity.clone(), of_person(person))).collect(),
        }
    }

    /// The session as it was, nobody connected. The snapshot's policy stands in for the one in `options`.
    pub fn restore(id: SessionId, options: SessionOptions, snapshot: SessionSnapshot, clock: Clock) -> Self {
        let mut session = Self::new(id, SessionOptions { policy: snapshot.policy, ..options }, clock);
        session.phase = match snapshot.phase {
            SessionPhase::Ended => SessionPhase::Ended,
            SessionPhase::Scheduled => session.phase,
            SessionPhase::Open | SessionPhase::Live => SessionPhase::Open,
        };
        session.timeline.created_at_ms = snapshot.created_at_ms;
        session.timeline.begun_at_ms = snapshot.begun_at_ms;
        session.timeline.extended_until_ms = snapshot.extended_until_ms;
        session.timeline.empty_since = Some(clock.now);
        session.door.locked = snapshot.locked;
        session.voice = restored_voice(snapshot.floor, snapshot.same_room);
        session.check_ins = CheckIns::numbered_from(snapshot.next_check_in);
        session.people = restored_people(snapshot.people);
        if snapshot.phase == SessionPhase::Live {
            session.hold_for_therapist(clock.now);
        }
        session
    }
}

fn of_person(person: &Person) -> PersonSnapshot {
    PersonSnapshot {
        role: person.role,
        admission: person.admission,
        // A hold since a restart need not be told: the next one holds everybody again.
        held: person.held_by_therapist,
        consent: person.consent.clone(),
        recording_agreed: person.recording_agreed,
    }
}

fn restored_voice(floor: Floor, pairs: Vec<SameRoomPair>) -> Voice {
    let mut voice = Voice::default();
    voice.floor = floor;
    for (a, b, how) in pairs {
        voice.set_same_room(&a, &b, how);
    }
    voice
}

type SameRoomPair = (Identity, Identity, SameRoom);

fn restored_people(snapshots: BTreeMap<Identity, PersonSnapshot>) -> People {
    let mut people = People::default();
    for (identity, snapshot) in snapshots {
        let mut person = Person::new(snapshot.role, snapshot.admission);
        person.held_by_therapist = snapshot.held;
        person.held_by_restart = snapshot.role != Role::Therapist && snapshot.admission == Admission::Admitted;
        person.consent = snapshot.consent;
        person.recording_agreed = snapshot.recording_agreed;
        // Written within the bound; a longer one is not ours, and its rest is not let in.
        let _ = people.remember(identity, person);
    }
    people
}
