use parlour_model::Redacted;
use parlour_model::session::{ConsentText, Modality, Schedule, SessionPhase, SessionPolicy};
use parlour_store::{Claim, Consent, Retention, SavedResponse, SessionEdit, SessionSpec, Store, StoreError};

use crate::stage::{DAY, NOW, change, plan, session, snapshot, store};

#[test]
fn a_session_comes_back_as_it_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.db");
    let mut store = Store::open(&path).unwrap();
    change(&mut store, |change| change.create_session(&session("s")));
    let kept = snapshot(SessionPhase::Live, 3);
    change(&mut store, |change| change.save_snapshot(&"s".into(), &kept, NOW));
    drop(store);

    let row = Store::open(&path).unwrap().session(&"s".into()).unwrap();
    assert_eq!(row.snapshot, Some(kept.clone()));
    assert_eq!(row.policy, kept.policy, "the rules of the running session are its rules");
    assert_eq!((row.spec, row.version, row.ended_at_ms), (session("s").spec, 1, None));
}

#[test]
fn a_name_is_given_once() {
    let again = store().change(|change| change.create_session(&session("s")));
    assert!(matches!(again, Err(StoreError::AlreadyExists)));
}

#[test]
fn an_edit_needs_the_version_that_was_read() {
    let mut store = store();
    let spec = SessionSpec { modality: Modality::Audio, ..SessionSpec::default() };
    let edit = |store: &mut Store, id: &str, expected| {
        let edit = SessionEdit { spec: spec.clone(), policy: SessionPolicy::default(), unused_until_ms: NOW };
        store.change(|change| change.edit_session(&id.into(), expected, &edit))
    };
    assert_eq!(edit(&mut store, "s", 1).unwrap(), 2);
    assert!(matches!(edit(&mut store, "s", 1), Err(StoreError::VersionConflict)));
    assert!(matches!(edit(&mut store, "none", 1), Err(StoreError::NotFound)));
    assert_eq!(store.session(&"s".into()).unwrap().spec, spec);
}

#[test]
fn what_happens_in_a_session_does_not_disturb_an_edit() {
    let mut store = store();
    change(&mut store, |change| change.save_snapshot(&"s".into(), &snapshot(SessionPhase::Live, 1), NOW));
    assert_eq!(store.session(&"s".into()).unwrap().version, 1);
}

#[test]
fn a_listing_goes_on_where_it_stopped() {
    let mut store = store();
    for number in 0..25 {
        change(&mut store, |change| change.create_session(&session(&format!("s{number}"))));
    }
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = store.sessions_after(after, 10).unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        seen.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(seen.len(), 26);
    assert!(seen.iter().collect::<std::collections::BTreeSet<_>>().len() == 26);
}

#[test]
fn an_ended_session_stays_ended() {
    let mut store = store();
    change(&mut store, |change| change.save_snapshot(&"s".into(), &snapshot(SessionPhase::Ended, 0), NOW));
    change(&mut store, |change| change.save_snapshot(&"s".into(), &snapshot(SessionPhase::Live, 0), NOW + 5));
    change(&mut store, |change| change.end_session(&"s".into(), NOW + 9));
    assert_eq!(store.session(&"s".into()).unwrap().ended_at_ms, Some(NOW));
    assert_eq!(store.running_sessions_after(0, 10).unwrap(), []);
}

#[test]
fn a_session_that_nobody_came_to_ends_when_its_time_is_over_and_no_other_does() {
    let mut store = store();
    for id in ["used", "kept", "over"] {
        change(&mut store, |change| change.create_session(&session(id)));
    }
    change(&mut store, |change| change.save_snapshot(&"used".into(), &snapshot(SessionPhase::Open, 1), NOW));
    change(&mut store, |change| change.end_session(&"over".into(), NOW));
    change(&mut store, |change| change.keep_unused_session(&"kept".into(), NOW + 2 * DAY));
    let unused = |store: &Store, at| -> Vec<_> {
        store.unused_sessions(at, 10).unwrap().into_iter().map(|row| row.id.as_str().to_owned()).collect()
    };
    assert_eq!(store.next_unused_session_at(NOW).unwrap(), Some(NOW + DAY));
    assert_eq!((unused(&store, NOW + DAY - 1), unused(&store, NOW + DAY)), (vec![], vec!["s".to_owned()]));
    assert_eq!(store.next_unused_session_at(NOW + DAY).unwrap(), Some(NOW + 2 * DAY));
    let end = |store: &mut Store, id: &str, at| change(store, |change| change.end_unused_session(&id.into(), at));
    assert!(!end(&mut store, "s", NOW + DAY - 1) && end(&mut store, "s", NOW + DAY), "when its time is over");
    assert!(!end(&mut store, "used", NOW + DAY) && !end(&mut store, "kept", NOW + DAY));
    assert_eq!(store.session(&"s".into()).unwrap().ended_at_ms, Some(NOW + DAY));
}

