//! The embedded files: bytes, types, validators and caching rules (RFC 9110, RFC 9111). No path of a request ever
//! reaches a file system: what is not in the table does not exist.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use axum::body::{Body, Bytes};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "client/dist"]
#[allow_missing = true]
struct Dist;

const UNBUILT: &[u8] = include_bytes!("unbuilt.html");

/// Names under `assets/` carry a hash of their content, so they never change.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Everything else is asked for each time and mostly answered with 304.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// One file, ready to be sent.
#[derive(Debug)]
pub(crate) struct Asset {
    plain: Bytes,
    /// Present where it is smaller.
    gzip: Option<Bytes>,
    content_type: HeaderValue,
    cache: HeaderValue,
    etag: HeaderValue,
}

/// All files of the page, by path below the root.
#[derive(Debug)]
pub(crate) struct Assets {
    files: BTreeMap<String, Asset>,
    unbuilt: Asset,
}

impl Assets {
    pub(crate) fn embedded() -> Self {
        let files = Dist::iter()
            .filter_map(|path| {
                let file = Dist::get(&path)?;
                let asset = Asset::new(&path, file.data, &file.metadata.sha256_hash());
                Some((path.into_owned(), asset))
            })
            .collect();
        Self { files, unbuilt: Asset::new("unbuilt.html", Cow::Borrowed(UNBUILT), &[0; 32]) }
    }

    pub(crate) fn find(&self, path: &str) -> Option<&Asset> {
        self.files.get(path)
    }

    pub(crate) fn page(&self) -> &Asset {
        self.find("index.html").unwrap_or(&self.unbuilt)
    }

    pub(crate) fn has_page(&self) -> bool {
        self.files.contains_key("index.html")
    }

    #[cfg(test)]
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

impl Asset {
    fn new(path: &str, data: Cow<'static, [u8]>, sha256: &[u8; 32]) -> Self {
        let plain = match data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        Self {
            gzip: compressed(&plain),
            plain,
            content_type: content_type(path),
            cache: if path.starts_with("assets/") { KEEP } else { ASK_AGAIN },
            etag: etag(sha256),
        }
    }

    /// The file, compressed where the browser takes that, or 304 when it has it already.
    pub(crate) fn respond(&self, request: &HeaderMap) -> Response {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, self.cache.clone());
        headers.insert(ETAG, self.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if request.get(IF_NONE_MATCH).is_some_and(|known| known == self.etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        let body = match &self.gzip {
            Some(gzip) if accepts_gzip(request) => {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip
            }
            _ => &self.plain,
        };
        *response.body_mut() = Body::from(body.clone());
        response
    }
}

fn compressed(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).ok()?;
    let bytes = encoder.finish().ok()?;
    (bytes.len() < plain.len()).then(|| Bytes::from(bytes))
}

/// A weak validator, since plain and compressed bytes share it (RFC 9110, 8.8.1).
fn etag(sha256: &[u8; 32]) -> HeaderValue {
    let hex: String = sha256.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("W/\"{hex}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let Some(accepted) = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()) else { return false };
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        parts.next() == Some("gzip") && parts.next() != Some("q=0")
    })
}

/// The types the build produces; anything else is bytes, which `nosniff` keeps from being run.
fn content_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    })
}
