//! Bots over simulated links against the real worker, in virtual time: what a call survives.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::endpoint::Channel;
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_simnet::{HomeConfig, HomeId, LinkConfig, Loss, Micros};

const SESSION: &str = "couple";

/// Sound with two redundant frames, as the worker cannot ask a `str0m` client for audio again.
fn audio() -> AudioConfig {
    AudioConfig { redundancy: 2, ..AudioConfig::default() }
}

struct Call {
    world: World,
    bots: Vec<BotId>,
    homes: Vec<HomeId>,
}

impl Call {
    /// A therapist and two clients who all publish, each behind a line of their own.
    fn new(seed: u64, line: &LinkConfig) -> Self {
        Self::with_audio(seed, line, audio())
    }

    fn with_audio(seed: u64, line: &LinkConfig, audio: AudioConfig) -> Self {
        let mut world = World::new(seed).unwrap();
        let (mut bots, mut homes) = (Vec::new(), Vec::new());
        for (identity, role) in [("therapist", Role::Therapist), ("ann", Role::Client), ("ben", Role::Client)] {
            let home = world.add_home(HomeConfig { up: line.clone(), down: line.clone() });
            homes.push(home);
            bots.push(world.join(SESSION, identity, role, Some(home)).unwrap());
        }
        for bot in &bots {
            world.publish_audio(*bot, audio);
            world.publish_video(*bot, VideoConfig::default());
        }
        Self { world, bots, homes }
    }

    /// Everyone decodes everyone.
    fn expect_flow(&mut self) {
        let wanted = (self.bots.len() - 1) * 2;
        let flows = self.world.run_until(Duration::from_secs(20), |world| {
            world
                .bots()
                .all(|(_, bot)| bot.endpoint.received().filter(|(_, track)| track.frames_decoded > 0).count() >= wanted)
        });
        assert!(flows, "not everyone receives everyone:\n{}", self.picture());
        for (_, bot) in self.world.bots() {
            assert!(bot.errors.is_empty() && bot.refusals.is_empty(), "{:?} {:?}", bot.errors, bot.refusals);
        }
    }

    fn tracks(&self) -> impl Iterator<Item = &TrackStats> {
        self.world.bots().flat_map(|(_, bot)| bot.endpoint.received().map(|(_, track)| track))
    }

    fn missing_share(&self) -> f64 {
        let (missing, packets) =
            self.tracks().fold((0, 0), |(missing, packets), track| (missing + track.missing, packets + track.packets));
        missing as f64 / (missing + packets) as f64
    }

    fn picture(&self) -> String {
        let mut lines = format!("{:?}\n", self.world.shard().counters());
        for (id, bot) in self.world.bots() {
            lines += &format!("{id:?} connected={} sent={:?}\n", bot.endpoint.is_connected(), bot.endpoint.sent());
            for (sid, track) in bot.endpoint.received() {
                lines += &format!(
                    "  {sid} {:?} packets={} missing={} repaired={} red={} late={} dup={} decoded={} broken={} keys={} freezes={}/{:?} layers={:?} switches={}/{} gaps={} p50={:?} p99={:?}\n",
                    track.kind,
                    track.packets,
                    track.missing,
                    track.repaired,
                    track.recovered_by_red,
                    track.late,
                    track.duplicates,
                    track.frames_decoded,
                    track.frames_broken,
                    track.keyframes,
                    track.freezes,
                    track.freeze_time,
                    track.layers,
                    track.layer_switches,
                    track.bad_switches,
                    track.picture_id_gaps,
                    track.latency.quantile(0.5),
                    track.latency.quantile(0.99),
                );
            }
        }
        lines
    }
}

fn line() -> LinkConfig {
    LinkConfig { delay: Micros::millis(20), ..LinkConfig::default() }
}

#[test]
fn a_clean_call_loses_nothing_and_adds_no_delay_of_its_own() {
    let mut call = Call::new(1, &line());
    call.expect_flow();
    call.world.run_for(Duration::from_secs(5));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(20));
    for track in call.tracks() {
        assert_eq!((track.missing, track.frames_broken, track.bad_switches), (0, 0, 0), "\n{}", call.picture());
        assert!(track.frames_decoded > 550, "\n{}", call.picture());
        assert!(track.latency.quantile(0.99) < Duration::from_millis(45), "\n{}", call.picture());
        assert!(track.kind == TrackKind::Audio || track.layer == 2, "full size is wanted\n{}", call.picture());
    }
}

