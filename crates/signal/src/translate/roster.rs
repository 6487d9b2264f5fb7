//! Participants as LiveKit describes them, and what one client has been told of them.

use std::collections::{BTreeMap, VecDeque};

use livekit_protocol as proto;
use parlour_model::command::SessionRecord;
use parlour_model::participant::{Grants, ParticipantRecord, ParticipantState, Role};
use parlour_model::{Identity, ParticipantSid, TrackSource};

use super::track;

/// Participants remembered for one client. A session has at most twelve, and stays are forgotten when told to be over.
const MAX_KNOWN: usize = 64;

/// A participant as others, or itself, are told.
pub(crate) fn info(record: &ParticipantRecord) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        sid: record.sid.as_str().to_owned(),
        identity: record.identity.as_str().to_owned(),
        state: match record.state {
            ParticipantState::Joined => proto::participant_info::State::Joined,
            ParticipantState::Active => proto::participant_info::State::Active,
            ParticipantState::Disconnected => proto::participant_info::State::Disconnected,
        }
        .into(),
        tracks: record.tracks.iter().map(track::info).collect(),
        metadata: record.metadata.0.clone(),
        joined_at: record.joined_at_ms / 1_000,
        joined_at_ms: record.joined_at_ms,
        name: record.name.0.clone(),
        version: record.version,
        permission: Some(permission(record.grants)),
        is_publisher: !record.tracks.is_empty(),
        kind: match record.role {
            Role::Therapist | Role::Client | Role::Guest => proto::participant_info::Kind::Standard,
            Role::Service => proto::participant_info::Kind::Agent,
        }
        .into(),
        attributes: record.attributes.0.clone().into_iter().collect(),
        client_protocol: record.client.client_protocol,
        capabilities: record.client.capabilities.clone(),
        ..Default::default()
    }
}

fn permission(grants: Grants) -> proto::ParticipantPermission {
    let sources = [
        (grants.camera, TrackSource::Camera),
        (grants.microphone, TrackSource::Microphone),
        (grants.screen, TrackSource::ScreenShare),
        (grants.screen, TrackSource::ScreenShareAudio),
    ];
    // In LiveKit an empty list means every source.
    let all = sources.iter().all(|(allowed, _)| *allowed);
    proto::ParticipantPermission {
        can_subscribe: grants.subscribe,
        can_publish: grants.may_publish_any(),
        can_publish_data: grants.data,
        can_publish_sources: sources
            .into_iter()
            .filter(|(allowed, _)| *allowed && !all)
            .map(|(_, source)| track::source_out(source).into())
            .collect(),
        can_update_metadata: grants.update_own_metadata,
        ..Default::default()
    }
}

/// A session as LiveKit's room.
pub(crate) fn room(session: &SessionRecord) -> proto::Room {
    proto::Room {
        sid: session.sid.clone(),
        name: session.id.as_str().to_owned(),
        max_participants: session.max_participants,
        creation_time: session.created_at_ms / 1_000,
        creation_time_ms: session.created_at_ms,
        metadata: session.metadata.0.clone(),
        num_participants: session.participants,
        num_publishers: session.publishers,
        enabled_codecs: super::join::publish_codecs(),
        ..Default::default()
    }
}

/// Who went that a client is told of again when it resumes.
const MAX_GONE: usize = 32;

/// Whom a client believes to be there.
#[derive(Debug, Default)]
pub(crate) struct View {
    known: BTreeMap<ParticipantSid, (Identity, u32)>,
    /// Told to be gone, latest last. What was written to a socket that was already dying never arrived, and nothing
    /// says what did: a resume tells all of it again, which a client that knows takes in its stride.
    gone: VecDeque<proto::ParticipantInfo>,
}

impl View {
    /// Notes what the client is being told.
    pub(crate) fn note(&mut self, records: &[ParticipantRecord]) {
        for record in records {
            if record.state == ParticipantState::Disconnected {
                self.known.remove(&record.sid);
                self.note_gone(gone(&record.sid, &record.identity, record.version));
            } else if self.known.len() < MAX_KNOWN || self.known.contains_key(&record.sid) {
                self.known.insert(record.sid.clone(), (record.identity.clone(), record.version));
            }
        }
    }

    /// Who is behind a stay.
    pub(crate) fn identity_of(&self, sid: &str) -> Option<&Identity> {
        self.known.get(&ParticipantSid::from(sid)).map(|(identity, _)| identity)
    }

    /// Those who went while the client may not have heard of it, given everyone who is there now.
    pub(crate) fn gone(&mut self, present: &[ParticipantRecord]) -> Vec<proto::ParticipantInfo> {
        let here = |sid: &str| present.iter().any(|record| record.sid.as_str() == sid);
        let untold: Vec<_> = self.known.extract_if(.., |sid, _| !here(sid.as_str())).collect();
        for (sid, (identity, version)) in untold {
            self.note_gone(gone(&sid, &identity, version.saturating_add(1)));
        }
        self.gone.retain(|one| !here(&one.sid));
        // Clients look people up by identity: the end of an earlier stay would send away who is back.
        let back = |one: &proto::ParticipantInfo| present.iter().any(|record| record.identity.as_str() == one.identity);
        self.gone.iter().filter(|one| !back(one)).cloned().collect()
    }

    fn note_gone(&mut self, one: proto::ParticipantInfo) {
        self.gone.retain(|told| told.sid != one.sid);
        if self.gone.len() == MAX_GONE {
            self.gone.pop_front();
        }
        self.gone.push_back(one);
    }
}

/// Of someone who is there no more: who, and nothing else.
fn gone(sid: &ParticipantSid, identity: &Identity, version: u32) -> proto::ParticipantInfo {
    proto::ParticipantInfo {
        sid: sid.as_str().to_owned(),
        identity: identity.as_str().to_owned(),
        state: proto::participant_info::State::Disconnected.into(),
        version,
        ..Default::default()
    }
}
