//! After any work in a room: the session's decisions are carried out, the forwarding table follows its edges, and
//! everybody is told what they may know. In this order, so that nothing flows before the news of it, and nothing is told
//! of what no longer flows.

use parlour_model::session::{MuteTarget, SessionEvent};
use parlour_model::{Edge, Medium, ParticipantKey, TrackSid};

use crate::publication::medium_of;
use crate::room::RoomContext;

impl RoomContext<'_> {
    /// Brings forwarding, rosters and subscriptions in line with the session.
    pub(crate) fn bring_up_to_date(&mut self) {
        self.handle_session_events();
        self.lay_ghosts();
        self.cut_edges();
        self.sync_rosters();
        self.open_edges();
        self.sync_subscriptions();
        self.handle_media_events();
        self.ask_for_offers();
    }

    /// Carries out what the session decided, and passes on what it tells.
    pub(crate) fn handle_session_events(&mut self) {
        while let Some(event) = self.room.session.poll_event() {
            match event {
                SessionEvent::Close { key, reason } => {
                    self.close(key, reason);
                    continue;
                }
                SessionEvent::Mute { key, target, .. } => self.mute_for_therapist(key, target),
                // Tracks end before their owner goes.
                SessionEvent::Departed { key, .. } => self.notify_all_unpublished(key),
                SessionEvent::PolicyChanged => self.enforce_rules_on_tracks(),
                _ => {}
            }
            self.notify(event);
        }
    }

    /// New rules hold for what is published already.
    fn enforce_rules_on_tracks(&mut self) {
        for key in self.room.participants.keys().copied().collect::<Vec<_>>() {
            self.enforce_tracks(key);
        }
    }

    fn mute_for_therapist(&mut self, key: ParticipantKey, target: MuteTarget) {
        let Some(participant) = self.room.participants.get(&key) else { return };
        let tracks = participant.record.tracks.iter().filter(|track| target.covers(medium_of(track)) && !track.muted);
        let tracks: Vec<TrackSid> = tracks.map(|track| track.sid.clone()).collect();
        for track in tracks {
            // The track was found a line above.
            let _ = self.mute_other(key, &track);
        }
    }

    /// Edges that are no more are cut before anything else happens.
    fn cut_edges(&mut self) {
        if self.is_table_stale() {
            let table = self.table();
            self.room.edges.retain(|edge| table.contains(edge));
            self.room.media.set_edges(&self.room.edges, self.now);
        }
    }

    /// New edges open once their receivers are in the rosters of their senders.
    fn open_edges(&mut self) {
        if self.is_table_stale() {
            self.room.edges = self.table();
            let withholds = self.withheld().next().is_some();
            self.room.withholds = withholds;
            self.room.edges_version = self.room.session.edges_version();
            self.room.media.set_edges(&self.room.edges, self.now);
        }
    }

    /// Ghosts' edges come and go without the session's, and so do those that wait for a client to know of them.
    fn is_table_stale(&self) -> bool {
        self.room.edges_version != self.room.session.edges_version()
            || self.room.withholds
            || self.room.participants.values().any(|one| one.ghost.is_some())
    }

    /// Edges of sound and picture along which nothing goes yet: what is under way was said before its sender knew who
    /// hears it.
    pub(crate) fn withheld(&self) -> impl Iterator<Item = &Edge> {
        let edges = self.room.session.edges().iter().filter(|edge| edge.medium != Medium::Data);
        edges.filter(|edge| {
            let publisher = self.room.participants.get(&edge.publisher);
            publisher.is_some_and(|one| one.audience.withholds_media(edge.receiver))
        })
    }

    /// A client has what it was told.
    pub(crate) fn acknowledged(&mut self, key: ParticipantKey, number: u32) {
        let now = self.now;
        if let Some(participant) = self.participant(key) {
            participant.audience.acknowledged(number, now);
        }
    }
}
