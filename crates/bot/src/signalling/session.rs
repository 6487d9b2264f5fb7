//! A LiveKit client's side of signalling, without I/O: server messages and wishes in, messages for the server out,
//! around one [`Endpoint`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use livekit_protocol as lk;
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;
use prost::Message as _;

use crate::endpoint::{Channel, Endpoint, EndpointError, EndpointEvent};
use crate::media::{AudioConfig, VideoConfig};

/// The signalling protocol this client speaks, as `livekit-client` 2.x says it.
const PROTOCOL: i32 = 17;

/// Data messages kept until somebody asks for them.
const MESSAGES_MAX: usize = 10_000;

/// A data message from another participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// On which channel.
    pub channel: Channel,
    /// As the server stamped it.
    pub from: String,
    /// As the sender chose it.
    pub topic: String,
    /// What was sent.
    pub payload: Vec<u8>,
}

/// Why the server ended the stay, in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// A `DisconnectReason`.
    pub reason: i32,
    /// A `leave_request::Action`.
    pub action: i32,
}

/// One stay.
pub struct Session {
    /// Its media.
    pub endpoint: Endpoint,
    joined: Option<lk::JoinResponse>,
    others: BTreeMap<String, lk::ParticipantInfo>,
    own: Vec<OwnTrack>,
    requests: VecDeque<Request>,
    messages: VecDeque<Message>,
    sequence: u32,
    next_cid: u32,
    left: Option<Left>,
    token: Option<String>,
    paused: BTreeMap<String, bool>,
    rounds: u64,
}

struct OwnTrack {
    cid: String,
    sid: Option<String>,
    info: lk::AddTrackRequest,
}