#[test]
fn five_percent_loss_each_way_leaves_less_than_one_in_a_thousand_missing() {
    let lossy = LinkConfig { loss: Loss::Bernoulli(0.05), ..line() };
    let mut call = Call::new(2, &lossy);
    call.expect_flow();
    call.world.run_for(Duration::from_secs(5));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(60));
    let share = call.missing_share();
    eprintln!("missing after repair: {:.4} %\n{}", share * 100.0, call.picture());
    assert!(share < 0.001, "{share}\n{}", call.picture());
    assert!(call.tracks().all(|track| track.bad_switches == 0), "\n{}", call.picture());
}

#[test]
fn bursts_of_loss_are_repaired_too() {
    // Bursts of 60 ms every 1.2 s: what a microwave oven does to Wi-Fi.
    let bursts = Loss::GilbertElliott {
        good: Micros::millis(1_140),
        bad: Micros::millis(60),
        loss_in_good: 0.0,
        loss_in_bad: 0.8,
    };
    let mut call = Call::new(3, &LinkConfig { loss: bursts, ..line() });
    call.expect_flow();
    call.world.run_for(Duration::from_secs(5));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(30));
    let video = call.tracks().filter(|track| track.kind == TrackKind::Video);
    let worst = video.map(TrackStats::loss).fold(0.0, f64::max);
    eprintln!("worst video: {:.4} %\n{}", worst * 100.0, call.picture());
    assert!(worst < 0.005, "{worst}\n{}", call.picture());
}

#[test]
fn reordering_and_duplication_are_survived_without_a_loss() {
    let messy = LinkConfig {
        reorder: 0.05,
        reorder_delay: Micros::millis(15),
        duplicate: 0.03,
        jitter: Micros::millis(3),
        ..line()
    };
    let mut call = Call::new(4, &messy);
    call.expect_flow();
    call.world.run_for(Duration::from_secs(5));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(30));
    for track in call.tracks() {
        assert_eq!((track.missing, track.frames_broken, track.bad_switches), (0, 0, 0), "\n{}", call.picture());
        assert_eq!(track.freezes, 0, "\n{}", call.picture());
    }
}

#[test]
fn an_outage_of_two_seconds_is_survived_by_everyone() {
    let mut call = Call::new(5, &line());
    call.expect_flow();
    let begins = Micros::from(call.world.elapsed() + Duration::from_secs(5));
    let out = LinkConfig { outages: vec![(begins, begins + Micros::millis(2_000))], ..line() };
    let home = call.homes[1];
    let now = call.world.now();
    let (up, down) = call.world.network.home_links(home);
    call.world.network.reconfigure(now, up, out.clone());
    call.world.network.reconfigure(now, down, out);
    call.world.run_for(Duration::from_secs(7));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(3));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(10));
    for (id, bot) in call.world.bots() {
        assert!(call.world.left(id).is_none());
        for (_, track) in bot.endpoint.received() {
            assert_eq!((track.missing, track.frames_broken), (0, 0), "three seconds later\n{}", call.picture());
            assert!(track.frames_decoded > 280, "\n{}", call.picture());
        }
    }
}

#[test]
fn a_new_address_is_followed_within_three_seconds() {
    let mut call = Call::new(6, &line());
    call.expect_flow();
    call.world.run_for(Duration::from_secs(5));
    call.world.change_address(call.bots[1]);
    call.world.run_for(Duration::from_secs(3));
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(10));
    for track in call.tracks() {
        assert!(track.frames_decoded > 280, "\n{}", call.picture());
        assert_eq!(track.missing, 0, "\n{}", call.picture());
    }
}

#[test]
fn someone_who_leaves_and_returns_ten_times_is_seen_and_heard_each_time() {
    let mut call = Call::new(7, &line());
    call.expect_flow();
    let mut guest = call.bots[2];
    for round in 0..10 {
        call.world.leave(guest);
        call.world.run_for(Duration::from_millis(1_500));
        guest = call.world.join(SESSION, "ben", Role::Client, None).unwrap();
        let (mic, cam) =
            (call.world.publish_audio(guest, audio()), call.world.publish_video(guest, VideoConfig::default()));
        let everyone = [call.bots[0], call.bots[1]];
        let seen = call.world.run_until(Duration::from_secs(5), |world| {
            let own = [&mic, &cam].map(|cid| world.bot(guest).track_sid(cid).cloned());
            let decodes = |id: &BotId| {
                own.iter()
                    .flatten()
                    .filter_map(|sid| world.bot(*id).track(sid))
                    .filter(|t| t.frames_decoded > 3)
                    .count()
                    == 2
            };
            let decoded_by_guest = world.bot(guest).endpoint.received().filter(|(_, t)| t.frames_decoded > 3).count();
            everyone.iter().all(decodes) && decoded_by_guest == 4
        });
        assert!(seen, "round {round}\n{}", call.picture());
    }
    // Sections are used again: three of each kind were offered, and more were never needed.
    assert!(call.world.bot(call.bots[0]).endpoint.carried().count() == 4, "\n{}", call.picture());
}

