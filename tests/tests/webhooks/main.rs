//! What happened, read and delivered: over real sockets, to receivers that fail, stall, redirect and die.

#![allow(clippy::unwrap_used, missing_docs)]

#[allow(dead_code)]
#[path = "../signalling/http.rs"]
mod http;
mod receiver;
mod stage;

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parlour_api::{Scope, WebhookRules};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use receiver::{Answer, Receiver, Request};
use stage::{ANYWHERE, Stage};

const OK: Answer = Answer::Status(204);

/// Waits for what is only seen by asking.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let patience = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), patience).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_delivered_in_order_signed_and_without_names() {
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[OK]).await);
    let endpoint = stage.endpoint(&receiver.url()).await;
    for number in 0..6 {
        stage.happens("s", number % 2 == 0).await;
        stage.happens("t", number % 2 == 0).await;
    }
    let requests = receiver.takes(14).await;
    for session in ["s", "t"] {
        let places = requests.iter().map(Request::place).filter(|(of, _)| of == session);
        assert_eq!(places.map(|(_, seq)| seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    }
    let kinds: Vec<_> =
        requests.iter().filter(|one| one.place().0 == "s").map(|one| one.json()["type"].clone()).collect();
    assert_eq!(kinds[..3], ["session.started", "session.lock", "session.lock"]);
    requests.iter().for_each(|request| check_signatures(request, &endpoint));
    assert!(requests[0].head.starts_with("POST /hooks?a=b HTTP/1.1"));
    let thin = requests[0].json();
    assert_eq!(thin.as_object().unwrap().keys().collect::<Vec<_>>(), ["data", "timestamp", "type"]);
}

fn check_signatures(request: &Request, endpoint: &Value) {
    assert_eq!(signatures_of(request, endpoint), (1, 1), "one of each kind");
    assert_eq!(request.header("webhook-signature").split(' ').count(), 2);
}

/// How many of a request's signatures of each kind hold with what a receiver was shown of the endpoint.
fn signatures_of(request: &Request, endpoint: &Value) -> (usize, usize) {
    let signed = [request.header("webhook-id"), request.header("webhook-timestamp"), &request.body].join(".");
    let decoded = |text: &str| STANDARD.decode(text).unwrap();
    let shown = |field: &str, prefix: &str| decoded(endpoint[field].as_str().unwrap().strip_prefix(prefix).unwrap());
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &shown("secret", "whsec_"));
    let public = UnparsedPublicKey::new(&ED25519, shown("public_key", "whpk_"));
    let all = |kind| request.header("webhook-signature").split(' ').filter_map(move |one| one.strip_prefix(kind));
    let symmetric = all("v1,").filter(|one| hmac::verify(&secret, signed.as_bytes(), &decoded(one)).is_ok());
    let asymmetric = all("v1a,").filter(|one| public.verify(signed.as_bytes(), &decoded(one)).is_ok());
    (symmetric.count(), asymmetric.count())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rotation_both_secrets_sign_until_the_old_one_ends() {
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[OK]).await);
    let first = stage.endpoint(&receiver.url()).await;
    let path = format!("/v1/webhook-endpoints/{}/rotate", first["id"].as_str().unwrap());
    let (status, second) = stage.ask("POST", &path, "{}").await;
    assert_eq!((status, &second["id"]), (200, &first["id"]), "{second}");
    let day = second["old_until_ms"].as_i64().unwrap() - second["created_at_ms"].as_i64().unwrap();
    assert!((86_400_000..86_500_000).contains(&day), "{second}");
    assert!(second["secret"] != first["secret"] && second["public_key"] != first["public_key"]);
    stage.happens("s", true).await;
    let requests = receiver.takes(2).await;
    assert_eq!((signatures_of(&requests[1], &first), signatures_of(&requests[1], &second)), ((1, 1), (1, 1)));

    let (_, third) = stage.ask("POST", &path, r#"{"old_valid_hours":0}"#).await;
    stage.happens("s", false).await;
    let last = receiver.takes(3).await.remove(2);
    assert_eq!((signatures_of(&last, &second), signatures_of(&last, &third)), ((0, 0), (1, 1)));
    check_signatures(&last, &third);
    let listed = stage.listed().await;
    assert!(listed.get("old_until_ms").is_none() && listed.get("secret").is_none(), "{listed}");
    assert_eq!(stage.ask("POST", &path, r#"{"old_valid_hours":169}"#).await.0, 400);
    assert_eq!(stage.ask("POST", "/v1/webhook-endpoints/we_none/rotate", "{}").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_the_time_it_asks_for_within_bounds() {
    const HOUR: i64 = 3_600_000;
    for (asked, expected) in [(7_200, 2 * HOUR), (u32::MAX, 24 * HOUR)] {
        let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[Answer::Later(asked)]).await);
        stage.endpoint(&receiver.url()).await;
        stage.happens("s", true).await;
        until("the failure is noted", async || stage.deliveries("server_error") > 0).await;
        let wait = stage.next_attempt_in().await;
        // Some of it has passed.
        assert!(wait <= expected && wait > expected - HOUR, "{asked}: {wait}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_comes_again_under_its_id_before_what_came_later() {
    // The first dies with the request in its hands, the second is in trouble.
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[Answer::Die, OK]).await);
    stage.endpoint(&receiver.url()).await;
    stage.happens("s", true).await;
    stage.happens("s", false).await;
    let requests = receiver.takes(4).await;
    assert_eq!(requests.iter().map(|one| one.place().1).collect::<Vec<_>>(), [1, 1, 2, 3]);
    assert_eq!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
    assert_ne!(requests[1].header("webhook-id"), requests[2].header("webhook-id"));
    assert_eq!(requests[0].body, requests[1].body);
    until("all is noted", async || stage.listed().await["pending"] == 0).await;
    assert_eq!((stage.deliveries("broken"), stage.deliveries("arrived")), (1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_session_does_not_hold_another_up() {
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[Answer::Status(500), OK]).await);
    stage.endpoint(&receiver.url()).await;
    stage.happens("s", true).await;
    assert_eq!(receiver.takes(1).await[0].place(), ("s".to_owned(), 1));
    until("the failure is noted", async || stage.deliveries("server_error") == 1).await;
    stage.happens("t", true).await;
    let of_t = |requests: &[Request]| requests.iter().map(Request::place).filter(|place| place.0 == "t").count();
    let mut enough = 3;
    while of_t(&receiver.takes(enough).await) < 2 {
        enough += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_nothing_does_not_hold_another_up() {
    let stage = Stage::start(ANYWHERE).await;
    let (silent, lively) = (Receiver::start(&[Answer::Silence]).await, Receiver::start(&[OK]).await);
    stage.endpoint(&silent.url()).await;
    stage.endpoint(&lively.url()).await;
    for session in 0..8 {
        stage.happens(&format!("s{session}"), true).await;
    }
    lively.takes(16).await;
    // As many as may be under way at once, and no more.
    assert_eq!(silent.takes(4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed() {
    let (stage, elsewhere) = (Stage::start(ANYWHERE).await, Receiver::start(&[OK]).await);
    let receiver = Receiver::start(&[Answer::Redirect(elsewhere.url())]).await;
    stage.endpoint(&receiver.url()).await;
    stage.happens("s", true).await;
    receiver.takes(1).await;
    until("the refusal is noted", async || stage.deliveries("redirect") == 1).await;
    assert_eq!((elsewhere.count(), stage.listed().await["pending"].clone()), (0, json!(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_cannot_be_used_to_reach_into_the_network() {
    let receiver = Receiver::start(&[OK]).await;
    let strict = Stage::start(WebhookRules::default()).await;
    let refused = async |url: &str| {
        let body = json!({ "url": url }).to_string();
        let (status, problem) = strict.ask("POST", "/v1/webhook-endpoints", &body).await;
        assert!((400..500).contains(&status) && problem["field"] == "url", "{url}: {problem}");
        assert!(!problem.to_string().contains("localhost"), "echoes nothing");
    };
    refused("http://example.org/").await;
    refused("https://127.0.0.1/").await;
    refused("https://[::1]/").await;
    refused("https://user:pass@localhost/").await;
    refused("not an address").await;
    // A name shows what it means only when it is looked up, each time.
    let plain = Stage::start(WebhookRules { allow_plain: true, allow_private: false }).await;
    plain.endpoint(&format!("http://localhost:{}/", receiver.address.port())).await;
    plain.happens("s", true).await;
    until("the refusal is noted", async || plain.deliveries("forbidden_address") > 0).await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_sent_nothing_until_a_replay() {
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[Answer::Status(410)]).await);
    let id = stage.endpoint(&receiver.url()).await["id"].as_str().unwrap().to_owned();
    stage.happens("s", true).await;
    until("it is out of use", async || stage.listed().await["disabled_at_ms"].is_i64()).await;
    stage.happens("s", false).await;
    receiver.answer(OK);
    let replay = format!("/v1/webhook-endpoints/{id}/replay");
    let (status, replayed) = stage.ask("POST", &replay, r#"{"after":"c0"}"#).await;
    assert_eq!((status, &replayed["events"]), (200, &json!(3)), "{replayed}");
    let requests = receiver.takes(4).await;
    assert_eq!(requests[1..].iter().map(|one| one.place().1).collect::<Vec<_>>(), [1, 2, 3]);
    let again = json!({ "after": replayed["next_after"] }).to_string();
    assert_eq!(stage.ask("POST", &replay, &again).await.1["events"], 0);
    let (_, dead) = stage.ask("GET", &format!("/v1/webhook-endpoints/{id}/dead-letters"), "").await;
    assert_eq!(dead, json!({ "events": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_deleted_gets_nothing_more() {
    let (stage, receiver) = (Stage::start(ANYWHERE).await, Receiver::start(&[OK]).await);
    let id = stage.endpoint(&receiver.url()).await["id"].as_str().unwrap().to_owned();
    stage.happens("s", true).await;
    receiver.takes(2).await;
    let path = format!("/v1/webhook-endpoints/{id}");
    assert_eq!(stage.ask("DELETE", &path, "").await.0, 204);
    let (other, _) = (Receiver::start(&[OK]).await, stage.happens("s", false).await);
    stage.endpoint(&other.url()).await;
    stage.happens("s", true).await;
    assert_eq!(other.takes(1).await[0].place().1, 4);
    assert_eq!(receiver.count(), 2);
    let (status, problem) = stage.ask("DELETE", &path, "").await;
    assert_eq!((status, &problem["type"]), (404, &json!("urn:parlour:problem:endpoint-not-found")));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_bounded_and_secrets_are_shown_once() {
    let stage = Stage::start(ANYWHERE).await;
    let made = stage.endpoint("http://127.0.0.1:1/").await;
    let listed = stage.listed().await;
    assert!(made["secret"].is_string() && listed.get("secret").is_none());
    assert_eq!((&made["id"], &made["public_key"]), (&listed["id"], &listed["public_key"]));
    for _ in 1..32 {
        stage.endpoint("http://127.0.0.1:1/").await;
    }
    let body = r#"{"url":"http://127.0.0.1:1/"}"#;
    let (status, problem) = stage.ask("POST", "/v1/webhook-endpoints", body).await;
    assert_eq!((status, &problem["type"]), (409, &json!("urn:parlour:problem:limit-reached")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_key_with_the_scope_reads_events_or_says_where_they_go() {
    let stage = Stage::start(ANYWHERE).await;
    let reader = stage.make_key("reader", &[Scope::EventsRead]).await;
    let sender = stage.make_key("sender", &[Scope::WebhooksWrite]).await;
    assert_eq!(stage.ask_as(&reader, "GET", "/v1/events", "").await.0, 200);
    assert_eq!(stage.ask_as(&sender, "GET", "/v1/webhook-endpoints", "").await.0, 200);
    let person = {
        let claims = parlour_signal::Claims::join(
            stage::SIGNING.0,
            &"s".into(),
            &"ingrid".into(),
            parlour_model::Role::Therapist,
            u64::MAX / 2,
        );
        parlour_signal::mint(&claims, &parlour_signal::Keys::new([stage::SIGNING])).unwrap()
    };
    for (key, path) in [
        (&sender, "/v1/events"),
        (&sender, "/v1/events/stream"),
        (&reader, "/v1/webhook-endpoints"),
        (&person, "/v1/events"),
        (&person, "/v1/webhook-endpoints"),
    ] {
        assert_eq!(stage.ask_as(key, "GET", path, "").await.0, 403, "{path}");
    }
    assert_eq!(stage.ask_as("pk_all_other", "GET", "/v1/events", "").await.0, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_page_by_page_and_of_one_session() {
    let stage = Stage::start(ANYWHERE).await;
    for session in ["s", "t"] {
        stage.happens(session, true).await;
    }
    let (_, first) = stage.ask("GET", "/v1/events?limit=3", "").await;
    let path = format!("/v1/events?after={}", first["next_after"].as_str().unwrap());
    let (_, second) = stage.ask("GET", &path, "").await;
    let seqs = |page: &Value| -> Vec<Value> {
        page["events"].as_array().unwrap().iter().map(|event| event["data"]["seq"].clone()).collect()
    };
    assert_eq!((seqs(&first), seqs(&second)), (vec![json!(1), json!(2), json!(1)], vec![json!(2)]));
    let (_, last) = stage.ask("GET", &format!("/v1/events?after={}", second["next_after"].as_str().unwrap()), "").await;
    assert_eq!((&last["events"], &last["next_after"]), (&json!([]), &second["next_after"]));
    let (_, of_t) = stage.ask("GET", "/v1/events?session=t", "").await;
    assert_eq!(seqs(&of_t), [1, 2]);
    for wrong in ["limit=0", "limit=1001", "limit=-1", "after=x", "after=c-1", "unknown=1"] {
        assert_eq!(stage.ask("GET", &format!("/v1/events?{wrong}"), "").await.0, 400, "{wrong}");
    }
}

/// Reads a stream until it has said this.
async fn hear(stream: &mut TcpStream, wanted: &str) -> String {
    let mut heard = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&heard).contains(wanted) {
            assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "ended before {wanted}");
        }
    };
    timeout(Duration::from_secs(30), reading).await.expect(wanted);
    String::from_utf8(heard).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
    let stage = Stage::start(ANYWHERE).await;
    let open = async |query: &str, headers: &str| {
        stage.open("pk_all_secret", "GET", &format!("/v1/events/stream{query}"), headers, "").await
    };
    stage.happens("before", true).await;
    let mut live = open("", "").await;
    assert!(hear(&mut live, "\r\n\r\n").await.to_lowercase().contains("content-type: text/event-stream"));
    stage.happens("s", true).await;
    let heard = hear(&mut live, r#""seq":2"#).await;
    assert!(heard.contains("id: c3\nevent: session.started\n"), "{heard}");
    assert!(!heard.contains("before"));

    let mut again = open("", "Last-Event-ID: c1\r\n").await;
    let heard = hear(&mut again, "id: c4").await;
    assert!(!heard.contains("id: c1\n") && heard.contains("id: c2") && heard.contains("id: c3"), "{heard}");
    let mut of_one = open("?after=c0&session=s", "").await;
    assert!(!hear(&mut of_one, "id: c4").await.contains("before"));
    assert!(hear(&mut open("?after=x", "").await, "\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    drop((live, again, of_one));
    // A stream learns that its reader is gone when it has something to say.
    let mut locked = true;
    until("streams are given back", async || {
        locked = !locked;
        stage.happens("s", locked).await;
        stage.metrics.streams.get() == 0
    })
    .await;
}
