//! Signalling over real sockets with a real engine: what SDKs rely on, and what the hostile and the broken get.

#![allow(clippy::unwrap_used, missing_docs)]

mod harness;
mod roomservice;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::SinkExt as _;
use livekit_protocol as proto;
use parlour_model::session::SessionPolicy;
use parlour_signal::{Claims, Keys, Limits, StopAdvice};
use prost::Message as _;
use proto::DisconnectReason as Why;
use proto::leave_request::Action as Advice;
use proto::request_response::Reason;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use proto::simulate_scenario::Scenario;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message as Frame;

use harness::{KEY, Server, add_track, rename, simulate, unix_now, wrapped};

#[tokio::test(flavor = "multi_thread")]
async fn a_welcome_has_what_sdks_need() {
    let server = Server::start().await;
    let (_ada, join) = server.join("s", "ada").await;
    let (_bob, seen_by_bob) = server.join("s", "bob").await;
    let me = join.participant.unwrap();
    assert!(me.sid.starts_with("PA_") && join.room.unwrap().sid.starts_with("RM_"));
    assert_eq!(me.attributes["parlour.role"], "therapist");
    assert!(!join.server_info.unwrap().version.is_empty());
    assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
    // An empty list makes some SDKs ask public STUN servers.
    assert_eq!(join.ice_servers[0].urls, ["stun:127.0.0.1:3478"]);
    assert!(!join.subscriber_primary && !join.enabled_publish_codecs.is_empty());
    assert_eq!(seen_by_bob.other_participants[0].identity, "ada");
}

