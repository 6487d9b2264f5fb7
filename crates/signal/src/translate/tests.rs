//! The dictionary between LiveKit's words and ours.

#![allow(clippy::unwrap_used)]

use livekit_protocol as proto;
use parlour_model::command::{Action, SessionRecord};
use parlour_model::event::{ConnectionQuality, Speaker, StreamState};
use parlour_model::participant::{ClientTraits, Grants, ParticipantRecord, ParticipantState, Role, TrackRecord};
use parlour_model::{
    Bitrate, Codec, Encryption, Event, Identity, LayerSpec, LeaveReason, MediaKind, ParticipantSid, Quality, Redacted,
    Refusal, SessionId, TrackCid, TrackSid, TrackSource, VideoSize,
};
use proptest::prelude::{any, proptest};
use proto::leave_request::Action as Advice;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message as Tell;

use super::request::{Invalid, Request, translate as understand};
use super::response::translate as tell;
use super::roster::{self, View};
use super::{leave, track};
use crate::config::StopAdvice;

fn person(sid: &str, identity: &str) -> ParticipantRecord {
    ParticipantRecord {
        sid: ParticipantSid::from(sid),
        identity: Identity::from(identity),
        role: Role::Client,
        name: Redacted("Ada".into()),
        metadata: Redacted::default(),
        attributes: Redacted::default(),
        grants: Grants::ALL,
        state: ParticipantState::Active,
        joined_at_ms: 1_700_000_000_123,
        version: 4,
        client: ClientTraits { client_protocol: 2, capabilities: vec![2] },
        tracks: Vec::new(),
    }
}

fn camera(layers: &[Quality]) -> TrackRecord {
    let layer = |quality: &Quality| LayerSpec {
        quality: *quality,
        size: VideoSize { width: 320, height: 180 },
        bitrate: Bitrate::kbps(150),
        ssrc: 0,
    };
    TrackRecord {
        sid: TrackSid::from("TR_1"),
        cid: TrackCid::from("cid"),
        kind: MediaKind::Video,
        source: TrackSource::Camera,
        name: Redacted("camera".into()),
        muted: false,
        size: VideoSize { width: 1_280, height: 720 },
        simulcast: layers.len() > 1,
        layers: layers.iter().map(layer).collect(),
        codec: Some(Codec::Vp8),
        mid: Some("3".into()),
        stereo: false,
        disable_dtx: false,
        disable_red: false,
        encryption: Encryption::Gcm,
        stream: "s".into(),
    }
}

fn action(message: Ask) -> Result<Action, Invalid> {
    match understand(message, &View::default())? {
        Request::Act(action) => Ok(action),
        other => panic!("no action: {other:?}"),
    }
}

fn told(event: Event) -> Tell {
    tell(event, StopAdvice::Disconnect).unwrap()
}

#[test]
fn clients_learn_of_each_other_what_rpc_and_streams_need() {
    let info = roster::info(&person("PA_1", "ada"));
    assert_eq!((info.client_protocol, info.capabilities.as_slice()), (2, [2].as_slice()));
    assert_eq!((info.joined_at, info.joined_at_ms), (1_700_000_000, 1_700_000_000_123));
    let permission = info.permission.unwrap();
    assert!(permission.can_publish && permission.can_publish_sources.is_empty() && !permission.hidden);
}

#[test]
fn a_narrow_grant_lists_its_sources_and_a_wide_one_lists_none() {
    let mut record = person("PA_1", "ada");
    record.grants = Grants { camera: false, screen: false, ..Grants::ALL };
    let permission = roster::info(&record).permission.unwrap();
    assert_eq!(permission.can_publish_sources, [proto::TrackSource::Microphone as i32]);
    record.grants = Grants { microphone: false, ..record.grants };
    assert!(!roster::info(&record).permission.unwrap().can_publish);
}

