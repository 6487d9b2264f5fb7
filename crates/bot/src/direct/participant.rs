//! One bot that speaks the words of `parlour-model` to a worker, as the server's signalling would for it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use parlour_model::command::{Action, DataChannel, Joined, OutgoingData, Topology};
use parlour_model::{
    Bitrate, Encryption, Event, Grants, Identity, Join, LayerSpec, LeaveReason, MediaKind, ParticipantRecord,
    ParticipantSid, ParticipantState, Quality, Redacted, Refusal, Role, SessionId, TrackCid, TrackRequest, TrackSid,
    TrackSource, VideoSize,
};
use parlour_simnet::HomeId;

use crate::endpoint::{Channel, Endpoint, EndpointConfig, EndpointError, EndpointEvent, Outgoing};
use crate::media::{AudioConfig, TrackStats, VideoConfig};

/// A bot of a [`super::World`].
pub struct DirectBot {
    /// Its media.
    pub endpoint: Endpoint,
    /// Data messages that arrived, in order.
    pub messages: Vec<(Channel, Vec<u8>)>,
    /// What was refused to it.
    pub refusals: Vec<Refusal>,
    /// Errors of taking answers: always a bug of one side.
    pub errors: Vec<EndpointError>,
    /// Who else is there, as it was told.
    pub others: BTreeMap<ParticipantSid, ParticipantRecord>,
    /// Changes its offers on their way, to make them wrong.
    pub edit_offer: Option<fn(&str) -> String>,
    /// It forgets to offer what it has announced, until it is asked for an offer.
    pub forgets_offers: bool,
    /// Changes the answers it gets, to make it believe something wrong.
    pub edit_answer: Option<fn(&str) -> String>,
    /// What of its datagrams gets out; everything if there is none.
    pub lets_out: Option<fn(&[u8]) -> bool>,
    /// Its datagrams from now on, if somebody listens.
    pub tapped: Option<Vec<Vec<u8>>>,
    /// Datagrams with media that reached it.
    pub media_datagrams: u64,
    /// What reaches it from now on, if somebody else answers in its place; then its own endpoint hears nothing.
    pub heard: Option<Vec<Vec<u8>>>,
    /// When and how large what reaches it is from now on, if somebody looks.
    pub arrivals: Option<Vec<(Instant, usize)>>,
    /// How long its signalling takes, each way.
    pub signalling_delay: Duration,
    /// What it is told from now on, if somebody looks.
    pub told: Option<Vec<(Instant, Event)>>,
    pub(super) session: SessionId,
    pub(super) address: SocketAddr,
    pub(super) home: Option<HomeId>,
    pub(super) gone: bool,
    pub(super) left: Option<LeaveReason>,
    me: ParticipantRecord,
    own: Vec<(String, Option<TrackSid>, usize)>,
    actions: VecDeque<Action>,
    /// On their way to it, and from it.
    news: VecDeque<(Instant, Event)>,
    sent: VecDeque<(Instant, Action)>,
    next_cid: u32,
}

impl DirectBot {
    pub(super) fn new(
        session: SessionId,
        joined: Joined,
        address: SocketAddr,
        home: Option<HomeId>,
        epoch: Instant,
        seed: u64,
        now: Instant,
    ) -> Result<Self, EndpointError> {
        Ok(Self {
            endpoint: Endpoint::new(EndpointConfig::new(address, epoch, seed), now)?,
            messages: Vec::new(),
            refusals: Vec::new(),
            errors: Vec::new(),
            others: joined.others.into_iter().map(|other| (other.sid.clone(), other)).collect(),
            edit_offer: None,
            forgets_offers: false,
            edit_answer: None,
            lets_out: None,
            tapped: None,
            media_datagrams: 0,
            heard: None,
            arrivals: None,
            signalling_delay: Duration::ZERO,
            told: None,
            session,
            address,
            home,
            gone: false,
            left: None,
            me: joined.participant,
            own: Vec::new(),
            actions: VecDeque::new(),
            news: VecDeque::new(),
            sent: VecDeque::new(),
            next_cid: 0,
        })
    }

    /// Its stay.
    pub fn sid(&self) -> &ParticipantSid {
        &self.me.sid
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.me.identity
    }

    /// The server's first message after a break.
    pub(super) fn resumed(&mut self, joined: Joined) {
        self.others = joined.others.into_iter().map(|other| (other.sid.clone(), other)).collect();
        self.me = joined.participant;
    }

