//! Every property of a session under random commands, drops, returns, duplicates, hand-overs, timeouts and restarts:
//! after each input the machine's edges and rosters must be those of an oracle that tells the rules about pairs.

use std::collections::BTreeSet;
use std::time::Duration;

use parlour_model::session::{
    Actor, Admission, CheckInId, Departure, DuplicatePolicy, E2eePolicy, RecordingPolicy, SessionCommand,
    SessionPolicy, Space,
};
use parlour_model::{Edge, Encryption, Grants, ParticipantKey, Role};
use parlour_session::{Entry, JoinRequest, Loss, Session, SessionOptions};
use proptest::prelude::*;

use crate::stage::{CAST, Input, START_MS, Stage, T, Who, consent_text, floor_of, modality_of, mute_of, same_room_of};

/// As many as fit into a few seconds; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96)
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(T), 7 => (0u8..7).prop_map(Who)]
}

fn anyone_but_t() -> impl Strategy<Value = Who> {
    (1u8..7).prop_map(Who)
}

fn policy() -> impl Strategy<Value = SessionPolicy> {
    let switches = (any::<bool>(), prop::bool::weighted(0.8), any::<bool>(), prop::bool::weighted(0.2));
    (switches, prop::bool::weighted(0.7), 0u8..4, 3u32..=9).prop_map(
        |((waiting_room, require_therapist, replace, e2ee), record, consent, max)| SessionPolicy {
            waiting_room,
            require_therapist,
            duplicate_identity: if replace { DuplicatePolicy::Replace } else { DuplicatePolicy::RejectNew },
            max_participants: max,
            recording: if record { RecordingPolicy::ByServiceWithConsent } else { RecordingPolicy::Never },
            e2ee: if e2ee { E2eePolicy::Required } else { E2eePolicy::Optional },
            consent: (consent == 0).then(|| consent_text(1)),
            ..SessionPolicy::default()
        },
    )
}