impl Session {
    /// Before joining.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            joined: None,
            others: BTreeMap::new(),
            own: Vec::new(),
            requests: VecDeque::new(),
            messages: VecDeque::new(),
            sequence: 0,
            next_cid: 0,
            left: None,
            token: None,
            paused: BTreeMap::new(),
            rounds: 0,
        }
    }

    /// What to join with: the first offer and the tracks announced so far go along.
    pub fn join_request(&mut self, now: Instant) -> lk::JoinRequest {
        let add_track_requests = std::mem::take(&mut self.requests)
            .into_iter()
            .filter_map(|request| if let Request::AddTrack(track) = request { Some(track) } else { None })
            .collect();
        lk::JoinRequest {
            publisher_offer: self.endpoint.poll_offer(now).map(|offer| description("offer", offer.sdp, offer.id)),
            add_track_requests,
            ..self.bare_request()
        }
    }

    /// What to come back with after signalling broke.
    pub fn resume_request(&mut self) -> lk::JoinRequest {
        self.requests.clear();
        lk::JoinRequest {
            reconnect: true,
            reconnect_reason: lk::ReconnectReason::RrSignalDisconnected as i32,
            participant_sid: self.sid().unwrap_or_default().to_owned(),
            ..self.bare_request()
        }
    }

    fn bare_request(&self) -> lk::JoinRequest {
        lk::JoinRequest {
            client_info: Some(lk::ClientInfo {
                sdk: lk::client_info::Sdk::Rust as i32,
                version: env!("CARGO_PKG_VERSION").into(),
                protocol: PROTOCOL,
                os: "linux".into(),
                ..Default::default()
            }),
            connection_settings: Some(lk::ConnectionSettings {
                auto_subscribe: true,
                adaptive_stream: true,
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    /// The next message for the server. A waiting offer comes after the announcements it needs.
    pub fn poll_request(&mut self, now: Instant) -> Option<Request> {
        if let Some(request) = self.requests.pop_front() {
            return Some(request);
        }
        self.joined.as_ref()?;
        let offer = self.endpoint.poll_offer(now)?;
        Some(Request::Offer(description("offer", offer.sdp, offer.id)))
    }

    /// Announces a microphone; gives the client's name of the track.
    pub fn publish_audio(&mut self, config: AudioConfig, now: Instant) -> String {
        let cid = self.new_cid("mic");
        let info = lk::AddTrackRequest {
            cid: cid.clone(),
            name: "microphone".into(),
            r#type: lk::TrackType::Audio as i32,
            source: lk::TrackSource::Microphone as i32,
            disable_red: config.redundancy == 0,
            ..Default::default()
        };
        self.announce(info);
        self.endpoint.publish_audio(&cid, config, now);
        cid
    }

    /// Announces a camera or a screen; gives the client's name of the track.
    pub fn publish_video(&mut self, config: VideoConfig, source: lk::TrackSource, now: Instant) -> String {
        let cid = self.new_cid("cam");
        let layers: Vec<_> = config.layers.iter().zip(qualities(config.layers.len())).map(layer_info).collect();
        let largest = config.layers.last();
        let info = lk::AddTrackRequest {
            cid: cid.clone(),
            name: "camera".into(),
            r#type: lk::TrackType::Video as i32,
            source: source as i32,
            width: largest.map_or(0, |layer| layer.width),
            height: largest.map_or(0, |layer| layer.height),
            simulcast_codecs: vec![lk::SimulcastCodec {
                codec: "vp8".into(),
                cid: cid.clone(),
                layers: layers.clone(),
                ..Default::default()
            }],
            layers,
            ..Default::default()
        };
        self.announce(info);
        self.endpoint.publish_video(&cid, config, now);
        cid
    }

    fn new_cid(&mut self, kind: &str) -> String {
        self.next_cid += 1;
        format!("{kind}-{}", self.next_cid)
    }

    fn announce(&mut self, info: lk::AddTrackRequest) {
        self.own.push(OwnTrack { cid: info.cid.clone(), sid: None, info: info.clone() });
        self.requests.push_back(Request::AddTrack(info));
    }

    /// Stops a track, as `livekit-client` does: by an offer without it.
    pub fn unpublish(&mut self, cid: &str) {
        self.own.retain(|track| track.cid != cid);
        self.endpoint.unpublish(cid);
    }

    /// Mutes or unmutes an own track that has been published.
    pub fn set_muted(&mut self, cid: &str, muted: bool) {
        self.endpoint.set_muted(cid, muted);
        if let Some(sid) = self.track_sid(cid).map(str::to_owned) {
            self.requests.push_back(Request::Mute(lk::MuteTrackRequest { sid, muted }));
        }
    }

    /// Any other message, after those that wait.
    pub fn request(&mut self, request: Request) {
        self.requests.push_back(request);
    }

    /// Sends a user packet; false if the channel does not take it.
    pub fn send(&mut self, channel: Channel, topic: &str, payload: &[u8], to: &[String], now: Instant) -> bool {
        let sequence = match channel {
            Channel::Reliable => {
                self.sequence += 1;
                self.sequence
            }
            Channel::Lossy => 0,
        };
        let user = lk::UserPacket { payload: payload.to_vec(), topic: Some(topic.to_owned()), ..Default::default() };
        let packet = lk::DataPacket {
            destination_identities: to.to_vec(),
            sequence,
            value: Some(lk::data_packet::Value::User(user)),
            ..Default::default()
        };
        self.endpoint.send(channel, &packet.encode_to_vec(), now)
    }

    /// A message from the server.
    ///
    /// # Errors
    /// When an answer cannot be taken.
    pub fn handle_response(&mut self, response: Response, now: Instant) -> Result<(), EndpointError> {
        match response {
            Response::Join(join) => {
                self.others = join.other_participants.iter().map(|p| (p.sid.clone(), p.clone())).collect();
                self.joined = Some(join);
            }
            Response::Reconnect(_) => self.resume(),
            Response::Answer(answer) => {
                let tracks: Vec<_> = answer.mid_to_track_id.into_iter().collect();
                self.endpoint.handle_answer(answer.id, &answer.sdp, &tracks, now)?;
                self.rounds += 1;
            }
            Response::MediaSectionsRequirement(wanted) => {
                self.endpoint.add_sections(wanted.num_audios, wanted.num_videos);
            }
            Response::Update(update) => update.participants.into_iter().for_each(|p| self.update(p)),
            Response::TrackPublished(published) => {
                if let (Some(own), Some(track)) =
                    (self.own.iter_mut().find(|own| own.cid == published.cid), published.track)
                {
                    own.sid = Some(track.sid);
                }
            }
            Response::Mute(mute) => {
                if let Some(own) = self.own.iter().find(|own| own.sid.as_deref() == Some(&mute.sid)) {
                    self.endpoint.set_muted(&own.cid, mute.muted);
                }
            }
            Response::SubscribedQualityUpdate(update) => self.follow_dynacast(&update),
            Response::StreamStateUpdate(update) => {
                for state in update.stream_states {
                    self.paused.insert(state.track_sid, state.state == lk::StreamState::Paused as i32);
                }
            }
            Response::RefreshToken(token) => self.token = Some(token),
            Response::Leave(leave) => self.left = Some(Left { reason: leave.reason, action: leave.action }),
            _ => {}
        }
        Ok(())
    }

    fn resume(&mut self) {
        let publish_tracks = self.own.iter().filter_map(|own| {
            let track = lk::TrackInfo { sid: own.sid.clone()?, r#type: own.info.r#type, ..Default::default() };
            Some(lk::TrackPublishedResponse { cid: own.cid.clone(), track: Some(track) })
        });
        let state = lk::SyncState {
            publish_tracks: publish_tracks.collect(),
            subscription: Some(lk::UpdateSubscription { subscribe: false, ..Default::default() }),
            ..Default::default()
        };
        self.requests.push_back(Request::SyncState(state));
        self.endpoint.restart_ice();
    }

    fn update(&mut self, participant: lk::ParticipantInfo) {
        if self.sid() == Some(&participant.sid) {
            return;
        }
        if participant.state == lk::participant_info::State::Disconnected as i32 {
            self.others.remove(&participant.sid);
        } else {
            self.others.insert(participant.sid.clone(), participant);
        }
    }

    fn follow_dynacast(&mut self, update: &lk::SubscribedQualityUpdate) {
        let Some(own) = self.own.iter().find(|own| own.sid.as_deref() == Some(&update.track_sid)) else { return };
        let Some(codec) = update.subscribed_codecs.iter().find(|codec| codec.codec.eq_ignore_ascii_case("vp8")) else {
            return;
        };
        let wanted = |quality: i32| {
            codec.qualities.iter().find(|entry| entry.quality == quality).is_none_or(|entry| entry.enabled)
        };
        let active: Vec<_> = match own.info.layers.len() {
            1 => vec![codec.qualities.iter().any(|entry| entry.enabled)],
            _ => own.info.layers.iter().map(|layer| wanted(layer.quality)).collect(),
        };
        self.endpoint.set_active_layers(&own.cid, &active);
    }

    /// What the endpoint tells: data messages are kept, the rest is given back.
    pub fn poll_event(&mut self) -> Option<EndpointEvent> {
        loop {
            match self.endpoint.poll_event()? {
                EndpointEvent::Message(channel, bytes) => self.keep_message(channel, &bytes),
                event => return Some(event),
            }
        }
    }

    fn keep_message(&mut self, channel: Channel, bytes: &[u8]) {
        let Ok(packet) = lk::DataPacket::decode(bytes) else { return };
        let Some(lk::data_packet::Value::User(user)) = packet.value else { return };
        if self.messages.len() < MESSAGES_MAX {
            let topic = user.topic.unwrap_or_default();
            let from = packet.participant_identity;
            self.messages.push_back(Message { channel, from, topic, payload: user.payload });
        }
    }

    /// The next data message.
    pub fn poll_message(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// The data messages of one topic; others stay.
    pub fn take_messages(&mut self, topic: &str) -> Vec<Message> {
        let waiting = std::mem::take(&mut self.messages);
        let (of_topic, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|message| message.topic == topic);
        self.messages = others.into();
        of_topic
    }

    /// Own participant sid, once joined.
    pub fn sid(&self) -> Option<&str> {
        self.joined.as_ref()?.participant.as_ref().map(|participant| participant.sid.as_str())
    }

    /// What the server said at joining.
    pub fn joined(&self) -> Option<&lk::JoinResponse> {
        self.joined.as_ref()
    }

    /// The server's name of an own track.
    pub fn track_sid(&self, cid: &str) -> Option<&str> {
        self.own.iter().find(|own| own.cid == cid)?.sid.as_deref()
    }

    /// The others, by sid.
    pub fn others(&self) -> impl Iterator<Item = &lk::ParticipantInfo> {
        self.others.values()
    }

    /// Set once the server ended the stay.
    pub fn left(&self) -> Option<Left> {
        self.left
    }

    /// The newest token the server gave.
    pub fn refreshed_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Whether the server said that it pauses this track.
    pub fn is_paused(&self, track: &str) -> bool {
        self.paused.get(track).copied().unwrap_or(false)
    }

    /// Offers answered.
    pub fn negotiations(&self) -> u64 {
        self.rounds
    }
}

/// Qualities of encodings from the smallest, as clients number them: one is high, two are low and high.
fn qualities(layers: usize) -> &'static [lk::VideoQuality] {
    use lk::VideoQuality::{High, Low, Medium};
    match layers {
        1 => &[High],
        2 => &[Low, Medium],
        _ => &[Low, Medium, High],
    }
}

fn layer_info((layer, quality): (&crate::media::LayerConfig, &lk::VideoQuality)) -> lk::VideoLayer {
    lk::VideoLayer {
        quality: *quality as i32,
        width: layer.width,
        height: layer.height,
        bitrate: u32::try_from(layer.bitrate_bps).unwrap_or(u32::MAX),
        rid: layer.rid.clone(),
        ..Default::default()
    }
}

fn description(kind: &str, sdp: String, id: u32) -> lk::SessionDescription {
    lk::SessionDescription { r#type: kind.into(), sdp, id, ..Default::default() }
}
