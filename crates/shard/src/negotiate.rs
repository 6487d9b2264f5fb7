//! Offers and answers: which section of a connection carries what, in both directions (RFC 8829). SDP itself is
//! `peer`'s; here sections meet publications.

use std::time::Duration;

use parlour_media::{DownlinkSpec, SubscriptionSpec, UplinkSpec};
use parlour_model::command::{Leg, Topology};
use parlour_model::{
    Event, MediaKind, Medium, ParticipantKey, ParticipantRecord, PublicationKey, Redacted, Role, TrackSid,
};
use parlour_peer::{
    IceChange, OfferedSection, ReceivePlan, RedUse, Reliability, Section, SectionKind, SectionPlan, SendPlan,
};
use parlour_rtp::{ExtensionKind, ExtensionMap};

use crate::demux::PeerKey;
use crate::participant::WaitingOffer;
use crate::publication::Publication;
use crate::room::RoomContext;
use crate::sections::{SendSection, Use};

/// How long an offer waits for the announcement of a track it carries. Clients send both in the same moment, in either
/// order; a client that never announces gets its answer, without that track.
const ANNOUNCEMENT_WAIT: Duration = Duration::from_secs(2);

/// Of a therapist's publications; others have 1.
const THERAPIST_PRIORITY: u8 = 2;

