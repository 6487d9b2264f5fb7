//! A worker, a session and the people in it.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World, join};
use parlour_bot::endpoint::Channel;
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_model::command::Requester;
use parlour_model::session::{SessionCommand, SessionPolicy, SessionReply, SessionSnapshot};
use parlour_model::{
    Command, Encryption, Entry, Identity, Refusal, Reply, SessionId, SessionOpening, SessionView, Viewer,
};
use parlour_peer::PeerTimes;
use parlour_session::SessionOptions;

pub const SESSION: &str = "couple";
/// Enough for anything that is to happen.
pub const SETTLED: Duration = Duration::from_secs(20);
/// Longer than anything that was under way could take.
pub const WHILE: Duration = Duration::from_secs(3);
/// What the engine notices silence after.
pub const SILENCE: Duration = Duration::from_secs(5);

pub fn session() -> SessionId {
    SessionId::from(SESSION)
}

/// A worker as the engine runs it.
pub fn world(seed: u64, policy: SessionPolicy) -> World {
    let options = SessionOptions { policy, ..SessionOptions::default() };
    World::with_times(seed, options, times()).unwrap()
}

fn times() -> PeerTimes {
    PeerTimes { consent_lost: SILENCE, ..PeerTimes::default() }
}

/// As [`couple`], where every datagram can be compared: nothing is estimated.
pub fn comparable_couple(seed: u64, policy: SessionPolicy) -> (World, BotId, BotId, BotId) {
    let options = SessionOptions { policy, ..SessionOptions::default() };
    seat_couple(World::with_fixed_budgets(seed, options, times()).unwrap())
}

/// Nobody waits, so that a test is about what it is about.
pub fn open_door() -> SessionPolicy {
    SessionPolicy { waiting_room: false, ..SessionPolicy::default() }
}

/// Comes in with microphone and camera.
pub fn seat(world: &mut World, identity: &str, role: Role) -> BotId {
    let bot = world.join(SESSION, identity, role, None).unwrap();
    publish(world, bot);
    bot
}

/// Comes in over a hand-over that the live device offered.
pub fn take_over(world: &mut World, identity: &str, role: Role) -> Result<BotId, Refusal> {
    let request = parlour_model::Join { entry: Entry::HandOver, ..join(identity, role) };
    let bot = world.join_as(SESSION, request, None, |_| ())?;
    publish(world, bot);
    Ok(bot)
}

/// Comes in with a client that says it encrypts end to end.
pub fn seat_encrypted(world: &mut World, identity: &str, role: Role) -> Result<BotId, Refusal> {
    let request = parlour_model::Join { encryption: Encryption::Gcm, ..join(identity, role) };
    world.join_as(SESSION, request, None, |_| ())
}

pub fn publish(world: &mut World, bot: BotId) {
    world.publish_audio(bot, AudioConfig::default());
    world.publish_video(bot, VideoConfig::default());
}

/// A therapist and two partners who see and hear each other.
pub fn couple(seed: u64, policy: SessionPolicy) -> (World, BotId, BotId, BotId) {
    seat_couple(world(seed, policy))
}

fn seat_couple(mut world: World) -> (World, BotId, BotId, BotId) {
    let therapist = seat(&mut world, "therapist", Role::Therapist);
    let ann = seat(&mut world, "ann", Role::Client);
    let ben = seat(&mut world, "ben", Role::Client);
    for identity in ["ann", "ben"] {
        rule(&mut world, SessionCommand::Admit(Identity::from(identity)));
    }
    let everyone = [therapist, ann, ben];
    let writes = |world: &World, bot| world.bot(bot).endpoint.has_channel(Channel::Reliable);
    let receives = |world: &World, bot| everyone.iter().all(|from| *from == bot || flows(world, *from, bot));
    let all = |world: &World| everyone.iter().all(|bot| writes(world, *bot) && receives(world, *bot));
    assert!(world.run_until(SETTLED, all), "not everyone receives everyone");
    (world, therapist, ann, ben)
}

pub fn ask(world: &mut World, by: Requester, command: SessionCommand) -> Result<SessionReply, Refusal> {
    match world.command(&session(), Command::Rule { by, command }) {
        Reply::Ruled { reply, .. } => Ok(reply),
        Reply::Refused(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

pub fn rule(world: &mut World, command: SessionCommand) -> SessionReply {
    ask(world, Requester::Server, command).unwrap()
}

pub fn by(identity: &str) -> Requester {
    Requester::Identity(Identity::from(identity))
}

pub fn snapshot(world: &mut World) -> SessionSnapshot {
    match world.command(&session(), Command::Snapshot) {
        Reply::Snapshot(snapshot) => *snapshot,
        other => panic!("{other:?}"),
    }
}

pub fn open(world: &mut World, policy: SessionPolicy, snapshot: Option<SessionSnapshot>) -> Reply {
    let opening =
        SessionOpening { kind: Default::default(), modality: Default::default(), schedule: None, policy, snapshot };
    world.command(&session(), Command::Open(Box::new(opening)))
}

pub fn view(world: &mut World, viewer: Viewer) -> SessionView {
    match world.command(&session(), Command::View { viewer }) {
        Reply::View(view) => *view,
        other => panic!("{other:?}"),
    }
}

pub fn view_of(world: &mut World, identity: &str, role: Role) -> SessionView {
    view(world, Viewer::Person { identity: Identity::from(identity), role })
}

/// Packets of all of `from`'s tracks that `to` received.
pub fn packets(world: &World, from: BotId, to: BotId) -> u64 {
    let publisher = world.bot(from);
    let own = ["mic-1", "cam-2"].into_iter().filter_map(|cid| publisher.track_sid(cid));
    own.filter_map(|sid| world.bot(to).track(sid)).map(|track| track.packets).sum()
}

pub fn flows(world: &World, from: BotId, to: BotId) -> bool {
    let publisher = world.bot(from);
    let tracks: Vec<_> = ["mic-1", "cam-2"].into_iter().filter_map(|cid| publisher.track_sid(cid)).collect();
    tracks.len() == 2 && tracks.iter().all(|sid| world.bot(to).track(sid).is_some_and(|t| t.frames_decoded > 0))
}

pub fn knows(world: &World, who: BotId, whom: BotId) -> bool {
    world.bot(who).others.contains_key(world.bot(whom).sid())
}
