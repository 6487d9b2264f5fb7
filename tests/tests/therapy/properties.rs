//! The properties of a session, of random plays on the real worker. docs/session-properties.md has each of them with the
//! line it is kept by and the test that fails without it.

use std::time::Duration;

use parlour_bot::direct::World;
use parlour_model::Command;
use parlour_shard::ShardSnapshot;

use crate::play::Play;
use crate::play::script::{Dice, PLAYERS, overture, policy, turn};
use crate::stage::session;

/// More of them with `PARLOUR_PLAYS=200 cargo test -p parlour-tests --test therapy plays`.
const PLAYS: u64 = 12;
const TURNS: usize = 25;

fn plays() -> u64 {
    std::env::var("PARLOUR_PLAYS").ok().and_then(|plays| plays.parse().ok()).unwrap_or(PLAYS)
}

/// Nothing passes that may not, at any moment: no silent listener, no media without a therapist, nothing to or from
/// whoever waits or is held, nothing across a seal, the floor; and whatever may pass comes again after each drop, resume,
/// duplicate, hand-over and restart. Refused commands change nothing, repeated ones neither.
#[test]
fn plays_pass_what_the_rules_say_and_nothing_else() {
    let first = std::env::var("PARLOUR_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in first.map_or(0..plays(), |seed| seed..seed + 1) {
        let mut dice = Dice(seed);
        let mut play = Play::new(seed, policy(&mut dice));
        overture(&mut play, &mut dice);
        for _ in 0..TURNS {
            turn(&mut play, &mut dice);
        }
    }
}

/// After whatever went before.
#[test]
fn of_people_who_left_and_of_a_session_that_ended_the_worker_keeps_nothing() {
    for seed in 100..100 + plays() / 4 {
        let mut dice = Dice(seed);
        let mut play = Play::new(seed, policy(&mut dice));
        overture(&mut play, &mut dice);
        for _ in 0..TURNS {
            turn(&mut play, &mut dice);
        }
        PLAYERS.iter().for_each(|who| play.leave(*who));
        // Seats of lines that were lost, ghosts and goodbyes have had their time.
        play.world.run_for(Duration::from_secs(60));
        let left = kept(&play.world);
        // The room's own two deadlines.
        let of_people = (left.participants, left.publications, left.peers, left.entries.saturating_sub(2));
        play.ensure(of_people == (0, 0, 0, 0), || format!("kept of people who left: {left:?}"));

        play.world.command(&session(), Command::End);
        play.world.run_for(Duration::from_secs(60));
        let left = kept(&play.world);
        play.ensure((left.sessions, left.entries) == (0, 0), || format!("kept of a session that ended: {left:?}"));
    }
}

fn kept(world: &World) -> ShardSnapshot {
    world.shard().snapshot()
}
