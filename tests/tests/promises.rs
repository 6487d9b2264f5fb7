//! The promises of ARCHITECTURE.md that are kept by session, media and roster together, counted at the clients: bots
//! against the real worker in virtual time.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_bot::endpoint::Channel;
use parlour_bot::media::AudioConfig;
use parlour_model::command::{Action, Leg};
use parlour_model::session::{CheckInId, Floor, SessionCommand, SessionReply};
use parlour_model::{
    Command, Encryption, Identity, LeaveReason, MediaKind, Redacted, Refusal, TrackCid, TrackRequest, TrackSource,
    VideoSize,
};

#[path = "therapy/stage.rs"]
#[allow(dead_code, reason = "the stage of the rules has more than this")]
mod stage;

use stage::{SESSION, SETTLED, WHILE, flows, open_door, packets, rule, seat, session};

/// A therapist and two partners who see and hear each other and have what they write with.
fn couple(seed: u64) -> (World, BotId, BotId, BotId) {
    stage::couple(seed, open_door())
}

/// Lets what was on the line at the reply arrive, then gives the counts that must not grow.
fn after_the_reply(world: &mut World, pairs: &[(BotId, BotId)]) -> Vec<u64> {
    world.run_for(Duration::from_millis(1));
    pairs.iter().map(|(from, to)| packets(world, *from, *to)).collect()
}

#[test]
fn without_a_therapist_nothing_passes_between_clients() {
    let mut world = World::new(1).unwrap();
    let ann = seat(&mut world, "ann", Role::Client);
    let ben = seat(&mut world, "ben", Role::Client);
    world.run_for(WHILE);
    assert!(world.bots().all(|(_, bot)| bot.endpoint.is_connected()));
    assert_eq!((packets(&world, ann, ben), packets(&world, ben, ann)), (0, 0));
    assert!(world.send(ann, Channel::Reliable, b"psst"));
    world.run_for(WHILE);
    assert!(world.bot(ben).messages.is_empty());

    seat(&mut world, "therapist", Role::Therapist);
    assert!(world.run_until(SETTLED, |world| flows(world, ann, ben) && flows(world, ben, ann)));
}

#[test]
fn a_receiver_is_in_its_senders_roster_before_the_first_packet() {
    let mut world = World::new(2).unwrap();
    let mut bots = Vec::new();
    for (identity, role) in [("therapist", Role::Therapist), ("ann", Role::Client), ("ben", Role::Client)] {
        bots.push(seat(&mut world, identity, role));
        for _ in 0..400 {
            world.run_for(Duration::from_millis(5));
            for from in &bots {
                for to in bots.iter().filter(|to| *to != from) {
                    let told = world.bot(*from).others.contains_key(world.bot(*to).sid());
                    assert!(told || packets(&world, *from, *to) == 0, "{to:?} listens to {from:?} in silence");
                }
            }
        }
    }
    assert!(flows(&world, bots[1], bots[2]), "the test must see packets");
}

#[test]
fn after_a_hold_is_answered_nothing_crosses() {
    let (mut world, therapist, ann, ben) = couple(3);
    rule(&mut world, SessionCommand::Hold(Identity::from("ben")));
    let pairs = [(ben, therapist), (ben, ann), (therapist, ben), (ann, ben)];
    let before = after_the_reply(&mut world, &pairs);
    let messages = world.bot(ben).messages.len();
    assert!(world.send(ann, Channel::Reliable, b"about ben"));
    assert!(world.send(ben, Channel::Reliable, b"can you hear me"));
    world.run_for(WHILE);
    assert_eq!(pairs.map(|(from, to)| packets(&world, from, to)).to_vec(), before);
    assert_eq!(world.bot(ben).messages.len(), messages);
    assert!(world.bot(ann).messages.iter().all(|(_, message)| message != b"can you hear me"));
    assert!(world.bot(ben).others.is_empty(), "a held person knows of nobody");
    assert!(flows(&world, therapist, ann) && flows(&world, ann, therapist));

    rule(&mut world, SessionCommand::Resume(Identity::from("ben")));
    let back = |world: &World| pairs.iter().zip(&before).all(|((from, to), old)| packets(world, *from, *to) > *old);
    assert!(world.run_until(SETTLED, back), "ben is not back");
}

#[test]
fn what_is_written_to_a_newcomer_waits_for_the_channel_but_passes_no_seal() {
    for held in [false, true] {
        let (mut world, _, ann, _) = couple(5);
        let eve = world.join(SESSION, "eve", Role::Client, None).unwrap();
        assert!(world.send(ann, Channel::Reliable, b"welcome"));
        assert!(world.run_until(SETTLED, |world| world.bot(ann).others.contains_key(world.bot(eve).sid())));
        // On a line of its own the message may be at the server before a connection can be up.
        assert!(!world.bot(eve).endpoint.is_connected());
        if held {
            rule(&mut world, SessionCommand::Hold(Identity::from("eve")));
            assert!(world.run_until(SETTLED, |world| world.bot(eve).endpoint.is_connected()));
            world.run_for(WHILE);
            rule(&mut world, SessionCommand::Resume(Identity::from("eve")));
        }
        world.publish_audio(eve, AudioConfig::default());
        world.run_for(WHILE);
        assert!(world.bot(eve).endpoint.is_connected());
        let read = world.bot(eve).messages.iter().filter(|(_, message)| message == b"welcome").count();
        assert_eq!(read, usize::from(!held), "held in between: {held}");
    }
}

