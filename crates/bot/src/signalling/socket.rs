//! The WebSocket of a LiveKit client: where it goes, what it carries.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol as lk;
use prost::Message as _;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Why signalling did not come or go.
#[derive(Debug, Error)]
pub enum SignallingError {
    /// The server answered the upgrade with this status.
    #[error("the server refused the connection with status {0}")]
    Refused(u16),
    /// Below HTTP, or later.
    #[error("the WebSocket failed: {0}")]
    Socket(Box<tungstenite::Error>),
    /// The server sent a frame that is no signal response.
    #[error("the server sent a frame that does not decode")]
    Decode(#[from] prost::DecodeError),
    /// The server sent text or closed in the middle.
    #[error("the server sent an unexpected frame")]
    Unexpected,
    /// The first message did not come.
    #[error("the server did not answer in time")]
    Timeout,
}

impl From<tungstenite::Error> for SignallingError {
    fn from(error: tungstenite::Error) -> Self {
        match error {
            tungstenite::Error::Http(response) => Self::Refused(response.status().as_u16()),
            error => Self::Socket(Box::new(error)),
        }
    }
}

/// One WebSocket.
#[derive(Debug)]
pub struct Signalling {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Signalling {
    /// Connects to `base` (`ws://host:port`) with a join request, zipped as `livekit-client` does.
    pub async fn connect(base: &str, token: &str, request: &lk::JoinRequest) -> Result<Self, SignallingError> {
        let url = format!("{}/rtc/v1?access_token={token}&join_request={}", base.trim_end_matches('/'), wrap(request));
        let (socket, _) = connect_async(url).await?;
        Ok(Self { socket })
    }

    /// Sends one message.
    pub async fn send(&mut self, message: lk::signal_request::Message) -> Result<(), SignallingError> {
        let request = lk::SignalRequest { message: Some(message) };
        self.socket.send(Message::Binary(request.encode_to_vec().into())).await?;
        Ok(())
    }

    /// Sends a frame as it is, also a wrong one.
    pub async fn send_raw(&mut self, frame: Message) -> Result<(), SignallingError> {
        self.socket.send(frame).await?;
        Ok(())
    }

    /// The next message; `None` when the server closed.
    pub async fn next(&mut self) -> Result<Option<lk::signal_response::Message>, SignallingError> {
        loop {
            match self.socket.next().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Binary(frame))) => {
                    // A response with a message this protocol version does not know is skipped.
                    if let Some(message) = lk::SignalResponse::decode(frame)?.message {
                        return Ok(Some(message));
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_)) => return Err(SignallingError::Unexpected),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Closes as a client that leaves does.
    pub async fn close(&mut self) -> Result<(), SignallingError> {
        self.socket.close(None).await?;
        Ok(())
    }
}

/// The `join_request` parameter: base64url with padding around a gzipped request.
pub fn wrap(request: &lk::JoinRequest) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a vector does not fail.
    let zipped = encoder.write_all(&request.encode_to_vec()).and_then(|()| encoder.finish()).unwrap_or_default();
    let wrapped = lk::WrappedJoinRequest {
        compression: lk::wrapped_join_request::Compression::Gzip as i32,
        join_request: zipped,
    };
    URL_SAFE.encode(wrapped.encode_to_vec())
}
