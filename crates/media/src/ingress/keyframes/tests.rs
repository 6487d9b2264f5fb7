//! One request for many needs, no sooner than the throttle, until a keyframe comes.

// `Instant::now` gives an epoch; time then goes by itself.
#![allow(clippy::disallowed_methods)]

use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_first_need_is_asked_at_once_and_others_join_it() {
    let now = Instant::now();
    let mut requests = KeyframeRequests::new(KeyframeMethod::Pli);
    requests.request(now);
    requests.request(now);
    assert_eq!(requests.poll_request(now), Some(KeyframeAsk::Pli));
    assert_eq!(requests.poll_request(now), None);
    assert_eq!((requests.requested(), requests.merged()), (1, 1));
}

#[test]
fn needs_after_a_keyframe_wait_for_the_throttle() {
    let start = Instant::now();
    let mut requests = KeyframeRequests::new(KeyframeMethod::Pli);
    requests.request(start);
    assert!(requests.poll_request(start).is_some());
    requests.handle_keyframe();
    assert!(!requests.is_pending());
    requests.request(start + 50 * MS);
    assert_eq!(requests.poll_request(start + 299 * MS), None);
    assert_eq!(requests.poll_timeout(), Some(start + THROTTLE));
    assert!(requests.poll_request(start + THROTTLE).is_some());
}

#[test]
fn an_unanswered_request_is_repeated_with_growing_pauses_and_ends() {
    let start = Instant::now();
    let mut requests = KeyframeRequests::new(KeyframeMethod::Pli);
    requests.request(start);
    let mut times = Vec::new();
    while let Some(due) = requests.poll_timeout() {
        assert!(requests.poll_request(due).is_some());
        times.push(due);
    }
    assert_eq!(times.len(), usize::from(MAX_TRIES));
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.is_sorted() && pauses[0] == THROTTLE && pauses.last() == Some(&MAX_PAUSE), "{pauses:?}");
    let later = start + Duration::from_secs(100);
    requests.request(later);
    assert!(requests.poll_request(later).is_some(), "the next need begins anew");
    assert_eq!(requests.poll_timeout(), Some(later + THROTTLE));
}

#[test]
fn fir_keeps_its_number_when_repeated_and_changes_it_for_a_new_need() {
    let start = Instant::now();
    let mut requests = KeyframeRequests::new(KeyframeMethod::Fir);
    requests.request(start);
    assert_eq!(requests.poll_request(start), Some(KeyframeAsk::Fir { sequence: 1 }));
    assert_eq!(requests.poll_request(start + THROTTLE), Some(KeyframeAsk::Fir { sequence: 1 }));
    requests.handle_keyframe();
    requests.request(start + 10 * THROTTLE);
    assert_eq!(requests.poll_request(start + 10 * THROTTLE), Some(KeyframeAsk::Fir { sequence: 2 }));
}

#[test]
fn nothing_is_asked_of_who_agreed_to_nothing() {
    let now = Instant::now();
    assert_eq!(KeyframeMethod::negotiated(true, true), KeyframeMethod::Pli);
    let mut requests = KeyframeRequests::new(KeyframeMethod::negotiated(false, false));
    requests.request(now);
    assert_eq!((requests.poll_timeout(), requests.poll_request(now)), (None, None));
}
