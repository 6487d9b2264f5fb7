//! People of a room, as LiveKit's servers ask for and change them.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use parlour_model::command::{Action, ProfileUpdate, Requester};
use parlour_model::session::SessionCommand;
use parlour_model::{Command, Grants, Identity, Redacted, TrackSid};

use super::Call;
use super::twirp::TwirpError;
use crate::token::{MAX_METADATA, MAX_NAME, attributes_fit, permitted_attributes};
use crate::translate::request::MAX_NAMED;
use crate::translate::{roster, track};

/// Everyone with a seat, those who wait included. A room that is not there has nobody in it.
pub(super) async fn list(
    call: &Call<'_>,
    request: proto::ListParticipantsRequest,
) -> Result<proto::ListParticipantsResponse, TwirpError> {
    let session = call.access.administer(&request.room)?;
    let people = match call.describe(&session).await {
        Ok((_, people)) => people,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(proto::ListParticipantsResponse { participants: people.iter().map(roster::info).collect() })
}

pub(super) async fn get(
    call: &Call<'_>,
    request: proto::RoomParticipantIdentity,
) -> Result<proto::ParticipantInfo, TwirpError> {
    let session = call.access.administer(&request.room)?;
    Ok(roster::info(&call.person(&session, &request.identity).await?))
}

/// Out, and not to come back unless a therapist admits them again.
pub(super) async fn remove(
    call: &Call<'_>,
    request: proto::RoomParticipantIdentity,
) -> Result<proto::RemoveParticipantResponse, TwirpError> {
    let session = call.access.administer(&request.room)?;
    let whom = Identity::from(request.identity);
    let command = SessionCommand::Remove(whom.clone());
    let asking = call.ask(&session, Command::Rule { by: Requester::Server, command });
    call.recorded(&session, "remove", Some(&whom), asking).await?;
    Ok(proto::RemoveParticipantResponse {})
}

/// Mutes. Only its owner can undo it.
pub(super) async fn mute(
    call: &Call<'_>,
    request: proto::MuteRoomTrackRequest,
) -> Result<proto::MuteRoomTrackResponse, TwirpError> {
    let session = call.access.administer(&request.room)?;
    if !request.muted {
        return Err(TwirpError::precondition("only its owner can unmute a track"));
    }
    let track = TrackSid::from(request.track_sid);
    let identity = Identity::from(request.identity.as_str());
    let muting = call.ask(&session, Command::MuteTrack { identity: identity.clone(), track: track.clone() });
    call.recorded(&session, "mute_track", Some(&identity), muting).await?;
    let person = call.person(&session, &request.identity).await?;
    // A track that is announced and not yet offered is in nobody's list.
    let announced = || proto::TrackInfo { sid: track.as_str().to_owned(), muted: true, ..Default::default() };
    let told = person.tracks.iter().find(|one| one.sid == track).map_or_else(announced, track::info);
    Ok(proto::MuteRoomTrackResponse { track: Some(told) })
}

pub(super) async fn update(
    call: &Call<'_>,
    request: proto::UpdateParticipantRequest,
) -> Result<proto::ParticipantInfo, TwirpError> {
    let session = call.access.administer(&request.room)?;
    let attributes: BTreeMap<_, _> = request.attributes.into_iter().collect();
    if permitted_attributes(&attributes).len() < attributes.len() {
        return Err(TwirpError::invalid("attributes that begin with `parlour.` are the server's own"));
    }
    if request.name.len() > MAX_NAME || request.metadata.len() > MAX_METADATA || !attributes_fit(&attributes) {
        return Err(TwirpError::invalid("name, metadata or attributes are too long"));
    }
    let some = |text: String| (!text.is_empty()).then_some(Redacted(text));
    let update =
        ProfileUpdate { name: some(request.name), metadata: some(request.metadata), attributes: Redacted(attributes) };
    let grants = request.permission.as_ref().map(grants).transpose()?;
    let identity = Identity::from(request.identity.as_str());
    let updating = call.ask(&session, Command::UpdateParticipant { identity: identity.clone(), update, grants });
    call.recorded(&session, "update_participant", Some(&identity), updating).await?;
    Ok(roster::info(&call.person(&session, &request.identity).await?))
}

/// The engine narrows them to what the role may.
#[allow(deprecated)] // what older SDKs ask with the old fields is refused, too
fn grants(permission: &proto::ParticipantPermission) -> Result<Grants, TwirpError> {
    if permission.hidden || permission.recorder {
        return Err(TwirpError::invalid("hidden participants are not possible"));
    }
    let sources = &permission.can_publish_sources;
    let source =
        |source: proto::TrackSource| permission.can_publish && (sources.is_empty() || sources.contains(&source.into()));
    Ok(Grants {
        microphone: source(proto::TrackSource::Microphone),
        camera: source(proto::TrackSource::Camera),
        screen: source(proto::TrackSource::ScreenShare),
        subscribe: permission.can_subscribe,
        data: permission.can_publish_data,
        update_own_metadata: permission.can_update_metadata,
    })
}

/// As if the person had asked: along the session's edges, and to be seen by everyone whom they receive.
pub(super) async fn subscribe(
    call: &Call<'_>,
    request: proto::UpdateSubscriptionsRequest,
) -> Result<proto::UpdateSubscriptionsResponse, TwirpError> {
    let session = call.access.administer(&request.room)?;
    let mut sids = request.track_sids;
    sids.extend(request.participant_tracks.into_iter().flat_map(|of| of.track_sids));
    if sids.len() > MAX_NAMED {
        return Err(TwirpError::invalid("too many tracks"));
    }
    let person = call.person(&session, &request.identity).await?;
    let tracks = sids.into_iter().map(TrackSid::from).collect();
    let action = Action::Subscribe { tracks, wanted: request.subscribe };
    call.ask(&session, Command::Act(person.sid, action)).await?;
    Ok(proto::UpdateSubscriptionsResponse {})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn permissions_name_sources_or_mean_all() {
        let all = proto::ParticipantPermission { can_publish: true, can_subscribe: true, ..Default::default() };
        let all = grants(&all).unwrap();
        assert!(all.microphone && all.camera && all.screen && all.subscribe && !all.data);
        let microphone = proto::ParticipantPermission {
            can_publish: true,
            can_publish_sources: vec![proto::TrackSource::Microphone.into()],
            ..Default::default()
        };
        let microphone = grants(&microphone).unwrap();
        assert!(microphone.microphone && !microphone.camera && !microphone.screen);
    }

    #[test]
    #[allow(deprecated)]
    fn nobody_is_made_invisible() {
        for hidden in [
            proto::ParticipantPermission { hidden: true, ..Default::default() },
            proto::ParticipantPermission { recorder: true, ..Default::default() },
        ] {
            assert!(grants(&hidden).is_err());
        }
    }
}
