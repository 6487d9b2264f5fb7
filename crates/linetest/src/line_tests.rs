//! All tests of one worker: who may begin one, whose a datagram is, and what is due when.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_model::{Identity, SessionId};
use parlour_peer::{IceCredentials, PeerConfig, Transmit, stun_ufrag};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use thiserror::Error;

use crate::line_test::LineTest;

/// Tests that a worker runs at once: 36 Mbit/s for two seconds if all of them load at once, which a worker carries beside
/// its calls.
pub const MAX_AT_ONCE: usize = 8;

/// Tests that one person may begin within [`TRIES_WITHIN`]: by themselves, and a few times again.
pub const TRIES: u32 = 6;

/// See [`TRIES`].
pub const TRIES_WITHIN: Duration = Duration::from_secs(300);

/// People whose tries are remembered. When all are young, a new one has to wait.
const MAX_REMEMBERED: usize = 4_096;

/// Addresses that one test may be known by: each family, Wi-Fi and cable.
const MAX_ADDRESSES: usize = 4;

/// Begins our fragments, so that a datagram is known as a test's by its first look. No other peer's fragment has it.
const UFRAG_PREFIX: char = '/';

/// As of other peers: 47 bits, and 142.
const UFRAG_LETTERS: usize = 8;
const PASSWORD_LETTERS: usize = 24;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Why no test begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineTestRefusal {
    /// Too many run, or the worker is full: in a few seconds there is room.
    #[error("too many tests at once")]
    Busy,
    /// This person has begun [`TRIES`] of late.
    #[error("too many tests of one person")]
    TooOften,
    /// Not an offer of one data channel.
    #[error("not an offer of a data channel")]
    Offer,
}

/// What was counted since it was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LineTestCounters {
    /// Tests begun.
    pub begun: u64,
    /// Of them ended with loads both ways.
    pub complete: u64,
    /// Of them ended before: given up, not connected, or begun anew.
    pub incomplete: u64,
    /// Of them ended by us, as the client sent too much.
    pub over_budget: u64,
    /// See [`LineTestRefusal::Busy`].
    pub refused_busy: u64,
    /// See [`LineTestRefusal::TooOften`].
    pub refused_too_often: u64,
    /// See [`LineTestRefusal::Offer`].
    pub refused_offer: u64,
    /// Bytes of datagrams in.
    pub bytes_in: u64,
    /// Bytes of datagrams out.
    pub bytes_out: u64,
}

/// Who tests: one test at a time for each.
type Owner = (SessionId, Identity);

struct Slot {
    owner: Owner,
    test: LineTest,
    ufrag: String,
    addresses: Vec<SocketAddr>,
}

struct Tries {
    since: Instant,
    count: u32,
}

/// All tests of one worker.
pub struct LineTests {
    config: Arc<PeerConfig>,
    random: ChaCha20Rng,
    slots: BTreeMap<u32, Slot>,
    next: u32,
    by_ufrag: HashMap<String, u32>,
    by_address: HashMap<SocketAddr, u32>,
    tries: BTreeMap<Owner, Tries>,
    /// Tests that may have something to send.
    sending: Vec<u32>,
    goodbyes: VecDeque<(Transmit, Vec<u8>)>,
    counters: LineTestCounters,
}

impl LineTests {
    /// `seed` comes from a good generator: ICE passwords depend on it.
    pub fn new(config: Arc<PeerConfig>, seed: [u8; 32]) -> Self {
        Self {
            config,
            random: ChaCha20Rng::from_seed(seed),
            slots: BTreeMap::new(),
            next: 0,
            by_ufrag: HashMap::new(),
            by_address: HashMap::new(),
            tries: BTreeMap::new(),
            sending: Vec::new(),
            goodbyes: VecDeque::new(),
            counters: LineTestCounters::default(),
        }
    }

    /// Begins a test; the answer to the client's offer. Whoever has one running begins it anew.
    ///
    /// # Errors
    /// See [`LineTestRefusal`]; nothing has changed then but the count of tries.
    pub fn begin(
        &mut self,
        session: SessionId,
        identity: Identity,
        offer: &str,
        now: Instant,
    ) -> Result<String, LineTestRefusal> {
        let begun = self.try_begin((session, identity), offer, now);
        match begun {
            Ok(_) => self.counters.begun += 1,
            Err(LineTestRefusal::Busy) => self.counters.refused_busy += 1,
            Err(LineTestRefusal::TooOften) => self.counters.refused_too_often += 1,
            Err(LineTestRefusal::Offer) => self.counters.refused_offer += 1,
        }
        begun
    }

