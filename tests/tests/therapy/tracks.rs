//! Which tracks exist at all: the session's modality and its rule on end-to-end encryption.

use std::time::Duration;

use parlour_bot::direct::{BotId, Role, World};
use parlour_model::command::Action;
use parlour_model::session::{E2eePolicy, Modality, SessionCommand, SessionPolicy};
use parlour_model::{
    Command, Encryption, MediaKind, Redacted, Refusal, Reply, SessionOpening, TrackCid, TrackRequest, TrackSource,
    VideoSize,
};

use crate::stage::{couple, flows, open_door, packets, rule, seat, seat_encrypted, session, world};

fn announce(world: &mut World, bot: BotId, source: TrackSource, encryption: Encryption) -> Vec<Refusal> {
    let kind = if source == TrackSource::Microphone { MediaKind::Audio } else { MediaKind::Video };
    world.bot_mut(bot).refusals.clear();
    let cid = TrackCid::from(format!("{source:?}-{encryption:?}"));
    world.act(
        bot,
        Action::AddTrack(TrackRequest {
            cid,
            name: Redacted(String::new()),
            kind,
            source,
            muted: false,
            size: VideoSize::default(),
            layers: Vec::new(),
            stereo: false,
            disable_dtx: false,
            disable_red: false,
            encryption,
            stream: String::new(),
        }),
    );
    world.bot(bot).refusals.clone()
}

#[test]
fn in_a_session_by_voice_no_picture_is_published() {
    let mut world = world(21, open_door());
    let opening = SessionOpening {
        kind: Default::default(),
        modality: Modality::Audio,
        schedule: None,
        policy: open_door(),
        snapshot: None,
    };
    let reply = world.command(&session(), Command::Open(Box::new(opening)));
    assert!(matches!(reply, Reply::Done), "{reply:?}");
    let therapist = seat(&mut world, "therapist", Role::Therapist);
    let ann = seat(&mut world, "ann", Role::Client);
    world.run_for(Duration::from_secs(5));
    assert!(world.bot(ann).refusals.contains(&Refusal::NotAllowed), "her camera is refused");
    let video = |track: &&parlour_model::TrackRecord| track.kind == MediaKind::Video;
    assert!(world.bot(therapist).others.values().all(|one| one.tracks.iter().filter(video).count() == 0));
    let mic = world.bot(ann).track_sid("mic-1").unwrap();
    assert!(world.bot(therapist).track(mic).is_some_and(|track| track.packets > 0), "her voice is heard");
}

#[test]
fn where_encryption_is_required_nobody_comes_in_and_nothing_is_published_without_it() {
    let mut world = world(22, SessionPolicy { e2ee: E2eePolicy::Required, ..open_door() });
    let refused = world.join(crate::stage::SESSION, "ann", Role::Client, None);
    assert_eq!(refused.err(), Some(Refusal::EncryptionRequired));
    let ann = seat_encrypted(&mut world, "ann", Role::Client).unwrap();
    let clear = announce(&mut world, ann, TrackSource::Microphone, Encryption::None);
    assert_eq!(clear, [Refusal::EncryptionRequired]);
    assert_eq!(announce(&mut world, ann, TrackSource::Microphone, Encryption::Gcm), []);
}

#[test]
fn a_rule_that_comes_later_holds_for_tracks_that_are_there() {
    let (mut world, therapist, ann, ben) = couple(23, open_door());
    rule(&mut world, SessionCommand::SetPolicy(Box::new(SessionPolicy { e2ee: E2eePolicy::Required, ..open_door() })));
    world.run_for(Duration::from_millis(1));
    let ways = [(ann, ben), (ben, ann), (therapist, ann), (ann, therapist)];
    let before = ways.map(|(from, to)| packets(&world, from, to));
    world.run_for(Duration::from_secs(3));
    assert_eq!(ways.map(|(from, to)| packets(&world, from, to)), before, "unencrypted tracks go nowhere");
    assert!(world.bot(ben).others.values().all(|one| one.tracks.is_empty()));
    assert!(flows(&world, ann, ben), "the test must have seen packets");
}
