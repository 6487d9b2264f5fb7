//! Two partners behind one line: it is known, and divided; and two who only seem to be.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_simnet::{HomeConfig, HomeId, LinkConfig};

use crate::{SESSION, good, line, set_down, told};

fn publish(world: &mut World, bot: BotId) {
    world.publish_audio(bot, AudioConfig { redundancy: 2, ..AudioConfig::default() });
    world.publish_video(bot, VideoConfig::default());
}

fn therapist(world: &mut World) -> BotId {
    let office = world.add_home(HomeConfig { up: good(), down: good() });
    let bot = world.join(SESSION, "therapist", Role::Therapist, Some(office)).unwrap();
    publish(world, bot);
    bot
}

fn partner(world: &mut World, identity: &str, home: HomeId) -> BotId {
    let bot = world.join(SESSION, identity, Role::Client, Some(home)).unwrap();
    publish(world, bot);
    bot
}

/// What a bot gets of another's camera or microphone.
fn track(world: &World, from: BotId, to: BotId, kind: TrackKind) -> Option<TrackStats> {
    let cid = if kind == TrackKind::Audio { "mic-1" } else { "cam-2" };
    world.bot(to).track(world.bot(from).track_sid(cid)?).cloned()
}

#[derive(Debug)]
struct Received {
    rate: f64,
    lost: u64,
    switches: u64,
    #[allow(dead_code, reason = "told when a test fails")]
    tracks: Vec<String>,
}

/// How many joined another's line, were confirmed there, and were found to be elsewhere.
fn shared(world: &World) -> [u64; 3] {
    let counters = world.shard().snapshot().totals.media;
    [counters.lines_joined, counters.lines_confirmed, counters.lines_refuted]
}

/// All that a bot received since counts began, kbit/s; audio frames that it missed; switches of layers; a word on each track.
fn received(world: &World, bot: BotId) -> Received {
    let tracks: Vec<_> = world.bot(bot).endpoint.received().map(|(_, track)| track.clone()).collect();
    let rate = tracks.iter().map(TrackStats::bitrate_bps).sum::<f64>() / 1e3;
    let lost = tracks.iter().filter(|track| track.kind == TrackKind::Audio).map(|track| track.missing).sum();
    let switches = tracks.iter().map(|track| track.layer_switches).sum();
    let tracks = tracks.iter().map(|track| format!("{:?} {}", track.kind, told(track))).collect();
    Received { rate, lost, switches, tracks }
}

/// The largest delay that the queue of a home's downlink made in this time.
fn largest_queue(world: &mut World, home: HomeId, time: Duration) -> u64 {
    let (_, down) = world.network.home_links(home);
    let mut largest = 0;
    for _ in 0..time.as_millis() / 10 {
        world.run_for(Duration::from_millis(10));
        let now = world.now();
        largest = largest.max(world.network.queueing_delay(now, down).0 / 1_000);
    }
    largest
}

fn couple(seed: u64, down: LinkConfig, up: LinkConfig) -> (World, HomeId, [BotId; 3]) {
    let mut world = World::new(seed).unwrap();
    let home = world.add_home(HomeConfig { up, down });
    let therapist = therapist(&mut world);
    let ann = partner(&mut world, "ann", home);
    world.run_for(Duration::from_secs(20));
    let ben = partner(&mut world, "ben", home);
    (world, home, [therapist, ann, ben])
}

#[test]
fn partners_behind_one_line_share_it_and_the_second_sees_at_once() {
    let (mut world, home, [therapist, ann, ben]) = couple(1, line(3_000), good());
    let sees = |world: &World| track(world, therapist, ben, TrackKind::Video).is_some_and(|track| track.layer >= 1);
    assert!(world.run_until(Duration::from_millis(1_500), sees), "{:#?}", received(&world, ben));
    let queue = largest_queue(&mut world, home, Duration::from_secs(10));
    let first = [ann, ben].map(|bot| received(&world, bot));
    world.reset_received();
    world.run_for(Duration::from_secs(40));
    let [anns, bens] = [ann, ben].map(|bot| received(&world, bot));
    let shared = shared(&world);
    let figures = format!("queue {queue} ms, {shared:?}, first {first:#?}, then {anns:#?} {bens:#?}");
    assert_eq!((shared[0], shared[2]), (1, 0), "{figures}");
    let lost = [&first[0], &first[1], &anns, &bens].map(|one| one.lost);
    assert_eq!(lost, [0; 4], "audio was lost: {figures}");
    assert!(queue <= 100, "{figures}");
    let fairness = (anns.rate + bens.rate).powi(2) / (2.0 * (anns.rate.powi(2) + bens.rate.powi(2)));
    assert!(fairness > 0.98 && anns.rate + bens.rate > 2_200.0, "{fairness} {figures}");
    // On lines of their own each would find out again and again that there is less.
    assert!(anns.switches + bens.switches <= 4, "{figures}");
}

