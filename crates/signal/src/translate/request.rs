//! What a client asks, in our words.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use livekit_protocol::signal_request::Message;
use parlour_model::command::{Action, Leg, ProfileUpdate, SyncState, TrackSettings};
use parlour_model::{Identity, ParticipantSid, Redacted, TrackSid, VideoSize};

use super::roster::View;
use super::track;
use crate::token::{MAX_METADATA, MAX_NAME, attributes_fit, permitted_attributes};

/// Tracks or people named in one request.
pub(crate) const MAX_NAMED: usize = 256;
/// Longest SDP: thousand sections are over it, twelve people's are a quarter of it.
const MAX_SDP: usize = 256 * 1024;

/// A request that is out of its bounds. Nothing of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// What to do about a request.
#[derive(Debug)]
pub(crate) enum Request {
    /// For the engine.
    Act(Action),
    /// Answered here.
    Ping(proto::Ping),
    /// Answered here, in the old way.
    OldPing,
    /// For tests of clients.
    Simulate(proto::simulate_scenario::Scenario),
    /// Known, and of no consequence for us.
    Ignored,
    /// Of a feature that is not here.
    Unsupported,
}

/// A fixed word for each kind of request.
#[allow(deprecated)] // older SDKs send them
pub(crate) fn kind(message: &Message) -> &'static str {
    match message {
        Message::Offer(_) => "offer",
        Message::Answer(_) => "answer",
        Message::Trickle(_) => "trickle",
        Message::AddTrack(_) => "add_track",
        Message::Mute(_) => "mute",
        Message::Subscription(_) => "subscription",
        Message::TrackSetting(_) => "track_setting",
        Message::Leave(_) => "leave",
        Message::UpdateLayers(_) => "update_layers",
        Message::SubscriptionPermission(_) => "subscription_permission",
        Message::SyncState(_) => "sync_state",
        Message::Simulate(_) => "simulate",
        Message::Ping(_) | Message::PingReq(_) => "ping",
        Message::UpdateMetadata(_) => "update_metadata",
        Message::UpdateAudioTrack(_) => "update_audio_track",
        Message::UpdateVideoTrack(_) => "update_video_track",
        _ => "other",
    }
}

/// Translates one request.
#[allow(deprecated)] // older SDKs send them
pub(crate) fn translate(message: Message, view: &View) -> Result<Request, Invalid> {
    let action = match message {
        Message::Offer(description) => offer(description)?,
        Message::Answer(description) => Action::Answer { offer_id: description.id, sdp: sdp(description)? },
        Message::Trickle(trickle) => Action::Trickle(match trickle.target() {
            proto::SignalTarget::Publisher => Leg::Publish,
            proto::SignalTarget::Subscriber => Leg::Subscribe,
        }),
        Message::AddTrack(request) => Action::AddTrack(track::request(request)?),
        Message::Mute(mute) => Action::Mute { track: TrackSid::from(mute.sid), muted: mute.muted },
        Message::Subscription(update) => subscribe(update)?,
        Message::TrackSetting(settings) => track_settings(settings)?,
        Message::Leave(_) => Action::Leave,
        Message::UpdateLayers(update) => {
            Action::UpdateLayers { layers: track::layers(&update.layers)?, track: TrackSid::from(update.track_sid) }
        }
        Message::SubscriptionPermission(permission) => subscription_permission(permission, view)?,
        Message::SyncState(sync) => Action::SyncState(sync_state(sync)?),
        Message::UpdateMetadata(update) => update_profile(update)?,
        Message::Simulate(simulate) => return Ok(simulate.scenario.map_or(Request::Ignored, Request::Simulate)),
        Message::Ping(_) => return Ok(Request::OldPing),
        Message::PingReq(ping) => return Ok(Request::Ping(ping)),
        Message::UpdateAudioTrack(_) | Message::UpdateVideoTrack(_) => return Ok(Request::Ignored),
        _ => return Ok(Request::Unsupported),
    };
    Ok(Request::Act(action))
}

