use parlour_store::{NewEndpoint, Retention, Store, StoreError, Wait, WebhookForm};

use crate::stage::{DAY, NOW, change, session, store};

fn endpoint(id: &str) -> NewEndpoint {
    NewEndpoint {
        id: id.into(),
        url: "https://example.org".into(),
        form: WebhookForm::Livekit,
        secret: vec![1; 32],
        created_at_ms: NOW,
    }
}

fn emit(store: &mut Store, session: &str, kind: &str) -> i64 {
    change(store, |change| change.emit(&session.into(), kind, "{}", NOW))
}

fn due(store: &Store, at: i64) -> Vec<(String, i64)> {
    store.due_deliveries("e", at, 100).unwrap().into_iter().map(|d| (d.event.kind, d.event.seq)).collect()
}

fn with_endpoint() -> Store {
    let mut store = store();
    change(&mut store, |change| change.create_session(&session("other")));
    change(&mut store, |change| change.create_endpoint(&endpoint("e")));
    store
}

#[test]
fn events_of_a_session_are_numbered_without_a_gap_and_read_in_order() {
    let mut store = with_endpoint();
    let first = emit(&mut store, "s", "a");
    emit(&mut store, "other", "b");
    emit(&mut store, "s", "c");
    let seqs = |after| -> Vec<i64> {
        store.events_after(after, Some(&"s".into()), 10).unwrap().into_iter().map(|event| event.seq).collect()
    };
    assert_eq!((seqs(0), seqs(first)), (vec![1, 2], vec![2]));
    emit(&mut store, "opened by a token", "a");
    emit(&mut store, "opened by a token", "b");
    let events = store.events_after(0, Some(&"opened by a token".into()), 10).unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn of_a_session_the_next_event_waits_for_the_one_before_and_other_sessions_do_not() {
    let mut store = with_endpoint();
    let first = emit(&mut store, "s", "a");
    emit(&mut store, "s", "b");
    emit(&mut store, "other", "c");
    assert_eq!(due(&store, NOW), [("a".into(), 1), ("c".into(), 1)]);
    change(&mut store, |change| change.delivery_failed("e", first, Wait::default(), NOW));
    assert_eq!(due(&store, NOW), [("c".into(), 1)], "a waits for its retry, b for a");
    assert_eq!(due(&store, NOW + 5_000), [("a".into(), 1), ("c".into(), 1)]);
    change(&mut store, |change| change.delivered("e", first));
    assert_eq!(due(&store, NOW), [("b".into(), 2), ("c".into(), 1)]);
}

#[test]
fn after_days_of_failing_an_event_is_laid_aside_and_can_be_replayed() {
    let mut store = with_endpoint();
    let event = emit(&mut store, "s", "a");
    emit(&mut store, "s", "b");
    let mut at = NOW;
    let mut attempts = 0;
    while let Some(next) = change(&mut store, |change| change.delivery_failed("e", event, Wait::default(), at)) {
        assert!(next > at);
        (at, attempts) = (next, attempts + 1);
    }
    assert_eq!(attempts, 9);
    assert!((at - NOW) > 3 * DAY, "over days");
    assert_eq!(store.dead_letters("e").unwrap().len(), 1);
    assert_eq!(due(&store, at), [("b".into(), 2)], "it does not keep the session back for ever");
    assert_eq!(change(&mut store, |change| change.replay("e", event - 1, at)), (2, event + 1));
    assert_eq!(due(&store, at), [("a".into(), 1)]);
    assert_eq!(store.dead_letters("e").unwrap(), []);
}

#[test]
fn an_endpoint_gets_what_happens_while_it_is_there() {
    let mut store = store();
    emit(&mut store, "s", "before");
    change(&mut store, |change| change.create_endpoint(&endpoint("e")));
    emit(&mut store, "s", "during");
    assert_eq!(due(&store, NOW), [("during".into(), 2)]);
    assert_eq!(store.next_delivery_at("e", NOW - 1).unwrap(), Some(NOW));
    change(&mut store, |change| change.delete_endpoint("e"));
    assert_eq!((due(&store, NOW), store.next_delivery_at("e", NOW - 1).unwrap()), (vec![], None));
}

#[test]
fn old_events_go_with_their_deliveries() {
    let mut store = with_endpoint();
    emit(&mut store, "s", "a");
    assert_eq!(store.purge(&Retention::default(), NOW + 31 * DAY).unwrap().events, 1);
    assert_eq!(due(&store, NOW + 31 * DAY), []);
}

#[test]
fn a_disabled_endpoint_is_sent_nothing_and_gets_the_rest_by_replay() {
    let mut store = with_endpoint();
    let first = emit(&mut store, "s", "a");
    change(&mut store, |change| change.disable_endpoint("e", NOW));
    emit(&mut store, "s", "b");
    assert_eq!((due(&store, NOW), store.next_delivery_at("e", NOW - 1).unwrap()), (vec![], None));
    change(&mut store, |change| change.enable_endpoint("e"));
    assert_eq!(due(&store, NOW), [("a".into(), 1)]);
    change(&mut store, |change| change.delivered("e", first));
    assert_eq!(due(&store, NOW), []);
    assert_eq!(change(&mut store, |change| change.replay("e", first, NOW)), (1, first + 1));
    assert_eq!(due(&store, NOW), [("b".into(), 2)]);
}

#[test]
fn a_wait_is_stretched_by_chance_and_not_by_much() {
    let mut store = with_endpoint();
    let event = emit(&mut store, "s", "a");
    let waits = [0, 128, 255].map(|chance| {
        let mut undone = None;
        let _: Result<(), StoreError> = store.change(|change| {
            undone = change.delivery_failed("e", event, Wait { chance, asked_ms: 0 }, 0)?;
            Err(StoreError::NotFound)
        });
        undone.unwrap()
    });
    assert!(waits[0] == 5_000 && (5_001..6_000).contains(&waits[1]) && waits[2] == 6_000, "{waits:?}");
}

#[test]
fn what_was_laid_aside_can_be_sent_alone() {
    let mut store = with_endpoint();
    let first = emit(&mut store, "s", "a");
    let second = emit(&mut store, "s", "b");
    while change(&mut store, |change| change.delivery_failed("e", first, Wait::default(), NOW)).is_some() {}
    change(&mut store, |change| change.delivered("e", second));
    assert_eq!((store.endpoints().unwrap()[0].dead, due(&store, NOW).len()), (1, 0));
    assert_eq!(change(&mut store, |change| change.replay_dead("e", NOW)), 1);
    assert_eq!((store.endpoints().unwrap()[0].dead, due(&store, NOW)), (0, vec![("a".into(), 1)]));
}

#[test]
fn an_endpoint_far_behind_does_not_grow_for_ever() {
    let mut store = with_endpoint();
    change(&mut store, |change| (0..10_010).try_for_each(|_| change.emit(&"s".into(), "a", "{}", NOW).map(drop)));
    assert_eq!((store.dead_letters("e").unwrap().len(), pending(&store)), (10, 10_000));
}

fn pending(store: &Store) -> u32 {
    store.endpoints().unwrap()[0].pending
}

#[test]
fn what_is_on_its_way_is_counted_through_every_turn() {
    let mut store = with_endpoint();
    let (first, second) = (emit(&mut store, "s", "a"), emit(&mut store, "s", "b"));
    assert_eq!(pending(&store), 2);
    change(&mut store, |change| change.delivered("e", first));
    change(&mut store, |change| change.delivered("e", first));
    assert_eq!(pending(&store), 1);
    while change(&mut store, |change| change.delivery_failed("e", second, Wait::default(), NOW)).is_some() {}
    assert_eq!(pending(&store), 0);
    change(&mut store, |change| change.replay("e", 0, NOW));
    change(&mut store, |change| change.replay("e", 0, NOW));
    assert_eq!(pending(&store), 2);
    store.purge(&Retention::default(), NOW + 31 * DAY).unwrap();
    assert_eq!(pending(&store), 0, "also what retention took");
}

#[test]
fn a_wait_that_is_asked_for_is_kept_to_within_bounds_and_never_shorter_than_planned() {
    let mut store = store();
    change(&mut store, |change| change.create_endpoint(&endpoint("e")));
    let event = emit(&mut store, "s", "a");
    let fail = |store: &mut Store, asked_ms| {
        let wait = Wait { chance: 0, asked_ms };
        change(store, |change| change.delivery_failed("e", event, wait, NOW)).unwrap() - NOW
    };
    assert_eq!(fail(&mut store, 3_600_000), 3_600_000);
    assert_eq!(fail(&mut store, 0), 60_000);
    assert_eq!(fail(&mut store, i64::MAX), DAY);
}

#[test]
fn an_old_secret_is_kept_beside_the_new_one_until_its_time_is_over() {
    let mut store = store();
    change(&mut store, |change| change.create_endpoint(&endpoint("e")));
    change(&mut store, |change| change.rotate_endpoint("e", &[2; 64], NOW + DAY));
    let kept = |store: &Store| {
        let one = store.endpoints().unwrap().remove(0);
        (one.secret, one.old.map(|old| (old.secret, old.until_ms)))
    };
    assert_eq!(kept(&store), (vec![2; 64], Some((vec![1; 32], NOW + DAY))));
    store.purge(&Retention::default(), NOW + DAY - 1).unwrap();
    assert!(kept(&store).1.is_some());
    store.purge(&Retention::default(), NOW + DAY).unwrap();
    assert_eq!(kept(&store), (vec![2; 64], None));
    let none = store.change(|change| change.rotate_endpoint("none", &[3; 64], NOW));
    assert!(matches!(none, Err(StoreError::NotFound)));
}