#[test]
fn the_line_of_one_who_leaves_is_the_others() {
    let (mut world, _, [therapist, ann, ben]) = couple(2, line(2_500), good());
    world.run_for(Duration::from_secs(20));
    world.leave(ben);
    let full = |world: &World| track(world, therapist, ann, TrackKind::Video).is_some_and(|track| track.layer == 2);
    assert!(world.run_until(Duration::from_secs(5), full), "{:#?}", received(&world, ann));
}

#[test]
fn a_queue_that_both_see_confirms_that_they_share_within_three_seconds() {
    let (mut world, home, _) = couple(5, line(3_000), good());
    world.run_for(Duration::from_secs(10));
    set_down(&mut world, home, line(1_200));
    let both = world.run_until(Duration::from_secs(3), |world| shared(world)[1] == 2);
    assert!(both, "{:?}", shared(&world));
}

#[test]
fn who_goes_to_another_line_takes_nothing_of_this_one_along() {
    let (mut world, _, [therapist, ann, ben]) = couple(6, line(3_000), good());
    world.run_for(Duration::from_secs(10));
    let mobile = world.add_home(HomeConfig { up: good(), down: line(2_500) });
    world.move_to(ben, mobile);
    let full = |world: &World, who| track(world, therapist, who, TrackKind::Video).is_some_and(|one| one.layer == 2);
    let both = world.run_until(Duration::from_secs(40), |world| full(world, ann) && full(world, ben));
    assert!(both, "{:#?} {:#?}", received(&world, ann), received(&world, ben));
    assert_eq!(shared(&world)[2], 0);
}

#[test]
fn people_with_one_address_and_lines_of_their_own_each_get_their_own() {
    let mut world = World::new(3).unwrap();
    let first = world.add_home(HomeConfig { up: good(), down: line(3_000) });
    let second = world.add_home_beside(first, HomeConfig { up: good(), down: line(700) });
    let therapist = therapist(&mut world);
    let ann = partner(&mut world, "ann", first);
    let ben = partner(&mut world, "ben", second);
    world.run_for(Duration::from_secs(20));
    let early = [ann, ben].map(|bot| received(&world, bot));
    world.reset_received();
    world.run_for(Duration::from_secs(20));
    let [anns, bens] = [ann, ben].map(|bot| received(&world, bot));
    let shared = shared(&world);
    let figures = format!("{shared:?}, first {early:#?}, then {anns:#?} {bens:#?}");
    assert_eq!((shared[0], shared[2]), (1, 1), "{figures}");
    assert_eq!((anns.lost, bens.lost), (0, 0), "{figures}");
    let full = track(&world, therapist, ann, TrackKind::Video).is_some_and(|track| track.layer == 2);
    assert!(full && anns.rate > 2_000.0 && bens.rate > 350.0, "{figures}");
}

#[test]
fn partners_who_send_over_one_line_both_keep_their_voice_and_equal_pictures() {
    let (mut world, home, [therapist, ann, ben]) = couple(4, line(20_000), line(3_000));
    let (up, _) = world.network.home_links(home);
    let start = world.network.link_stats(up);
    world.run_for(Duration::from_secs(5));
    world.reset_received();
    let before = world.network.link_stats(up);
    // Both begin with all of their layers, 4.6 Mbit/s together, until the line is seen to be full.
    let early = before.dropped_queue - start.dropped_queue;
    assert!(early * 10 < before.offered - start.offered, "{early} of {}", before.offered - start.offered);
    world.run_for(Duration::from_secs(40));
    let after = world.network.link_stats(up);
    let offered = after.offered - before.offered;
    let dropped = after.dropped_queue - before.dropped_queue;
    let seen = [ann, ben].map(|bot| track(&world, bot, therapist, TrackKind::Video).unwrap());
    let heard = [ann, ben].map(|bot| track(&world, bot, therapist, TrackKind::Audio).unwrap());
    let bounds = [ann, ben].map(|bot| world.bot(bot).endpoint.sent().bound_bps);
    let told = seen.each_ref().map(told);
    let figures = format!("dropped {dropped} of {offered}, bounds {bounds:?}, {told:#?}");
    assert!(dropped * 1_000 < offered * 3, "{figures}");
    assert_eq!(heard.map(|track| track.missing), [0, 0], "{figures}");
    let [anns, bens] = seen.map(|track| track.bitrate_bps());
    assert!(anns.min(bens) > 0.8 * anns.max(bens) && anns + bens > 1_500_000.0, "{figures}");
}
