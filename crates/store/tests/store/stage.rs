//! A store to play with, and things to put into it.

use parlour_model::session::{Admission, Floor, PersonSnapshot, SessionPhase, SessionPolicy, SessionSnapshot};
use parlour_model::{Identity, Redacted, Role, SessionId};
use parlour_store::{
    Action, AuditRecord, BackupPlan, NewSession, PseudonymKey, SessionSpec, Store, StoreError, Subject,
};

pub const NOW: i64 = 1_800_000_000_000;
pub const DAY: i64 = 86_400_000;

pub fn key() -> PseudonymKey {
    PseudonymKey::new(&[7; 32])
}

pub fn plan(phone: &str) -> BackupPlan {
    BackupPlan { text: "call".to_owned(), phone: phone.to_owned() }
}

pub fn session(id: &str) -> NewSession {
    NewSession {
        id: id.into(),
        external_id: None,
        spec: SessionSpec { backup_plan: Redacted(Some(plan("+47 22 00 00 00"))), ..SessionSpec::default() },
        policy: SessionPolicy::default(),
        created_at_ms: NOW,
        unused_until_ms: NOW + DAY,
    }
}

pub fn snapshot(phase: SessionPhase, people: u32) -> SessionSnapshot {
    let person = PersonSnapshot {
        role: Role::Client,
        admission: Admission::Admitted,
        held: true,
        consent: None,
        recording_agreed: false,
    };
    SessionSnapshot {
        phase,
        policy: SessionPolicy { max_participants: 7, ..SessionPolicy::default() },
        created_at_ms: NOW,
        begun_at_ms: Some(NOW),
        extended_until_ms: None,
        locked: false,
        floor: Floor::OneVoice("a\"\u{1f600}".into()),
        same_room: vec![("a".into(), "b".into(), parlour_model::session::SameRoom::Audio)],
        next_check_in: people,
        people: (0..people).map(|n| (Identity::from(format!("person {n}")), person.clone())).collect(),
    }
}

pub fn record(action: Action, session: Option<&str>) -> AuditRecord {
    AuditRecord {
        at_ms: NOW,
        action,
        session: session.map(SessionId::from),
        actor: Subject::api_key("k1"),
        subject: Subject::person(&key(), &"alice@example.org".into()),
        detail: String::new(),
    }
}

/// With one session, `s`.
pub fn store() -> Store {
    let mut store = Store::in_memory().unwrap();
    change(&mut store, |change| change.create_session(&session("s")));
    store
}

pub fn change<T>(store: &mut Store, act: impl FnOnce(&mut parlour_store::Change<'_>) -> Result<T, StoreError>) -> T {
    store.change(act).unwrap()
}