#[test]
#[allow(deprecated)]
fn encodings_are_named_by_rid_and_a_single_one_is_not() {
    let info = track::info(&camera(&[Quality::Low, Quality::Medium, Quality::High]));
    let rids: Vec<_> = info.codecs[0].layers.iter().map(|layer| layer.rid.as_str()).collect();
    assert_eq!(rids, ["q", "h", "f"]);
    assert_eq!((info.mime_type.as_str(), info.mid.as_str()), ("video/VP8", "3"));
    assert_eq!(info.encryption(), proto::encryption::Type::Gcm);
    assert_eq!(track::info(&camera(&[Quality::High])).codecs[0].layers[0].rid, "");
}

#[test]
fn an_announced_track_is_understood_in_both_ways_of_listing_layers() {
    let layer = proto::VideoLayer { quality: 1, width: 640, height: 360, bitrate: 500_000, ..Default::default() };
    let codec = proto::SimulcastCodec { layers: vec![layer.clone()], ..Default::default() };
    let plain = proto::AddTrackRequest {
        cid: "c".into(),
        r#type: proto::TrackType::Video.into(),
        source: proto::TrackSource::ScreenShare.into(),
        audio_features: vec![proto::AudioTrackFeature::TfStereo.into()],
        ..Default::default()
    };
    let old = proto::AddTrackRequest { layers: vec![layer], ..plain.clone() };
    let new = proto::AddTrackRequest { simulcast_codecs: vec![codec], ..plain };
    for request in [old, new] {
        let request = track::request(request).unwrap();
        assert_eq!((request.source, request.kind), (TrackSource::ScreenShare, MediaKind::Video));
        assert_eq!((request.layers[0].quality, request.layers[0].bitrate), (Quality::Medium, Bitrate::kbps(500)));
        assert!(request.stereo);
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_whole() {
    let long = "x".repeat(300);
    let add = |request: proto::AddTrackRequest| action(Ask::AddTrack(request)).err();
    assert_eq!(add(proto::AddTrackRequest::default()), Some(Invalid));
    assert_eq!(add(proto::AddTrackRequest { cid: long, ..Default::default() }), Some(Invalid));
    let layers = vec![proto::VideoLayer::default(); 4];
    assert_eq!(add(proto::AddTrackRequest { cid: "c".into(), layers, ..Default::default() }), Some(Invalid));
    let sids: Vec<_> = (0..300).map(|number| format!("TR_{number}")).collect();
    let update = proto::UpdateSubscription { track_sids: sids, subscribe: true, ..Default::default() };
    assert_eq!(action(Ask::Subscription(update)).err(), Some(Invalid));
    let sdp = "a".repeat(300 * 1024);
    assert_eq!(action(Ask::Offer(proto::SessionDescription { sdp, ..Default::default() })).err(), Some(Invalid));
    let update = proto::UpdateParticipantMetadata { metadata: "m".repeat(70_000), ..Default::default() };
    assert_eq!(action(Ask::UpdateMetadata(update)).err(), Some(Invalid));
}

#[test]
fn a_size_outweighs_a_quality_and_off_means_disabled() {
    let settings = |settings: proto::UpdateTrackSettings| match action(Ask::TrackSetting(settings)) {
        Ok(Action::TrackSettings { settings, .. }) => settings,
        other => panic!("no settings: {other:?}"),
    };
    let sized = settings(proto::UpdateTrackSettings { width: 640, height: 360, ..Default::default() });
    assert_eq!((sized.size, sized.quality), (Some(VideoSize { width: 640, height: 360 }), None));
    let named =
        settings(proto::UpdateTrackSettings { quality: proto::VideoQuality::High.into(), ..Default::default() });
    assert_eq!((named.size, named.quality, named.disabled), (None, Some(Quality::High), false));
    let off = settings(proto::UpdateTrackSettings { quality: proto::VideoQuality::Off.into(), ..Default::default() });
    assert!(off.disabled);
}

#[test]
fn a_permission_for_an_unknown_stay_or_for_no_track_allows_nothing() {
    let permissions = vec![
        proto::TrackPermission { participant_sid: "PA_gone".into(), all_tracks: true, ..Default::default() },
        proto::TrackPermission { participant_identity: "bob".into(), ..Default::default() },
        proto::TrackPermission { participant_identity: "eve".into(), all_tracks: true, ..Default::default() },
    ];
    let permission = proto::SubscriptionPermission { all_participants: false, track_permissions: permissions };
    let Ok(Action::SubscriptionPermission { all: false, others }) = action(Ask::SubscriptionPermission(permission))
    else {
        panic!("not understood")
    };
    assert_eq!(others, [(Identity::from("eve"), Vec::new())]);
}

#[test]
fn a_resume_tells_again_who_went_whether_or_not_it_was_told() {
    let mut view = View::default();
    view.note(&[person("PA_1", "ada"), person("PA_2", "bob"), person("PA_3", "eve")]);
    assert_eq!(view.identity_of("PA_2"), Some(&Identity::from("bob")));
    // Written to a socket that may have been dead already.
    view.note(&[ParticipantRecord { state: ParticipantState::Disconnected, ..person("PA_3", "eve") }]);
    for _resume in 0..2 {
        let gone = view.gone(&[person("PA_1", "ada")]);
        assert!(gone.iter().all(|one| one.state() == proto::participant_info::State::Disconnected));
        let told: Vec<_> = gone.iter().map(|one| (one.sid.as_str(), one.version)).collect();
        assert_eq!(told, [("PA_3", 4), ("PA_2", 5)]);
    }
    let back = [person("PA_1", "ada"), person("PA_4", "bob"), person("PA_5", "eve")];
    assert!(view.gone(&back).is_empty(), "who is back in another stay is not told to be gone");
    let everyone = [person("PA_1", "ada"), person("PA_2", "bob"), person("PA_3", "eve")];
    assert!(view.gone(&everyone).is_empty(), "nor who is there");
}

#[test]
fn no_more_are_remembered_as_gone_than_the_bound() {
    let mut view = View::default();
    for number in 0..100 {
        let sid = format!("PA_{number}");
        view.note(&[ParticipantRecord { state: ParticipantState::Disconnected, ..person(&sid, "ada") }]);
    }
    let gone = view.gone(&[]);
    assert_eq!((gone.len(), gone.last().map(|one| one.sid.as_str())), (32, Some("PA_99")));
}

#[test]
fn every_reason_to_leave_says_what_to_do() {
    for (reason, action) in [
        (LeaveReason::ClientInitiated, Advice::Disconnect),
        (LeaveReason::DuplicateIdentity, Advice::Disconnect),
        (LeaveReason::Removed, Advice::Disconnect),
        (LeaveReason::SessionEnded, Advice::Disconnect),
        (LeaveReason::ProtocolViolation, Advice::Disconnect),
        (LeaveReason::ServerShutdown, Advice::Disconnect),
        (LeaveReason::ConnectionLost, Advice::Reconnect),
        (LeaveReason::MustRejoin, Advice::Reconnect),
    ] {
        let Tell::Leave(leave) = leave::message(reason, StopAdvice::Disconnect) else { panic!("no leave") };
        assert_eq!((leave.action(), leave.can_reconnect), (action, action == Advice::Reconnect), "{reason:?}");
    }
    let Tell::Leave(leave) = leave::message(LeaveReason::ServerShutdown, StopAdvice::Reconnect) else {
        panic!("no leave")
    };
    assert_eq!(leave.action(), Advice::Reconnect);
}

#[test]
fn an_answer_carries_its_number_and_every_section() {
    let mids = vec![("0".to_owned(), TrackSid::from("TR_1")), ("1".to_owned(), TrackSid::from("TR_2"))];
    let Tell::Answer(answer) = told(Event::Answer { sdp: Redacted("v=0".into()), offer_id: 7, mids }) else {
        panic!("no answer")
    };
    assert_eq!((answer.r#type.as_str(), answer.id, answer.mid_to_track_id.len()), ("answer", 7, 2));
}

#[test]
#[allow(deprecated)]
fn unset_enums_never_say_the_worst_by_accident() {
    let qualities = [ConnectionQuality::Poor, ConnectionQuality::Good, ConnectionQuality::Excellent];
    let updates = qualities.map(|quality| (ParticipantSid::from("PA_1"), quality)).to_vec();
    let Tell::ConnectionQuality(update) = told(Event::ConnectionQuality(updates)) else { panic!("no quality") };
    let said: Vec<_> = update.updates.iter().map(|update| update.quality()).collect();
    use proto::ConnectionQuality::{Excellent, Good, Poor};
    assert_eq!(said, [Poor, Good, Excellent]);
    let qualities = vec![(Quality::Low, true), (Quality::High, false)];
    let event = Event::SubscribedQuality { track: TrackSid::from("TR_1"), codec: Codec::H264, qualities };
    let Tell::SubscribedQualityUpdate(update) = told(event) else { panic!("no update") };
    assert_eq!(update.subscribed_codecs[0].codec, "h264");
    assert_eq!(
        (update.subscribed_qualities[1].quality(), update.subscribed_qualities[1].enabled),
        (proto::VideoQuality::High, false)
    );
}

#[test]
fn speakers_streams_and_refusals_are_told() {
    let speaker = Speaker { participant: ParticipantSid::from("PA_1"), level: 0.5, active: true };
    assert!(matches!(told(Event::Speakers(vec![speaker])), Tell::SpeakersChanged(told) if told.speakers[0].active));
    let state = StreamState { participant: ParticipantSid::from("PA_1"), track: TrackSid::from("TR_1"), paused: true };
    let Tell::StreamStateUpdate(update) = told(Event::StreamStates(vec![state])) else { panic!("no states") };
    assert_eq!(update.stream_states[0].state(), proto::StreamState::Paused);
    let refused = Event::TrackRefused { cid: TrackCid::from("c"), refusal: Refusal::NotAllowed };
    let Tell::RequestResponse(refused) = told(refused) else { panic!("no response") };
    assert_eq!(refused.reason(), proto::request_response::Reason::NotAllowed);
}

#[test]
fn a_session_is_told_as_a_room() {
    let record = SessionRecord {
        id: SessionId::from("s"),
        sid: "RM_1".into(),
        metadata: Redacted("m".into()),
        created_at_ms: 5_000,
        participants: 2,
        publishers: 1,
        max_participants: 6,
    };
    let room = roster::room(&record);
    assert_eq!((room.name.as_str(), room.sid.as_str(), room.creation_time), ("s", "RM_1", 5));
}

proptest! {
    #[test]
    fn nothing_decodable_panics(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(Some(message)) = crate::wire::decode_binary(&bytes) {
            let _ = understand(message, &View::default());
        }
    }

    #[test]
    fn nothing_well_formed_panics(
        kind in 1..24u32,
        strings in proptest::collection::vec(".{0,20}", 0..8),
        numbers in proptest::collection::vec(any::<u64>(), 0..8),
    ) {
        // A request of this kind whose fields are text and numbers: nearer to honest than random bytes.
        let mut body = Vec::new();
        for (field, text) in (1..).zip(&strings) {
            prost::encoding::string::encode(field, text, &mut body);
        }
        for (field, number) in (3..).zip(&numbers) {
            prost::encoding::uint64::encode(field, number, &mut body);
        }
        let mut bytes = Vec::new();
        prost::encoding::bytes::encode(kind, &body, &mut bytes);
        if let Ok(Some(message)) = crate::wire::decode_binary(&bytes) {
            let _ = understand(message, &View::default());
        }
    }
}