    fn try_begin(&mut self, owner: Owner, offer: &str, now: Instant) -> Result<String, LineTestRefusal> {
        self.count_try(&owner, now)?;
        let running = self.slots.iter().find(|(_, slot)| slot.owner == owner).map(|(key, _)| *key);
        if running.is_none() && self.slots.len() >= MAX_AT_ONCE {
            return Err(LineTestRefusal::Busy);
        }
        let ufrag = format!("{UFRAG_PREFIX}{}", self.letters(UFRAG_LETTERS));
        let credentials = IceCredentials { ufrag: ufrag.clone(), password: self.letters(PASSWORD_LETTERS) };
        let seed = self.random.random();
        let (test, answer) =
            LineTest::new(self.config.clone(), credentials, seed, offer, now).ok_or(LineTestRefusal::Offer)?;
        if let Some(running) = running {
            self.end(running, now);
        }
        let key = self.next;
        self.next = self.next.wrapping_add(1);
        self.by_ufrag.insert(ufrag.clone(), key);
        self.slots.insert(key, Slot { owner, test, ufrag, addresses: Vec::new() });
        Ok(answer)
    }

    fn count_try(&mut self, owner: &Owner, now: Instant) -> Result<(), LineTestRefusal> {
        let is_young = |tries: &Tries| now.saturating_duration_since(tries.since) < TRIES_WITHIN;
        if !self.tries.contains_key(owner) && self.tries.len() >= MAX_REMEMBERED {
            self.tries.retain(|_, tries| is_young(tries));
            if self.tries.len() >= MAX_REMEMBERED {
                return Err(LineTestRefusal::Busy);
            }
        }
        let tries = self.tries.entry(owner.clone()).or_insert(Tries { since: now, count: 0 });
        if !is_young(tries) {
            *tries = Tries { since: now, count: 0 };
        }
        if tries.count >= TRIES {
            return Err(LineTestRefusal::TooOften);
        }
        tries.count += 1;
        Ok(())
    }

