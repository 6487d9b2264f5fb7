//! An integrator's server on a port of its own, which takes webhooks as it is told to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// What never takes this long, retries after 5 s included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this status.
    Status(u16),
    /// With 503 and the wish to be left alone for so many seconds.
    Later(u32),
    /// With a redirect to there.
    Redirect(String),
    /// Not at all: the connection is closed when the request is in, as by a process that dies.
    Die,
    /// Not at all: the connection stays open.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Session and number within it.
    pub fn place(&self) -> (String, i64) {
        let data = &self.json()["data"];
        (data["session"].as_str().unwrap().to_owned(), data["seq"].as_i64().unwrap())
    }
}

#[derive(Clone)]
pub struct Receiver {
    pub address: SocketAddr,
    requests: Arc<watch::Sender<Vec<Request>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Receiver {
    /// Answers with these in turn, then with the last for ever.
    pub async fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::new(watch::Sender::default()),
            answers: Arc::new(Mutex::new(answers.iter().rev().cloned().collect())),
        };
        let serving = receiver.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let receiver = serving.clone();
                tokio::spawn(async move { receiver.serve(stream).await });
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks?a=b", self.address)
    }

    /// From now on.
    pub fn answer(&self, answer: Answer) {
        *self.answers.lock().unwrap() = vec![answer];
    }

    /// Everything that came, once it is that many.
    pub async fn takes(&self, count: usize) -> Vec<Request> {
        let mut requests = self.requests.subscribe();
        let enough = requests.wait_for(|requests| requests.len() >= count);
        timeout(PATIENCE, enough).await.expect("did not come").unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.requests.borrow().len()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else { return };
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
        };
        self.requests.send_modify(|requests| requests.push(request));
        let text = match answer {
            Answer::Status(status) => format!("HTTP/1.1 {status} As told\r\nContent-Length: 0\r\n\r\n"),
            Answer::Later(seconds) => {
                format!("HTTP/1.1 503 Later\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n")
            }
            Answer::Redirect(to) => format!("HTTP/1.1 307 There\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
            Answer::Die => return,
            Answer::Silence => {
                let _ = stream.read_u8().await;
                return;
            }
        };
        let _ = stream.write_all(text.as_bytes()).await;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let request = Request { head: head.to_owned(), body: body.to_owned() };
            if request.body.len() == request.header("content-length").parse::<usize>().unwrap() {
                return Some(request);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
