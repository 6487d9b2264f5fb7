//! What each participant receives: every publication of everyone it may know of, unless it, the publisher or its grants
//! say no. Whether packets then flow is up to the session's edges alone.

use std::collections::BTreeSet;

use parlour_media::SubscriptionSpec;
use parlour_model::command::TrackSettings;
use parlour_model::{Event, MediaKind, ParticipantKey, PublicationKey, Refusal, TrackSid};

use crate::room::RoomContext;

/// Tracks for which one client's wishes are kept. A session has at most 12 people with 8 tracks each.
const MAX_WISHES: usize = 128;

impl RoomContext<'_> {
    /// Brings every client's subscriptions up to date with who is there and what they publish.
    pub(crate) fn sync_subscriptions(&mut self) {
        // A ghost keeps what it had, as a lost line does.
        let receivers: Vec<_> = self.room.present().map(|one| one.key).collect();
        for receiver in receivers {
            let wanted = self.wanted_by(receiver);
            let Some(participant) = self.room.participants.get_mut(&receiver) else { continue };
            let before = std::mem::replace(&mut participant.receiving.wanted, wanted.clone());
            for gone in before.difference(&wanted) {
                participant.receiving.sections.retire(*gone);
                if participant.receiving.subscribed.remove(gone) {
                    self.room.media.unsubscribe(receiver, *gone, self.now);
                }
            }
            for new in wanted.difference(&before) {
                let kind = self.room.publications.get(new).map_or(MediaKind::Video, |one| one.kind);
                participant.receiving.sections.want(*new, kind);
            }
        }
    }

    fn wanted_by(&self, receiver: ParticipantKey) -> BTreeSet<PublicationKey> {
        let visible = self.room.visible_to(receiver);
        let Some(participant) = self.room.participants.get(&receiver) else { return BTreeSet::new() };
        if !participant.record.grants.subscribe {
            return BTreeSet::new();
        }
        self.room
            .publications
            .values()
            .filter(|publication| visible.contains(&publication.publisher))
            .filter(|publication| participant.receiving.wants(&publication.sid))
            .filter(|publication| {
                let publisher = self.room.participants.get(&publication.publisher);
                publisher
                    .is_some_and(|one| one.publishing.permission.allows(&participant.record.identity, &publication.sid))
            })
            .map(|publication| publication.key)
            .collect()
    }

    /// A section carries the publication now.
    pub(crate) fn begin_subscription(&mut self, subscription: SubscriptionSpec) {
        let (receiver, key) = (subscription.receiver, subscription.publication);
        self.room.media.subscribe(subscription, self.now);
        let Some(publication) = self.room.publications.get_mut(&key) else { return };
        let (sid, publisher) = (publication.sid.clone(), publication.publisher);
        let first = !std::mem::replace(&mut publication.heard, true);
        if let Some(participant) = self.room.participants.get_mut(&receiver) {
            participant.receiving.subscribed.insert(key);
            if let Some(settings) = participant.receiving.settings.get(&sid) {
                self.room.media.set_preferences(receiver, key, *settings, self.now);
            }
        }
        if first {
            self.tell(publisher, Event::TrackSubscribed(sid));
        }
    }

    /// A client wants, or no longer wants, these.
    pub(crate) fn subscribe(&mut self, key: ParticipantKey, tracks: &[TrackSid], wanted: bool) -> Result<(), Refusal> {
        let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
        let receiving = &mut participant.receiving;
        for track in tracks {
            if wanted == receiving.auto_subscribe {
                receiving.exceptions.remove(track);
            } else if receiving.exceptions.len() < MAX_WISHES {
                receiving.exceptions.insert(track.clone());
            } else {
                return Err(Refusal::Limit);
            }
        }
        Ok(())
    }

    /// How a client shows these.
    pub(crate) fn track_settings(
        &mut self,
        key: ParticipantKey,
        tracks: &[TrackSid],
        settings: TrackSettings,
    ) -> Result<(), Refusal> {
        for track in tracks {
            let participant = self.participant(key).ok_or(Refusal::UnknownParticipant)?;
            let known = &mut participant.receiving.settings;
            if known.len() >= MAX_WISHES && !known.contains_key(track) {
                return Err(Refusal::Limit);
            }
            known.insert(track.clone(), settings);
            if let Some(publication) = self.room.publication_by_sid(track) {
                self.room.media.set_preferences(key, publication, settings, self.now);
            }
        }
        Ok(())
    }

    /// Wishes for tracks that are no more are forgotten.
    pub(crate) fn forget_stale_wishes(&mut self) {
        let tracks: BTreeSet<TrackSid> = self.room.publications.values().map(|one| one.sid.clone()).collect();
        for participant in self.room.participants.values_mut() {
            participant.receiving.exceptions.retain(|track| tracks.contains(track));
            participant.receiving.settings.retain(|track, _| tracks.contains(track));
        }
    }
}
