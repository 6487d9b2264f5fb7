//! What a participant sends: announced, bound to a section of its offer, muted, taken back.

use std::time::Duration;

use parlour_model::command::Topology;
use parlour_model::session::{MuteTarget, SessionEvent};
use parlour_model::{
    Event, LayerSpec, MediaKind, ParticipantKey, PublicationKey, Refusal, TrackRecord, TrackRequest, TrackSid,
};
use parlour_peer::Section;

use crate::participant::{Announced, Permission};
use crate::publication::{Publication, ingress_section, medium_of};
use crate::room::{Room, RoomContext};

/// Tracks of one participant, announced and published together: microphone, camera, two of a screen, and as many again
/// while a client replaces them.
const MAX_TRACKS: usize = 8;

/// Encodings of one track (simulcast rids q, h, f).
const MAX_LAYERS: usize = 3;

/// Longest name of a track, lip-sync group or client-side id, in bytes.
const MAX_TRACK_TEXT: usize = 256;

/// How long an announced track may go without an offer that carries it. Clients offer within half a second, or have
/// forgotten: a microphone nobody hears, and its owner cannot know.
const OFFER_WAIT: Duration = Duration::from_secs(3);

impl RoomContext<'_> {
    /// A client announces a track.
    pub(crate) fn add_track(&mut self, key: ParticipantKey, request: TrackRequest) {
        let cid = request.cid.clone();
        match self.announce(key, request) {
            Ok(track) => self.tell(key, Event::TrackPublished { cid, track }),
            Err(refusal) => self.tell(key, Event::TrackRefused { cid, refusal }),
        }
        // The offer that carries it may have come first.
        self.complete_waiting_offer(key);
    }

    /// Asks who announced a track some time ago for the offer that carries it: one that wants no section makes a client
    /// offer what it has. A client with a connection for each way is not asked, there is no message for it.
    pub(crate) fn ask_for_unoffered(&mut self, key: ParticipantKey) {
        let now = self.now;
        let Some(participant) = self.participant(key) else { return };
        let mut late = false;
        for announced in &mut participant.publishing.announced {
            late |= announced.offer_due.take_if(|due| *due <= now).is_some();
        }
        let is_single = participant.transport.topology == Topology::Single;
        if late && is_single && participant.publishing.waiting_offer.is_none() {
            self.tell(key, Event::SectionsNeeded { audio: 0, video: 0 });
        }
    }

    fn announce(&mut self, key: ParticipantKey, request: TrackRequest) -> Result<TrackRecord, Refusal> {
        let too_long = |text: &str| text.len() > MAX_TRACK_TEXT;
        if too_long(&request.name.0) || too_long(&request.stream) || too_long(request.cid.as_str()) {
            return Err(Refusal::Invalid);
        }
        // It becomes part of the SDP that others get.
        if !request.stream.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Refusal::Invalid);
        }
        if request.layers.len() > MAX_LAYERS || request.cid.as_str().is_empty() {
            return Err(Refusal::Invalid);
        }
        let now = self.now;
        let sid = TrackSid::new(self.names.sid("TR"));
        let publication = PublicationKey(self.names.next_publication());
        // The rules first: which media the session has at all, and whether they must be encrypted.
        self.room.session.check_track(key, request.source, request.kind, request.encryption)?;
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        if !participant.record.grants.may_publish(request.source, request.kind) {
            return Err(Refusal::NotAllowed);
        }
        // A repeated announcement, as after a lost connection, names the same track.
        if let Some(index) = participant.announced_by_cid(&request.cid) {
            return Ok(participant.publishing.announced[index].record.clone());
        }
        if participant.publishing.announced.len() + participant.record.tracks.len() >= MAX_TRACKS {
            return Err(Refusal::Limit);
        }
        let record = track_record(sid, request);
        let offer_due = Some(now + OFFER_WAIT);
        participant.publishing.announced.push(Announced { record: record.clone(), publication, offer_due });
        Ok(record)
    }

    /// Finds the announced track that a section carries: by the client's name of it, else the only one of its kind.
    pub(crate) fn announced_for(&self, key: ParticipantKey, section: &Section, kind: MediaKind) -> Option<usize> {
        let announced = &self.room.participants.get(&key)?.publishing.announced;
        let by_cid = section.msid.as_ref().and_then(|(_, track)| {
            announced.iter().position(|one| one.record.cid.as_str() == track && one.record.kind == kind)
        });
        // Some clients' track ids change between announcement and offer.
        by_cid.or_else(|| {
            let mut of_kind = announced.iter().enumerate().filter(|(_, one)| one.record.kind == kind);
            match (of_kind.next(), of_kind.next()) {
                (Some((index, _)), None) => Some(index),
                _ => None,
            }
        })
    }

    /// The publication that comes in on this section, announced now or published before. `None`: nothing known.
    pub(crate) fn bind(&mut self, key: ParticipantKey, section: &Section, kind: MediaKind) -> Option<PublicationKey> {
        let mid = section.mid.as_str();
        let bound = self.room.publications.values().find(|one| one.publisher == key && one.ingress.mid == mid);
        if let Some(publication) = bound {
            return Some(publication.key);
        }
        let offered = section.codecs.first()?.clone();
        let index = self.announced_for(key, section, kind)?;
        let participant = self.participant(key)?;
        let Announced { mut record, publication, .. } = participant.publishing.announced.remove(index);
        let ingress = ingress_section(&record, publication, section, &offered);
        record.codec = Some(offered.codec);
        record.mid = Some(mid.to_owned());
        record.simulcast = section.sent_rids().count() > 1;
        participant.publishing.published.push(publication);
        let published = Publication {
            key: publication,
            sid: record.sid.clone(),
            publisher: key,
            kind,
            codec: offered.codec,
            ingress,
            heard: false,
            listed: true,
        };
        let muted = record.muted;
        let identity = participant.record.identity.clone();
        let (track, medium) = (record.sid.clone(), medium_of(&record));
        participant.record.tracks.push(record);
        participant.touch();
        self.room.publications.insert(publication, published);
        self.notify(SessionEvent::TrackPublished { key, identity, track, medium });
        if muted {
            self.room.media.set_muted(publication, true, self.now);
        }
        Some(publication)
    }

    /// Takes back every publication of `key` that `kept` does not name.
    pub(crate) fn unpublish_all_but(&mut self, key: ParticipantKey, kept: &[PublicationKey]) {
        let gone: Vec<_> = self
            .room
            .publications
            .values()
            .filter(|one| one.publisher == key && !kept.contains(&one.key))
            .map(|one| one.key)
            .collect();
        for publication in gone {
            self.unpublish(publication);
        }
    }

    fn unpublish(&mut self, publication: PublicationKey) {
        let Some(gone) = self.room.publications.remove(&publication) else { return };
        self.notify_unpublished(&gone);
        if let Some(participant) = self.participant(gone.publisher) {
            participant.publishing.published.retain(|one| *one != publication);
            participant.record.tracks.retain(|track| track.sid != gone.sid);
            participant.touch();
        }
        self.tell(gone.publisher, Event::TrackUnpublished(gone.sid));
    }

    /// The control plane is told once that a publication is gone.
    fn notify_unpublished(&mut self, gone: &Publication) {
        let Some(publisher) = self.room.participants.get(&gone.publisher).filter(|_| gone.listed) else { return };
        let (key, identity) = (gone.publisher, publisher.record.identity.clone());
        let (track, medium) = (gone.sid.clone(), gone.ingress.medium);
        self.notify(SessionEvent::TrackUnpublished { key, identity, track, medium });
    }

    /// As if all tracks of this person were gone, whatever others still see.
    pub(crate) fn notify_all_unpublished(&mut self, key: ParticipantKey) {
        let mut publications = std::mem::take(&mut self.room.publications);
        for publication in publications.values_mut().filter(|one| one.publisher == key) {
            self.notify_unpublished(publication);
            publication.listed = false;
        }
        self.room.publications = publications;
    }

    /// The client takes a track back by name.
    pub(crate) fn unpublish_track(&mut self, key: ParticipantKey, track: &TrackSid) -> Result<(), Refusal> {
        if let Some(publication) = self.room.publication_by_sid(track) {
            if self.room.publications.get(&publication).is_none_or(|one| one.publisher != key) {
                return Err(Refusal::NotAllowed);
            }
            self.unpublish(publication);
            self.update_uplink(key);
            return Ok(());
        }
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        participant.publishing.announced.retain(|one| one.record.sid != *track);
        Ok(())
    }

    /// The owner mutes or unmutes.
    pub(crate) fn mute(&mut self, key: ParticipantKey, track: &TrackSid, muted: bool) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        if let Some(announced) = participant.publishing.announced.iter_mut().find(|one| one.record.sid == *track) {
            announced.record.muted = muted;
            return Ok(());
        }
        let record = participant.track_mut(track).ok_or(Refusal::UnknownTrack)?;
        if record.muted != muted {
            record.muted = muted;
            participant.touch();
            if let Some(publication) = self.room.publication_by_sid(track) {
                self.room.media.set_muted(publication, muted, self.now);
            }
        }
        Ok(())
    }

    /// Someone with authority mutes; the owner is told and may unmute.
    pub(crate) fn mute_other(&mut self, key: ParticipantKey, track: &TrackSid) -> Result<(), Refusal> {
        self.mute(key, track, true)?;
        self.tell(key, Event::TrackMuted { track: track.clone(), muted: true });
        Ok(())
    }

    /// Mutes one track for an integrator's server, and tells of it as of a therapist's mute.
    pub(crate) fn mute_by_server(&mut self, key: ParticipantKey, track: &TrackSid) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let announced = participant.publishing.announced.iter().map(|one| &one.record);
        let mut tracks = announced.chain(&participant.record.tracks);
        let kind = tracks.find(|one| one.sid == *track).ok_or(Refusal::UnknownTrack)?.kind;
        let identity = participant.record.identity.clone();
        self.mute_other(key, track)?;
        let target = if kind == MediaKind::Audio { MuteTarget::Audio } else { MuteTarget::Video };
        self.notify(SessionEvent::Mute { key, identity, target });
        Ok(())
    }

    /// New sizes of a track's encodings.
    pub(crate) fn update_layers(
        &mut self,
        key: ParticipantKey,
        track: &TrackSid,
        layers: Vec<LayerSpec>,
    ) -> Result<(), Refusal> {
        if layers.len() > MAX_LAYERS {
            return Err(Refusal::Invalid);
        }
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let record = participant.track_mut(track).ok_or(Refusal::UnknownTrack)?;
        record.layers.clone_from(&layers);
        participant.touch();
        if let Some(publication) = self.room.publication_by_sid(track) {
            self.room.media.set_layers(publication, &layers, self.now);
        }
        Ok(())
    }

    /// A publisher says who may receive it.
    pub(crate) fn set_permission(&mut self, key: ParticipantKey, permission: Permission) {
        if let Some(participant) = self.participant(key) {
            participant.publishing.permission = permission;
        }
    }

    /// Tracks whose publisher is no longer allowed them, by grants or by the session's rules, are taken back.
    pub(crate) fn enforce_tracks(&mut self, key: ParticipantKey) {
        let Room { session, participants, .. } = &mut *self.room;
        let Some(participant) = participants.get_mut(&key).filter(|one| one.ghost.is_none()) else { return };
        let grants = participant.record.grants;
        let is_allowed = |track: &TrackRecord| {
            grants.may_publish(track.source, track.kind)
                && session.check_track(key, track.source, track.kind, track.encryption).is_ok()
        };
        participant.publishing.announced.retain(|one| is_allowed(&one.record));
        let tracks = participant.record.tracks.iter();
        let refused: Vec<TrackSid> = tracks.filter(|track| !is_allowed(track)).map(|track| track.sid.clone()).collect();
        for publication in refused.iter().filter_map(|track| self.room.publication_by_sid(track)).collect::<Vec<_>>() {
            self.unpublish(publication);
        }
        self.update_uplink(key);
    }
}

/// The first record of an announced track.
fn track_record(sid: TrackSid, request: TrackRequest) -> TrackRecord {
    TrackRecord {
        sid,
        cid: request.cid,
        kind: request.kind,
        source: request.source,
        name: request.name,
        muted: request.muted,
        size: request.size,
        simulcast: request.layers.len() > 1,
        layers: request.layers,
        codec: None,
        mid: None,
        stereo: request.stereo,
        disable_dtx: request.disable_dtx,
        disable_red: request.disable_red,
        encryption: request.encryption,
        stream: request.stream,
    }
}
