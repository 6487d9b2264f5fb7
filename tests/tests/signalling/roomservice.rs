//! LiveKit's server API over real sockets: who may ask what, and that a session's rules stay in force for who asks.

use livekit_protocol as proto;
use parlour_model::session::SessionPolicy;
use parlour_signal::{Claims, Keys, Limits, VideoGrants};
use prost::Message;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use serde_json::{Value, json};

use crate::harness::{KEY, Server, add_track, http, rename, unix_now};

/// Sends a request and takes the answer: status and body.
async fn post(server: &Server, method: &str, token: &str, kind: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let line = format!("POST /twirp/livekit.RoomService/{method}");
    let answer = http::exchange(server.address, &http::request(&line, token, kind, "", body)).await;
    (answer.status, answer.body)
}

async fn ask(server: &Server, method: &str, token: &str, request: Value) -> (u16, Value) {
    let (status, body) = post(server, method, token, "application/json", request.to_string().as_bytes()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn claims(video: VideoGrants) -> Claims {
    Claims { iss: KEY.to_owned(), exp: Some(unix_now() + 600), video, ..Claims::default() }
}

fn token(server: &Server, video: VideoGrants) -> String {
    parlour_signal::mint(&claims(video), &server.keys).unwrap()
}

fn admin(server: &Server, room: &str) -> String {
    token(server, VideoGrants { room_admin: true, room: room.to_owned(), ..VideoGrants::default() })
}

fn mover(from: &str, to: &str) -> VideoGrants {
    let (room, destination_room) = (from.to_owned(), to.to_owned());
    VideoGrants { room_admin: true, room, destination_room, ..VideoGrants::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_forged_old_or_for_something_else_opens_nothing() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let good = claims(VideoGrants { room_admin: true, room: "s".to_owned(), ..VideoGrants::default() });
    let mint = |claims: &Claims| parlour_signal::mint(claims, &server.keys).unwrap();
    let other = |video| mint(&Claims { video, ..good.clone() });
    let person_with_grants = {
        let mut person = server.claims("s", "ada");
        person.video.room_admin = true;
        mint(&person)
    };
    for (token, status, code) in [
        (parlour_signal::mint(&good, &Keys::new([(KEY, "forged")])).unwrap(), 401, "unauthenticated"),
        (mint(&Claims { exp: Some(unix_now() - 60), ..good.clone() }), 401, "unauthenticated"),
        ("junk".to_owned(), 401, "unauthenticated"),
        (admin(&server, "another"), 403, "permission_denied"),
        (other(VideoGrants { room_create: true, room_list: true, ..VideoGrants::default() }), 403, "permission_denied"),
        // A person's rights come from the role, whatever the token claims besides.
        (person_with_grants, 403, "permission_denied"),
    ] {
        let asked = ask(&server, "RemoveParticipant", &token, json!({"room": "s", "identity": "ada"})).await;
        assert_eq!((asked.0, asked.1["code"].as_str().unwrap()), (status, code));
    }
    assert!(ada.is_answered().await);
    let (status, _) = ask(&server, "GetParticipant", &mint(&good), json!({"room": "s", "identity": "ada"})).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_refused_attempts_are_slowed_down_and_others_are_not() {
    let limits = Limits { attempts_per_second: 0.001, attempt_burst: 5.0, ..Limits::default() };
    let server = Server::with(limits, SessionPolicy::open_development()).await;
    let mut last = 401;
    for _ in 0..6 {
        last = ask(&server, "ListRooms", "junk", json!({})).await.0;
    }
    assert_eq!((last, server.drops("rate")), (429, 1));
    let lister = token(&server, VideoGrants { room_list: true, ..VideoGrants::default() });
    assert_eq!(ask(&server, "ListRooms", &lister, json!({})).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_has_its_own_word() {
    let server = Server::start().await;
    let token = admin(&server, "s");
    let code = async |method: &str, request: Value| ask(&server, method, &token, request).await.1["code"].clone();
    assert_eq!(code("ForwardParticipant", json!({"room": "s"})).await, "unimplemented");
    assert_eq!(code("GetParticipant", json!({"room": "s", "identity": "ada"})).await, "not_found");
    assert_eq!(code("GetParticipant", json!({"room": 7})).await, "malformed");
    let (status, people) = ask(&server, "ListParticipants", &token, json!({"room": "s"})).await;
    assert_eq!((status, people), (200, json!({})));
    let (status, _) = post(&server, "ListParticipants", &token, "text/plain", b"{}").await;
    assert_eq!(status, 404);
    let (status, _) = post(&server, "ListParticipants", &token, "application/json", &vec![b' '; 1 << 20]).await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_and_people_are_told_in_json_and_in_protobuf() {
    let server = Server::start().await;
    let (_ada, join) = server.join("s", "ada").await;
    let lister = token(&server, VideoGrants { room_list: true, ..VideoGrants::default() });
    let (_, rooms) = ask(&server, "ListRooms", &lister, json!({"names": ["s", "none"]})).await;
    assert_eq!((&rooms["rooms"][0]["name"], &rooms["rooms"][0]["sid"]), (&json!("s"), &json!(join.room.unwrap().sid)));
    assert_eq!(ask(&server, "ListRooms", &lister, json!({"names": ["none"]})).await.1, json!({}));

    let request = proto::ListParticipantsRequest { room: "s".to_owned() };
    let (kind, token) = ("application/protobuf", admin(&server, "s"));
    let (_, body) = post(&server, "ListParticipants", &token, kind, &request.encode_to_vec()).await;
    let people = proto::ListParticipantsResponse::decode(body.as_slice()).unwrap().participants;
    assert_eq!((people.len(), people[0].identity.as_str(), &people[0].sid), (1, "ada", &join.participant.unwrap().sid));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_stays_out() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let (mut bob, _) = server.join("s", "bob").await;
    let token = admin(&server, "s");
    assert_eq!(ask(&server, "RemoveParticipant", &token, json!({"room": "s", "identity": "bob"})).await.0, 200);
    assert_eq!(bob.leave().await.reason(), proto::DisconnectReason::ParticipantRemoved);
    assert_eq!(server.ask(&server.token("s", "bob"), &proto::JoinRequest::default()).await.err(), Some(403));
    assert!(ada.is_answered().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_can_be_made_before_anyone_comes() {
    let server = Server::start().await;
    let creator = token(&server, VideoGrants { room_create: true, ..VideoGrants::default() });
    let wish = json!({"name": "s", "metadata": "m", "max_participants": 1, "emptyTimeout": 600});
    let (_, room) = ask(&server, "CreateRoom", &creator, wish).await;
    assert_eq!((&room["name"], &room["metadata"], &room["maxParticipants"]), (&json!("s"), &json!("m"), &json!(1)));
    let (_, again) = ask(&server, "CreateRoom", &creator, json!({"name": "s", "metadata": "other"})).await;
    assert_eq!(again, room);
    let (_ada, join) = server.join("s", "ada").await;
    assert_eq!(room["sid"], join.room.unwrap().sid);
    assert_eq!(server.ask(&server.token("s", "bob"), &proto::JoinRequest::default()).await.err(), Some(403));
    let recorded = json!({"name": "r", "egress": {"room": {"roomName": "r"}}});
    assert_eq!(ask(&server, "CreateRoom", &creator, recorded).await.1["code"], "invalid_argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_room_is_over_for_everyone() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let creator = token(&server, VideoGrants { room_create: true, ..VideoGrants::default() });
    assert_eq!(ask(&server, "DeleteRoom", &creator, json!({"room": "s"})).await.0, 200);
    assert_eq!(ada.leave().await.reason(), proto::DisconnectReason::RoomDeleted);
    assert_eq!(ask(&server, "DeleteRoom", &creator, json!({"room": "s"})).await.1["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_can_mute_and_nobody_can_unmute_someone_else() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    ada.send(Request::AddTrack(add_track("mic"))).await;
    let published = |message| if let Response::TrackPublished(told) = message { told.track } else { None };
    let track = ada.until(published).await;
    let token = admin(&server, "s");
    let wish = |muted| json!({"room": "s", "identity": "ada", "track_sid": track.sid, "muted": muted});
    let (status, told) = ask(&server, "MutePublishedTrack", &token, wish(true)).await;
    assert_eq!((status, &told["track"]["muted"]), (200, &json!(true)));
    let muted = ada.until(|message| if let Response::Mute(mute) = message { Some(mute) } else { None }).await;
    assert_eq!((muted.sid, muted.muted), (track.sid.clone(), true));
    assert_eq!(ask(&server, "MutePublishedTrack", &token, wish(false)).await.1["code"], "failed_precondition");
    let other = json!({"room": "s", "identity": "ada", "trackSid": "TR_none", "muted": true});
    assert_eq!(ask(&server, "MutePublishedTrack", &token, other).await.1["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_change_and_roles_and_visibility_do_not() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("s", "ada").await;
    let token = admin(&server, "s");
    let update = async |change: Value| {
        let mut request = json!({"room": "s", "identity": "ada"});
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ask(&server, "UpdateParticipant", &token, request).await
    };
    let (_, told) = update(json!({"name": "A", "metadata": "m", "attributes": {"seat": "2"}})).await;
    assert_eq!(
        (&told["name"], &told["metadata"], &told["attributes"]["seat"]),
        (&json!("A"), &json!("m"), &json!("2"))
    );
    let role = update(json!({"attributes": {"parlour.role": "client"}})).await;
    let hidden = update(json!({"permission": {"canSubscribe": true, "hidden": true}})).await;
    assert_eq!((&role.1["code"], &hidden.1["code"]), (&json!("invalid_argument"), &json!("invalid_argument")));
    let (_, told) = update(json!({"permission": {"canPublish": true, "canPublishSources": ["MICROPHONE"]}})).await;
    assert_eq!(told["permission"]["canPublishSources"], json!(["MICROPHONE"]));
    assert!(told["permission"].get("canUpdateMetadata").is_none());
    ada.send(rename(1, "mine".to_owned())).await;
    let refused = |message| if let Response::RequestResponse(told) = message { Some(told.reason()) } else { None };
    assert_eq!(ada.until(refused).await, proto::request_response::Reason::NotAllowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_client_is_sent_to_the_other_room_with_the_rights_it_had() {
    let server = Server::start().await;
    let (mut ada, _) = server.join("from", "ada").await;
    let (mut bob, _) = server.join("from", "bob").await;
    let (mut eve, _) = server.join("to", "eve").await;
    let request = json!({"room": "from", "identity": "bob", "destinationRoom": "to"});
    let only_here = admin(&server, "from");
    assert_eq!(ask(&server, "MoveParticipant", &only_here, request.clone()).await.0, 403);
    let narrowed = json!({"room": "from", "identity": "bob", "permission": {"canSubscribe": true}});
    assert_eq!(ask(&server, "UpdateParticipant", &only_here, narrowed).await.0, 200);

    let mover = token(&server, mover("from", "to"));
    assert_eq!(ask(&server, "MoveParticipant", &mover, request.clone()).await.0, 200);
    let is_gone = |message| match message {
        Response::Update(update) => {
            let gone = proto::participant_info::State::Disconnected;
            update.participants.iter().any(|one| one.identity == "bob" && one.state() == gone).then_some(())
        }
        _ => None,
    };
    ada.until(is_gone).await;
    let refreshed = |message| if let Response::RefreshToken(token) = message { Some(token) } else { None };
    let token = bob.until(refreshed).await;
    assert_eq!(bob.leave().await.action(), proto::leave_request::Action::Reconnect);

    let mut bob = server.ask(&token, &proto::JoinRequest::default()).await.unwrap();
    let Some(Response::Join(join)) = bob.next().await else { panic!("not welcomed") };
    let me = join.participant.unwrap();
    assert_eq!((join.room.unwrap().name.as_str(), me.attributes["parlour.role"].as_str()), ("to", "therapist"));
    let may = me.permission.unwrap();
    assert!(may.can_subscribe && !may.can_publish && !may.can_publish_data && !may.can_update_metadata);
    assert_eq!(eve.update().await[0].identity, "bob");
    assert_eq!(ask(&server, "MoveParticipant", &mover, request).await.1["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_moved_to_where_nothing_is_or_out_of_reach() {
    let server = Server::start().await;
    let (mut bob, join) = server.join("from", "bob").await;
    let move_to = async |to: &str| {
        let request = json!({"room": "from", "identity": "bob", "destination_room": to});
        ask(&server, "MoveParticipant", &token(&server, mover("from", to)), request).await.1["code"].clone()
    };
    assert_eq!(move_to("nowhere").await, "not_found");
    assert_eq!(move_to("from").await, "invalid_argument");
    assert!(bob.is_answered().await);

    let (_eve, _) = server.join("to", "eve").await;
    drop(bob.socket.close(None).await);
    while server.metrics.sockets.get() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(move_to("to").await, "unavailable");
    let mut bob = server.resume(&server.token("from", "bob"), &join.participant.unwrap().sid).await;
    assert!(bob.is_answered().await);
}
