//! Bots over simulated links against the real worker, in virtual time: what a call survives.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::media::{AudioConfig, TrackKind, TrackStats, VideoConfig};
use parlour_simnet::{HomeConfig, LinkConfig, Loss, Micros};

const SESSION: &str = "couple";

/// Sound with two redundant frames, as the worker cannot ask a `str0m` client for audio again.
fn audio() -> AudioConfig {
    AudioConfig { redundancy: 2, ..AudioConfig::default() }
}

struct Call {
    world: World,
    bots: Vec<BotId>,
}

impl Call {
    /// A therapist and two clients who all publish, each behind a line of their own.
    fn new(seed: u64, line: &LinkConfig) -> Self {
        let mut world = World::new(seed).unwrap();
        let bots = [("therapist", Role::Therapist), ("ann", Role::Client), ("ben", Role::Client)]
            .map(|(identity, role)| {
                let home = world.add_home(HomeConfig { up: line.clone(), down: line.clone() });
                world.join(SESSION, identity, role, Some(home)).unwrap()
            })
            .to_vec();
        for bot in &bots {
            world.publish_audio(*bot, audio());
            world.publish_video(*bot, VideoConfig::default());
        }
        Self { world, bots }
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
        let mut lines = String::new();
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