    fn letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(LETTERS[self.random.random_range(0..LETTERS.len())])).collect()
    }

    /// No test runs, and nothing is left to send.
    pub fn is_idle(&self) -> bool {
        self.slots.is_empty() && self.goodbyes.is_empty()
    }

    /// Whether a datagram is for a test. Media never is: nobody can draw it here.
    pub fn owns(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        !self.slots.is_empty() && self.key_of(from, datagram).is_some()
    }

    fn key_of(&self, from: SocketAddr, datagram: &[u8]) -> Option<u32> {
        match datagram.first()? {
            0..=3 => self.by_ufrag.get(stun_ufrag(datagram)?).copied(),
            20..=63 => self.by_address.get(&from).copied(),
            _ => None,
        }
    }

    /// Takes what came in at our address `to`, if it is a test's.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        let Some(key) = self.key_of(from, datagram) else { return };
        let Some(slot) = self.slots.get_mut(&key) else { return };
        self.counters.bytes_in += datagram.len() as u64;
        if slot.test.handle_datagram(now, from, to, datagram) {
            self.learn(key, from);
        }
        self.follow(key, now);
    }

    /// Authentic datagrams of the test come from there. The first to say so keeps an address.
    fn learn(&mut self, key: u32, from: SocketAddr) {
        let Some(slot) = self.slots.get_mut(&key) else { return };
        if slot.addresses.len() < MAX_ADDRESSES && !self.by_address.contains_key(&from) {
            slot.addresses.push(from);
            self.by_address.insert(from, key);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |slot: &Slot| slot.test.poll_timeout().is_some_and(|due| due <= now);
        let due: Vec<u32> = self.slots.iter().filter(|(_, slot)| is_due(slot)).map(|(key, _)| *key).collect();
        for key in due {
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.test.handle_timeout(now);
            }
            self.follow(key, now);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.slots.values().filter_map(|slot| slot.test.poll_timeout()).min()
    }

    fn follow(&mut self, key: u32, now: Instant) {
        if self.slots.get(&key).is_some_and(|slot| slot.test.is_over()) {
            return self.end(key, now);
        }
        if self.sending.last() != Some(&key) {
            self.sending.push(key);
        }
    }

    /// A test is gone; what it has to say for goodbye is kept.
    fn end(&mut self, key: u32, now: Instant) {
        let Some(mut slot) = self.slots.remove(&key) else { return };
        let mut buffer = Vec::new();
        while let Some(transmit) = slot.test.poll_transmit(now, &mut buffer) {
            if self.goodbyes.len() < 4 * MAX_AT_ONCE {
                self.goodbyes.push_back((transmit, buffer.clone()));
            }
        }
        self.by_ufrag.remove(&slot.ufrag);
        for address in slot.addresses {
            self.by_address.remove(&address);
        }
        match (slot.test.is_over_budget, slot.test.is_complete()) {
            (true, _) => self.counters.over_budget += 1,
            (false, true) => self.counters.complete += 1,
            (false, false) => self.counters.incomplete += 1,
        }
    }

    /// The next datagram; it replaces what is in `buffer`.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let transmit = self.next_transmit(now, buffer)?;
        self.counters.bytes_out += buffer.len() as u64;
        Some(transmit)
    }

    fn next_transmit(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Option<Transmit> {
        if let Some((transmit, datagram)) = self.goodbyes.pop_front() {
            *buffer = datagram;
            return Some(transmit);
        }
        while let Some(key) = self.sending.last() {
            if let Some(transmit) = self.slots.get_mut(key).and_then(|slot| slot.test.poll_transmit(now, buffer)) {
                return Some(transmit);
            }
            self.sending.pop();
        }
        None
    }

    /// Ends all tests at once: a call into them panicked, or the worker stops.
    pub fn clear(&mut self) {
        self.counters.incomplete += self.slots.len() as u64;
        self.slots.clear();
        self.by_ufrag.clear();
        self.by_address.clear();
        self.sending.clear();
        self.goodbyes.clear();
    }

    /// What was counted since the last call.
    pub fn take_counters(&mut self) -> LineTestCounters {
        std::mem::take(&mut self.counters)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]

    use parlour_peer::{Certificate, DtlsVersions, PeerTimes};

    use super::*;

    /// As Chromium offers a data channel.
    const OFFER: &str = concat!(
        "v=0\r\no=- 8963719211816562441 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Zzsu\r\n",
        "a=ice-pwd:JDVInGOsyxcJtEDUoLs4WByr\r\na=ice-options:trickle\r\n",
        "a=fingerprint:sha-256 60:B8:2D:2D:77:86:0D:CF:9D:D3:5A:CC:4F:1B:C2:D0:78:C1:05:B0:12:64:DD:D9:2A:D0:E7:AB:",
        "96:DA:7A:4E\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n",
    );

    fn tests() -> (LineTests, Instant) {
        let address = SocketAddr::from(([192, 0, 2, 1], 7000));
        let config =
            PeerConfig::new(Certificate::generate().unwrap(), vec![address], DtlsVersions::Both, PeerTimes::default());
        (LineTests::new(config.unwrap(), [7; 32]), Instant::now())
    }

    fn begin(tests: &mut LineTests, who: usize, now: Instant) -> Result<String, LineTestRefusal> {
        tests.begin(SessionId::from("s"), Identity::from(format!("p{who}")), OFFER, now)
    }

    #[test]
    fn an_offer_of_a_channel_is_answered_and_nothing_else_is() {
        let (mut tests, now) = tests();
        let answer = begin(&mut tests, 1, now).unwrap();
        assert!(answer.contains("webrtc-datachannel") && answer.contains("a=ice-ufrag:/"), "{answer}");
        let media =
            OFFER.replace("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "m=audio 9 UDP/TLS/RTP/SAVPF 111");
        for offer in ["", "v=0", &media] {
            let refused = tests.begin(SessionId::from("s"), Identity::from("x"), offer, now);
            assert_eq!(refused, Err(LineTestRefusal::Offer));
        }
        assert_eq!(tests.slots.len(), 1);
    }

    #[test]
    fn one_person_has_one_test_and_begins_so_many() {
        let (mut tests, now) = tests();
        for _ in 0..TRIES {
            begin(&mut tests, 1, now).unwrap();
            assert_eq!((tests.slots.len(), tests.by_ufrag.len()), (1, 1));
        }
        assert_eq!(begin(&mut tests, 1, now), Err(LineTestRefusal::TooOften));
        assert!(begin(&mut tests, 2, now).is_ok(), "others are not meant");
        assert!(begin(&mut tests, 1, now + TRIES_WITHIN).is_ok());
    }

    #[test]
    fn a_worker_runs_so_many_at_once_and_there_is_room_again() {
        let (mut tests, now) = tests();
        for who in 0..MAX_AT_ONCE {
            begin(&mut tests, who, now).unwrap();
        }
        assert_eq!(begin(&mut tests, 99, now), Err(LineTestRefusal::Busy));
        let later = tests.poll_timeout().unwrap().max(now + crate::line_test::LONGEST);
        tests.handle_timeout(later);
        assert!(tests.slots.is_empty() && tests.by_ufrag.is_empty(), "one that nobody connects to ends");
        assert!(begin(&mut tests, 99, later).is_ok());
        let counted = tests.take_counters();
        assert_eq!((counted.begun, counted.incomplete, counted.refused_busy), (9, 8, 1));
    }

    #[test]
    fn what_is_remembered_of_strangers_is_bounded() {
        let (mut tests, now) = tests();
        for who in 0..MAX_REMEMBERED + 10 {
            let _ = tests.count_try(&(SessionId::from("s"), Identity::from(format!("p{who}"))), now);
        }
        assert_eq!(tests.tries.len(), MAX_REMEMBERED);
        assert_eq!(begin(&mut tests, 999_999, now), Err(LineTestRefusal::Busy));
        assert!(begin(&mut tests, 999_999, now + TRIES_WITHIN).is_ok());
    }

    #[test]
    fn media_and_strangers_are_not_drawn_here() {
        let (mut tests, now) = tests();
        begin(&mut tests, 1, now).unwrap();
        let known = SocketAddr::from(([192, 0, 2, 9], 4000));
        tests.learn(0, known);
        assert!(tests.owns(known, &[22; 40]), "DTLS of a test");
        for datagram in [&[128; 40][..], &[144; 40], &[1; 40], &[]] {
            assert!(!tests.owns(known, datagram), "{datagram:?}");
        }
        assert!(!tests.owns(SocketAddr::from(([192, 0, 2, 9], 4001)), &[22; 40]));
        tests.clear();
        assert!(!tests.owns(known, &[22; 40]) && tests.is_idle());
    }
}
