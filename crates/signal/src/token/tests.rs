//! Tokens: what opens, what does not, and why.

#![allow(clippy::unwrap_used)]

use parlour_model::{Grants, Identity, Role, SessionId};
use proptest::prelude::{any, proptest};

use super::*;

const NOW: u64 = 1_800_000_000;

fn keys() -> Keys {
    Keys::new([("devkey", "a secret of at least thirty-two bytes"), ("other", "another secret, also long enough")])
}

fn claims() -> Claims {
    Claims::join("devkey", &SessionId::from("s1"), &Identity::from("ada"), Role::Therapist, NOW + 60)
}

fn error(claims: &Claims) -> Option<TokenError> {
    let token = mint(claims, &keys()).unwrap();
    verify(&token, &keys(), NOW).and_then(|claims| claims.bearer()).err()
}

#[test]
fn what_is_minted_is_verified() {
    let token = mint(&claims(), &keys()).unwrap();
    let bearer = verify(&token, &keys(), NOW).unwrap().bearer().unwrap();
    assert_eq!(bearer.session, SessionId::from("s1"));
    assert_eq!(bearer.identity, Identity::from("ada"));
    assert_eq!((bearer.role, bearer.grants), (Role::Therapist, Grants::ALL));
}

#[test]
fn a_token_of_livekits_server_sdk_is_understood() {
    // Made with PyPI livekit-api 1.1.0: AccessToken("devkey", ..).with_identity("ada").with_grants(room_join, room "s1").
    let claims: Claims = serde_json::from_str(
        r#"{"video":{"roomJoin":true,"room":"s1","canPublish":true,"canSubscribe":true,"canPublishData":true},
            "sub":"ada","iss":"devkey","nbf":1799999000,"exp":1800021600,"name":"Ada","futureClaim":[1]}"#,
    )
    .unwrap();
    let bearer = claims.bearer().unwrap();
    assert_eq!(bearer.role, Role::Client);
    assert!(bearer.grants.may_publish_any() && !bearer.grants.update_own_metadata);
}

#[test]
fn each_defect_has_its_own_error() {
    let good = claims();
    assert_eq!(error(&good), None);
    assert_eq!(error(&Claims { exp: Some(NOW - LEEWAY_SECONDS), ..good.clone() }), Some(TokenError::Expired));
    assert_eq!(error(&Claims { exp: None, ..good.clone() }), Some(TokenError::Malformed));
    assert_eq!(error(&Claims { nbf: Some(NOW + 60), ..good.clone() }), Some(TokenError::NotYetValid));
    let video = |change: fn(&mut VideoGrants)| {
        let mut claims = good.clone();
        change(&mut claims.video);
        claims
    };
    assert_eq!(error(&video(|v| v.room_join = false)), Some(TokenError::NoJoin));
    assert_eq!(error(&video(|v| v.room.clear())), Some(TokenError::NoJoin));
    assert_eq!(error(&video(|v| v.hidden = true)), Some(TokenError::Hidden));
    assert_eq!(error(&video(|v| v.room = "x".repeat(MAX_NAME + 1))), Some(TokenError::Bounds));
    assert_eq!(error(&Claims { sub: String::new(), ..good.clone() }), Some(TokenError::Bounds));
    assert_eq!(error(&Claims { metadata: "x".repeat(MAX_METADATA + 1), ..good.clone() }), Some(TokenError::Bounds));
    let role = ParlourClaim { role: "ghost".into(), ..ParlourClaim::default() };
    assert_eq!(error(&Claims { parlour: role, ..good }), Some(TokenError::UnknownRole));
}

#[test]
fn only_hs256_with_the_issuers_own_secret_opens() {
    let token = mint(&claims(), &keys()).unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let rs256 = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    for (token, expected) in [
        (format!("{none}.{payload}."), TokenError::Algorithm),
        (format!("{none}.{payload}.{signature}"), TokenError::Algorithm),
        (format!("{rs256}.{payload}.{signature}"), TokenError::Algorithm),
        (format!("{head}."), TokenError::Signature),
        (format!("{head}.AAAA"), TokenError::Signature),
        (String::new(), TokenError::Missing),
        ("junk".to_owned(), TokenError::Malformed),
        ("a.b.c.d".to_owned(), TokenError::Malformed),
    ] {
        assert_eq!(verify(&token, &keys(), NOW).err(), Some(expected));
    }
    let forged = mint(&claims(), &Keys::new([("devkey", "a guess")])).unwrap();
    assert_eq!(verify(&forged, &keys(), NOW).err(), Some(TokenError::Signature));
    let borrowed = mint(&Claims { iss: "other".into(), ..claims() }, &Keys::new([("other", "a guess")])).unwrap();
    assert_eq!(verify(&borrowed, &keys(), NOW).err(), Some(TokenError::Signature));
    let stranger = mint(&Claims { iss: "who".into(), ..claims() }, &Keys::new([("who", "secret")])).unwrap();
    assert_eq!(verify(&stranger, &keys(), NOW).err(), Some(TokenError::UnknownIssuer));
}

#[test]
fn a_token_opens_only_its_own_room() {
    let token = mint(&claims(), &keys()).unwrap();
    assert!(verify_for(&token, &keys(), NOW, "s1").is_ok());
    assert_eq!(verify_for(&token, &keys(), NOW, "s2").err(), Some(TokenError::WrongRoom));
}

#[test]
fn grants_only_narrow() {
    let none = VideoGrants { can_publish: Some(false), can_subscribe: Some(false), ..VideoGrants::default() }.grants();
    assert_eq!(Grants::ALL.narrowed_by(none), none);
    assert!(!none.may_publish_any() && !none.subscribe && !none.data);
    let sources = VideoGrants { can_publish_sources: vec!["microphone".into()], ..VideoGrants::default() }.grants();
    assert!(sources.microphone && !sources.camera && !sources.screen && sources.data);
}

#[test]
fn a_bearer_cannot_claim_attributes_of_the_server() {
    let attributes = [("parlour.role".to_owned(), "therapist".to_owned()), ("seat".to_owned(), "2".to_owned())];
    let bearer = Claims { attributes: attributes.into(), ..claims() }.bearer().unwrap();
    assert_eq!(bearer.attributes.0.into_keys().collect::<Vec<_>>(), ["seat"]);
}

#[test]
fn a_refreshed_token_says_the_same_for_longer_and_hands_nothing_over_again() {
    let mut claims = claims();
    claims.parlour.entry = "hand_over".into();
    let refreshed = refreshed(&claims, NOW, 600).bearer().unwrap();
    let first = claims.bearer().unwrap();
    assert_eq!((refreshed.entry, first.entry), (parlour_model::Entry::Ordinary, parlour_model::Entry::HandOver));
    assert_eq!((refreshed.identity, refreshed.role, refreshed.grants), (first.identity, first.role, first.grants));
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?} {:?}", keys(), Claims { name: "Ada".into(), ..claims() });
    assert!(!printed.contains("secret") && !printed.contains("ada") && !printed.contains("Ada"));
}

proptest! {
    #[test]
    fn no_text_panics(token in any::<String>(), parts in proptest::array::uniform3("[A-Za-z0-9_-]{0,40}")) {
        assert!(verify(&token, &keys(), NOW).is_err());
        assert!(verify(&parts.join("."), &keys(), NOW).is_err());
    }
}