impl RoomContext<'_> {
    /// The client offers on its publishing connection (in [`Topology::Single`] its only one).
    pub(crate) fn handle_offer(&mut self, key: ParticipantKey, sdp: &str, offer_id: u32) {
        let Some(peer) = self.publishing_peer(key) else {
            return self.tell(key, Event::OfferRefused { offer_id, reason: "too many connections".into() });
        };
        let fresh = self.peers.credentials(self.names);
        let Some(slot) = self.peers.touch(peer) else { return };
        match slot.peer.handle_offer(sdp, fresh, self.now) {
            Ok(outcome) if outcome.ice == IceChange::Restarted => self.peers.ufrag_added(peer),
            Ok(_) => {}
            Err(error) => {
                self.counters.offers_refused += 1;
                return self.tell(key, Event::OfferRefused { offer_id, reason: error.to_string() });
            }
        }
        let waiting = WaitingOffer { offer_id, until: self.now + ANNOUNCEMENT_WAIT };
        let unannounced = self.carries_unannounced(key, peer);
        let Some(participant) = self.participant(key) else { return };
        participant.publishing.waiting_offer = Some(waiting);
        if !unannounced {
            self.answer_waiting_offer(key);
        }
    }

    /// An announcement came: perhaps it is the one an offer waits for.
    pub(crate) fn complete_waiting_offer(&mut self, key: ParticipantKey) {
        let Some(participant) = self.room.participants.get(&key) else { return };
        let Some(peer) = participant.transport.publish else { return };
        if participant.publishing.waiting_offer.is_some() && !self.carries_unannounced(key, peer) {
            self.answer_waiting_offer(key);
        }
    }

    /// Answers the last offer with what is known now.
    pub(crate) fn answer_waiting_offer(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participant(key) else { return };
        let Some(peer) = participant.transport.publish else { return };
        let Some(WaitingOffer { offer_id, .. }) = participant.publishing.waiting_offer.take() else { return };
        let sections = self.peers.get(peer).map(|slot| slot.peer.sections().to_vec()).unwrap_or_default();

        let received = self.bind_sections(key, &sections);
        self.unpublish_all_but(key, &received.iter().flatten().copied().collect::<Vec<_>>());
        self.offer_send_sections(key, &sections, &received);
        let plan = self.plan(key, &sections, &received);
        let answer = self.peers.touch(peer).map(|slot| slot.peer.answer(&plan));
        let sdp = match answer {
            Some(Ok(sdp)) => sdp,
            // The plan was made from the offer: this cannot be the client's fault.
            Some(Err(_)) => {
                self.counters.answers_failed += 1;
                return self.tell(key, Event::OfferRefused { offer_id, reason: "internal error".into() });
            }
            None => return,
        };
        self.update_uplink(key);
        self.update_downlink(key, Leg::Publish, &sections);
        // A client drops a track for good if the answer that carries it comes before the news of who publishes it.
        self.sync_rosters();
        let mids = self.mids(key);
        self.tell(key, Event::Answer { sdp: Redacted(sdp), offer_id, mids });
        if let Some(participant) = self.participant(key)
            && participant.transport.topology == Topology::Single
        {
            participant.receiving.sections.answered();
            participant.receiving.asked = false;
        }
    }

    /// For each section the publication that comes in on it.
    fn bind_sections(&mut self, key: ParticipantKey, sections: &[Section]) -> Vec<Option<PublicationKey>> {
        sections
            .iter()
            .map(|section| {
                let kind = media_kind(section.kind)?;
                if !section.direction.sends() || section.rejected {
                    return None;
                }
                self.bind(key, section, kind)
            })
            .collect()
    }

    fn carries_unannounced(&self, key: ParticipantKey, peer: PeerKey) -> bool {
        let Some(slot) = self.peers.get(peer) else { return false };
        slot.peer.sections().iter().any(|section| {
            let Some(kind) = media_kind(section.kind) else { return false };
            let mid = section.mid.as_str();
            let bound = self.room.publications.values().any(|one| one.publisher == key && one.ingress.mid == mid);
            section.direction.sends() && !section.rejected && !bound && self.announced_for(key, section, kind).is_none()
        })
    }

    /// Takes note of the sections the client can receive on and gives them to what waits.
    fn offer_send_sections(&mut self, key: ParticipantKey, sections: &[Section], received: &[Option<PublicationKey>]) {
        let Self { room, names, .. } = self;
        let Some(participant) = room.participants.get_mut(&key) else { return };
        if participant.transport.topology == Topology::Dual {
            return;
        }
        for (section, received) in sections.iter().zip(received) {
            if let Some(kind) = media_kind(section.kind)
                && section.direction.receives()
                && received.is_none()
                && !section.rejected
            {
                participant.receiving.sections.offer(section.mid.as_str(), kind);
            }
        }
        participant.receiving.sections.assign(|| names.ssrc());
    }

    fn plan(&self, key: ParticipantKey, sections: &[Section], received: &[Option<PublicationKey>]) -> Vec<SectionPlan> {
        sections
            .iter()
            .zip(received)
            .map(|(section, received)| match (section.kind, received) {
                _ if section.rejected => SectionPlan::Inactive,
                (SectionKind::Application, _) => SectionPlan::Application,
                (_, Some(publication)) => self.receive_plan(*publication),
                (_, None) if section.direction.receives() => {
                    self.send_plan(key, section).map_or(SectionPlan::Inactive, SectionPlan::Send)
                }
                _ => SectionPlan::Inactive,
            })
            .collect()
    }

    fn receive_plan(&self, publication: PublicationKey) -> SectionPlan {
        let Some(publication) = self.room.publications.get(&publication) else { return SectionPlan::Inactive };
        let publisher = self.room.participants.get(&publication.publisher);
        let track = publisher.and_then(|one| one.track(&publication.sid));
        SectionPlan::Receive(ReceivePlan {
            codecs: vec![publication.codec],
            red: if track.is_some_and(|track| track.disable_red) { RedUse::Refused } else { RedUse::Preferred },
            dtx: track.is_none_or(|track| !track.disable_dtx),
        })
    }

    /// How we send on this section, if it carries something its receiver can decode.
    fn send_plan(&self, receiver: ParticipantKey, section: &Section) -> Option<SendPlan> {
        let participant = self.room.participants.get(&receiver)?;
        let ours = participant.receiving.sections.by_mid(section.mid.as_str())?;
        let plan = self.send_plan_of(ours)?;
        section.codec(plan.codec).is_some().then_some(plan)
    }

    fn send_plan_of(&self, section: &SendSection) -> Option<SendPlan> {
        let Use::Sending(publication) = section.used else { return None };
        let publication = self.room.publications.get(&publication)?;
        let publisher = self.room.participants.get(&publication.publisher)?;
        Some(SendPlan {
            stream_id: stream_id(&publisher.record, publication),
            track_id: publication.sid.as_str().to_owned(),
            ssrc: section.ssrc,
            rtx_ssrc: Some(section.rtx_ssrc),
            cname: canonical_name(&publisher.record),
            codec: publication.codec,
        })
    }

    /// Tells media what comes in from `key` now.
    pub(crate) fn update_uplink(&mut self, key: ParticipantKey) {
        let peer = self.room.participants.get(&key).and_then(|one| one.transport.publish);
        let Some(slot) = peer.and_then(|peer| self.peers.get(peer)) else { return };
        let sections = slot.peer.sections();
        let extensions = extensions(sections);
        let transport_cc = transport_cc(sections, &extensions);
        let ingress = self.room.publications.values().filter(|one| one.publisher == key);
        let uplink =
            UplinkSpec { extensions, transport_cc, sections: ingress.map(|one| one.ingress.clone()).collect() };
        self.room.media.set_uplink(key, uplink, self.now);
        self.put_therapists_first(key);
    }

    /// When a receiver's line is short, the therapist's picture is the last to go.
    fn put_therapists_first(&mut self, key: ParticipantKey) {
        if self.room.participants.get(&key).is_some_and(|one| one.record.role == Role::Therapist) {
            for publication in self.room.publications.values().filter(|one| one.publisher == key) {
                self.room.media.set_priority(publication.key, THERAPIST_PRIORITY, self.now);
            }
        }
    }

    /// Tells media how `key` receives now, and on which section what, if it is on this leg that it does: each numbers
    /// its header extensions and payload types in its own way.
    fn update_downlink(&mut self, key: ParticipantKey, leg: Leg, sections: &[Section]) {
        let Some(participant) = self.room.participants.get(&key) else { return };
        if leg != participant.transport.receiving_leg() {
            return;
        }
        let extensions = extensions(sections);
        let transport_cc = transport_cc(sections, &extensions);
        let subscriptions: Vec<_> = participant
            .receiving
            .sections
            .sending()
            .filter(|(_, publication)| !participant.receiving.subscribed.contains(publication))
            .filter_map(|(ours, publication)| {
                let section = sections.iter().find(|one| one.mid.as_str() == ours.mid)?;
                self.subscription(key, ours, publication, section)
            })
            .collect();
        self.room.media.set_downlink(key, DownlinkSpec { leg, extensions, transport_cc }, self.now);
        for subscription in subscriptions {
            self.begin_subscription(subscription);
        }
    }

    fn subscription(
        &self,
        receiver: ParticipantKey,
        ours: &SendSection,
        publication: PublicationKey,
        section: &Section,
    ) -> Option<SubscriptionSpec> {
        let state = self.room.publications.get(&publication)?;
        let publisher = self.room.participants.get(&state.publisher)?;
        let offered = section.codec(state.codec)?;
        Some(SubscriptionSpec {
            receiver,
            publication,
            mid: ours.mid.clone(),
            cname: canonical_name(&publisher.record),
            ssrc: ours.ssrc,
            rtx_ssrc: offered.rtx.map(|_| ours.rtx_ssrc),
            payload_type: offered.payload_type,
            rtx: offered.rtx,
            red: offered.red,
            nack: offered.feedback.nack,
            transport_cc: offered.feedback.transport_cc,
        })
    }

    /// Every section that carries a publication to `key`.
    fn mids(&self, key: ParticipantKey) -> Vec<(String, TrackSid)> {
        let Some(participant) = self.room.participants.get(&key) else { return Vec::new() };
        let name = |publication| self.room.publications.get(&publication).map(|one| one.sid.clone());
        let sending = participant.receiving.sections.sending();
        sending.filter_map(|(section, publication)| Some((section.mid.clone(), name(publication)?))).collect()
    }

    fn publishing_peer(&mut self, key: ParticipantKey) -> Option<PeerKey> {
        if let Some(peer) = self.participant(key)?.transport.publish {
            return Some(peer);
        }
        let peer = self.create_peer(key)?;
        let participant = self.participant(key)?;
        participant.transport.publish = Some(peer);
        if participant.transport.topology == Topology::Single {
            participant.receiving.sections.reset();
        }
        Some(peer)
    }

    fn create_peer(&mut self, key: ParticipantKey) -> Option<PeerKey> {
        (self.peers.len() < self.config.max_peers).then(|| self.peers.create(self.room.key, key, self.names, self.now))
    }

    /// Asks every client whose sections do not fit its wishes for an offer, or makes one.
    pub(crate) fn ask_for_offers(&mut self) {
        let unsettled: Vec<_> = self
            .room
            .present()
            .filter(|one| !one.receiving.asked)
            .filter(|one| one.receiving.sections.unsettled() || one.transport.owes_offer())
            .map(|one| (one.key, one.transport.topology))
            .collect();
        for (key, topology) in unsettled {
            match topology {
                Topology::Single => self.ask_for_sections(key),
                Topology::Dual => self.offer(key),
            }
        }
    }

    fn ask_for_sections(&mut self, key: ParticipantKey) {
        let Some(participant) = self.participant(key) else { return };
        // Before its first offer a client cannot have been asked: that offer comes unasked.
        if participant.transport.publish.is_none() || participant.publishing.waiting_offer.is_some() {
            return;
        }
        participant.receiving.asked = true;
        let shortage = participant.receiving.sections.shortage();
        self.tell(key, Event::SectionsNeeded { audio: shortage.audio, video: shortage.video });
    }

    /// Offers the connection a [`Topology::Dual`] client receives on.
    fn offer(&mut self, key: ParticipantKey) {
        let Some(peer) = self.subscribing_peer(key) else { return };
        let Self { room, names, .. } = self;
        let Some(participant) = room.participants.get_mut(&key) else { return };
        if participant.transport.open_offer.is_some() {
            return;
        }
        participant.receiving.asked = true;
        participant.receiving.sections.grow();
        participant.receiving.sections.assign(|| names.ssrc());
        let offer_id = participant.transport.next_offer;
        participant.transport.next_offer += 1;
        participant.transport.open_offer = Some(offer_id);
        participant.transport.restarted = false;

        let sections: Vec<SendSection> = participant.receiving.sections.iter().cloned().collect();
        let mut plan = vec![OfferedSection::Application];
        plan.extend(
            sections.iter().map(|ours| self.send_plan_of(ours).map_or(OfferedSection::Inactive, OfferedSection::Send)),
        );
        let offer = self.peers.touch(peer).map(|slot| slot.peer.create_offer(&plan));
        self.sync_rosters();
        match offer {
            Some(Ok(sdp)) => {
                let mids = self.mids(key);
                self.tell(key, Event::Offer { sdp: Redacted(sdp), offer_id, mids });
            }
            _ => self.counters.answers_failed += 1,
        }
    }

    /// A client that is back from a break looks for a new path on the connection it receives on too. What was offered on
    /// it before the break, and not answered, is void.
    pub(crate) fn restart_subscribe_leg(&mut self, key: ParticipantKey) {
        let Some(peer) = self.participant(key).and_then(|one| one.transport.subscribe) else { return };
        let fresh = self.peers.credentials(self.names);
        if let Some(slot) = self.peers.touch(peer) {
            slot.peer.restart_ice(fresh);
            self.peers.ufrag_added(peer);
        }
        if let Some(participant) = self.participant(key) {
            participant.transport.restarted = true;
        }
    }

    /// The client answers our offer.
    pub(crate) fn handle_answer(&mut self, key: ParticipantKey, sdp: &str, offer_id: u32) {
        let Some(participant) = self.participant(key) else { return };
        let Some(peer) = participant.transport.subscribe else { return };
        // Clients of older protocols do not echo the id.
        if participant.transport.open_offer.is_none_or(|open| offer_id != 0 && offer_id != open) {
            return;
        }
        participant.transport.open_offer = None;
        participant.receiving.asked = false;
        let Some(slot) = self.peers.touch(peer) else { return };
        if let Err(error) = slot.peer.handle_answer(sdp, self.now) {
            self.counters.offers_refused += 1;
            return self.tell(key, Event::OfferRefused { offer_id, reason: error.to_string() });
        }
        let sections = slot.peer.sections().to_vec();
        self.update_downlink(key, Leg::Subscribe, &sections);
        if let Some(participant) = self.participant(key) {
            participant.receiving.sections.answered();
        }
    }

    fn subscribing_peer(&mut self, key: ParticipantKey) -> Option<PeerKey> {
        if let Some(peer) = self.participant(key)?.transport.subscribe {
            return Some(peer);
        }
        let peer = self.create_peer(key)?;
        let slot = self.peers.touch(peer)?;
        for (label, reliability) in [("_reliable", Reliability::Reliable), ("_lossy", Reliability::Lossy)] {
            // They open once the connection is up; a failure shows as a client without data.
            let _ = slot.peer.open_channel(label, reliability);
        }
        let participant = self.participant(key)?;
        participant.transport.subscribe = Some(peer);
        participant.receiving.sections.reset();
        Some(peer)
    }
}

