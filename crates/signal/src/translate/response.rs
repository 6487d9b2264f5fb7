//! What a client is told, in LiveKit's words.

use std::collections::HashMap;

use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request as About};
use livekit_protocol::signal_response::Message;
use parlour_model::event::{ConnectionQuality, Speaker, StreamState};
use parlour_model::{Codec, Event, ParticipantSid, Quality, Refusal, TrackSid};

use super::{leave, roster, track};
use crate::config::StopAdvice;

/// A fixed word for each kind of response.
pub(crate) fn kind(message: &Message) -> &'static str {
    match message {
        Message::Join(_) => "join",
        Message::Answer(_) => "answer",
        Message::Offer(_) => "offer",
        Message::Update(_) => "update",
        Message::TrackPublished(_) => "track_published",
        Message::Leave(_) => "leave",
        Message::Mute(_) => "mute",
        Message::SpeakersChanged(_) => "speakers_changed",
        Message::RoomUpdate(_) => "room_update",
        Message::ConnectionQuality(_) => "connection_quality",
        Message::StreamStateUpdate(_) => "stream_state_update",
        Message::SubscribedQualityUpdate(_) => "subscribed_quality_update",
        Message::SubscriptionPermissionUpdate(_) => "subscription_permission_update",
        Message::RefreshToken(_) => "refresh_token",
        Message::TrackUnpublished(_) => "track_unpublished",
        Message::Pong(_) | Message::PongResp(_) => "pong",
        Message::Reconnect(_) => "reconnect",
        Message::RequestResponse(_) => "request_response",
        Message::TrackSubscribed(_) => "track_subscribed",
        Message::MediaSectionsRequirement(_) => "media_sections_requirement",
        _ => "other",
    }
}

/// Whether a message still means something to a client that comes back after a break. What it asks anew (answers) or
/// is told anew (the roster) does not.
pub(crate) fn outlives_a_break(message: &Message) -> bool {
    matches!(
        message,
        Message::TrackPublished(_)
            | Message::TrackUnpublished(_)
            | Message::Mute(_)
            | Message::RoomUpdate(_)
            | Message::SubscribedQualityUpdate(_)
            | Message::SubscriptionPermissionUpdate(_)
            | Message::StreamStateUpdate(_)
            | Message::RequestResponse(_)
            | Message::TrackSubscribed(_)
    )
}

/// Translates an event; `None` for what is not told but done.
pub(crate) fn translate(event: Event, on_stop: StopAdvice) -> Option<Message> {
    let message = match event {
        Event::Roster(records) => update(records.iter().map(roster::info).collect()),
        Event::Answer { sdp, offer_id, mids } => Message::Answer(description("answer", sdp.0, offer_id, mids)),
        Event::Offer { sdp, offer_id, mids } => Message::Offer(description("offer", sdp.0, offer_id, mids)),
        Event::OfferRefused { offer_id: _, reason } => refused(0, Reason::InvalidRequest, &reason, None),
        Event::SectionsNeeded { audio, video } => {
            Message::MediaSectionsRequirement(proto::MediaSectionsRequirement { num_audios: audio, num_videos: video })
        }
        Event::TrackPublished { cid, track } => Message::TrackPublished(proto::TrackPublishedResponse {
            cid: cid.as_str().to_owned(),
            track: Some(track::info(&track)),
        }),
        Event::TrackUnpublished(sid) => {
            Message::TrackUnpublished(proto::TrackUnpublishedResponse { track_sid: sid.as_str().to_owned() })
        }
        Event::TrackSubscribed(sid) => {
            Message::TrackSubscribed(proto::TrackSubscribed { track_sid: sid.as_str().to_owned() })
        }
        Event::TrackMuted { track, muted } => {
            Message::Mute(proto::MuteTrackRequest { sid: track.as_str().to_owned(), muted })
        }
        Event::SubscribedQuality { track, codec, qualities } => subscribed_quality(&track, codec, &qualities),
        Event::Speakers(speakers) => speakers_changed(&speakers),
        Event::ConnectionQuality(updates) => connection_quality(&updates),
        Event::StreamStates(states) => stream_states(&states),
        Event::SubscriptionPermission { participant, track, allowed } => {
            Message::SubscriptionPermissionUpdate(proto::SubscriptionPermissionUpdate {
                participant_sid: participant.as_str().to_owned(),
                track_sid: track.as_str().to_owned(),
                allowed,
            })
        }
        Event::SessionChanged(session) => Message::RoomUpdate(proto::RoomUpdate { room: Some(roster::room(&session)) }),
        Event::RequestDone(request) => refused(request, Reason::Ok, "", None),
        Event::RequestFailed { request, refusal } => refused(request, reason(refusal), &refusal.to_string(), None),
        Event::TrackRefused { cid, refusal } => {
            let about = About::AddTrack(proto::AddTrackRequest { cid: cid.as_str().to_owned(), ..Default::default() });
            refused(0, reason(refusal), &refusal.to_string(), Some(about))
        }
        Event::Leave(reason) => leave::message(reason, on_stop),
        // Told in a data message (`data.rs`): the protocol has no word for it.
        Event::NarrowSpeech { .. } | Event::DataReceived { .. } | Event::Acknowledge(_) => return None,
    };
    Some(message)
}

