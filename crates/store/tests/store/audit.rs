use parlour_model::session::{CheckInId, ConsentText, Departure, Floor, MuteTarget, SameRoom, SessionEvent, Space};
use parlour_store::{Action, AuditRecord, Break, PseudonymKey, Retention, Store, Subject};
use proptest::prelude::*;

use crate::stage::{DAY, NOW, change, key, record};

fn written(path: &std::path::Path, records: usize) -> Store {
    let mut store = Store::open(path).unwrap();
    change(&mut store, |change| {
        (0..records).try_for_each(|number| {
            let mut record = record(Action::ALL[number % Action::ALL.len()], Some("s"));
            record.at_ms += number as i64;
            change.audit(&record).map(drop)
        })
    });
    store
}

/// Does to the file what somebody with write access would.
fn tamper(path: &std::path::Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn a_log_that_nobody_touched_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = written(&folder.path().join("db"), 50);
    let chain = store.verify_audit().unwrap();
    assert_eq!((chain.records, chain.head_seq, chain.broken), (50, 50, None));
    assert_eq!(store.audit_after(0, None, 1_000).unwrap().last().unwrap().hash, chain.head);
}

#[test]
fn every_way_to_touch_it_is_found_where_it_was() {
    let cases = [
        ("UPDATE audit SET detail = 'x' WHERE seq = 20", Break::Altered(20)),
        ("UPDATE audit SET at = at + 1 WHERE seq = 20", Break::Altered(20)),
        ("UPDATE audit SET actor = subject, subject = actor WHERE seq = 20", Break::Altered(20)),
        ("UPDATE audit SET action = 'floor.changed', session = '' WHERE seq = 20", Break::Altered(20)),
        // Text may not slide from one field into the next unseen.
        ("UPDATE audit SET action = action || session, session = '' WHERE seq = 20", Break::Altered(20)),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 20", Break::Altered(20)),
        ("UPDATE audit SET hash = x'00' WHERE seq = 20", Break::Altered(20)),
        ("DELETE FROM audit WHERE seq = 20", Break::Missing(20)),
        ("DELETE FROM audit WHERE seq >= 20", Break::Tail(19)),
        ("DELETE FROM audit", Break::Tail(0)),
        ("DELETE FROM audit WHERE seq < 20", Break::Missing(1)),
        ("UPDATE audit_bounds SET base_hash = randomblob(32)", Break::Altered(1)),
        ("UPDATE audit SET seq = -seq WHERE seq = 20", Break::Missing(1)),
        (
            "INSERT INTO audit SELECT 51, at, action, session, actor, subject, detail, hash FROM audit WHERE seq = 50",
            Break::Altered(51),
        ),
    ];
    for (sql, expected) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store = written(&path, 50);
        tamper(&path, sql);
        assert_eq!(store.verify_audit().unwrap().broken, Some(expected), "{sql}");
    }
}

#[test]
fn no_person_is_named_and_the_key_is_what_links_them() {
    let (one, other) = (PseudonymKey::new(&[1; 32]), PseudonymKey::new(&[2; 32]));
    let alice = "alice@example.org".into();
    assert_eq!(Subject::person(&one, &alice), Subject::person(&one, &alice));
    assert_ne!(Subject::person(&one, &alice), Subject::person(&one, &"bob@example.org".into()));
    assert_ne!(Subject::person(&one, &alice), Subject::person(&other, &alice));
    assert!(!Subject::person(&one, &alice).as_str().contains("alice"));
}

#[test]
fn the_pseudonym_key_is_made_once_and_is_its_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let first = PseudonymKey::load_or_create(&path).unwrap().pseudonym(&"a".into());
    assert_eq!(PseudonymKey::load_or_create(&path).unwrap().pseudonym(&"a".into()), first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::write(&path, b"short").unwrap();
    assert!(PseudonymKey::load_or_create(&path).is_err(), "a damaged key is not replaced in silence");
}