/// An offer, here or within a join request.
pub(crate) fn offer(description: proto::SessionDescription) -> Result<Action, Invalid> {
    Ok(Action::Offer { offer_id: description.id, sdp: sdp(description)? })
}

fn sdp(description: proto::SessionDescription) -> Result<Redacted<String>, Invalid> {
    if description.sdp.len() > MAX_SDP { Err(Invalid) } else { Ok(Redacted(description.sdp)) }
}

fn track_sids(sids: Vec<String>) -> Result<Vec<TrackSid>, Invalid> {
    if sids.len() > MAX_NAMED { Err(Invalid) } else { Ok(sids.into_iter().map(TrackSid::from).collect()) }
}

fn subscribe(update: proto::UpdateSubscription) -> Result<Action, Invalid> {
    let mut sids = update.track_sids;
    sids.extend(update.participant_tracks.into_iter().flat_map(|of| of.track_sids));
    sids.sort_unstable();
    sids.dedup();
    Ok(Action::Subscribe { tracks: track_sids(sids)?, wanted: update.subscribe })
}

fn track_settings(settings: proto::UpdateTrackSettings) -> Result<Action, Invalid> {
    let size = VideoSize { width: settings.width, height: settings.height };
    let quality = track::quality(settings.quality());
    let sized = size.width > 0 && size.height > 0;
    Ok(Action::TrackSettings {
        settings: TrackSettings {
            disabled: settings.disabled || (quality.is_none() && !sized),
            size: sized.then_some(size),
            quality: quality.filter(|_| !sized),
            fps: (settings.fps > 0).then_some(settings.fps),
        },
        tracks: track_sids(settings.track_sids)?,
    })
}

fn subscription_permission(permission: proto::SubscriptionPermission, view: &View) -> Result<Action, Invalid> {
    if permission.track_permissions.len() > MAX_NAMED {
        return Err(Invalid);
    }
    let mut others: Vec<(Identity, Vec<TrackSid>)> = Vec::new();
    for permission in permission.track_permissions {
        let identity = if permission.participant_identity.is_empty() {
            view.identity_of(&permission.participant_sid).cloned()
        } else {
            Some(Identity::from(permission.participant_identity))
        };
        // Someone unknown is nobody, and an entry without tracks allows nothing: both leave the list shorter, as an
        // empty list of ours would mean all tracks.
        let Some(identity) = identity else { continue };
        if permission.all_tracks {
            others.push((identity, Vec::new()));
        } else if !permission.track_sids.is_empty() {
            others.push((identity, track_sids(permission.track_sids)?));
        }
    }
    Ok(Action::SubscriptionPermission { all: permission.all_participants, others })
}

fn update_profile(update: proto::UpdateParticipantMetadata) -> Result<Action, Invalid> {
    let attributes: BTreeMap<String, String> = update.attributes.into_iter().collect();
    let attributes = permitted_attributes(&attributes);
    if update.name.len() > MAX_NAME || update.metadata.len() > MAX_METADATA || !attributes_fit(&attributes) {
        return Err(Invalid);
    }
    let some = |text: String| (!text.is_empty()).then_some(Redacted(text));
    Ok(Action::UpdateProfile {
        request: update.request_id,
        update: ProfileUpdate {
            name: some(update.name),
            metadata: some(update.metadata),
            attributes: Redacted(attributes),
        },
    })
}

/// What a resuming client still has.
pub(crate) fn sync_state(sync: proto::SyncState) -> Result<SyncState, Invalid> {
    let subscription = sync.subscription.unwrap_or_default();
    let mut exceptions = subscription.track_sids;
    exceptions.extend(subscription.participant_tracks.into_iter().flat_map(|of| of.track_sids));
    if sync.datachannel_receive_states.len() > MAX_NAMED {
        return Err(Invalid);
    }
    Ok(SyncState {
        exceptions: track_sids(exceptions)?,
        disabled: track_sids(sync.track_sids_disabled)?,
        received: sync
            .datachannel_receive_states
            .into_iter()
            .map(|state| (ParticipantSid::from(state.publisher_sid), state.last_seq))
            .collect(),
    })
}