/// A participant update.
pub(crate) fn update(participants: Vec<proto::ParticipantInfo>) -> Message {
    Message::Update(proto::ParticipantUpdate { participants })
}

/// The answer to a request that is numbered or named.
pub(crate) fn refused(request_id: u32, reason: Reason, message: &str, request: Option<About>) -> Message {
    Message::RequestResponse(proto::RequestResponse {
        request_id,
        reason: reason.into(),
        message: message.to_owned(),
        request,
    })
}

fn description(kind: &str, sdp: String, id: u32, mids: Vec<(String, TrackSid)>) -> proto::SessionDescription {
    let mid_to_track_id: HashMap<_, _> = mids.into_iter().map(|(mid, sid)| (mid, sid.as_str().to_owned())).collect();
    proto::SessionDescription { r#type: kind.to_owned(), sdp, id, mid_to_track_id }
}

#[allow(deprecated)] // SDKs before 1.0 read the flat list
fn subscribed_quality(sid: &TrackSid, codec: Codec, qualities: &[(Quality, bool)]) -> Message {
    let qualities: Vec<_> = qualities
        .iter()
        .map(|(quality, enabled)| proto::SubscribedQuality {
            quality: track::quality_out(*quality).into(),
            enabled: *enabled,
        })
        .collect();
    let name = track::mime_type(codec).rsplit('/').next().unwrap_or_default().to_lowercase();
    Message::SubscribedQualityUpdate(proto::SubscribedQualityUpdate {
        track_sid: sid.as_str().to_owned(),
        subscribed_qualities: qualities.clone(),
        subscribed_codecs: vec![proto::SubscribedCodec { codec: name, qualities }],
    })
}

/// Who speaks.
pub(crate) fn speakers_changed(speakers: &[Speaker]) -> Message {
    Message::SpeakersChanged(proto::SpeakersChanged {
        speakers: speakers
            .iter()
            .map(|speaker| proto::SpeakerInfo {
                sid: speaker.participant.as_str().to_owned(),
                level: speaker.level,
                active: speaker.active,
            })
            .collect(),
    })
}

fn connection_quality(updates: &[(ParticipantSid, ConnectionQuality)]) -> Message {
    let updates = updates
        .iter()
        .map(|(sid, quality)| {
            // The score is LiveKit's mean opinion score, of which its clients show nothing finer than these.
            let (quality, score) = match quality {
                ConnectionQuality::Poor => (proto::ConnectionQuality::Poor, 2.0),
                ConnectionQuality::Good => (proto::ConnectionQuality::Good, 3.5),
                ConnectionQuality::Excellent => (proto::ConnectionQuality::Excellent, 4.5),
            };
            proto::ConnectionQualityInfo { participant_sid: sid.as_str().to_owned(), quality: quality.into(), score }
        })
        .collect();
    Message::ConnectionQuality(proto::ConnectionQualityUpdate { updates })
}

fn stream_states(states: &[StreamState]) -> Message {
    Message::StreamStateUpdate(proto::StreamStateUpdate {
        stream_states: states
            .iter()
            .map(|state| proto::StreamStateInfo {
                participant_sid: state.participant.as_str().to_owned(),
                track_sid: state.track.as_str().to_owned(),
                state: if state.paused { proto::StreamState::Paused } else { proto::StreamState::Active }.into(),
            })
            .collect(),
    })
}

fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::UnknownSession | Refusal::UnknownParticipant | Refusal::UnknownTrack | Refusal::UnknownCheckIn => {
            Reason::NotFound
        }
        Refusal::NotAllowed
        | Refusal::Locked
        | Refusal::Removed
        | Refusal::EncryptionRequired
        | Refusal::NotOpenYet
        | Refusal::WrongRegion
        | Refusal::Denied
        | Refusal::NoHandOver => Reason::NotAllowed,
        Refusal::Full | Refusal::Limit => Reason::LimitExceeded,
        Refusal::Invalid
        | Refusal::DuplicateIdentity
        | Refusal::NotPresent
        | Refusal::NotWaiting
        | Refusal::OtherText
        | Refusal::InCheckIn
        | Refusal::NoTherapist => Reason::InvalidRequest,
        Refusal::Ended | Refusal::Draining | Refusal::Internal => Reason::UnclassifiedError,
    }
}
