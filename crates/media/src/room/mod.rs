//! The forwarding of one room: who sends what to whom, packet by packet. This file is the outside of it; the work is in
//! the files beside it. No SDP, socket, SRTP or role is known here, and nothing is forwarded without an edge.

use std::collections::BTreeSet;
use std::time::Instant;

use parlour_model::command::{Leg, TrackSettings};
use parlour_model::{Bitrate, Edge, LayerSpec, ParticipantKey, PublicationKey};

use crate::config::MediaConfig;
use crate::counters::MediaCounters;
use crate::error::{RtcpDrop, RtpDrop};
use crate::event::{Feedback, MediaEvent, ReceiverReport, Transmit};
use crate::spec::{DownlinkSpec, SubscriptionSpec, UplinkSpec};

/// Forwards the media of one room.
#[derive(Debug)]
pub struct Room {
    config: MediaConfig,
    counters: MediaCounters,
}

impl Room {
    /// An empty room. `seed` makes its sequence numbers and report times.
    pub fn new(config: &MediaConfig, seed: u64, now: Instant) -> Self {
        let _ = (seed, now);
        Self { config: config.clone(), counters: MediaCounters::default() }
    }

    /// Someone came in; a key that is already here changes nothing.
    pub fn add_participant(&mut self, key: ParticipantKey, now: Instant) {
        let _ = (key, now);
    }

    /// Someone is gone, with all it publishes and receives.
    pub fn remove_participant(&mut self, key: ParticipantKey, now: Instant) {
        let _ = (key, now);
    }

    /// What `key` publishes, whole, after every answer. A publication missing from it is unpublished; one that is there
    /// again with the same section keeps its state.
    pub fn set_uplink(&mut self, key: ParticipantKey, uplink: UplinkSpec, now: Instant) {
        let _ = (key, uplink, now);
    }

    /// How `key` receives.
    pub fn set_downlink(&mut self, key: ParticipantKey, downlink: DownlinkSpec, now: Instant) {
        let _ = (key, downlink, now);
    }

    /// Binds a publication to a section of a receiver. Takes the place of what was on the same SSRC before.
    pub fn subscribe(&mut self, subscription: SubscriptionSpec, now: Instant) {
        let _ = (subscription, now);
    }

    /// Ends a subscription; its section may be used again.
    pub fn unsubscribe(&mut self, receiver: ParticipantKey, publication: PublicationKey, now: Instant) {
        let _ = (receiver, publication, now);
    }

    /// The whole table of who may send what to whom. In force when this returns: also what waits to be sent along an
    /// edge that is no more is thrown away, and nothing is repaired along it.
    pub fn set_edges(&mut self, edges: &BTreeSet<Edge>, now: Instant) {
        let _ = (edges, now);
    }

    /// How a receiver shows a publication.
    pub fn set_preferences(
        &mut self,
        receiver: ParticipantKey,
        publication: PublicationKey,
        settings: TrackSettings,
        now: Instant,
    ) {
        let _ = (receiver, publication, settings, now);
    }

    /// A muted publication is not forwarded.
    pub fn set_muted(&mut self, publication: PublicationKey, muted: bool, now: Instant) {
        let _ = (publication, muted, now);
    }

    /// New sizes and rates of a publication's layers.
    pub fn set_layers(&mut self, publication: PublicationKey, layers: &[LayerSpec], now: Instant) {
        let _ = (publication, layers, now);
    }

    /// A publication whose picture comes first when a receiver's budget is short: the therapist's, the speaker's.
    /// Larger is more important; 1 is the default.
    pub fn set_priority(&mut self, publication: PublicationKey, priority: u8, now: Instant) {
        let _ = (publication, priority, now);
    }

    /// What a receiver may be sent from now on.
    pub fn set_budget(&mut self, receiver: ParticipantKey, budget: Bitrate, now: Instant) {
        let _ = (receiver, budget, now);
    }

    /// Takes a decrypted RTP packet from a publisher. May rewrite it in place.
    pub fn handle_rtp(&mut self, now: Instant, from: ParticipantKey, packet: &mut [u8]) -> Result<(), RtpDrop> {
        let _ = (now, from, packet);
        Err(RtpDrop::UnknownParticipant)
    }

    /// Takes a decrypted RTCP packet: what a publisher says of what it sends, or a receiver of what it gets.
    pub fn handle_rtcp(&mut self, now: Instant, from: ParticipantKey, leg: Leg, packet: &[u8]) -> Result<(), RtcpDrop> {
        let _ = (now, from, leg, packet);
        Err(RtcpDrop::UnknownParticipant)
    }

    /// Does what is due: reports, feedback, requests, layers.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Room::handle_timeout`] is needed next; packets that wait for their turn count.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Writes the next packet to send into `buffer` (1,500 bytes are enough for everything a publisher may send). All
    /// packets for one receiver come in one run, so that the caller can send them as one segmented datagram.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        let _ = (now, buffer);
        None
    }

    /// The next event, in the order in which they happened.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        None
    }

    /// The next transport-wide feedback of a receiver, for its estimator; only with [`MediaConfig::estimate`].
    pub fn poll_feedback(&mut self) -> Option<Feedback> {
        None
    }

    /// What was done so far.
    pub fn counters(&self) -> &MediaCounters {
        &self.counters
    }

    /// How well a participant's two directions do; `None` if it is not here.
    pub fn receiver_report(&self, key: ParticipantKey) -> Option<ReceiverReport> {
        let _ = (key, &self.config);
        None
    }
}
