//! Bad input against the real worker with a live call on it: each wrong datagram is a counted drop, each wrong
//! description a refusal, and the call loses nothing.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use parlour_bot::direct::{BotId, DirectBot, Role, World, join};
use parlour_bot::endpoint::Channel;
use parlour_bot::media::{AudioConfig, VideoConfig};
use parlour_model::command::Action;
use parlour_model::{Command, Redacted, Refusal, Reply, SessionId};
use parlour_shard::ShardSnapshot;
use parlour_simnet::Random;

const SESSION: &str = "couple";

/// A therapist and two clients who publish, on a network without faults.
struct Call {
    world: World,
    bots: Vec<BotId>,
    random: Random,
}

impl Call {
    fn new(seed: u64) -> Self {
        let mut world = World::new(seed).unwrap();
        let people = [("therapist", Role::Therapist), ("ann", Role::Client), ("ben", Role::Client)];
        let bots: Vec<_> = people.map(|(who, role)| world.join(SESSION, who, role, None).unwrap()).to_vec();
        for bot in &bots {
            world.publish_audio(*bot, AudioConfig::default());
            world.publish_video(*bot, VideoConfig::default());
        }
        world.run_for(Duration::from_secs(5));
        world.reset_received();
        Self { world, bots, random: Random::new(seed) }
    }

    fn address(&self, bot: usize) -> SocketAddr {
        self.world.bot(self.bots[bot]).address()
    }

    /// Less than `bound`.
    fn number(&mut self, bound: usize) -> usize {
        (self.random.bits() % bound as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.random.bits() as u8).collect()
    }

    /// Everything a bot sends in this time.
    fn tap(&mut self, bot: usize, time: Duration) -> Vec<Vec<u8>> {
        self.world.bot_mut(self.bots[bot]).tapped = Some(Vec::new());
        for _ in 0..10 {
            // Data channels and RTCP are in it too.
            self.world.send(self.bots[bot], Channel::Reliable, &[7; 100]);
            self.world.run_for(time / 10);
        }
        self.world.bot_mut(self.bots[bot]).tapped.take().unwrap()
    }

    /// Injects datagrams a few at a time while the call goes on; gives how many of them were dropped and counted.
    fn inject(&mut self, datagrams: &[(SocketAddr, Vec<u8>)]) -> u64 {
        let before = drops(&self.world.shard().snapshot());
        for some in datagrams.chunks(10) {
            for (from, bytes) in some {
                self.world.inject(*from, bytes);
            }
            self.world.run_for(Duration::from_millis(5));
        }
        drops(&self.world.shard().snapshot()) - before
    }

    /// The call went on as if nothing had been.
    fn expect_unharmed(&mut self) {
        self.world.run_for(Duration::from_secs(2));
        assert_eq!(self.world.shard().counters().panics, 0);
        for bot in &self.bots {
            assert_eq!(self.world.left(*bot), None);
            let endpoint = &self.world.bot(*bot).endpoint;
            assert!(endpoint.is_connected() && endpoint.failure().is_none());
            let playing: Vec<_> = endpoint.received().filter(|(_, track)| track.packets > 0).collect();
            assert_eq!(playing.len(), 4);
            for (sid, track) in playing {
                let harm = (track.missing, track.frames_broken, track.freezes, track.bad_switches);
                assert_eq!(harm, (0, 0, 0, 0), "{sid}: {track:?}");
                assert!(track.frames_decoded > 50, "{sid}: {track:?}");
            }
        }
    }
}

/// Datagrams and packets that were dropped for any reason, over shard, peers and media.
fn drops(snapshot: &ShardSnapshot) -> u64 {
    let peers = &snapshot.totals.peers;
    let of_peers = [
        peers.drop_unknown,
        peers.drop_malformed_stun,
        peers.drop_stun_credentials,
        peers.drop_stun_integrity,
        peers.drop_stun_role,
        peers.drop_stun_flood,
        peers.drop_dtls_out_of_place,
        peers.drop_dtls_failed,
        peers.drop_sctp,
        peers.drop_before_keys,
        peers.drop_too_short,
        peers.drop_not_authentic,
        peers.drop_replayed,
        peers.drop_too_many_sources,
        peers.drop_closed,
        peers.messages_dropped,
    ];
    let of_media = snapshot.totals.rtp_drops.iter().chain(&snapshot.totals.rtcp_drops).sum::<u64>();
    snapshot.shard.drops.iter().sum::<u64>() + of_peers.iter().sum::<u64>() + of_media
}

