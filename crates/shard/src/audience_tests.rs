//! Whom a client means, by chosen cases and by random courses.

#![allow(clippy::disallowed_methods, reason = "a test takes an epoch")]

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::*;

const THERAPIST: ParticipantKey = ParticipantKey(1);
const PARTNER: ParticipantKey = ParticipantKey(2);

fn identity(key: ParticipantKey) -> Identity {
    Identity::from(format!("person {}", key.0).as_str())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// In a check-in that ends at the epoch: the partner comes back.
fn after_check_in(start: Instant) -> Audience {
    let mut audience = Audience::default();
    audience.begin([THERAPIST, PARTNER].into_iter().map(|key| (key, identity(key))));
    audience.parted(PARTNER);
    audience.told(PARTNER, &identity(PARTNER), Connection::Up, start);
    audience
}

#[test]
fn what_comes_in_before_the_news_is_acknowledged_is_for_those_who_were_there() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let early = audience.mark(true, start);
    let number = audience.ask(start).expect("someone new");
    assert_eq!(audience.ask(start), None, "once is enough");
    let late = audience.mark(true, start + ms(100));
    audience.acknowledged(number, start + ms(100));
    let under_way = audience.mark(true, start + ms(599));
    let knowing = audience.mark(true, start + ms(600));
    for mark in [early, late, under_way, knowing] {
        assert!(audience.means(THERAPIST, mark, false) && audience.means(THERAPIST, mark, true));
        assert_eq!(audience.means(PARTNER, mark, false), mark == knowing);
        assert_eq!(audience.means(PARTNER, mark, true), mark == knowing, "a list of names may be old");
    }
}

#[test]
fn an_acknowledgement_of_something_else_says_nothing() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let number = audience.ask(start).expect("someone new");
    audience.acknowledged(number.wrapping_add(1), start);
    audience.acknowledged(0, start);
    let mark = audience.mark(true, start + ms(14_000));
    assert!(!audience.means(PARTNER, mark, false));
    audience.acknowledged(number, start + ms(14_000));
    audience.parted(PARTNER);
    audience.told(PARTNER, &identity(PARTNER), Connection::Up, start + ms(14_100));
    audience.acknowledged(number, start + ms(14_100));
    let mark = audience.mark(true, start + ms(20_000));
    assert!(!audience.means(PARTNER, mark, false), "that was for the time before");
}

#[test]
fn a_slow_acknowledgement_says_that_messages_are_slow_too() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let number = audience.ask(start).expect("someone new");
    audience.acknowledged(number, start + ms(1_000));
    let mark = audience.mark(true, start + ms(2_999));
    assert!(!audience.means(PARTNER, mark, false));
    let mark = audience.mark(true, start + ms(3_000));
    assert!(audience.means(PARTNER, mark, false));
}

#[test]
fn to_name_someone_whom_one_never_knew_before_shows_that_one_does_now() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let newcomer = ParticipantKey(3);
    audience.told(newcomer, &identity(newcomer), Connection::Up, start);
    let mark = audience.mark(true, start);
    assert!(audience.means(newcomer, mark, true) && !audience.means(newcomer, mark, false));
    assert!(!audience.means(ParticipantKey(4), mark, true), "nobody was told of them");
    audience.left(newcomer);
    let again = ParticipantKey(5);
    audience.told(again, &identity(newcomer), Connection::Up, start);
    let mark = audience.mark(true, start);
    assert!(!audience.means(again, mark, true), "the same person, on another device");
}

#[test]
fn an_application_may_greet_a_newcomer_as_soon_as_it_knows_of_them() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let newcomer = ParticipantKey(3);
    audience.told(newcomer, &identity(newcomer), Connection::Up, start);
    let number = audience.ask(start).expect("someone new");
    let before = audience.mark(true, start + ms(100));
    audience.acknowledged(number, start + ms(100));
    let greeting = audience.mark(true, start + ms(100));
    assert!(!audience.means(newcomer, before, false) && audience.means(newcomer, greeting, false));
    assert!(!audience.means(PARTNER, greeting, false), "who was apart is not greeted");

    audience.left(newcomer);
    let again = ParticipantKey(4);
    audience.told(again, &identity(newcomer), Connection::Up, start + ms(200));
    let number = audience.ask(start + ms(200)).expect("someone is back");
    audience.acknowledged(number, start + ms(200));
    let greeting = audience.mark(true, start + ms(200));
    assert!(audience.means(again, greeting, false), "who reloaded the page is greeted again");
    audience.left(again);
    audience.left(PARTNER);
    assert!(audience.apart.is_empty(), "nothing is kept of those who left");
}

#[test]
fn whoever_was_away_is_asked_anew_and_given_more_time() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    let lost = audience.ask(start).expect("someone new");
    let away = audience.mark(false, start + NEVER + ms(1));
    assert!(!audience.means(PARTNER, away, false), "nobody told it");
    let back = start + ms(30_000);
    audience.told_anew([THERAPIST, PARTNER].into_iter().map(|key| (key, identity(key))), back);
    let number = audience.ask(back).expect("asked anew");
    audience.acknowledged(lost, back);
    audience.acknowledged(number, back + ms(10));
    let mark = audience.mark(true, back + ms(2_009));
    assert!(audience.means(THERAPIST, mark, false) && !audience.means(PARTNER, mark, false));
    let mark = audience.mark(true, back + ms(2_010));
    assert!(audience.means(PARTNER, mark, false));
}

