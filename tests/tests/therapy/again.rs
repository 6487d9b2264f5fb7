//! The same once more, and again: what a session does often must not wear out.

use std::time::Duration;

use parlour_bot::direct::World;
use parlour_bot::media::VideoConfig;
use parlour_model::Identity;
use parlour_model::session::SessionCommand;
use parlour_shard::ShardDrop;

use crate::stage::{SETTLED, couple, flows, open_door, packets, rule};

/// Enough to use up what is given out anew each time and not taken back, were it so.
const TIMES: usize = 70;

#[test]
fn who_is_held_and_resumed_time_and_again_sees_and_is_seen_each_time() {
    let (mut world, therapist, ann, ben) = couple(71, open_door());
    let ways = [(therapist, ben), (ann, ben), (ben, therapist), (ben, ann)];
    for time in 0..TIMES {
        rule(&mut world, SessionCommand::Hold(Identity::from("ben")));
        world.run_for(Duration::from_millis(300));
        let before = ways.map(|(from, to)| packets(&world, from, to));
        rule(&mut world, SessionCommand::Resume(Identity::from("ben")));
        let back = |world: &World| ways.iter().zip(before).all(|((from, to), old)| packets(world, *from, *to) > old);
        assert!(world.run_until(SETTLED, back), "time {time}: not everyone is back");
        assert_eq!(world.shard().counters().dropped(ShardDrop::Seal), 0, "time {time}");
    }
}

#[test]
fn who_turns_a_camera_off_and_on_time_and_again_is_seen_each_time() {
    let (mut world, therapist, ann, ben) = couple(72, open_door());
    let mut camera = "cam-2".to_owned();
    for time in 0..TIMES {
        world.unpublish(ben, &camera);
        world.run_for(Duration::from_millis(300));
        camera = world.publish_video(ben, VideoConfig::default());
        let seen = |world: &World| {
            let track = world.bot(ben).track_sid(&camera);
            let by =
                |bot| track.and_then(|sid| world.bot(bot).track(sid)).is_some_and(|track| track.frames_decoded > 0);
            by(ann) && by(therapist)
        };
        assert!(world.run_until(SETTLED, seen), "time {time}: the others do not see");
    }
    assert!(flows(&world, ann, ben), "and sees");
}