fn stranger(number: u64) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, (number % 250) as u8], 1_024 + (number % 50_000) as u16))
}

/// DTLS is dropped without a word inside its library (RFC 6347 4.1.2.7), which does not count.
fn is_dtls(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=63))
}

fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(128..=191))
}

fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0..=3))
}

#[test]
fn random_datagrams_from_strangers_and_in_the_name_of_participants_are_counted_and_dropped() {
    let mut call = Call::new(11);
    let mut datagrams = Vec::new();
    for number in 0..3_000u64 {
        let length = call.number(1_500);
        let from = if number % 2 == 0 { stranger(number) } else { call.address((number % 3) as usize) };
        datagrams.push((from, call.bytes(length)));
    }
    let of_participants =
        |from: &SocketAddr| from.ip() != stranger(0).ip() && from.ip().to_string().starts_with("198.");
    let silent = datagrams.iter().filter(|(from, bytes)| of_participants(from) && is_dtls(bytes)).count() as u64;
    let counted = call.inject(&datagrams);
    assert_eq!(counted, datagrams.len() as u64 - silent);
    call.expect_unharmed();
}

#[test]
fn truncated_and_oversized_copies_of_real_datagrams_are_counted_and_dropped() {
    let mut call = Call::new(12);
    let real = call.tap(0, Duration::from_secs(10));
    assert!(real.iter().any(|d| is_stun(d)) && real.iter().any(|d| is_dtls(d)) && real.iter().any(|d| is_media(d)));
    let from = call.address(0);
    let mut wrong = Vec::new();
    for kind in [is_stun, is_dtls, is_media] {
        let of_kind: Vec<_> = real.iter().filter(|d| kind(d)).cloned().collect();
        for datagram in of_kind.iter().take(100) {
            let cut = 1 + call.number(datagram.len() - 1);
            wrong.push((from, datagram[..cut].to_vec()));
            for extra in [1, 1_000, 64_000] {
                let tail = call.bytes(extra);
                wrong.push((from, [datagram.as_slice(), &tail].concat()));
            }
        }
    }
    let loud = wrong.iter().filter(|(_, datagram)| !is_dtls(datagram)).count() as u64;
    let counted = call.inject(&wrong);
    assert!(counted >= loud, "{counted} of {loud}");
    call.expect_unharmed();
}

#[test]
fn every_single_bit_that_changes_on_the_way_is_noticed() {
    let mut call = Call::new(13);
    let real = call.tap(1, Duration::from_secs(3));
    let from = call.address(1);
    let mut wrong = Vec::new();
    for datagram in real.iter().filter(|datagram| is_media(datagram)).take(1_000) {
        let mut flipped = datagram.clone();
        // The two bits that say RTP stay, or it would be another protocol's.
        let bit = 2 + call.number(datagram.len() * 8 - 2);
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        wrong.push((from, flipped));
    }
    assert_eq!(call.inject(&wrong), wrong.len() as u64);
    call.expect_unharmed();
}

#[test]
fn replayed_media_is_counted_as_replayed_and_forwarded_to_nobody() {
    let mut call = Call::new(14);
    let real: Vec<_> = call.tap(0, Duration::from_secs(3)).into_iter().filter(|d| is_media(d)).collect();
    let from = call.address(0);
    let again: Vec<_> = real.into_iter().map(|datagram| (from, datagram)).collect();
    let before = call.world.shard().snapshot().totals.peers.drop_replayed;
    call.inject(&again);
    let after = call.world.shard().snapshot().totals.peers.drop_replayed;
    assert_eq!(after - before, again.len() as u64);
    for bot in &call.bots {
        assert!(call.world.bot(*bot).endpoint.received().all(|(_, track)| track.duplicates + track.late == 0));
    }
    call.expect_unharmed();
}

#[test]
fn media_under_another_participants_keys_is_not_authentic() {
    let mut call = Call::new(15);
    let real: Vec<_> = call.tap(0, Duration::from_secs(2)).into_iter().filter(|d| is_media(d)).collect();
    let other = call.address(1);
    let wrong: Vec<_> = real.into_iter().map(|datagram| (other, datagram)).collect();
    let before = call.world.shard().snapshot().totals.peers.drop_not_authentic;
    call.inject(&wrong);
    assert_eq!(call.world.shard().snapshot().totals.peers.drop_not_authentic - before, wrong.len() as u64);
    call.expect_unharmed();
}

