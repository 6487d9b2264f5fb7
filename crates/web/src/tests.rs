#![allow(clippy::unwrap_used)]

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use tower::ServiceExt;

use crate::assets::Assets;
use crate::router;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, usize::MAX).await.unwrap().to_vec() }
}

#[tokio::test]
async fn page_is_served_for_links_and_is_asked_for_again() {
    for path in ["/", "/join"] {
        let answer = ask(Method::GET, path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert!(String::from_utf8(answer.body).unwrap().contains("<title>Parlour</title>"));
    }
}

#[tokio::test]
async fn head_of_the_root_succeeds_for_any_origin() {
    let answer = ask(Method::HEAD, "/", &[("origin", "https://elsewhere.example")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn every_answer_forbids_outside_hosts_and_frames() {
    for path in ["/", "/join", "/robots.txt", "/assets/missing.js"] {
        let answer = ask(Method::GET, path, &[]).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("http") && !policy.contains('*'));
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(answer.header("permissions-policy").contains("camera=(self), microphone=(self)"));
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn hashed_files_are_kept_and_the_page_names_no_other_host() {
    let assets = Assets::embedded();
    for path in assets.paths().filter(|path| path.starts_with("assets/")) {
        let answer = ask(Method::GET, &format!("/{path}"), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.header("cache-control").contains("immutable"), "{path}");
        assert!(!answer.header("content-type").contains("octet-stream"), "{path} has no known type");
    }
    let page = String::from_utf8(ask(Method::GET, "/", &[]).await.body).unwrap();
    assert!(!page.contains("//"), "the page refers to another host: {page}");
}

#[tokio::test]
async fn known_copy_is_not_sent_again() {
    let first = ask(Method::GET, "/", &[]).await;
    let second = ask(Method::GET, "/", &[("if-none-match", first.header("etag"))]).await;
    assert_eq!(second.status, StatusCode::NOT_MODIFIED);
    assert!(second.body.is_empty());
    let stale = ask(Method::GET, "/", &[("if-none-match", "W/\"other\"")]).await;
    assert_eq!(stale.status, StatusCode::OK);
}

#[tokio::test]
async fn compression_follows_what_the_browser_takes() {
    let plain = ask(Method::GET, "/", &[]).await;
    let packed = ask(Method::GET, "/", &[("accept-encoding", "br, gzip;q=0.8")]).await;
    let refused = ask(Method::GET, "/", &[("accept-encoding", "gzip;q=0")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len());
    assert_eq!(refused.body, plain.body);
    assert_eq!(packed.header("vary"), "accept-encoding");
}

#[tokio::test]
async fn unknown_and_climbing_paths_are_not_found() {
    for path in ["/assets/../Cargo.toml", "/assets/%2e%2e/Cargo.toml", "/assets/", "/assets", "/index.php"] {
        assert_eq!(ask(Method::GET, path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn quick_exit_lands_on_a_page_that_names_nothing_and_is_not_kept() {
    let answer = ask(Method::GET, "/away", &[]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let body = String::from_utf8(answer.body).unwrap().to_lowercase();
    for word in ["parlour", "session", "call", "therap", "<script", "href"] {
        assert!(!body.contains(word), "{word}");
    }
}

#[tokio::test]
async fn quick_exit_goes_on_to_the_configured_address() {
    let onward = axum::http::HeaderValue::from_static("https://weather.example/");
    let request = Request::builder().uri("/away").body(Body::empty()).unwrap();
    let response = crate::router_with_way_out(Some(onward)).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "https://weather.example/");
    assert_eq!(response.headers()["referrer-policy"], "no-referrer");
}
