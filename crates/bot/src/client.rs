//! A bot over real sockets: a task that drives one [`Session`], and a handle to it.

mod driver;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use livekit_protocol as lk;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::endpoint::{Channel, EndpointError, SentStats};
use crate::media::{AudioConfig, TrackStats, VideoConfig};
use crate::signalling::{Left, Message, SignallingError};

/// The first signalling message must come within this time.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Between looks at a state that is waited for.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Wishes that may wait for the task.
const WISHES_MAX: usize = 64;

/// How a client joins.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// `ws://host:port`.
    pub url: String,
    /// Access token.
    pub token: String,
    /// Own address; `None` takes the one that faces the server.
    pub bind: Option<IpAddr>,
    /// Stamps count from here; one for all clients that are compared.
    pub epoch: Instant,
    /// For sizes and first numbers.
    pub seed: u64,
    /// Offer RFC 2198 redundancy.
    pub red: bool,
    /// Answer messages of topic [`ECHO_TOPIC`] to their sender.
    pub echo: bool,
    /// Published from the join on.
    pub audio: Option<AudioConfig>,
    /// Published from the join on.
    pub video: Option<VideoConfig>,
}

/// Messages of this topic are answered with [`ECHO_REPLY_TOPIC`] if [`ClientOptions::echo`] is set.
pub const ECHO_TOPIC: &str = "echo";
/// Topic of the answer.
pub const ECHO_REPLY_TOPIC: &str = "echo-reply";

impl ClientOptions {
    /// Joins without publishing.
    pub fn new(url: &str, token: &str, epoch: Instant) -> Self {
        Self {
            url: url.to_owned(),
            token: token.to_owned(),
            bind: None,
            epoch,
            seed: 1,
            red: true,
            echo: false,
            audio: None,
            video: None,
        }
    }
}

/// Why a client is not, or no longer, in a session.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Signalling failed.
    #[error(transparent)]
    Signalling(#[from] SignallingError),
    /// Media failed.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A socket failed.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
    /// The URL has no host, or it has no address.
    #[error("the server's address cannot be found from the URL")]
    Address,
    /// The server said leave.
    #[error("the server ended the stay (reason {}, action {})", .0.reason, .0.action)]
    Left(Left),
    /// The task is over.
    #[error("the client has ended")]
    Ended,
    /// It did not come to be in time.
    #[error("timed out waiting for {0}")]
    Timeout(&'static str),
}

/// What a client knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Own participant sid.
    pub sid: String,
    /// Media can flow.
    pub connected: bool,
    /// A WebSocket is attached.
    pub signalling: bool,
    /// The others, as the server told.
    pub others: Vec<lk::ParticipantInfo>,
    /// Received tracks by sid, also those that are gone.
    pub tracks: BTreeMap<String, TrackStats>,
    /// Track sids that sections carry now.
    pub carried: Vec<String>,
    /// Tracks whose video the server paused.
    pub paused: Vec<String>,
    /// Of own sending.
    pub sent: SentStats,
    /// Offers answered.
    pub negotiations: u64,
    /// From the start of joining to media being possible.
    pub connected_after: Option<Duration>,
    /// The server ended the stay.
    pub left: Option<Left>,
}

/// A wish for the task.
pub(crate) enum Wish {
    PublishAudio(AudioConfig, oneshot::Sender<String>),
    PublishVideo(VideoConfig, lk::TrackSource, oneshot::Sender<String>),
    Unpublish(String),
    SetMuted(String, bool),
    TrackSid(String, oneshot::Sender<Option<String>>),
    Send { channel: Channel, topic: String, payload: Vec<u8>, to: Vec<String>, sent: oneshot::Sender<bool> },
    TakeMessages(oneshot::Sender<Vec<Message>>),
    Request(Box<lk::signal_request::Message>),
    Snapshot(oneshot::Sender<Snapshot>),
    ResetReceived,
    DropSignalling,
    Resume(oneshot::Sender<Result<(), ClientError>>),
    Rebind(oneshot::Sender<Result<SocketAddr, ClientError>>),
    Leave(oneshot::Sender<()>),
}

