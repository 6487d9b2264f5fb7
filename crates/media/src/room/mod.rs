//! The forwarding of one room: who sends what to whom, packet by packet. This file is the outside of it; the work is in
//! the files beside it. No SDP, socket, SRTP or role is known here, and nothing is forwarded without an edge.

mod caps;
mod events;
mod forward;
mod layers;
mod lines;
mod membership;
mod participant;
mod receive;
mod reports;
mod rtcp;
mod steps;
mod subscriptions;
mod transmit;
mod upkeep;
mod uplinks;
mod voices;
mod wake;

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use parlour_estimator::TracePoint;
use parlour_model::command::{Leg, LineHint, TrackSettings};
use parlour_model::{Bitrate, Edge, LayerSpec, ParticipantKey, PublicationKey};

use crate::config::MediaConfig;
use crate::counters::MediaCounters;
use crate::egress::lines::{Home, Lines};
use crate::error::{RtcpDrop, RtpDrop};
use crate::event::{MediaEvent, ReceiverReport, Transmit};
use crate::ingress::Speakers;
use crate::publication::Publication;
use crate::room::events::Events;
use crate::room::participant::Participant;
use crate::room::uplinks::Uplinks;
use crate::room::wake::Wake;
use crate::slots::Slots;
use crate::spec::{DownlinkSpec, SubscriptionSpec, UplinkSpec};
use crate::tick::{Epoch, Span};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Publications that may be muted before they are there: those of a full room.
const MAX_EARLY: usize = 256;

/// Forwards the media of one room.
#[derive(Debug)]
pub struct Room {
    config: MediaConfig,
    rng: ChaCha8Rng,
    epoch: Epoch,
    /// For how long what was sent may be repeated.
    keep: Span,
    participants: Slots<ParticipantKey, Participant>,
    publications: Slots<PublicationKey, Publication>,
    edges: BTreeSet<Edge>,
    lines: Lines,
    uplinks: Uplinks,
    /// Muted before they were published; bounded by [`MAX_EARLY`].
    early_mutes: BTreeSet<PublicationKey>,
    /// Participants with something to send, each once.
    ready: VecDeque<u16>,
    /// Encodings, each once, of which someone needs a keyframe: (publication, layer).
    asks: Vec<(u16, u8)>,
    speakers: Speakers,
    /// When rates are measured and layers looked after next.
    next_layers: Instant,
    wake: Wake,
    events: Events,
    counters: MediaCounters,
}