#[test]
fn a_replayed_check_from_elsewhere_does_not_take_the_media_away() {
    let mut call = Call::new(16);
    let checks: Vec<_> = call.tap(0, Duration::from_secs(10)).into_iter().filter(|d| is_stun(d)).collect();
    assert!(!checks.is_empty());
    let elsewhere: Vec<_> = checks.into_iter().map(|check| (stranger(1), check)).collect();
    call.inject(&elsewhere);
    call.expect_unharmed();
}

#[test]
fn a_participant_with_another_certificate_than_it_said_gets_no_keys() {
    let mut call = Call::new(17);
    let edit: fn(&str) -> String = |sdp| {
        let at = sdp.find("a=fingerprint:sha-256 ").unwrap() + "a=fingerprint:sha-256 ".len();
        let fingerprint = &sdp[at..at + 95];
        let other: String = fingerprint
            .chars()
            .map(|c| {
                if c == 'A' {
                    'B'
                } else if c == '1' {
                    '2'
                } else {
                    c
                }
            })
            .collect();
        sdp.replace(fingerprint, &other)
    };
    let impostor =
        call.world.join_with(SESSION, "impostor", Role::Client, None, |bot| bot.edit_offer = Some(edit)).unwrap();
    call.world.publish_audio(impostor, AudioConfig::default());
    call.world.run_for(Duration::from_secs(10));
    let snapshot = call.world.shard().snapshot();
    assert_eq!(snapshot.shard.connected_srtp.iter().sum::<u64>(), 3, "the impostor never counts as connected");
    assert!(snapshot.shard.peers_closed >= 1);
    assert!(call.world.bot(impostor).endpoint.received().all(|(_, track)| track.packets == 0));
    call.expect_unharmed();
}

#[test]
fn wrong_offers_are_refused_and_change_nothing() {
    let edits: [fn(&str) -> String; 6] = [
        |_| "v=0".into(),
        |sdp| sdp.replace("a=fingerprint", "a=x-fingerprint"),
        |sdp| sdp.replace("a=rtpmap:96 ", "a=rtpmap:200 ").replace(" 96 ", " 200 ").replace(" 96\r", " 200\r"),
        |sdp| {
            let section = sdp.find("m=audio").unwrap();
            let next = section + 1 + sdp[section + 1..].find("m=").unwrap();
            let many: String =
                (0..1_000).map(|n| sdp[section..next].replace("a=mid:", &format!("a=mid:{n}"))).collect();
            sdp.to_owned() + &many
        },
        |sdp| {
            let first = sdp.lines().find_map(|line| line.strip_prefix("a=mid:")).unwrap().to_owned();
            sdp.lines()
                .map(
                    |line| {
                        if line.starts_with("a=mid:") { format!("a=mid:{first}\r\n") } else { format!("{line}\r\n") }
                    },
                )
                .collect()
        },
        |sdp| sdp.to_owned() + &"a=x-filler:0123456789012345678901234567890123456789\r\n".repeat(10_000),
    ];
    let mut call = Call::new(18);
    let bot = call.bots[1];
    for (number, edit) in edits.into_iter().enumerate() {
        let refused = call.world.bot(bot).refusals.len();
        call.world.bot_mut(bot).edit_offer = Some(edit);
        call.world.bot_mut(bot).endpoint.add_sections(0, 0);
        call.world.run_for(Duration::from_millis(200));
        assert!(call.world.bot(bot).refusals.len() > refused, "edit {number} was taken");
        call.world.bot_mut(bot).edit_offer = None;
        call.world.bot_mut(bot).endpoint.add_sections(0, 0);
        call.world.run_for(Duration::from_millis(200));
        assert_eq!(call.world.bot(bot).refusals.len(), refused + 1, "after edit {number} a right offer is refused");
    }
    call.expect_unharmed();
}

#[test]
fn a_message_longer_than_we_said_we_take_is_counted_and_reaches_nobody() {
    let mut call = Call::new(21);
    let boast: fn(&str) -> String = |sdp| sdp.replace("a=max-message-size:262144", "a=max-message-size:4000000");
    let prepare = |bot: &mut DirectBot| bot.edit_answer = Some(boast);
    let talker = call.world.join_with(SESSION, "talker", Role::Client, None, prepare).unwrap();
    call.world.run_for(Duration::from_secs(2));
    assert!(call.world.send(talker, Channel::Lossy, b"before"));
    let before = drops(&call.world.shard().snapshot());
    assert!(call.world.send(talker, Channel::Reliable, &vec![1; 1_000_000]));
    call.world.run_for(Duration::from_secs(5));
    // Its channel ends.
    assert!(drops(&call.world.shard().snapshot()) > before);
    let only = vec![(Channel::Lossy, b"before".to_vec())];
    assert!(call.bots.iter().all(|bot| call.world.bot(*bot).messages == only));
    for bot in call.bots.clone() {
        assert!(call.world.send(bot, Channel::Reliable, b"still here"));
    }
    call.expect_unharmed();
    let heard = |bot: &BotId| call.world.bot(*bot).messages.iter().filter(|(_, text)| text == b"still here").count();
    assert!(call.bots.iter().all(|bot| heard(bot) == 2), "channels of the others work");
}