/// A participant. Dropping it ends it without goodbye.
pub struct Client {
    wishes: mpsc::Sender<Wish>,
    task: JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Client {
    /// Joins; returns when the server has let it in. Media comes up meanwhile.
    pub async fn join(options: ClientOptions) -> Result<Self, ClientError> {
        let driver = tokio::time::timeout(JOIN_TIMEOUT, driver::Driver::join(options))
            .await
            .map_err(|_| ClientError::Timeout("the join response"))??;
        let (wishes, inbox) = mpsc::channel(WISHES_MAX);
        Ok(Self { wishes, task: tokio::spawn(driver.run(inbox)) })
    }

    /// Publishes a microphone; gives the client's name of the track.
    pub async fn publish_audio(&self, config: AudioConfig) -> Result<String, ClientError> {
        self.ask(|reply| Wish::PublishAudio(config, reply)).await
    }

    /// Publishes a camera; gives the client's name of the track.
    pub async fn publish_video(&self, config: VideoConfig) -> Result<String, ClientError> {
        self.ask(|reply| Wish::PublishVideo(config, lk::TrackSource::Camera, reply)).await
    }

    /// Publishes a screen; gives the client's name of the track.
    pub async fn publish_screen(&self, config: VideoConfig) -> Result<String, ClientError> {
        self.ask(|reply| Wish::PublishVideo(config, lk::TrackSource::ScreenShare, reply)).await
    }

    /// Stops a track.
    pub async fn unpublish(&self, cid: &str) -> Result<(), ClientError> {
        self.wish(Wish::Unpublish(cid.to_owned())).await
    }

    /// Mutes or unmutes an own track.
    pub async fn set_muted(&self, cid: &str, muted: bool) -> Result<(), ClientError> {
        self.wish(Wish::SetMuted(cid.to_owned(), muted)).await
    }

    /// The server's name of an own track, once it has one.
    pub async fn track_sid(&self, cid: &str) -> Result<Option<String>, ClientError> {
        self.ask(|reply| Wish::TrackSid(cid.to_owned(), reply)).await
    }

    /// Sends a data message to these identities, or to all if there are none; false if the channel is not open.
    pub async fn send(&self, channel: Channel, topic: &str, payload: &[u8], to: &[&str]) -> Result<bool, ClientError> {
        let to = to.iter().map(|identity| (*identity).to_owned()).collect();
        let (topic, payload) = (topic.to_owned(), payload.to_vec());
        self.ask(|sent| Wish::Send { channel, topic, payload, to, sent }).await
    }

    /// Data messages that came since the last call.
    pub async fn take_messages(&self) -> Result<Vec<Message>, ClientError> {
        self.ask(Wish::TakeMessages).await
    }

    /// How a remote track is shown, which chooses its encoding.
    pub async fn show(&self, track: &str, width: u32, height: u32, disabled: bool) -> Result<(), ClientError> {
        let settings = lk::UpdateTrackSettings {
            track_sids: vec![track.to_owned()],
            width,
            height,
            disabled,
            quality: lk::VideoQuality::High as i32,
            ..Default::default()
        };
        self.request(lk::signal_request::Message::TrackSetting(settings)).await
    }

    /// Any other signalling message.
    pub async fn request(&self, request: lk::signal_request::Message) -> Result<(), ClientError> {
        self.wish(Wish::Request(Box::new(request))).await
    }

    /// What it knows now.
    pub async fn snapshot(&self) -> Result<Snapshot, ClientError> {
        self.ask(Wish::Snapshot).await
    }

    /// Waits until what it knows satisfies a condition, which `what` names for the error.
    pub async fn wait_for(
        &self,
        what: &'static str,
        patience: Duration,
        condition: impl Fn(&Snapshot) -> bool,
    ) -> Result<Snapshot, ClientError> {
        let deadline = tokio::time::Instant::now() + patience;
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            look.tick().await;
            let snapshot = self.snapshot().await?;
            if condition(&snapshot) {
                return Ok(snapshot);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(ClientError::Timeout(what));
            }
        }
    }

    /// Received counts start again from zero.
    pub async fn reset_received(&self) -> Result<(), ClientError> {
        self.wish(Wish::ResetReceived).await
    }

    /// Breaks the WebSocket without goodbye; media goes on.
    pub async fn drop_signalling(&self) -> Result<(), ClientError> {
        self.wish(Wish::DropSignalling).await
    }

    /// Comes back with a new WebSocket and restarts ICE.
    pub async fn resume(&self) -> Result<(), ClientError> {
        self.ask(Wish::Resume).await?
    }

    /// Goes on from another port, as a client behind a changed NAT does; gives the new address.
    pub async fn rebind(&self) -> Result<SocketAddr, ClientError> {
        self.ask(Wish::Rebind).await?
    }

    /// Says goodbye and ends.
    pub async fn leave(self) -> Result<(), ClientError> {
        self.ask(Wish::Leave).await
    }

    /// Ends without goodbye, as a killed tab does.
    pub fn vanish(self) {}

    async fn wish(&self, wish: Wish) -> Result<(), ClientError> {
        self.wishes.send(wish).await.map_err(|_| ClientError::Ended)
    }

    async fn ask<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Result<T, ClientError> {
        let (reply, answer) = oneshot::channel();
        self.wish(wish(reply)).await?;
        answer.await.map_err(|_| ClientError::Ended)
    }
}