fn command() -> impl Strategy<Value = SessionCommand> {
    let identity = || who().prop_map(Who::identity);
    prop_oneof![
        6 => identity().prop_map(SessionCommand::Admit),
        1 => identity().prop_map(SessionCommand::Deny),
        1 => identity().prop_map(SessionCommand::ReturnToWaiting),
        3 => identity().prop_map(SessionCommand::Hold),
        3 => identity().prop_map(SessionCommand::Resume),
        2 => Just(SessionCommand::ResumeAll),
        6 => prop::collection::btree_set(anyone_but_t().prop_map(Who::identity), 1..3)
            .prop_map(|with| SessionCommand::StartCheckIn { therapist: None, with }),
        2 => (0u8..2, prop::collection::btree_set(anyone_but_t().prop_map(Who::identity), 1..3)).prop_map(
            |(lead, with)| SessionCommand::StartCheckIn { therapist: Some(Who(lead).identity()), with }
        ),
        4 => (0u32..4).prop_map(|id| SessionCommand::EndCheckIn(CheckInId(id))),
        1 => (identity(), any::<u8>())
            .prop_map(|(identity, n)| SessionCommand::Mute { identity, target: mute_of(n) }),
        3 => any::<u8>().prop_map(|n| SessionCommand::SetFloor(floor_of(n))),
        3 => (identity(), identity(), any::<u8>())
            .prop_map(|(a, b, n)| SessionCommand::SetSameRoom { a, b, how: same_room_of(n) }),
        1 => any::<bool>().prop_map(SessionCommand::SetLock),
        1 => (0i64..400).prop_map(|minutes| SessionCommand::ExtendUntil(START_MS + minutes * 60_000)),
        1 => identity().prop_map(SessionCommand::Remove),
        1 => Just(SessionCommand::Signal),
        2 => Just(SessionCommand::OfferHandOver),
        1 => Just(SessionCommand::QuickExit),
        3 => (1u8..3).prop_map(|version| SessionCommand::AcceptConsent(consent_text(version))),
        3 => prop::bool::weighted(0.8).prop_map(SessionCommand::AgreeToRecording),
        1 => policy().prop_map(|policy| SessionCommand::SetPolicy(Box::new(policy))),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let encryption = prop_oneof![4 => Just(Encryption::Gcm), 1 => Just(Encryption::None)];
    let entry = prop_oneof![4 => Just(Entry::Ordinary), 1 => Just(Entry::HandOver)];
    let how = prop_oneof![Just(Departure::Left), Just(Departure::Lost), Just(Departure::QuickExit)];
    let loss = prop_oneof![1 => Just(Loss::Signalling), 2 => Just(Loss::Everything)];
    let by = prop_oneof![5 => Just(Some(T)), 2 => Just(None), 4 => who().prop_map(Some)];
    let seconds = prop_oneof![4 => 0u64..16, 2 => 16u64..200, 1 => 200u64..4_000];
    prop_oneof![
        10 => (who(), encryption, entry)
            .prop_map(|(who, encryption, entry)| Input::Join { who, encryption, entry }),
        2 => who().prop_map(|who| Input::MediaUp { who }),
        2 => (who(), how).prop_map(|(who, how)| Input::Left { who, how }),
        3 => (who(), loss).prop_map(|(who, loss)| Input::Lost { who, loss }),
        3 => who().prop_map(|who| Input::Back { who }),
        1 => (who(), any::<[bool; 5]>()).prop_map(|(who, [microphone, camera, screen, subscribe, data])| {
            let grants = Grants { microphone, camera, screen, subscribe, data, ..Grants::ALL };
            Input::Grants { who, grants }
        }),
        25 => (by, command()).prop_map(|(by, command)| Input::Command { by, command }),
        4 => seconds.prop_map(|seconds| Input::Wait { seconds }),
        1 => Just(Input::Restart),
    ]
}

/// Random inputs after a session that is under way, since most of what matters happens there.
fn play() -> impl Strategy<Value = (SessionOptions, Vec<Input>)> {
    (policy(), prop_oneof![4 => Just(0u8), 1 => 0u8..3], prop::collection::vec(input(), 1..60)).prop_map(
        |(policy, modality, inputs)| {
            let options = SessionOptions { policy, modality: modality_of(modality), ..SessionOptions::default() };
            let arrive = CAST.map(|who| Input::Join { who, encryption: Encryption::Gcm, entry: Entry::Ordinary });
            let admit = CAST.map(|who| Input::Command { by: None, command: SessionCommand::Admit(who.identity()) });
            let agree =
                CAST.map(|who| Input::Command { by: Some(who), command: SessionCommand::AgreeToRecording(true) });
            let accept = CAST
                .map(|who| Input::Command { by: Some(who), command: SessionCommand::AcceptConsent(consent_text(1)) });
            let under_way = arrive.into_iter().chain(admit).chain(agree).chain(accept);
            (options, under_way.chain(inputs).collect())
        },
    )
}

fn played((options, inputs): &(SessionOptions, Vec<Input>)) -> Stage {
    let mut stage = Stage::new(options.clone());
    for input in inputs {
        stage.apply(input);
    }
    stage
}

fn renamed(edges: &BTreeSet<Edge>, from: ParticipantKey, to: ParticipantKey) -> BTreeSet<Edge> {
    let rename = |key| if key == from { to } else { key };
    let each = |edge: &Edge| Edge { publisher: rename(edge.publisher), receiver: rename(edge.receiver), ..*edge };
    edges.iter().map(each).collect()
}

fn seated(session: &Session) -> Vec<(Who, ParticipantKey)> {
    CAST.into_iter().filter_map(|who| Some((who, session.seat(&who.identity())?))).collect()
}

fn comes_in(who: Who, key: ParticipantKey, entry: Entry) -> JoinRequest {
    let (identity, role) = (who.identity(), who.role());
    JoinRequest { key, identity, role, grants: Grants::ALL, encryption: Encryption::Gcm, entry }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    /// Waiting, held, sealed, unattended, floor, same room, modality, grants, encryption, consent, recording; refused
    /// commands change nothing, repeated ones neither: all checked within, after each input.
    #[test]
    fn edges_and_rosters_are_what_the_rules_say(play in play()) {
        played(&play);
    }

    #[test]
    fn whoever_drops_and_resumes_is_where_they_were(play in play()) {
        let stage = played(&play);
        for (who, key) in seated(&stage.session) {
            if stage.oracle.facts[&who].signalling_lost {
                continue;
            }
            let mut session = stage.session.clone();
            session.handle_lost(key, Loss::Everything, stage.now);
            prop_assert!(!session.edges().iter().any(|edge| edge.publisher == key || edge.receiver == key));
            session.handle_back(key, stage.now);
            prop_assert_eq!(session.edges(), stage.session.edges());
        }
    }

    #[test]
    fn whoever_is_lost_and_comes_in_anew_is_where_they_were(play in play()) {
        let stage = played(&play);
        let new = ParticipantKey(1_000_000);
        for (who, key) in seated(&stage.session) {
            let fact = &stage.oracle.facts[&who];
            if fact.signalling_lost || fact.successor.is_some() || fact.grants != Grants::ALL
                || fact.encryption != Encryption::Gcm {
                continue;
            }
            let mut session = stage.session.clone();
            session.handle_left(key, Departure::Lost, stage.now);
            match session.handle_join(comes_in(who, new, Entry::Ordinary), stage.now) {
                Ok(_) => prop_assert_eq!(session.edges(), &renamed(stage.session.edges(), key, new)),
                Err(refusal) => prop_assert!(
                    stage.session.is_locked() && fact.admission != Admission::Admitted
                        || refusal == parlour_session::JoinRefusal::Full
                        || refusal == parlour_session::JoinRefusal::ServiceNotAllowed,
                    "{refusal:?}"
                ),
            }
        }
    }

    #[test]
    fn a_hand_over_moves_the_seat_in_one_change(play in play()) {
        let stage = played(&play);
        let new = ParticipantKey(1_000_000);
        for (who, key) in seated(&stage.session) {
            let fact = &stage.oracle.facts[&who];
            if fact.lost || fact.grants != Grants::ALL || fact.encryption != Encryption::Gcm {
                continue;
            }
            let mut session = stage.session.clone();
            let by = parlour_model::session::Actor::Participant(key);
            prop_assert!(session.handle_command(by, SessionCommand::OfferHandOver, stage.now).is_ok());
            let entered = session.handle_join(comes_in(who, new, Entry::HandOver), stage.now);
            if entered.is_err() {
                continue; // locked while waiting, or e2ee
            }
            prop_assert_eq!(session.edges(), stage.session.edges(), "the old device stays until the new one is up");
            session.handle_media_up(new, stage.now);
            prop_assert_eq!(session.edges(), &renamed(stage.session.edges(), key, new));
            prop_assert_eq!(session.seat(&who.identity()), Some(new));
        }
    }

    #[test]
    fn to_other_clients_a_quick_exit_is_a_lost_line(play in play(), wait in 0u64..40) {
        let stage = played(&play);
        for (who, key) in seated(&stage.session) {
            if who.role() == Role::Therapist || stage.oracle.facts[&who].signalling_lost
                || stage.oracle.facts[&who].successor.is_some() {
                continue;
            }
            let (mut lost, mut exit) = (stage.session.clone(), stage.session.clone());
            lost.handle_lost(key, Loss::Everything, stage.now);
            exit.handle_left(key, Departure::QuickExit, stage.now);
            let later = stage.now + Duration::from_secs(wait);
            lost.handle_timeout(later);
            exit.handle_timeout(later);
            for (other, viewer) in seated(&stage.session).into_iter().filter(|(other, _)| *other != who) {
                let (with_lost, with_exit): (BTreeSet<_>, BTreeSet<_>) =
                    (lost.roster(viewer).collect(), exit.roster(viewer).collect());
                if other.role() == Role::Therapist {
                    prop_assert!(!with_exit.contains(&key), "therapists see the truth");
                } else {
                    prop_assert_eq!(with_lost, with_exit, "{:?} can tell", other);
                    let ask = |session: &Session| {
                        let (a, b) = (other.identity(), who.identity());
                        let pair = SessionCommand::SetSameRoom { a, b, how: same_room_of(1) };
                        session.clone().handle_command(Actor::Participant(viewer), pair, later)
                    };
                    prop_assert_eq!(ask(&lost), ask(&exit), "{:?} can tell by an answer", other);
                }
            }
            prop_assert_eq!(lost.edges(), exit.edges());
        }
    }

    #[test]
    fn after_a_restart_nobody_is_joined_until_resumed(play in play()) {
        let mut stage = played(&play);
        let known: Vec<Who> = stage.oracle.facts.keys().copied().collect();
        stage.apply(&Input::Restart);
        prop_assume!(!stage.oracle.ended && stage.oracle.facts[&T].admission == Admission::Admitted);
        for who in known {
            stage.join(who);
        }
        for (who, key) in seated(&stage.session) {
            let space = stage.session.space(key).unwrap();
            prop_assert!(who.role() == Role::Therapist || !space.is_shared(), "{:?} came back to {:?}", who, space);
        }
        if stage.session.seat(&T.identity()).is_none() {
            return Ok(()); // no seat was left
        }
        stage.ok(T, SessionCommand::ResumeAll);
        for (who, key) in seated(&stage.session) {
            if stage.oracle.leads(T) && stage.oracle.kept_apart(T, who).is_none() {
                prop_assert_eq!(stage.session.space(key), Some(Space::Main));
            }
        }
    }
}
