//! One POST to a judged address: TCP, TLS, HTTP/1.1, an answer's status. No redirect is followed, no connection kept,
//! and nothing of the answer but its status and `Retry-After` is read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::{Target, Unfit, WebhookRules};

/// How long looking up, connecting and agreeing on keys may take, each.
const STEP_TIME: Duration = Duration::from_secs(5);
/// How long an attempt may take in all. Standard Webhooks suggests 15 to 30 s.
const ATTEMPT_TIME: Duration = Duration::from_secs(20);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 2;
/// The largest head of an answer.
const MAX_HEAD: usize = 64 * 1024;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The address may not be connected to.
    Forbidden,
    /// The name has no address.
    Unknown,
    /// Nobody is there.
    Unreachable,
    /// No agreement on TLS, or no certificate that is trusted.
    Tls,
    /// The connection broke, or what came is not HTTP.
    Broken,
    /// Too slow.
    Slow,
    /// An answer that is not a success.
    Status(StatusCode),
}

impl Failure {
    /// A fixed word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden_address",
            Self::Unknown => "unknown_name",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Broken => "broken",
            Self::Slow => "slow",
            Self::Status(status) if status.is_redirection() => "redirect",
            Self::Status(StatusCode::GONE) => "gone",
            Self::Status(status) if status.is_client_error() => "client_error",
            Self::Status(_) => "server_error",
        }
    }
}

/// What became of an attempt that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) why: Failure,
    /// The receiver asks not to be tried before this.
    pub(super) retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(why: Failure) -> Self {
        Self { why, retry_after: None }
    }
}

/// Sends. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transport {
    tls: TlsConnector,
    rules: WebhookRules,
}

impl Transport {
    /// Trusts whom this machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` say otherwise).
    pub(super) fn new(rules: WebhookRules) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            tracing::warn!("no certificate authority is trusted here: webhooks can only be sent in plain");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Some(Self { tls: TlsConnector::from(Arc::new(config)), rules })
    }

    /// What is allowed.
    pub(super) fn rules(&self) -> WebhookRules {
        self.rules
    }

    /// Sends, and returns when the receiver has said that it has it.
    pub(super) async fn post(&self, target: &Target, headers: HeaderMap, body: String) -> Result<(), Failed> {
        let attempt = async {
            let stream = self.connect(target).await?;
            if !target.encrypted {
                return exchange(stream, target, headers, body).await;
            }
            let name = ServerName::try_from(target.host.clone()).map_err(|_| Failure::Tls)?;
            let handshake = timeout(STEP_TIME, self.tls.connect(name, stream)).await.map_err(|_| Failure::Slow)?;
            exchange(handshake.map_err(|_| Failure::Tls)?, target, headers, body).await
        };
        let Answer { status, retry_after } = timeout(ATTEMPT_TIME, attempt).await.map_err(|_| Failure::Slow)??;
        if status.is_success() { Ok(()) } else { Err(Failed { why: Failure::Status(status), retry_after }) }
    }

    async fn connect(&self, target: &Target) -> Result<TcpStream, Failure> {
        let resolved = timeout(STEP_TIME, target.resolve(self.rules)).await.map_err(|_| Failure::Slow)?;
        let addresses: Vec<SocketAddr> = resolved.map_err(|_: Unfit| Failure::Forbidden)?;
        let mut last = Failure::Unknown;
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            match timeout(STEP_TIME, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(_)) => last = Failure::Unreachable,
                Err(_) => last = Failure::Slow,
            }
        }
        Err(last)
    }
}

/// What is read of an answer.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
}

async fn exchange<S>(stream: S, target: &Target, headers: HeaderMap, body: String) -> Result<Answer, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut request = Request::post(target.path.as_str()).body(Body::from(body)).map_err(|_| Failure::Broken)?;
    *request.headers_mut() = headers;
    let authority = target.authority.parse().map_err(|_| Failure::Broken)?;
    request.headers_mut().insert(header::HOST, authority);
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Broken)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|_| Failure::Broken)?;
        let retry_after = answer.headers().get(header::RETRY_AFTER).and_then(|value| wait_of(value, SystemTime::now()));
        Ok(Answer { status: answer.status(), retry_after })
    };
    // The connection is driven from here and dropped with the answer's head: bodies of receivers are of no interest.
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110 section 10.2.3).
fn wait_of(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_asked_for_in_seconds_or_until_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let wait = |text| wait_of(&HeaderValue::from_static(text), now).map(|wait| wait.as_secs());
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        for nothing in ["Sun, 06 Nov 1994 08:48:37 GMT", "", "-1", "1.5", "99999999999", "soon"] {
            assert_eq!(wait(nothing), None, "{nothing}");
        }
    }
}