    /// Where the worker sees it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its session.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The server's name of an own track.
    pub fn track_sid(&self, cid: &str) -> Option<&TrackSid> {
        self.own.iter().find(|(own, ..)| own == cid)?.1.as_ref()
    }

    /// Counts of a received track.
    pub fn track(&self, sid: &TrackSid) -> Option<&TrackStats> {
        self.endpoint.received_track(sid.as_str())
    }

    pub(super) fn publish_audio(&mut self, config: AudioConfig, now: Instant) -> String {
        let cid = self.new_cid("mic");
        self.announce(&cid, MediaKind::Audio, TrackSource::Microphone, Vec::new(), config.redundancy == 0);
        self.endpoint.publish_audio(&cid, config, now);
        cid
    }

    pub(super) fn publish_video(&mut self, config: VideoConfig, now: Instant) -> String {
        let cid = self.new_cid("cam");
        let layers: Vec<_> = config.layers.iter().zip(qualities(config.layers.len())).map(layer_spec).collect();
        self.announce(&cid, MediaKind::Video, TrackSource::Camera, layers, true);
        self.endpoint.publish_video(&cid, config, now);
        cid
    }

    fn new_cid(&mut self, kind: &str) -> String {
        self.next_cid += 1;
        format!("{kind}-{}", self.next_cid)
    }

    fn announce(&mut self, cid: &str, kind: MediaKind, source: TrackSource, layers: Vec<LayerSpec>, disable_red: bool) {
        self.own.push((cid.to_owned(), None, layers.len()));
        self.actions.push_back(Action::AddTrack(TrackRequest {
            cid: TrackCid::from(cid),
            name: Redacted(String::new()),
            kind,
            source,
            muted: false,
            size: layers.last().map_or(VideoSize::default(), |layer| layer.size),
            layers,
            stereo: false,
            disable_dtx: false,
            disable_red,
            encryption: Encryption::None,
            stream: String::new(),
        }));
    }

    pub(super) fn unpublish(&mut self, cid: &str) {
        self.own.retain(|(own, ..)| own != cid);
        self.endpoint.unpublish(cid);
    }