#[test]
fn after_retention_the_rest_is_still_a_chain_and_says_that_something_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = written(&folder.path().join("db"), 1_300);
    let retention = Retention { audit_days: 10, ..Retention::default() };
    // Records are a millisecond apart: all but the last hundred are over their time.
    let purged = store.purge(&retention, NOW + 10 * DAY + 1_200).unwrap();
    assert_eq!(purged.audit, 1_200);
    let chain = store.verify_audit().unwrap();
    assert_eq!((chain.records, chain.head_seq, chain.broken), (101, 1_301, None));
    let last = store.audit_after(1_300, None, 1).unwrap().remove(0);
    assert_eq!((last.action.as_str(), last.actor.as_str()), ("retention.purged", "system"));
    let everything = Retention { audit_days: 0, ..retention };
    store.purge(&everything, NOW + 20 * DAY).unwrap();
    assert_eq!(store.verify_audit().unwrap().broken, None);
}

#[test]
fn every_action_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = Action::ALL.iter().map(|action| action.as_str()).collect();
    assert_eq!(words.len(), Action::ALL.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_change_of_any_field_is_found(seq in 1i64..10, field in 0usize..4, text in "[a-z.]{0,12}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let store = written(&path, 10);
        let before = store.audit_after(seq - 1, None, 1).unwrap().remove(0);
        let (name, was) = [
            ("action", &before.action),
            ("session", &before.session),
            ("subject", &before.subject),
            ("detail", &before.detail),
        ][field];
        prop_assume!(*was != text);
        tamper(&path, &format!("UPDATE audit SET {name} = '{text}' WHERE seq = {seq}"));
        prop_assert_eq!(store.verify_audit().unwrap().broken, Some(Break::Altered(seq)));
    }
}

#[test]
fn what_happens_in_a_session_is_written_without_names_and_what_is_private_is_not() {
    let alice = parlour_model::Identity::from("alice@example.org");
    let seat = parlour_model::ParticipantKey(1);
    let text = ConsentText { id: "alice's own wording".into(), sha256: [0xab; 32] };
    let of = |event: &SessionEvent| AuditRecord::of_event(event, &"s".into(), &Subject::system(), &key(), NOW);
    let moved =
        SessionEvent::Moved { key: seat, identity: alice.clone(), from: Space::Main, to: Space::CheckIn(CheckInId(3)) };
    let left = SessionEvent::Departed { key: seat, identity: alice.clone(), how: Departure::QuickExit };
    let consent = SessionEvent::ConsentAccepted { identity: alice.clone(), text };
    let floor = SessionEvent::FloorChanged(Floor::OneVoice(alice.clone()));
    let pair = SessionEvent::SameRoomChanged { a: alice.clone(), b: alice.clone(), how: SameRoom::Audio };
    let mute = SessionEvent::Mute { key: seat, identity: alice.clone(), target: MuteTarget::Video };
    let handed = SessionEvent::HandedOver { identity: alice.clone(), from: seat, to: seat };
    let of_session = |event| of(&event).map(|record| (record.action, record.detail)).unwrap();
    assert_eq!(of_session(SessionEvent::LockChanged(true)), (Action::LockChanged, "locked".to_owned()));
    assert_eq!(of_session(SessionEvent::EndMoved(NOW)), (Action::EndMoved, NOW.to_string()));
    let mut store = crate::stage::store();
    for (event, action, detail) in [
        (pair, Action::SameRoomChanged, &*format!("audio with {}", key().pseudonym(&alice))),
        (mute, Action::Muted, "video"),
        (SessionEvent::HandOverOffered(alice.clone()), Action::HandOverOffered, ""),
        (handed, Action::HandedOver, ""),
        (moved, Action::Moved, "main -> check_in 3"),
        (left, Action::Left, "quick_exit"),
        (consent, Action::ConsentAccepted, &*format!("sha256 {}", "ab".repeat(32))),
        (floor, Action::FloorChanged, "one_voice"),
    ] {
        let record = of(&event).unwrap();
        assert_eq!((record.action, record.detail.as_str()), (action, detail));
        assert_eq!(record.subject, Subject::person(&key(), &alice));
        change(&mut store, |change| change.audit(&record));
    }
    let written = format!("{:?}", store.audit_after(0, None, 10).unwrap());
    assert!(!written.contains("alice"));
    for private in [SessionEvent::Signal(alice.clone()), SessionEvent::WaitingMessage(Some("x".to_owned().into()))] {
        assert!(of(&private).is_none());
    }
}
