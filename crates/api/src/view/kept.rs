//! The view of a session that nobody is in: from what is kept of it.

use parlour_model::session::{RecordingPolicy, SessionPolicy};
use parlour_model::view::{
    ConsentFacts, LineFacts, OwnPlace, PersonFacts, Place, SessionFacts, TherapistState, Viewer,
};
use parlour_model::{Identity, Redacted, Role, SessionId, SessionView};
use parlour_store::{SessionRow, hex};

use crate::now_ms;
use crate::problem::{Kind, Problem};
use crate::sessions::{self, phase, planned_end};
use crate::state::ApiState;

/// From what is kept: nobody is in it.
pub(super) async fn kept(api: &ApiState, session: &SessionId, viewer: Viewer) -> Result<SessionView, Problem> {
    match sessions::row(api, session).await {
        Ok(row) => Ok(of_row(&row, viewer)),
        // Any room there could be.
        Err(problem) if problem.kind() == Kind::SessionNotFound && api.config.ad_hoc => {
            Ok(of_row(&unmade(session, &api.config.policy), viewer))
        }
        Err(problem) => Err(problem),
    }
}

fn unmade(session: &SessionId, policy: &SessionPolicy) -> SessionRow {
    SessionRow {
        number: 0,
        id: session.clone(),
        external_id: None,
        spec: parlour_store::SessionSpec::default(),
        policy: policy.clone(),
        snapshot: None,
        version: 0,
        created_at_ms: 0,
        ended_at_ms: None,
    }
}

fn of_row(row: &SessionRow, viewer: Viewer) -> SessionView {
    let person = match viewer {
        Viewer::Server => None,
        Viewer::Person { identity, role } => Some((identity, role)),
    };
    let leads = person.as_ref().is_none_or(|(_, role)| *role == Role::Therapist);
    let known = |identity: &Identity| row.snapshot.as_ref().and_then(|snapshot| snapshot.people.get(identity));
    let me = person.as_ref().and_then(|(identity, _)| known(identity));
    let consent = row.policy.consent.as_ref().map(|text| ConsentFacts {
        id: text.id.clone(),
        sha256: hex(&text.sha256),
        accepted: me.is_some_and(|me| me.consent.as_ref() == Some(text)),
    });
    let may_record = row.policy.recording != RecordingPolicy::Never;
    SessionView {
        session: facts_of(row, leads),
        recording_agreement: (may_record && person.is_some()).then(|| me.is_some_and(|me| me.recording_agreed)),
        me: person.map(|(identity, role)| OwnPlace { identity, role, place: Place::Outside }),
        consent,
        waiting_message: None,
        floor: None,
        same_room: Vec::new(),
        minutes_left: None,
        therapist: Some(TherapistState::Away),
        people: leads.then(|| people_of(row)),
        check_ins: leads.then(Vec::new),
        signals: leads.then(Vec::new),
        quick_exits: leads.then(Vec::new),
    }
}

fn facts_of(row: &SessionRow, leads: bool) -> SessionFacts {
    SessionFacts {
        id: row.id.as_str().to_owned(),
        kind: row.spec.kind,
        modality: row.spec.modality,
        phase: phase(row, now_ms()),
        starts_at_ms: row.spec.schedule.map(|schedule| schedule.starts_at_ms),
        planned_end_ms: row.spec.schedule.as_ref().map(planned_end),
        ends_at_ms: None,
        recording: row.policy.recording,
        e2ee: row.policy.e2ee,
        locked: leads.then(|| row.snapshot.as_ref().is_some_and(|snapshot| snapshot.locked)),
    }
}

fn people_of(row: &SessionRow) -> Vec<PersonFacts> {
    let people = row.snapshot.iter().flat_map(|snapshot| &snapshot.people);
    let facts = people.map(|(identity, person)| PersonFacts {
        identity: identity.clone(),
        // In memory only, and gone with it.
        name: Redacted::default(),
        role: person.role,
        place: Place::Outside,
        check_in: None,
        line: LineFacts::Lost,
        admission: person.admission,
        held: person.held,
        consented: row.policy.consent.is_none() || person.consent == row.policy.consent,
    });
    facts.collect()
}