    pub(super) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(super) fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.left.is_some() {
            return None;
        }
        self.hear_news(now);
        while let Some(action) = self.next_action(now) {
            // What the server's own signalling does takes no time.
            if self.signalling_delay.is_zero() || matches!(action, Action::SendData(_)) {
                return Some(action);
            }
            self.sent.push_back((now + self.signalling_delay, action));
        }
        self.sent.pop_front_if(|(due, _)| *due <= now).map(|(_, action)| action)
    }

    /// When something that is on its way arrives.
    pub(super) fn next_signal(&self) -> Option<Instant> {
        let (news, sent) = (self.news.front().map(|(due, _)| *due), self.sent.front().map(|(due, _)| *due));
        news.into_iter().chain(sent).min()
    }

    fn hear_news(&mut self, now: Instant) {
        while let Some((_, event)) = self.news.pop_front_if(|(due, _)| *due <= now) {
            self.hear(event, now);
        }
    }

    fn next_action(&mut self, now: Instant) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        if self.forgets_offers {
            return None;
        }
        let offer = self.endpoint.poll_offer(now)?;
        let sdp = self.edit_offer.map_or_else(|| offer.sdp.clone(), |edit| edit(&offer.sdp));
        Some(Action::Offer { sdp: Redacted(sdp), offer_id: offer.id })
    }

    /// The next datagram that gets out.
    pub(super) fn poll_transmit(&mut self) -> Option<Outgoing> {
        loop {
            let outgoing = self.endpoint.poll_transmit()?;
            if self.lets_out.is_none_or(|lets_out| lets_out(&outgoing.bytes)) {
                if let Some(tap) = &mut self.tapped {
                    tap.push(outgoing.bytes.clone());
                }
                return Some(outgoing);
            }
        }
    }

    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            if let EndpointEvent::Message(channel, payload) = event {
                self.messages.push((channel, payload));
            }
        }
    }

    pub(super) fn handle_event(&mut self, event: Event, now: Instant) {
        if self.signalling_delay.is_zero() || matches!(event, Event::DataReceived { .. }) {
            self.hear(event, now);
        } else {
            self.news.push_back((now + self.signalling_delay, event));
        }
    }

    fn hear(&mut self, event: Event, now: Instant) {
        if let Some(told) = &mut self.told {
            told.push((now, event.clone()));
        }
        match event {
            Event::Roster(changed) => {
                for record in changed {
                    if record.sid == self.me.sid {
                        self.me = record;
                    } else if record.state == ParticipantState::Disconnected {
                        self.others.remove(&record.sid);
                    } else {
                        self.others.insert(record.sid.clone(), record);
                    }
                }
            }
            Event::Answer { sdp, offer_id, mids } => {
                let tracks: Vec<_> = mids.into_iter().map(|(mid, sid)| (mid, sid.as_str().to_owned())).collect();
                let sdp = self.edit_answer.map_or_else(|| sdp.0.clone(), |edit| edit(&sdp.0));
                if let Err(error) = self.endpoint.handle_answer(offer_id, &sdp, &tracks, now) {
                    self.errors.push(error);
                }
            }
            Event::OfferRefused { offer_id, .. } => {
                self.endpoint.drop_offer(offer_id);
                self.refusals.push(Refusal::Invalid);
            }
            Event::SectionsNeeded { audio, video } => {
                self.forgets_offers = false;
                self.endpoint.add_sections(audio, video);
            }
            Event::TrackPublished { cid, track } => {
                if let Some(own) = self.own.iter_mut().find(|(own, ..)| own == cid.as_str()) {
                    own.1 = Some(track.sid);
                }
            }
            Event::TrackRefused { refusal, .. } => self.refusals.push(refusal),
            Event::TrackMuted { track, muted } => {
                if let Some((cid, ..)) = self.own.iter().find(|(_, sid, _)| sid.as_ref() == Some(&track)) {
                    self.endpoint.set_muted(cid, muted);
                }
            }
            Event::SubscribedQuality { track, qualities, .. } => self.follow_dynacast(&track, &qualities),
            Event::NarrowSpeech { track, most } => {
                if let Some((cid, ..)) = self.own.iter().find(|(_, sid, _)| sid.as_ref() == Some(&track)) {
                    self.endpoint.set_most_audio(cid, most.map(Bitrate::as_bps));
                }
            }
            // In a server, signalling stamps it in between.
            Event::DataReceived { channel, payload, mark } => {
                let data = OutgoingData { channel, destinations: Vec::new(), mark, payload };
                self.actions.push_back(Action::SendData(data));
            }
            Event::Acknowledge(number) => self.actions.push_back(Action::Acknowledge(number)),
            Event::Leave(reason) => self.left = Some(reason),
            _ => {}
        }
    }

    fn follow_dynacast(&mut self, track: &TrackSid, wanted: &[(Quality, bool)]) {
        let Some((cid, _, layers)) = self.own.iter().find(|(_, sid, _)| sid.as_ref() == Some(track)) else { return };
        let is_wanted =
            |quality: &Quality| wanted.iter().find(|(entry, _)| entry == quality).is_none_or(|(_, enabled)| *enabled);
        let active: Vec<_> = qualities(*layers).iter().map(is_wanted).collect();
        self.endpoint.set_active_layers(cid, &active);
    }
}

/// Which channel a model word means.
impl From<DataChannel> for Channel {
    fn from(channel: DataChannel) -> Self {
        match channel {
            DataChannel::Reliable => Self::Reliable,
            DataChannel::Lossy => Self::Lossy,
        }
    }
}

/// A request to come in, as most bots make it.
pub fn join(identity: &str, role: Role) -> Join {
    Join {
        identity: Identity::from(identity),
        role,
        grants: Grants::ALL,
        name: Redacted(String::new()),
        metadata: Redacted(String::new()),
        attributes: Redacted::default(),
        client: Default::default(),
        topology: Topology::Single,
        encryption: Encryption::None,
        auto_subscribe: true,
        entry: Default::default(),
    }
}

/// As clients number encodings: one is high, two are low and high.
fn qualities(layers: usize) -> &'static [Quality] {
    match layers {
        1 => &[Quality::High],
        2 => &[Quality::Low, Quality::Medium],
        _ => &[Quality::Low, Quality::Medium, Quality::High],
    }
}

fn layer_spec((layer, quality): (&crate::media::LayerConfig, &Quality)) -> LayerSpec {
    LayerSpec {
        quality: *quality,
        size: VideoSize { width: layer.width, height: layer.height },
        bitrate: Bitrate::bps(layer.bitrate_bps),
        ssrc: 0,
    }
}
