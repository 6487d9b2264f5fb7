use parlour_model::Role;
use parlour_store::{NewApiKey, NewTicket, SecretHash, Store, StoreError, TicketRefusal};

use crate::stage::{NOW, change, store};

fn ticket(id: &str, secret: &[u8]) -> NewTicket {
    NewTicket {
        id: id.into(),
        session: "s".into(),
        secret: SecretHash::of(secret),
        identity: "a".into(),
        role: Role::Client,
        hand_over: false,
        created_at_ms: NOW,
        expires_at_ms: NOW + 1_000,
    }
}

fn refusal(store: &mut Store, secret: &[u8], at: i64) -> Option<TicketRefusal> {
    change(store, |change| change.use_ticket(SecretHash::of(secret), at)).err().map(|(refusal, _)| refusal)
}

#[test]
fn a_ticket_lets_in_once() {
    let mut store = store();
    change(&mut store, |change| change.issue_ticket(&ticket("t", b"secret")));
    let used = change(&mut store, |change| change.use_ticket(SecretHash::of(b"secret"), NOW)).unwrap();
    assert_eq!((used.role, used.identity, used.used_at_ms), (Role::Client, "a".into(), Some(NOW)));
    let again = change(&mut store, |change| change.use_ticket(SecretHash::of(b"secret"), NOW)).unwrap_err();
    assert_eq!((again.0, again.1.unwrap().id), (TicketRefusal::Used, "t".into()), "and the log can say whose");
    assert_eq!(refusal(&mut store, b"guess", NOW), Some(TicketRefusal::Unknown));
}

#[test]
fn a_ticket_ends_with_its_time_its_revocation_and_its_session() {
    let mut store = store();
    for id in ["t1", "t2", "t3"] {
        change(&mut store, |change| change.issue_ticket(&ticket(id, id.as_bytes())));
    }
    assert_eq!(refusal(&mut store, b"t1", NOW + 1_000), Some(TicketRefusal::Expired));
    change(&mut store, |change| change.revoke_ticket(&"s".into(), "t2", NOW));
    assert_eq!(refusal(&mut store, b"t2", NOW), Some(TicketRefusal::Revoked));
    change(&mut store, |change| change.end_session(&"s".into(), NOW));
    assert_eq!(refusal(&mut store, b"t3", NOW), Some(TicketRefusal::SessionEnded));
}

#[test]
fn a_ticket_belongs_to_a_session_that_is() {
    let mut store = store();
    let lost = NewTicket { session: "none".into(), ..ticket("t", b"x") };
    assert!(matches!(store.change(|change| change.issue_ticket(&lost)), Err(StoreError::NotFound)));
    change(&mut store, |change| change.issue_ticket(&ticket("t", b"x")));
    let elsewhere = store.change(|change| change.revoke_ticket(&"other".into(), "t", NOW));
    assert!(matches!(elsewhere, Err(StoreError::NotFound)), "nobody revokes through another session");
}

#[test]
fn no_secret_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parlour.db");
    let mut store = Store::open(&path).unwrap();
    change(&mut store, |change| {
        change.create_session(&crate::stage::session("s"))?;
        change.issue_ticket(&ticket("t", b"THE-TICKET-SECRET"))?;
        change.create_key(&key(b"THE-APIKEY-SECRET"))
    });
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(10).any(|w| w == b"THE-TICKET" || w == b"THE-APIKEY"));
    }
}

fn key(secret: &[u8]) -> NewApiKey {
    NewApiKey {
        id: "k1".into(),
        secret: SecretHash::of(secret),
        label: "booking".into(),
        scopes: vec!["sessions:write".into(), "audit:read".into()],
        created_at_ms: NOW,
        expires_at_ms: None,
    }
}

#[test]
fn a_key_opens_with_its_own_secret_until_it_ends_or_is_revoked() {
    let mut store = store();
    change(&mut store, |change| change.create_key(&key(b"right")));
    let opens = |store: &Store, secret: &[u8], at| {
        store.authenticate_key("k1", SecretHash::of(secret), at).unwrap().map(|key| key.scopes)
    };
    assert_eq!(opens(&store, b"right", NOW), Some(vec!["sessions:write".into(), "audit:read".into()]));
    assert_eq!(opens(&store, b"wrong", NOW), None);
    assert_eq!(store.authenticate_key("k2", SecretHash::of(b"right"), NOW).unwrap(), None);

    change(&mut store, |change| change.expire_key("k1", NOW + 100));
    change(&mut store, |change| change.expire_key("k1", NOW + 900));
    assert!(opens(&store, b"right", NOW + 99).is_some());
    assert!(opens(&store, b"right", NOW + 100).is_none(), "an end is not moved later");
    change(&mut store, |change| change.revoke_key("k1", NOW));
    assert!(opens(&store, b"right", NOW).is_none());
}