#[test]
fn ten_thousand_half_open_connections_harm_nobody_and_are_gone_after_a_minute() {
    let mut call = Call::new(19);
    let offer = {
        let mut endpoint = parlour_bot::endpoint::Endpoint::new(
            parlour_bot::endpoint::EndpointConfig::new(stranger(1), call.world.now(), 1),
            call.world.now(),
        )
        .unwrap();
        endpoint.poll_offer(call.world.now()).unwrap().sdp
    };
    let (mut opened, mut refused) = (0u32, 0u32);
    for number in 0..10_000u32 {
        let session = SessionId::from(format!("half-open-{}", number / 12));
        match call.world.command(&session, Command::Join(Box::new(join(&format!("half-open-{number}"), Role::Client))))
        {
            Reply::Joined(joined) => {
                let action = Action::Offer { sdp: Redacted(offer.clone()), offer_id: 1 };
                call.world.command(&session, Command::Act(joined.participant.sid, action));
                opened += 1;
            }
            Reply::Refused(Refusal::Limit | Refusal::Full) => refused += 1,
            reply => panic!("{reply:?}"),
        }
        if number % 50 == 0 {
            call.world.run_for(Duration::from_millis(5));
        }
    }
    assert_eq!(opened + refused, 10_000);
    assert!(opened >= 9_000, "{opened} opened");
    assert!(call.world.shard().snapshot().peers >= u64::from(opened));
    call.expect_unharmed();
    call.world.run_for(Duration::from_secs(60));
    assert_eq!(call.world.shard().snapshot().peers, 3, "only the call is left");
}

#[test]
fn those_who_check_but_never_shake_hands_are_closed() {
    let mut call = Call::new(20);
    for number in 0..50 {
        let session = format!("silent-{}", number / 10);
        let silent: fn(&[u8]) -> bool = |datagram| !is_dtls(datagram);
        call.world
            .join_with(&session, &format!("s{number}"), Role::Client, None, |bot| bot.lets_out = Some(silent))
            .unwrap();
    }
    call.world.run_for(Duration::from_secs(5));
    assert_eq!(call.world.shard().snapshot().peers, 53);
    call.world.run_for(Duration::from_secs(40));
    assert_eq!(call.world.shard().snapshot().peers, 3);
    call.expect_unharmed();
}

#[test]
fn messages_without_end_are_passed_on_up_to_a_bound_and_the_rest_is_counted() {
    const SENT: u64 = 5_000;
    let mut call = Call::new(41);
    let eve = call.world.join(SESSION, "eve", Role::Client, None).unwrap();
    assert!(
        call.world.run_until(Duration::from_secs(10), |world| world.bot(eve).endpoint.has_channel(Channel::Reliable))
    );
    let now = call.world.now();
    let sent = (0..SENT).filter(|_| call.world.bot_mut(eve).endpoint.send(Channel::Reliable, b"!", now)).count();
    assert_eq!(sent as u64, SENT);
    call.expect_unharmed();
    let over = call.world.shard().counters().over_allowance;
    assert!(over > 0, "all of them are passed on");
    for bot in &call.bots {
        assert_eq!(call.world.bot(*bot).messages.len() as u64 + over, SENT);
    }
}

#[test]
fn descriptions_without_end_are_looked_at_up_to_a_bound() {
    let mut call = Call::new(42);
    let eve = call.world.join(SESSION, "eve", Role::Client, None).unwrap();
    let (refused, over) = (call.world.shard().counters().offers_refused, call.world.shard().counters().over_allowance);
    for offer_id in 0..60 {
        let sdp = Redacted("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(100) + &" ".repeat(200_000));
        call.world.act(eve, Action::Offer { sdp, offer_id });
    }
    let counters = call.world.shard().counters();
    assert_eq!(counters.offers_refused - refused, 60);
    let looked_at = 60 - (counters.over_allowance - over);
    assert!((1..=20).contains(&looked_at), "{looked_at} of 60");
    call.expect_unharmed();
}