#[test]
fn a_client_that_answers_no_pings_is_believed_in_the_end() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    audience.ask(start);
    let mark = audience.mark(true, start + NEVER - ms(1));
    assert!(!audience.means(PARTNER, mark, false));
    let mark = audience.mark(true, start + NEVER);
    assert!(audience.means(PARTNER, mark, false));
}

#[test]
fn sound_waits_for_the_acknowledgement_and_not_for_ever() {
    let start = Instant::now();
    let mut audience = after_check_in(start);
    assert!(audience.withholds_media(PARTNER) && !audience.withholds_media(THERAPIST));
    assert_eq!(audience.poll_timeout(), Some(start + MEDIA_WAIT));
    let number = audience.ask(start).expect("someone new");
    audience.acknowledged(number, start + ms(50));
    audience.handle_timeout(start + ms(109));
    assert!(audience.withholds_media(PARTNER));
    audience.handle_timeout(start + ms(110));
    assert!(!audience.withholds_media(PARTNER));
    assert_eq!(audience.poll_timeout(), None);

    let mut joined = after_check_in(start);
    joined.told(ParticipantKey(3), &identity(ParticipantKey(3)), Connection::Coming, start);
    assert!(!joined.withholds_media(ParticipantKey(3)), "it hears nothing before its connection is up");

    let mut deaf = after_check_in(start);
    deaf.handle_timeout(start + MEDIA_WAIT);
    assert!(!deaf.withholds_media(PARTNER));
    deaf.ask(start + MEDIA_WAIT);
    assert_eq!(deaf.poll_timeout(), None, "what was opened is not shut again");
}

/// What happens to one client, with how many milliseconds later.
#[derive(Clone, Debug)]
enum Turn {
    Comes(u32),
    Goes(u32),
    /// News and acknowledgements, up to here, arrive.
    SignalsPass,
    /// It breaks, and the client is back.
    Resumes,
    Sends,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        (2..5u32).prop_map(Turn::Comes),
        (2..5u32).prop_map(Turn::Goes),
        any::<bool>().prop_map(|_| Turn::SignalsPass),
        any::<bool>().prop_map(|_| Turn::Resumes),
        any::<bool>().prop_map(|_| Turn::Sends),
    ]
}

/// A client and the way to it: what it knows lags behind what it was told.
struct Course {
    now: Instant,
    audience: Audience,
    /// Who is there.
    there: BTreeSet<u32>,
    /// Whom the client knows of.
    known: BTreeSet<u32>,
    /// The circle as told last, and acknowledgements asked for, on their way.
    news: Vec<(BTreeSet<u32>, Option<u32>)>,
}

impl Course {
    fn tell(&mut self) {
        let number = self.audience.ask(self.now);
        self.news.push((self.there.clone(), number));
    }

    fn take(&mut self, turn: &Turn) {
        let circle = |there: &BTreeSet<u32>| -> Vec<_> {
            there.iter().map(|key| (ParticipantKey(*key), identity(ParticipantKey(*key)))).collect()
        };
        match turn {
            Turn::Comes(key) if self.there.insert(*key) => {
                self.audience.told(ParticipantKey(*key), &identity(ParticipantKey(*key)), Connection::Up, self.now);
                self.tell();
            }
            Turn::Goes(key) if self.there.remove(key) => {
                self.audience.parted(ParticipantKey(*key));
                self.tell();
            }
            Turn::SignalsPass => {
                for (circle, number) in std::mem::take(&mut self.news) {
                    self.known = circle;
                    if let Some(number) = number {
                        self.audience.acknowledged(number, self.now);
                    }
                }
            }
            Turn::Resumes => {
                self.news.clear();
                self.audience.told_anew(circle(&self.there).into_iter(), self.now);
                self.tell();
            }
            _ => {}
        }
    }
}

proptest! {
    /// Messages take up to 400 ms, news whatever they take. Everyone has been there before.
    #[test]
    fn nobody_is_meant_of_whom_the_sender_did_not_know_and_everybody_is_in_the_end(
        turns in vec((turn(), 0..700u64, 0..400u64), 1..60),
    ) {
        let start = Instant::now();
        let mut audience = Audience::default();
        audience.begin((1..5).map(|key| (ParticipantKey(key), identity(ParticipantKey(key)))));
        (2..5).for_each(|key| audience.parted(ParticipantKey(key)));
        let (there, known) = (BTreeSet::from([1]), BTreeSet::from([1]));
        let mut course = Course { now: start, audience, there, known, news: Vec::new() };
        // Sent at, arriving at, whom the sender knew of.
        let mut under_way: Vec<(Instant, Instant, BTreeSet<u32>)> = Vec::new();
        for (turn, pause, delay) in turns {
            let next = course.now + ms(pause);
            under_way.sort_by_key(|(_, arrives, _)| *arrives);
            while let Some((_, arrives, meant)) = under_way.first().filter(|(_, arrives, _)| *arrives <= next).cloned() {
                under_way.remove(0);
                let mark = course.audience.mark(true, arrives);
                for key in 1..5 {
                    let gets = course.audience.means(ParticipantKey(key), mark, false);
                    prop_assert!(!gets || meant.contains(&key), "{key} is not of {meant:?}");
                }
            }
            course.now = next;
            if matches!(turn, Turn::Sends) {
                under_way.push((next, next + ms(delay), course.known.clone()));
            }
            course.take(&turn);
        }
        course.take(&Turn::SignalsPass);
        let mark = course.audience.mark(true, course.now + MOST_SETTLING);
        for key in 1..5 {
            prop_assert_eq!(course.audience.means(ParticipantKey(key), mark, false), course.there.contains(&key));
        }
    }
}
