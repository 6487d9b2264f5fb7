use super::*;
use crate::inbound::Frame;
use crate::tests::epoch;

const CEILING: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// The largest of three encodings, and the camera that makes them.
struct Film {
    top: Life,
    now: Instant,
}

impl Film {
    fn new() -> Self {
        Self { top: Life::new(epoch()), now: epoch() }
    }

    /// A frame in the two smaller encodings, and then in the top one if it is on; whether the top one stopped or came back.
    fn frame(&mut self, spacing: Duration, is_on: bool) -> (bool, bool) {
        self.now += spacing;
        let stopped = [0, 1].into_iter().filter(|&other| self.top.handle_other(other, true, CEILING, self.now)).count();
        (stopped > 0, is_on && self.packet())
    }

    fn packet(&mut self) -> bool {
        let frame = Frame { start: true, ..Frame::default() };
        let packet = Inbound { layer: 2, sequence: 0, timestamp: 0, arrived: self.now, size: 1_000, frame };
        self.top.handle_packet(&packet, CEILING)
    }

    /// Runs for so long; whether it stopped in that time.
    fn run(&mut self, time: Duration, spacing: Duration, is_on: bool) -> bool {
        let frames = time.as_micros() / spacing.as_micros();
        (0..frames).any(|_| self.frame(spacing, is_on).0)
    }

    /// How long it takes until the top encoding is seen to have stopped.
    fn stops_after(&mut self, spacing: Duration) -> Duration {
        let since = self.now;
        assert!(self.run(Duration::from_secs(3), spacing, false));
        self.now - since
    }

    /// How long it takes from now until it is shown again.
    fn shown_after(&mut self) -> Duration {
        let since = self.now;
        assert!((0..100).any(|_| self.frame(MILLI * 50, true).1));
        self.now - since
    }
}

#[test]
fn an_encoding_that_stops_is_known_to_have_by_its_own_frames() {
    for (spacing, least, most) in [(33, 200, 250), (50, 200, 250), (100, 300, 400), (200, 600, 800)] {
        let mut film = Film::new();
        assert!(!film.run(Duration::from_secs(10), MILLI * spacing, true));
        let after = film.stops_after(MILLI * spacing);
        assert!((MILLI * least..=MILLI * most).contains(&after), "{after:?} at {spacing} ms");
        assert!(!film.top.flows());
    }
}

#[test]
fn a_line_that_stalls_stops_nothing() {
    let mut film = Film::new();
    for _ in 0..20 {
        assert!(!film.run(Duration::from_secs(1), MILLI * 50, true));
        // What waited comes at once, each frame in all encodings.
        film.now += MILLI * 700;
        assert!(!film.run(MILLI * 14, MILLI, true));
    }
}

#[test]
fn a_camera_that_is_slow_or_irregular_stops_nothing() {
    let mut film = Film::new();
    let gaps = [40, 250, 60, 330, 90, 180, 400, 50];
    for _ in 0..50 {
        for gap in gaps {
            // Every third picture is left out of the largest encoding.
            assert!(!film.frame(MILLI * gap, gap > 60).0);
        }
    }
}

#[test]
fn an_encoder_that_leaves_out_a_few_frames_has_not_stopped() {
    let mut film = Film::new();
    for _ in 0..20 {
        assert!(!film.run(Duration::from_secs(2), MILLI * 33, true));
        assert!(!film.run(MILLI * 150, MILLI * 33, false));
    }
}

#[test]
fn what_comes_back_is_shown_at_once_and_only_after_a_while_if_it_did_not_hold() {
    let mut film = Film::new();
    film.run(Duration::from_secs(11), MILLI * 50, true);
    film.stops_after(MILLI * 50);
    assert_eq!(film.shown_after(), MILLI * 50);
    film.run(Duration::from_secs(4), MILLI * 50, true);
    film.stops_after(MILLI * 50);
    let after = film.shown_after();
    assert!((HOLDS..HOLDS + MILLI * 200).contains(&after), "{after:?}");
    film.run(Duration::from_secs(11), MILLI * 50, true);
    film.stops_after(MILLI * 50);
    assert_eq!(film.shown_after(), MILLI * 50);
}

#[test]
fn what_stops_before_it_held_is_not_shown_in_between() {
    let mut film = Film::new();
    film.run(Duration::from_secs(5), MILLI * 50, true);
    film.stops_after(MILLI * 50);
    for _ in 0..5 {
        assert!((0..40).all(|_| !film.frame(MILLI * 50, true).1));
        film.run(Duration::from_secs(1), MILLI * 50, false);
        assert!(!film.top.flows());
    }
}

#[test]
fn what_nobody_took_was_not_unsteady_because_it_was_off() {
    let mut film = Film::new();
    for _ in 0..3 {
        film.run(Duration::from_secs(3), MILLI * 50, true);
        for _ in 0..10 {
            film.now += MILLI * 50;
            film.top.handle_other(0, false, CEILING, film.now);
        }
        assert_eq!(film.shown_after(), MILLI * 50);
    }
}
