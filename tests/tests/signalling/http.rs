//! One HTTP request as it is written, on a connection of its own, and its answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What never takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a server said.
pub struct Answer {
    pub status: u16,
    /// Up to the empty line.
    pub head: String,
    pub body: Vec<u8>,
}

/// A request with a bearer's token and a body of this kind. `headers`: more of them, each with its line end.
pub fn request(line: &str, bearer: &str, kind: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n{headers}\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends it; the answer is yet to be read.
pub async fn open(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    stream
}

/// Sends it and reads until the server closes.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let (mut stream, mut answer) = (open(address, request).await, Vec::new());
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let body = answer.split_off(end);
    let head = String::from_utf8(answer).unwrap();
    Answer { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body }
}