#[test]
fn sessions_of_a_file_without_such_an_end_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.db");
    {
        let mut store = Store::open(&path).unwrap();
        let mut planned = session("planned");
        planned.spec.schedule = Some(Schedule { starts_at_ms: NOW, planned_minutes: 50, opens_minutes_before: 15 });
        change(&mut store, |change| change.create_session(&planned));
        change(&mut store, |change| change.create_session(&session("on demand")));
    }
    let older = rusqlite::Connection::open(&path).unwrap();
    let undo = "DROP INDEX session_unused; ALTER TABLE session DROP COLUMN unused_until;
        ALTER TABLE endpoint DROP COLUMN old_secret; ALTER TABLE endpoint DROP COLUMN old_until;
        PRAGMA user_version = 2;";
    older.execute_batch(undo).unwrap();
    drop(older);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.next_unused_session_at(NOW).unwrap(), Some(NOW + 65 * 60_000));
    assert_eq!(store.next_unused_session_at(NOW + 65 * 60_000).unwrap(), Some(NOW + DAY));
}

#[test]
fn a_change_that_fails_half_way_leaves_nothing() {
    let mut store = store();
    let failed: Result<(), StoreError> = store.change(|change| {
        change.create_session(&session("half"))?;
        change.create_session(&session("s"))
    });
    assert!(failed.is_err());
    assert!(matches!(store.session(&"half".into()), Err(StoreError::NotFound)));
}

#[test]
fn a_consent_is_kept_once_with_its_first_time_and_outlives_its_session() {
    let mut store = store();
    let text = ConsentText { id: "v1".into(), sha256: [1; 32] };
    let consent = Consent { session: "s".into(), identity: "a".into(), text, accepted_at_ms: NOW };
    change(&mut store, |change| change.keep_consent(&consent));
    let later = Consent { accepted_at_ms: NOW + 1, ..consent.clone() };
    change(&mut store, |change| change.keep_consent(&later));
    change(&mut store, |change| change.end_session(&"s".into(), NOW));
    let purged = store.purge(&Retention::default(), NOW + 31 * DAY).unwrap();
    assert_eq!((purged.sessions, purged.consents), (1, 0));
    assert_eq!(store.consents(&"s".into()).unwrap(), [consent]);
    assert_eq!(store.purge(&Retention::default(), NOW + 366 * DAY).unwrap().consents, 1);
}

#[test]
fn retention_takes_ended_sessions_only_and_all_of_a_large_number() {
    let mut store = store();
    change(&mut store, |change| {
        (0..1_200).try_for_each(|number| {
            let id = format!("old{number}");
            change.create_session(&session(&id))?;
            change.end_session(&id.as_str().into(), NOW)
        })
    });
    assert_eq!(store.purge(&Retention::default(), NOW + 29 * DAY).unwrap().sessions, 0);
    assert_eq!(store.purge(&Retention::default(), NOW + 31 * DAY).unwrap().sessions, 1_200);
    assert_eq!(store.sessions_after(0, 10).unwrap().len(), 1, "the one that did not end stays");
}

#[test]
fn what_was_purged_is_not_in_the_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.db");
    let mut store = Store::open(&path).unwrap();
    let mut secret = session("s");
    secret.spec.backup_plan = Redacted(Some(plan("SECRET-PHONE-NUMBER")));
    change(&mut store, |change| change.create_session(&secret));
    change(&mut store, |change| change.end_session(&"s".into(), NOW));
    let holds_it = || {
        std::fs::read_dir(folder.path()).unwrap().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(19).any(|window| window == b"SECRET-PHONE-NUMBER")
        })
    };
    assert!(holds_it());
    store.purge(&Retention::default(), NOW + 31 * DAY).unwrap();
    assert!(!holds_it());
}

#[test]
fn a_repeated_request_gets_the_same_answer_and_another_one_is_told_so() {
    let mut store = store();
    let claim = |store: &mut Store, scope: &str, request: &[u8]| {
        change(store, |change| change.claim(scope, "key", request, NOW))
    };
    assert_eq!(claim(&mut store, "k1", b"POST /a {}"), Claim::New);
    assert_eq!(claim(&mut store, "k1", b"POST /a {}"), Claim::InFlight);
    assert_eq!(claim(&mut store, "k1", b"POST /a {1}"), Claim::OtherRequest);
    assert_eq!(claim(&mut store, "k2", b"POST /a {1}"), Claim::New, "keys are each client's own");
    let response = SavedResponse { status: 201, body: b"{}".to_vec() };
    change(&mut store, |change| change.save_response("k1", "key", &response));
    assert_eq!(claim(&mut store, "k1", b"POST /a {}"), Claim::Answered(response));
    change(&mut store, |change| change.give_up_all_claims());
    assert_eq!(claim(&mut store, "k2", b"POST /a {2}"), Claim::New, "in flight at a crash: free again");
}

#[test]
fn what_an_older_version_kept_takes_the_defaults_of_newer_rules() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.db");
    let mut store = Store::open(&path).unwrap();
    change(&mut store, |change| change.create_session(&session("s")));
    let write = |policy: &str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute("UPDATE session SET policy = ?1", [policy]).unwrap();
    };
    write(r#"{"waiting_room": false}"#);
    let expected = SessionPolicy { waiting_room: false, ..SessionPolicy::default() };
    assert_eq!(store.session(&"s".into()).unwrap().policy, expected);
    write(r#"{"waiting_rom": false}"#);
    assert!(
        matches!(store.session(&"s".into()), Err(StoreError::Bug(_))),
        "and a word nobody knows is not passed over"
    );
}
