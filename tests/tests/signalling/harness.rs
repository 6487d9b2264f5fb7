//! A server of our own on a free port, with a real engine behind it, and a client that speaks bare signalling.

#[path = "http.rs"]
pub mod http;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_protocol as proto;
use parlour_engine::{Engine, EngineConfig, EngineMetrics, MediaListen};
use parlour_media::MediaConfig;
use parlour_model::session::SessionPolicy;
use parlour_model::{Identity, Role, SessionId};
use parlour_peer::DtlsVersions;
use parlour_session::SessionOptions;
use parlour_signal::{Claims, Keys, Limits, SignalConfig, SignalMetrics, SignalState};
use prost::Message as _;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// What never takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

pub const KEY: &str = "testkey";
pub const SECRET: &str = "a secret for tests that is long enough";

pub struct Server {
    pub address: SocketAddr,
    pub state: SignalState,
    pub metrics: SignalMetrics,
    pub keys: Keys,
    engine: Option<Engine>,
}

impl Server {
    pub async fn start() -> Self {
        Self::with(Limits::default(), SessionPolicy::open_development()).await
    }

    pub async fn with(limits: Limits, policy: SessionPolicy) -> Self {
        let registry = prometheus::Registry::new();
        let config = EngineConfig {
            workers: 1,
            listen: MediaListen {
                addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
                first_port: 0,
                advertise: Vec::new(),
            },
            dtls: DtlsVersions::default(),
            media: MediaConfig::default(),
            session: SessionOptions { policy: policy.clone(), ..SessionOptions::default() },
            max_rooms: 64,
            max_peers: 256,
        };
        let engine = Engine::start(&config, &EngineMetrics::new(&registry).unwrap()).unwrap();
        let keys = Keys::new([(KEY, SECRET)]);
        let config = SignalConfig {
            limits,
            room_policy: policy.clone(),
            ..SignalConfig::new(keys.clone(), vec!["stun:127.0.0.1:3478".to_owned()])
        };
        let metrics = SignalMetrics::register(&registry).unwrap();
        let state = SignalState::new(engine.handle(), config, metrics.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = parlour_signal::router(state.clone()).into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, state, metrics, keys, engine: Some(engine) }
    }

    pub fn claims(&self, session: &str, identity: &str) -> Claims {
        Claims::join(KEY, &SessionId::from(session), &Identity::from(identity), Role::Therapist, unix_now() + 600)
    }

    pub fn token(&self, session: &str, identity: &str) -> String {
        parlour_signal::mint(&self.claims(session, identity), &self.keys).unwrap()
    }

    /// The HTTP status of a refusal is the error.
    pub async fn open(&self, path_and_query: &str) -> Result<Client, u16> {
        match timeout(PATIENCE, connect_async(format!("ws://{}{path_and_query}", self.address))).await.unwrap() {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(WsError::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer: {error}"),
        }
    }

    pub async fn ask(&self, token: &str, request: &proto::JoinRequest) -> Result<Client, u16> {
        self.open(&format!("/rtc/v1?access_token={token}&join_request={}", wrapped(0, request.encode_to_vec()))).await
    }

    /// Joins and takes the welcome.
    pub async fn join(&self, session: &str, identity: &str) -> (Client, proto::JoinResponse) {
        let mut client = self.ask(&self.token(session, identity), &proto::JoinRequest::default()).await.unwrap();
        let Some(Response::Join(join)) = client.next().await else { panic!("not welcomed") };
        (client, join)
    }

    pub async fn resume(&self, token: &str, sid: &str) -> Client {
        let request = proto::JoinRequest { reconnect: true, participant_sid: sid.to_owned(), ..Default::default() };
        self.ask(token, &request).await.unwrap()
    }

    /// A plain GET: status and everything.
    pub async fn get(&self, path_and_query: &str) -> (u16, String) {
        self.exchange(&format!("GET {path_and_query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// One HTTP request as it is written, on a connection of its own: status and everything.
    pub async fn exchange(&self, request: &str) -> (u16, String) {
        let answer = http::exchange(self.address, request.as_bytes()).await;
        (answer.status, answer.head + &String::from_utf8(answer.body).unwrap())
    }

    pub fn closes(&self, reason: &str) -> u64 {
        self.metrics.closes.with_label_values(&[reason]).get()
    }

    pub fn drops(&self, reason: &str) -> u64 {
        self.metrics.drops.with_label_values(&[reason]).get()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop();
        }
    }
}

pub fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub fn wrapped(compression: i32, join_request: Vec<u8>) -> String {
    URL_SAFE.encode(proto::WrappedJoinRequest { compression, join_request }.encode_to_vec())
}

pub fn add_track(cid: &str) -> proto::AddTrackRequest {
    proto::AddTrackRequest {
        cid: cid.to_owned(),
        name: "microphone".to_owned(),
        r#type: proto::TrackType::Audio.into(),
        source: proto::TrackSource::Microphone.into(),
        ..Default::default()
    }
}

pub fn rename(request_id: u32, metadata: String) -> Request {
    Request::UpdateMetadata(proto::UpdateParticipantMetadata { request_id, metadata, ..Default::default() })
}

pub fn simulate(scenario: proto::simulate_scenario::Scenario) -> Request {
    Request::Simulate(proto::SimulateScenario { scenario: Some(scenario) })
}

pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    pub async fn send(&mut self, request: Request) {
        let bytes = proto::SignalRequest { message: Some(request) }.encode_to_vec();
        self.socket.send(Frame::Binary(bytes.into())).await.unwrap();
    }

    /// The next frame, of whatever kind.
    pub async fn frame(&mut self) -> Frame {
        timeout(PATIENCE, self.socket.next()).await.expect("the server is silent").unwrap().unwrap()
    }

    /// The next message; `None` when the socket is closed.
    pub async fn next(&mut self) -> Option<Response> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the server is silent") {
                Some(Ok(Frame::Binary(bytes))) => return proto::SignalResponse::decode(bytes).unwrap().message,
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(Frame::Close(_)) | Err(_)) | None => return None,
                Some(Ok(frame)) => panic!("unexpected frame {frame:?}"),
            }
        }
    }

    /// Waits for the message that `wanted` picks, and lets others pass.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(Response) -> Option<T>) -> T {
        loop {
            let message = self.next().await.expect("closed before what was waited for");
            if let Some(found) = wanted(message) {
                return found;
            }
        }
    }

    pub async fn leave(&mut self) -> proto::LeaveRequest {
        self.until(|message| if let Response::Leave(leave) = message { Some(leave) } else { None }).await
    }

    pub async fn update(&mut self) -> Vec<proto::ParticipantInfo> {
        self.until(|message| if let Response::Update(update) = message { Some(update.participants) } else { None })
            .await
    }

    /// Alive: a ping is answered.
    pub async fn is_answered(&mut self) -> bool {
        self.send(Request::PingReq(proto::Ping { timestamp: 42, rtt: 1 })).await;
        let pong = self.until(|message| if let Response::PongResp(pong) = message { Some(pong) } else { None }).await;
        pong.last_ping_timestamp == 42
    }

    /// The code with which the server closed; `None` when it said nothing.
    pub async fn close_code(&mut self) -> Option<u16> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("still open") {
                Some(Ok(Frame::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