#[test]
fn reliable_messages_arrive_all_and_in_order_over_a_lossy_line() {
    let mut call = Call::new(8, &LinkConfig { loss: Loss::Bernoulli(0.05), ..line() });
    call.expect_flow();
    // What is sent before a receiver's channel is open is not sent to it; with lost handshakes that takes seconds.
    let open = call.world.run_until(Duration::from_secs(30), |world| {
        world.bots().all(|(_, bot)| bot.endpoint.has_channel(Channel::Reliable))
    });
    assert!(open, "no reliable channel for everyone");
    let sender = call.bots[0];
    for number in 0..200u32 {
        assert!(call.world.send(sender, Channel::Reliable, &number.to_be_bytes()), "{number}");
        call.world.run_for(Duration::from_millis(20));
    }
    let last = Some((Channel::Reliable, 199u32.to_be_bytes().to_vec()));
    call.world.run_until(Duration::from_secs(30), |world| {
        call.bots[1..].iter().all(|receiver| world.bot(*receiver).messages.last() == last.as_ref())
    });
    let sent: Vec<_> = (0..200u32).map(|number| (Channel::Reliable, number.to_be_bytes().to_vec())).collect();
    for receiver in &call.bots[1..] {
        assert_eq!(call.world.bot(*receiver).messages, sent);
    }
}

/// A therapist with a clean line sends to a client; only one direction of one line loses.
fn one_way(seed: u64, up: LinkConfig, down: LinkConfig) -> TrackStats {
    let mut world = World::new(seed).unwrap();
    let sender = world.add_home(HomeConfig { up, down: line() });
    let receiver = world.add_home(HomeConfig { up: line(), down });
    let therapist = world.join(SESSION, "therapist", Role::Therapist, Some(sender)).unwrap();
    let client = world.join(SESSION, "ann", Role::Client, Some(receiver)).unwrap();
    let camera = world.publish_video(therapist, VideoConfig::default());
    world.run_for(Duration::from_secs(5));
    world.reset_received();
    world.run_for(Duration::from_secs(30));
    let sid = world.bot(therapist).track_sid(&camera).unwrap().clone();
    let track = world.bot(client).track(&sid).unwrap().clone();
    let quantiles = [0.5, 0.95, 0.99, 0.999, 1.0].map(|share| track.latency.quantile(share));
    eprintln!("packets={} repaired={} missing={} {quantiles:?}", track.packets, track.repaired, track.missing);
    track
}

#[test]
fn what_is_lost_on_the_way_up_is_there_after_one_more_round_trip() {
    let track = one_way(9, LinkConfig { loss: Loss::Bernoulli(0.05), ..line() }, line());
    assert!(track.repaired > 200 && track.missing == 0);
    // 40 ms of way; a gap shows with the next packet, 33 ms later at worst; asked and answered.
    assert!(track.latency.quantile(0.99) < Duration::from_millis(40 + 33 + 40));
}

#[test]
fn what_is_lost_on_the_way_down_is_repaired_from_the_cache() {
    let track = one_way(10, line(), LinkConfig { loss: Loss::Bernoulli(0.05), ..line() });
    assert!(track.repaired > 200 && track.missing == 0);
    // How soon is up to the client: `str0m` asks in rounds of its own.
    assert!(track.latency.quantile(0.99) < Duration::from_millis(40 + 33 + 160));
}

#[test]
fn plain_audio_lost_on_the_way_down_is_repaired_too() {
    let mut call = Call::with_audio(22, &line(), AudioConfig::default());
    call.expect_flow();
    let lossy = LinkConfig { loss: Loss::Bernoulli(0.05), ..line() };
    let (now, home) = (call.world.now(), call.homes[1]);
    let (_, down) = call.world.network.home_links(home);
    call.world.network.reconfigure(now, down, lossy);
    call.world.reset_received();
    call.world.run_for(Duration::from_secs(30));
    let media = call.world.shard().snapshot().totals.media;
    eprintln!("asked {} refused {} repeated {}", media.nack_in, media.nack_refused, media.repaired_out);
    let audio = call.tracks().filter(|track| track.kind == TrackKind::Audio);
    let worst = audio.map(TrackStats::loss).fold(0.0, f64::max);
    assert!(worst < 0.005, "{worst}\n{}", call.picture());
}
