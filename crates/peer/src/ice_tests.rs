#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use is::stun::{StunMessage, TransId};
use proptest::prelude::*;

use super::*;

const CLIENT: &str = "cccc";

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: name.into(), password: format!("password-of-{name}-0123456789") }
}

fn agent() -> IceLite {
    let mut agent = IceLite::new(credentials("aaaa"));
    agent.set_remote(CLIENT);
    agent
}

fn route(port: u16) -> Route {
    Route { local: "10.0.0.1:7000".parse().unwrap(), remote: SocketAddr::new([10, 0, 0, 2].into(), port) }
}

struct Check<'a> {
    ufrag: &'a str,
    remote: &'a str,
    priority: u32,
    controlling: bool,
    use_candidate: bool,
}

const NOMINATE: Check<'static> =
    Check { ufrag: "aaaa", remote: CLIENT, priority: 100, controlling: true, use_candidate: true };

impl Check<'_> {
    fn bytes(&self) -> Vec<u8> {
        let username = format!("{}:{}", self.ufrag, self.remote);
        let message = StunMessage::binding_request(
            &username,
            TransId::new(),
            self.controlling,
            1,
            self.priority,
            self.use_candidate,
        );
        let mut bytes = vec![0; 256];
        let password = credentials(self.ufrag).password;
        let len = message.to_bytes(Some(password.as_bytes()), &mut bytes, hmac_sha1).unwrap();
        bytes.truncate(len);
        bytes
    }
}

#[test]
fn the_demultiplexer_reads_our_ufrag() {
    assert_eq!(stun_ufrag(&NOMINATE.bytes()), Some("aaaa"));
    assert_eq!(stun_ufrag(b"junk"), None);
}

#[test]
fn a_valid_check_is_answered_with_the_address_it_came_from() {
    let mut agent = agent();
    agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes()).unwrap();
    let (to, bytes) = agent.poll_reply().unwrap();
    assert_eq!(to, Transmit { from: route(1).local, to: route(1).remote });
    let reply = StunMessage::parse(&bytes).unwrap();
    assert!(reply.is_successful_binding_response());
    assert_eq!(reply.mapped_address(), Some(route(1).remote));
    assert!(reply.verify(credentials("aaaa").password.as_bytes(), hmac_sha1));
}

#[test]
fn a_check_with_the_wrong_password_changes_nothing() {
    let mut agent = agent();
    let mut bytes = NOMINATE.bytes();
    // The last byte of MESSAGE-INTEGRITY; FINGERPRINT takes the last eight.
    let at = bytes.len() - 9;
    bytes[at] ^= 1;
    let result = agent.handle_check(Instant::now(), route(1), &bytes);
    assert!(matches!(result, Err(DatagramDrop::StunIntegrity | DatagramDrop::MalformedStun)));
    assert_eq!((agent.route(), agent.best_route()), (None, None));
    assert!(agent.poll_reply().is_none());
}

#[test]
fn checks_for_others_are_dropped() {
    let mut agent = agent();
    for check in [Check { ufrag: "bbbb", ..NOMINATE }, Check { remote: "dddd", ..NOMINATE }] {
        let result = agent.handle_check(Instant::now(), route(1), &check.bytes());
        assert_eq!(result, Err(DatagramDrop::StunCredentials));
    }
}

#[test]
fn a_client_that_claims_to_be_controlled_is_told_to_control() {
    let mut agent = agent();
    let check = Check { controlling: false, ..NOMINATE };
    assert_eq!(agent.handle_check(Instant::now(), route(1), &check.bytes()), Err(DatagramDrop::StunRole));
    let (_, bytes) = agent.poll_reply().unwrap();
    assert_eq!(StunMessage::parse(&bytes).unwrap().error_code().unwrap().0, 487);
    assert_eq!(agent.route(), None);
}

#[test]
fn a_pair_is_valid_by_a_check_and_nominated_by_use_candidate() {
    let mut agent = agent();
    let plain = Check { use_candidate: false, ..NOMINATE };
    agent.handle_check(Instant::now(), route(1), &plain.bytes()).unwrap();
    assert!(agent.is_valid(route(1)));
    assert_eq!((agent.route(), agent.best_route()), (None, Some(route(1))));
    let outcome = agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes()).unwrap();
    assert_eq!(outcome.route, Some(route(1)));
    assert_eq!(agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes()).unwrap().route, None);
}

#[test]
fn the_route_moves_with_the_clients_nomination() {
    let mut agent = agent();
    let mut nominate = |port, priority| {
        agent.handle_check(Instant::now(), route(port), &Check { priority, ..NOMINATE }.bytes()).unwrap().route
    };
    assert_eq!(nominate(1, 100), Some(route(1)));
    assert_eq!(nominate(2, 200), Some(route(2)), "a better pair takes over at once");
    assert_eq!(nominate(3, 100), None);
    assert_eq!(nominate(2, 200), None, "aggressive nomination keeps the best pair");
    assert_eq!(nominate(3, 100), None);
    assert_eq!(nominate(3, 100), Some(route(3)), "a worse pair takes over when the best falls silent");
}

#[test]
fn a_restart_keeps_the_old_route_until_the_new_one_is_nominated() {
    let mut agent = agent();
    agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes()).unwrap();
    assert_eq!(agent.restart(credentials("bbbb")), None);
    agent.set_remote("dddd");
    assert_eq!(agent.route(), Some(route(1)));
    let old = agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes()).unwrap();
    assert_eq!(old, CheckOutcome::default(), "the old generation is still answered");
    let check = Check { ufrag: "bbbb", remote: "dddd", priority: 1, ..NOMINATE };
    let new = agent.handle_check(Instant::now(), route(2), &check.bytes()).unwrap();
    assert_eq!(new, CheckOutcome { route: Some(route(2)), retired: Some("aaaa".into()) });
    let late = agent.handle_check(Instant::now(), route(1), &NOMINATE.bytes());
    assert_eq!(late, Err(DatagramDrop::StunCredentials));
}

#[test]
fn pairs_and_replies_are_bounded() {
    let mut agent = agent();
    let now = Instant::now();
    agent.handle_check(now, route(1), &NOMINATE.bytes()).unwrap();
    let plain = Check { use_candidate: false, ..NOMINATE };
    for port in 2..200 {
        agent.poll_reply();
        agent.handle_check(now, route(port), &plain.bytes()).unwrap();
    }
    assert_eq!(agent.pairs.len(), MAX_PAIRS);
    assert!(agent.is_valid(route(1)), "the nominated pair stays");
    let dropped = (0..100).filter(|_| agent.handle_check(now, route(1), &plain.bytes()).is_err()).count();
    assert_eq!((agent.replies.len(), dropped), (MAX_REPLIES, 100 + 1 - MAX_REPLIES));
}

proptest! {
    #[test]
    fn checks_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), header in any::<bool>()) {
        if header && bytes.len() >= 20 {
            let len = (bytes.len() - 20) as u16 & !3;
            bytes.truncate(20 + usize::from(len));
            bytes[..2].copy_from_slice(&[0, 1]);
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        prop_assert!(agent().handle_check(Instant::now(), route(1), &bytes).is_err());
        let _ = stun_ufrag(&bytes);
    }

    #[test]
    fn a_damaged_check_never_panics(at in 0usize..100, value in any::<u8>(), cut in 0usize..120) {
        let mut bytes = NOMINATE.bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(cut.max(1));
        let _ = agent().handle_check(Instant::now(), route(1), &bytes);
    }
}