/// Clients find a track's participant by the first half of the stream id. The second half groups what plays in sync
/// (RFC 8830): microphone with camera, a screen's sound with its picture, unless the publisher says otherwise.
fn stream_id(publisher: &ParticipantRecord, publication: &Publication) -> String {
    let said = publisher.tracks.iter().find(|track| track.sid == publication.sid).map(|track| track.stream.as_str());
    let group = match (said, publication.ingress.medium) {
        (Some(said), _) if !said.is_empty() => said,
        (_, Medium::ScreenAudio | Medium::ScreenVideo) => "screen",
        _ => "camera",
    };
    format!("{}|{}", publisher.sid, group)
}

/// One name per publisher, in SDP and RTCP (RFC 8834 4.9): its sound and picture play in sync.
fn canonical_name(publisher: &ParticipantRecord) -> String {
    publisher.sid.as_str().to_owned()
}

fn media_kind(kind: SectionKind) -> Option<MediaKind> {
    match kind {
        SectionKind::Audio => Some(MediaKind::Audio),
        SectionKind::Video => Some(MediaKind::Video),
        SectionKind::Application => None,
    }
}

/// All extensions of a connection. In a bundle one number means one extension (RFC 8285 section 6), but not every
/// section offers every extension.
fn extensions(sections: &[Section]) -> ExtensionMap {
    let mut all = ExtensionMap::default();
    for (kind, id) in sections.iter().flat_map(|section| section.extensions.iter()) {
        all.set(kind, id);
    }
    all
}

fn transport_cc(sections: &[Section], extensions: &ExtensionMap) -> bool {
    extensions.id(ExtensionKind::TransportCc).is_some()
        && sections.iter().flat_map(|section| &section.codecs).any(|codec| codec.feedback.transport_cc)
}