#[test]
fn a_check_in_is_sealed_until_it_ends() {
    let (mut world, therapist, ann, ben) = couple(4);
    let command = SessionCommand::StartCheckIn { therapist: None, with: BTreeSet::from([Identity::from("ann")]) };
    let SessionReply::Receipt(receipt) = rule(&mut world, command) else { panic!("a seal has a receipt") };
    assert!(receipt.held.contains(&Identity::from("ben")) && !receipt.cut.is_empty());

    let sealed = [(ben, therapist), (ben, ann), (therapist, ben), (ann, ben)];
    let before = after_the_reply(&mut world, &sealed);
    let inside = packets(&world, ann, therapist);
    assert!(world.send(ann, Channel::Reliable, b"he must not know"));
    world.run_for(WHILE);
    assert_eq!(sealed.map(|(from, to)| packets(&world, from, to)).to_vec(), before);
    assert!(world.bot(ben).messages.is_empty(), "nothing said inside reaches the partner");
    assert!(packets(&world, ann, therapist) > inside, "inside, the call goes on");
    assert!(world.bot(therapist).messages.iter().any(|(_, message)| message == b"he must not know"));

    rule(&mut world, SessionCommand::EndCheckIn(CheckInId(receipt.id.0)));
    let back = |world: &World| sealed.iter().zip(&before).all(|((from, to), old)| packets(world, *from, *to) > *old);
    assert!(world.run_until(SETTLED, back), "ben is not back");
}

#[test]
fn clients_are_heard_only_as_the_floor_allows() {
    let (mut world, therapist, ann, ben) = couple(5);
    rule(&mut world, SessionCommand::SetFloor(Floor::TherapistOnly));
    let audio = |world: &World, from: BotId, to: BotId| {
        world.bot(from).track_sid("mic-1").and_then(|sid| world.bot(to).track(sid)).map_or(0, |track| track.packets)
    };
    world.run_for(Duration::from_millis(1));
    let before = (audio(&world, ann, ben), audio(&world, therapist, ben), audio(&world, ann, therapist));
    world.run_for(WHILE);
    assert_eq!(audio(&world, ann, ben), before.0, "a partner is heard");
    assert!(audio(&world, therapist, ben) > before.1 && audio(&world, ann, therapist) > before.2);
}

#[test]
fn the_name_of_a_lip_sync_group_cannot_write_into_the_sdp_of_others() {
    let mut world = World::new(7).unwrap();
    let ann = world.join(SESSION, "ann", Role::Therapist, None).unwrap();
    let request = |stream: &str| TrackRequest {
        cid: TrackCid::from(stream),
        name: Redacted(String::new()),
        kind: MediaKind::Audio,
        source: TrackSource::Microphone,
        muted: false,
        size: VideoSize::default(),
        layers: Vec::new(),
        stereo: false,
        disable_dtx: false,
        disable_red: false,
        encryption: Encryption::None,
        stream: stream.to_owned(),
    };
    for (stream, taken) in [("camera", true), ("a\r\na=candidate:1", false), ("a b", false), ("\u{e9}", false)] {
        world.bot_mut(ann).refusals.clear();
        world.act(ann, Action::AddTrack(request(stream)));
        let refused = if taken { vec![] } else { vec![Refusal::Invalid] };
        assert_eq!(world.bot(ann).refusals, refused, "{stream:?}");
    }
}

/// What the worker does when the call into the shard that was made last panicked.
fn contain(world: &mut World) {
    let now = world.now();
    world.shard_mut().contain(now);
    world.run_for(Duration::from_millis(10));
}

/// A datagram of this bot, and nothing after it.
fn touch(world: &mut World, bot: BotId) {
    let (now, from, to) = (world.now(), world.bot(bot).address(), world.server());
    world.shard_mut().handle_datagram(now, from, to, &mut [128; 40]);
}

#[test]
fn a_bug_met_by_one_participant_ends_that_participant() {
    let (mut world, therapist, ann, ben) = couple(6);
    touch(&mut world, ben);
    contain(&mut world);
    assert!(world.left(ben).is_some());
    assert_eq!((world.left(therapist), world.left(ann)), (None, None));
    let before = packets(&world, therapist, ann);
    world.run_for(WHILE);
    assert!(packets(&world, therapist, ann) > before, "the others go on");
    assert_eq!(world.shard().counters().panics, 1);
}

#[test]
fn a_bug_met_on_the_way_of_a_command_ends_who_sent_it_and_not_who_was_looked_at_before() {
    let (mut world, therapist, ann, ben) = couple(8);
    touch(&mut world, ben);
    let (now, sid) = (world.now(), world.bot(ann).sid().clone());
    world.shard_mut().handle_command(now, &session(), Command::Act(sid, Action::Trickle(Leg::Publish)));
    contain(&mut world);
    assert!(world.left(ann).is_some());
    assert_eq!((world.left(therapist), world.left(ben)), (None, None));
}

#[test]
fn a_bug_that_is_nobodys_ends_nobody_until_it_has_come_too_often() {
    let (mut world, therapist, ann, ben) = couple(9);
    let everyone = [therapist, ann, ben];
    for time in 1..=4 {
        touch(&mut world, ben);
        let now = world.now();
        world.shard_mut().handle_command(now, &session(), Command::Snapshot);
        contain(&mut world);
        let out = everyone.map(|bot| world.left(bot));
        let expected = if time <= 3 { None } else { Some(LeaveReason::MustRejoin) };
        assert_eq!(out, [expected; 3], "time {time}");
    }
    assert_eq!(world.shard().snapshot().participants, 0);
    assert_eq!(world.shard().snapshot().peers, 0);
    seat(&mut world, "therapist", Role::Therapist);
}