impl Room {
    /// An empty room. `seed` makes its sequence numbers and report times.
    pub fn new(config: &MediaConfig, seed: u64, now: Instant) -> Self {
        Self {
            config: config.clone(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            epoch: Epoch::new(now),
            keep: Span::of(config.repair_history),
            participants: Slots::new(),
            publications: Slots::new(),
            edges: BTreeSet::new(),
            lines: Lines::default(),
            uplinks: Uplinks::default(),
            early_mutes: BTreeSet::new(),
            ready: VecDeque::new(),
            asks: Vec::new(),
            speakers: Speakers::new(),
            next_layers: now,
            wake: Wake::Unknown,
            events: Events::default(),
            counters: MediaCounters::default(),
        }
    }

    /// Someone came in; a key that is already here changes nothing.
    pub fn add_participant(&mut self, key: ParticipantKey, now: Instant) {
        self.wake = Wake::Unknown;
        self.admit(key, now);
    }

    /// Someone is gone, with all it publishes and receives.
    pub fn remove_participant(&mut self, key: ParticipantKey, now: Instant) {
        self.wake = Wake::Unknown;
        self.dismiss(key, now);
    }

    /// What `key` publishes, whole, after every answer. A publication missing from it is unpublished; one that is there
    /// again with the same section keeps its state.
    pub fn set_uplink(&mut self, key: ParticipantKey, uplink: UplinkSpec, now: Instant) {
        self.wake = Wake::Unknown;
        self.configure_uplink(key, &uplink, now);
    }

    /// How `key` receives.
    pub fn set_downlink(&mut self, key: ParticipantKey, downlink: DownlinkSpec, now: Instant) {
        self.wake = Wake::Unknown;
        self.configure_downlink(key, &downlink, now);
    }

    /// Binds a publication to a section of a receiver. Takes the place of what was on the same SSRC before. Refused, and
    /// counted, if receiver or publication are not known yet: say [`Room::set_uplink`] first.
    pub fn subscribe(&mut self, subscription: SubscriptionSpec, now: Instant) {
        self.wake = Wake::Unknown;
        self.bind(subscription, now);
    }

    /// Ends a subscription; its section may be used again.
    pub fn unsubscribe(&mut self, receiver: ParticipantKey, publication: PublicationKey, now: Instant) {
        self.wake = Wake::Unknown;
        self.release(receiver, publication, now);
    }

    /// The whole table of who may send what to whom. In force when this returns: also what waits to be sent along an
    /// edge that is no more is thrown away, and nothing is repaired along it.
    pub fn set_edges(&mut self, edges: &BTreeSet<Edge>, now: Instant) {
        self.wake = Wake::Unknown;
        self.replace_edges(edges, now);
    }

    /// What `key` published and what still waits for its turn, or could be repeated, is thrown away: its edges stay, and
    /// nothing moves along them.
    pub fn hush(&mut self, key: ParticipantKey) {
        self.wake = Wake::Unknown;
        self.forget_sent_by(key);
    }

    /// How a receiver shows a publication.
    pub fn set_preferences(
        &mut self,
        receiver: ParticipantKey,
        publication: PublicationKey,
        settings: TrackSettings,
        now: Instant,
    ) {
        self.wake = Wake::Unknown;
        self.prefer(receiver, publication, settings, now);
    }

    /// A muted publication is not forwarded. May be said before [`Room::set_uplink`] brings the publication.
    pub fn set_muted(&mut self, publication: PublicationKey, muted: bool, now: Instant) {
        self.wake = Wake::Unknown;
        self.mute(publication, muted, now);
    }

    /// New sizes and rates of a publication's layers.
    pub fn set_layers(&mut self, publication: PublicationKey, layers: &[LayerSpec], now: Instant) {
        self.wake = Wake::Unknown;
        self.announce_layers(publication, layers, now);
    }

    /// A publication whose picture comes first when a receiver's budget is short: the therapist's, the speaker's.
    /// Larger is more important; 1 is the default.
    pub fn set_priority(&mut self, publication: PublicationKey, priority: u8, now: Instant) {
        self.wake = Wake::Unknown;
        self.prioritise(publication, priority, now);
    }

    /// What a receiver may be sent from now on.
    pub fn set_budget(&mut self, receiver: ParticipantKey, budget: Bitrate, now: Instant) {
        self.wake = Wake::Unknown;
        self.grant(receiver, budget, now);
    }

    /// Where someone is. Those at one home are taken to share a line until their delays say otherwise.
    pub fn set_home(&mut self, key: ParticipantKey, home: Option<Home>, now: Instant) {
        self.wake = Wake::Unknown;
        self.move_home(key, home, now);
    }

    /// A receiver's line was tested lately: where its first picture begins, and no more than that.
    pub fn set_line_hint(&mut self, receiver: ParticipantKey, hint: LineHint, now: Instant) {
        self.wake = Wake::Unknown;
        self.hint_line(receiver, hint, now);
    }

    /// Takes a decrypted RTP packet from a publisher. May rewrite it in place.
    pub fn handle_rtp(&mut self, now: Instant, from: ParticipantKey, packet: &mut [u8]) -> Result<(), RtpDrop> {
        let outcome = self.receive(now, from, packet);
        if let Err(reason) = outcome {
            self.counters.count_rtp_drop(reason);
        }
        outcome
    }

    /// Takes a decrypted RTCP packet: what a publisher says of what it sends, or a receiver of what it gets.
    pub fn handle_rtcp(&mut self, now: Instant, from: ParticipantKey, leg: Leg, packet: &[u8]) -> Result<(), RtcpDrop> {
        // Messages name their streams: on which connection they came adds nothing.
        let _ = leg;
        self.counters.rtcp_in += 1;
        self.wake = Wake::Unknown;
        let outcome = self.receive_rtcp(now, from, packet);
        if let Err(reason) = outcome {
            self.counters.count_rtcp_drop(reason);
        }
        outcome
    }

    /// Does what is due: reports, feedback, requests, layers.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wake = Wake::Unknown;
        self.upkeep(now);
    }

    /// When [`Room::handle_timeout`] is needed next; packets that wait for their turn count.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.wake()
    }

    /// Writes the next packet to send into `buffer` (1,500 bytes are enough for everything a publisher may send). All
    /// packets for one receiver come in one run, so that the caller can send them as one segmented datagram.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Transmit> {
        self.next_transmit(now, buffer)
    }

    /// The next event, in the order in which they happened.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.poll()
    }

    /// What was done so far.
    pub fn counters(&self) -> &MediaCounters {
        &self.counters
    }

    /// What is held true of a receiver's line, and why; `None` where nothing is estimated.
    pub fn line_trace(&self, receiver: ParticipantKey, now: Instant) -> Option<TracePoint> {
        let participant = self.participants.get(self.participants.find(receiver)?)?;
        participant.downlink.estimation.as_ref()?.trace(&self.lines, now)
    }

    /// How well a participant's two directions do; `None` if it is not here.
    pub fn receiver_report(&self, key: ParticipantKey) -> Option<ReceiverReport> {
        self.quality(self.participants.find(key)?)
    }
}