/// What is sent before the acknowledgement is not for the newcomer: it must not be given before the news is there.
#[tokio::test(flavor = "multi_thread")]
async fn news_of_a_newcomer_is_to_be_acknowledged_and_other_news_is_not() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    ada.send(rename(1, "alone".to_owned())).await;
    let (mut asked, mut told) = (Vec::new(), 0);
    let (_bob, _) = server.join("s", "bob").await;
    while asked.is_empty() {
        match ada.frame().await {
            Frame::Binary(bytes) => {
                let message = proto::SignalResponse::decode(bytes).unwrap().message;
                let Some(Response::Update(update)) = message else { continue };
                told += usize::from(update.participants.iter().any(|one| one.identity == "bob"));
            }
            Frame::Ping(number) if !number.is_empty() => asked.push(told),
            _ => {}
        }
    }
    assert_eq!(asked, [1], "behind the news of bob, and not before");
    assert!(ada.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_protocol_has_its_own_door() {
    let server = Server::start().await;
    let query = format!("access_token={}&protocol=16&auto_subscribe=1&sdk=android", server.token("s", "ada"));
    let mut client = server.open(&format!("/rtc?{query}")).await.unwrap();
    let Some(Response::Join(join)) = client.next().await else { panic!("not welcomed") };
    assert!(join.subscriber_primary);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_token_is_refused_and_validate_says_the_same() {
    let server = Server::start().await;
    let good = server.claims("s", "ada");
    let mint = |claims: &Claims| parlour_signal::mint(claims, &server.keys).unwrap();
    let with_video = |change: fn(&mut Claims)| {
        let mut claims = good.clone();
        change(&mut claims);
        claims
    };
    let token = mint(&good);
    let (_, rest) = token.split_once('.').unwrap();
    for (token, status) in [
        (mint(&Claims { exp: Some(unix_now() - 60), ..good.clone() }), 401),
        (parlour_signal::mint(&good, &Keys::new([(KEY, "forged")])).unwrap(), 401),
        // {"alg":"none","typ":"JWT"}
        (format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{rest}"), 401),
        ("junk".to_owned(), 401),
        (String::new(), 401),
        (mint(&with_video(|claims| claims.video.room_join = false)), 403),
        (mint(&with_video(|claims| claims.video.hidden = true)), 403),
    ] {
        let refused = server.ask(&token, &proto::JoinRequest::default()).await.err();
        let (told, answer) = server.get(&format!("/rtc/v1/validate?access_token={token}")).await;
        assert_eq!((refused, told), (Some(status), status));
        assert!(answer.to_lowercase().contains("access-control-allow-origin: *"));
    }
    let (status, answer) = server.get(&format!("/rtc/validate?access_token={}", server.token("s", "ada"))).await;
    assert!(status == 200 && answer.ends_with("success"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_or_junk_for_a_join_request_is_refused() {
    let server = Server::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 30 << 20]).unwrap();
    let token = server.token("s", "ada");
    let bomb = wrapped(1, encoder.finish().unwrap());
    let open = async |text: &str| server.open(&format!("/rtc/v1?access_token={token}&join_request={text}")).await.err();
    assert_eq!(open(&bomb).await, Some(413));
    assert_eq!(open("%25%25").await, Some(400));
    assert_eq!(open(&wrapped(0, vec![0xff; 100])).await, Some(400));
    assert_eq!(server.join("s", "ada").await.1.other_participants.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_ends_the_socket_that_sent_it_and_no_other() {
    let server = Server::start().await;
    let (mut bob, _) = server.join("s", "bob").await;
    for (number, frame) in [
        Frame::Text("hello".into()),
        Frame::Binary(vec![0xff; 64].into()),
        Frame::Binary(vec![0; parlour_signal::config::MAX_FRAME + 1].into()),
    ]
    .into_iter()
    .enumerate()
    {
        let (mut ada, _) = server.join("s", &format!("ada{number}")).await;
        // A frame over the limit is refused while it is still being sent.
        let _ = ada.socket.send(frame).await;
        assert!(matches!(ada.close_code().await, Some(1002) | None));
    }
    assert_eq!((server.closes("junk"), server.closes("broken")), (2, 1));
    assert!(bob.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_answered_in_json() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    ada.socket.send(Frame::Text(r#"{"pingReq":{"timestamp":"42","rtt":"1"}}"#.into())).await.unwrap();
    let answer = futures_util::StreamExt::next(&mut ada.socket).await.unwrap().unwrap();
    assert!(answer.to_text().unwrap().contains(r#""lastPingTimestamp":"42""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_is_cut_and_the_others_are_not() {
    let limits = Limits { queued_bytes: 256 * 1024, request_burst: 10_000.0, ..Limits::default() };
    let server = Server::with(limits, SessionPolicy::open_development()).await;
    let (_deaf, _) = server.join("s", "deaf").await;
    let (mut ada, _) = server.join("s", "ada").await;
    let mut number = 0;
    while server.closes("slow") == 0 {
        number += 1;
        assert!(number < 2_000, "never cut");
        ada.send(rename(number, format!("{number}").repeat(10_000))).await;
        ada.until(|message| matches!(message, Response::RequestResponse(_)).then_some(())).await;
    }
    assert!(ada.is_answered().await);
    assert_eq!(server.closes("slow"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_client_is_given_up() {
    let limits = Limits { silence: Duration::from_millis(300), ..Limits::default() };
    let server = Server::with(limits, SessionPolicy::open_development()).await;
    let (mut ada, _) = server.join("s", "ada").await;
    assert_eq!(ada.close_code().await, Some(1001));
    assert_eq!(server.closes("silent"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_goes_on_with_the_same_stay_and_tells_what_was_missed() {
    let server = Server::start().await;
    let (mut ada, join) = server.join("s", "ada").await;
    let (mut bob, _) = server.join("s", "bob").await;
    ada.update().await;
    drop(ada.socket.close(None).await);
    bob.send(Request::Leave(proto::LeaveRequest::default())).await;
    assert!(bob.next().await.is_none());
    let (_eve, _) = server.join("s", "eve").await;

    let sid = join.participant.unwrap().sid;
    let mut ada = server.resume(&server.token("s", "ada"), &sid).await;
    let Some(Response::Reconnect(reconnect)) = ada.next().await else { panic!("not resumed") };
    assert!(!reconnect.ice_servers.is_empty());
    let Some(Response::Update(update)) = ada.next().await else { panic!("no roster") };
    let state = |identity: &str| update.participants.iter().find(|one| one.identity == identity).map(|one| one.state());
    assert_eq!(state("bob"), Some(proto::participant_info::State::Disconnected));
    assert_eq!(state("eve"), Some(proto::participant_info::State::Joined));
    assert!(state("ada").is_some() && ada.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resume_while_the_old_socket_lives_replaces_it() {
    let server = Server::start().await;
    let (mut old, join) = server.join("s", "ada").await;
    let sid = join.participant.unwrap().sid;
    let mut new = server.resume(&server.token("s", "ada"), &sid).await;
    assert!(matches!(new.next().await, Some(Response::Reconnect(_))));
    assert_eq!(old.close_code().await, Some(1000));
    assert!(new.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_resumes_a_stay_that_is_not_theirs() {
    let server = Server::start().await;
    let (mut ada, join) = server.join("s", "ada").await;
    let sid = join.participant.unwrap().sid;
    for (token, sid) in [
        (server.token("s", "ada"), "PA_unknown"),
        (server.token("s", "eve"), sid.as_str()),
        (server.token("another", "ada"), sid.as_str()),
    ] {
        let mut client = server.resume(&token, sid).await;
        let leave = client.leave().await;
        assert_eq!((leave.reason(), leave.action()), (Why::StateMismatch, Advice::Reconnect));
        assert!(leave.can_reconnect);
        assert_eq!(client.close_code().await, Some(1000));
    }
    assert_eq!(server.drops("unknown_resume"), 3);
    assert!(ada.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_join_of_one_identity_follows_the_policy() {
    let server = Server::start().await;
    let (mut old, _) = server.join("s", "ada").await;
    let (mut new, _) = server.join("s", "ada").await;
    let leave = old.leave().await;
    assert_eq!((leave.reason(), leave.action()), (Why::DuplicateIdentity, Advice::Disconnect));
    assert!(new.is_answered().await);

    let policy = SessionPolicy { waiting_room: false, ..SessionPolicy::default() };
    let server = Server::with(Limits::default(), policy).await;
    let (mut old, _) = server.join("s", "ada").await;
    let token = server.token("s", "ada");
    assert_eq!(server.ask(&token, &proto::JoinRequest::default()).await.err(), Some(403));
    let (status, answer) = server.get(&format!("/rtc/v1/validate?access_token={token}")).await;
    assert!(status == 403 && answer.ends_with("this identity is already in the session"));
    assert!(old.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tracks_announced_with_the_join_or_later_get_their_names() {
    let server = Server::start().await;
    let request = proto::JoinRequest { add_track_requests: vec![add_track("first")], ..Default::default() };
    let mut ada = server.ask(&server.token("s", "ada"), &request).await.unwrap();
    ada.send(Request::AddTrack(add_track("second"))).await;
    for cid in ["first", "second"] {
        let published =
            ada.until(|message| if let Response::TrackPublished(published) = message { Some(published) } else { None });
        let published = published.await;
        assert_eq!(published.cid, cid);
        assert!(published.track.unwrap().sid.starts_with("TR_"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_change_is_confirmed_and_told() {
    let server = Server::start().await;
    let (mut bob, _) = server.join("s", "bob").await;
    let (mut ada, _) = server.join("s", "ada").await;
    ada.send(rename(7, "new".to_owned())).await;
    let done = ada.until(|message| if let Response::RequestResponse(done) = message { Some(done) } else { None }).await;
    assert_eq!((done.request_id, done.reason()), (7, Reason::Ok));
    bob.until(|message| match message {
        Response::Update(update) => update.participants.iter().any(|one| one.metadata == "new").then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_a_thousand_sections_is_refused_and_the_call_goes_on() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let section = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:x\r\na=rtpmap:111 opus/48000/2\r\na=recvonly\r\n";
    // The second is over signalling's own bound, the first is for the parser to refuse.
    for sections in [1_000, 4_000] {
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{}", section.repeat(sections));
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp, id: 9, ..Default::default() };
        ada.send(Request::Offer(offer)).await;
        let refused =
            ada.until(|message| if let Response::RequestResponse(told) = message { Some(told) } else { None }).await;
        assert_eq!(refused.reason(), Reason::InvalidRequest);
    }
    assert!(ada.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn scenarios_do_what_their_names_say() {
    let server = Server::start().await;
    let (mut ada, join) = server.join("s", "ada").await;
    let sid = join.participant.unwrap().sid;

    ada.send(simulate(Scenario::SpeakerUpdate(1))).await;
    for active in [true, false] {
        let speakers = ada
            .until(|message| if let Response::SpeakersChanged(change) = message { Some(change) } else { None })
            .await;
        assert_eq!((speakers.speakers[0].sid.as_str(), speakers.speakers[0].active), (sid.as_str(), active));
    }

    ada.send(simulate(Scenario::Migration(true))).await;
    assert_eq!(ada.leave().await.action(), Advice::Resume);
    let mut ada = server.resume(&server.token("s", "ada"), &sid).await;
    assert!(matches!(ada.next().await, Some(Response::Reconnect(_))));

    ada.send(simulate(Scenario::DisconnectSignalOnResumeNoMessages(true))).await;
    // Another socket may be quicker than this one: what was asked is in force once a later request is answered.
    assert!(ada.is_answered().await);
    let mut trapped = server.resume(&server.token("s", "ada"), &sid).await;
    assert!(trapped.next().await.is_none());
    let mut ada = server.resume(&server.token("s", "ada"), &sid).await;
    assert!(matches!(ada.next().await, Some(Response::Reconnect(_))));

    ada.send(simulate(Scenario::LeaveRequestFullReconnect(true))).await;
    assert_eq!(ada.leave().await.action(), Advice::Reconnect);
    let (mut ada, _) = server.join("s", "ada").await;
    ada.send(simulate(Scenario::NodeFailure(true))).await;
    assert!(ada.next().await.is_none());
    let (mut ada, _) = server.join("s", "ada").await;
    ada.send(simulate(Scenario::ServerLeave(true))).await;
    assert_eq!(ada.leave().await.action(), Advice::Disconnect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_token_arrives_before_the_old_one_expires() {
    let server = Server::start().await;
    let claims = Claims { exp: Some(unix_now() + 10), ..server.claims("s", "ada") };
    let token = parlour_signal::mint(&claims, &server.keys).unwrap();
    let mut ada = server.ask(&token, &proto::JoinRequest::default()).await.unwrap();
    let fresh = ada.until(|message| if let Response::RefreshToken(token) = message { Some(token) } else { None }).await;
    let claims = parlour_signal::verify(&fresh, &server.keys, unix_now() + 300).unwrap();
    assert_eq!((claims.sub.as_str(), claims.video.room.as_str()), ("ada", "s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_and_sockets_of_one_address_are_bounded() {
    let limits = Limits { sockets_per_address: 2, attempt_burst: 4.0, attempts_per_second: 0.001, ..Limits::default() };
    let server = Server::with(limits, SessionPolicy::open_development()).await;
    let (_ada, _) = server.join("s", "ada").await;
    let (_bob, _) = server.join("s", "bob").await;
    let token = server.token("s", "eve");
    for reason in ["sockets", "sockets", "rate"] {
        let before = server.drops(reason);
        assert_eq!(server.ask(&token, &proto::JoinRequest::default()).await.err(), Some(429));
        assert_eq!(server.drops(reason), before + 1, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_is_told_when_the_server_stops() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let (mut bob, _) = server.join("t", "bob").await;
    assert_eq!(server.state.shutdown(StopAdvice::Disconnect, Duration::from_secs(5)).await, 0);
    for client in [&mut ada, &mut bob] {
        let leave = client.leave().await;
        assert_eq!((leave.reason(), leave.action()), (Why::ServerShutdown, Advice::Disconnect));
    }
    let token = server.token("s", "eve");
    assert_eq!(server.ask(&token, &proto::JoinRequest::default()).await.err(), Some(503));
}
