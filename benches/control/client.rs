//! One kept connection that asks and reads answers, and does nothing else that would cost time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;

/// A connection.
pub(crate) struct Client {
    stream: TcpStream,
    key: String,
    buffer: Vec<u8>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) body: String,
    /// What `Server-Timing` says.
    pub(crate) in_force: Option<Duration>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, key: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, key: key.to_owned(), buffer: Vec::new() })
    }

    /// Asks; what is not 2xx is an error.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, Failure> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.key,
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.buffer.drain(..head_end + 4).collect())?.to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = header("content-length:").map_or(Ok(0), str::parse)?;
        while self.buffer.len() < length {
            self.more().await?;
        }
        let body = String::from_utf8(self.buffer.drain(..length).collect())?;
        if !head.starts_with("http/1.1 2") {
            return Err(format!("{method} {path}: {} {body}", head.lines().next().unwrap_or_default()).into());
        }
        let milliseconds = header("server-timing:").and_then(|timing| timing.split("dur=").nth(1)?.parse::<f64>().ok());
        Ok(Answer { body, in_force: milliseconds.map(|ms| Duration::from_secs_f64(ms / 1e3)) })
    }

    async fn more(&mut self) -> Result<(), Failure> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }
}
