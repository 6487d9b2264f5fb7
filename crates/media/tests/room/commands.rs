//! The rule that comes before all others: whatever is commanded in whatever order, nothing reaches anybody without an
//! edge, from a muted track, or for what is switched off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parlour_media::{
    DownlinkSpec, Home, IngressSection, MediaConfig, Room, SubscriptionSpec, TransmitKind, UplinkSpec,
};
use parlour_model::command::{Leg, TrackSettings};
use parlour_model::{Bitrate, Codec, Edge, Medium, ParticipantKey, PublicationKey};
use parlour_rtp::rtcp::Writer;
use parlour_rtp::rtcp::transport::Observed;
use parlour_rtp::{Packet, rtx};
use proptest::prelude::*;

use crate::sources::{Camera, Microphone};
use crate::stage::{OUT_RTX_PT, camera_section, camera_subscription, extensions, microphone_section};

const PEOPLE: u32 = 3;
/// Each person has a camera and a microphone.
const TRACKS: u32 = 2 * PEOPLE;
const SECTIONS: u32 = 3;

#[derive(Clone, Debug)]
enum Command {
    Join(u32),
    Leave(u32),
    /// Which of the two tracks are published.
    Publish(u32, bool, bool),
    Subscribe(u32, u32, u32),
    Unsubscribe(u32, u32),
    /// Which of all edges are there.
    Edges(u64),
    Mute(u32, bool),
    Disable(u32, u32, bool),
    Budget(u32, u64),
    /// Packets of a track; the flag makes them begin with a keyframe. They are fetched later.
    Send(u32, bool),
    Fetch,
    /// Someone asks for everything it ever got, again.
    Repeat(u32),
    /// Someone is seen at a home, or nowhere.
    Move(u32, Option<u8>),
    /// Feedback about sixty-four packets from this number on, true or not: which arrived.
    Feedback(u32, u16, u64),
    Pass(u64),
}

fn command() -> impl Strategy<Value = Command> {
    let person = 0..PEOPLE;
    let track = 0..TRACKS;
    prop_oneof![
        2 => person.clone().prop_map(Command::Join),
        1 => person.clone().prop_map(Command::Leave),
        3 => (person.clone(), any::<bool>(), any::<bool>()).prop_map(|(p, a, b)| Command::Publish(p, a, b)),
        4 => (person.clone(), track.clone(), 0..SECTIONS).prop_map(|(p, t, s)| Command::Subscribe(p, t, s)),
        1 => (person.clone(), track.clone()).prop_map(|(p, t)| Command::Unsubscribe(p, t)),
        3 => prop_oneof![Just(u64::MAX), any::<u64>(), Just(0)].prop_map(Command::Edges),
        1 => (track.clone(), any::<bool>()).prop_map(|(t, m)| Command::Mute(t, m)),
        1 => (person.clone(), track.clone(), any::<bool>()).prop_map(|(p, t, d)| Command::Disable(p, t, d)),
        1 => (person.clone(), prop_oneof![Just(5u64), Just(300), Just(50_000)]).prop_map(|(p, b)| Command::Budget(p, b)),
        12 => (track, prop::bool::weighted(0.5)).prop_map(|(t, k)| Command::Send(t, k)),
        4 => Just(Command::Fetch),
        2 => person.clone().prop_map(Command::Repeat),
        1 => (person.clone(), prop::option::of(0u8..2)).prop_map(|(p, h)| Command::Move(p, h)),
        2 => (person.clone(), 0u16..200, any::<u64>()).prop_map(|(p, n, m)| Command::Feedback(p, n, m)),
        2 => (1u64..700).prop_map(Command::Pass),
    ]
}

/// What the room should know, kept in the simplest way.
struct Play {
    room: Room,
    start: Instant,
    now: Instant,
    people: BTreeSet<u32>,
    published: BTreeSet<u32>,
    edges: BTreeSet<Edge>,
    muted: BTreeSet<u32>,
    disabled: BTreeSet<(u32, u32)>,
    subscribed: BTreeSet<(u32, u32)>,
    /// (person, section) to track.
    sections: BTreeMap<(u32, u32), u32>,
    cameras: BTreeMap<u32, Camera>,
    microphones: BTreeMap<u32, Microphone>,
    /// What each person got: (ssrc, number).
    got: BTreeMap<u32, BTreeSet<(u32, u16)>>,
    forwarded: usize,
}

fn key(person: u32) -> ParticipantKey {
    ParticipantKey(1 + person)
}

fn track_key(track: u32) -> PublicationKey {
    PublicationKey(100 + track)
}

fn medium(track: u32) -> Medium {
    if track.is_multiple_of(2) { Medium::Camera } else { Medium::Audio }
}

fn section(track: u32) -> IngressSection {
    let section = if track.is_multiple_of(2) { camera_section(&[]) } else { microphone_section() };
    IngressSection { publication: track_key(track), remb: true, ..section }
}

fn all_edges() -> Vec<Edge> {
    let mut edges = Vec::new();
    for publisher in 0..PEOPLE {
        for receiver in (0..PEOPLE).filter(|&receiver| receiver != publisher) {
            let edge = |medium| Edge { publisher: key(publisher), receiver: key(receiver), medium };
            edges.extend([Medium::Camera, Medium::Audio].map(edge));
        }
    }
    edges
}

impl Play {
    fn new() -> Self {
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        Self {
            room: Room::new(&MediaConfig::default(), 3, now),
            start: now,
            now,
            people: BTreeSet::new(),
            published: BTreeSet::new(),
            edges: BTreeSet::new(),
            muted: BTreeSet::new(),
            disabled: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            sections: BTreeMap::new(),
            cameras: BTreeMap::new(),
            microphones: BTreeMap::new(),
            got: BTreeMap::new(),
            forwarded: 0,
        }
    }

    fn play(&mut self, command: &Command) -> Result<(), TestCaseError> {
        match *command {
            Command::Join(person) => self.join(person),
            Command::Leave(person) => self.leave(person),
            Command::Publish(person, camera, microphone) => self.publish(person, camera, microphone),
            Command::Subscribe(person, track, place) => self.subscribe(person, track, place),
            Command::Unsubscribe(person, track) => {
                self.room.unsubscribe(key(person), track_key(track), self.now);
                self.unbind(person, track);
            }
            Command::Edges(mask) => {
                let chosen = all_edges().into_iter().enumerate().filter(|(index, _)| mask >> index & 1 == 1);
                self.edges = chosen.map(|(_, edge)| edge).collect();
                self.room.set_edges(&self.edges, self.now);
            }
            Command::Mute(track, muted) if self.published.contains(&track) => {
                self.room.set_muted(track_key(track), muted, self.now);
                if muted {
                    self.muted.insert(track)
                } else {
                    self.muted.remove(&track)
                };
            }
            Command::Disable(person, track, disabled) if self.subscribed.contains(&(person, track)) => {
                let settings = TrackSettings { disabled, ..TrackSettings::default() };
                self.room.set_preferences(key(person), track_key(track), settings, self.now);
                if disabled {
                    self.disabled.insert((person, track))
                } else {
                    self.disabled.remove(&(person, track))
                };
            }
            Command::Budget(person, kbps) => self.room.set_budget(key(person), Bitrate::kbps(kbps), self.now),
            Command::Send(track, keyframe) => self.send(track, keyframe),
            Command::Repeat(person) => self.repeat(person),
            Command::Move(person, home) => {
                self.room.set_home(key(person), home.map(|home| Home(u128::from(home))), self.now);
            }
            Command::Feedback(person, first, mask) => self.feedback(person, first, mask),
            Command::Pass(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                self.room.handle_timeout(self.now);
            }
            Command::Fetch | Command::Mute(..) | Command::Disable(..) => {}
        }
        // Packets that were sent wait over the next commands: they are where a cut must reach.
        if matches!(command, Command::Send(..)) {
            return Ok(());
        }
        self.fetch()?;
        if matches!(command, Command::Pass(_)) { self.rest() } else { Ok(()) }
    }

    /// What is done is not due again: a worker that does what is due sleeps after it.
    fn rest(&mut self) -> Result<(), TestCaseError> {
        self.room.handle_timeout(self.now);
        self.fetch()?;
        let due = self.room.poll_timeout();
        prop_assert!(due.is_none_or(|due| due > self.now), "{:?} late", due.map(|due| self.now - due));
        Ok(())
    }

    fn join(&mut self, person: u32) {
        if self.people.insert(person) {
            self.room.add_participant(key(person), self.now);
            let spec = DownlinkSpec { leg: Leg::Publish, extensions: extensions(), transport_cc: true };
            self.room.set_downlink(key(person), spec, self.now);
        }
    }

    fn leave(&mut self, person: u32) {
        self.people.remove(&person);
        self.room.remove_participant(key(person), self.now);
        for track in [2 * person, 2 * person + 1] {
            self.unpublish(track);
        }
        for track in 0..TRACKS {
            self.unbind(person, track);
        }
        self.got.remove(&person);
    }

    fn unpublish(&mut self, track: u32) {
        self.published.remove(&track);
        self.muted.remove(&track);
        self.cameras.remove(&track);
        self.microphones.remove(&track);
        for person in 0..PEOPLE {
            self.unbind(person, track);
        }
    }

    fn unbind(&mut self, person: u32, track: u32) {
        self.subscribed.remove(&(person, track));
        self.disabled.remove(&(person, track));
        self.sections.retain(|&(owner, _), &mut bound| owner != person || bound != track);
    }

    fn publish(&mut self, person: u32, camera: bool, microphone: bool) {
        if !self.people.contains(&person) {
            return;
        }
        let mut sections = Vec::new();
        for (track, on) in [(2 * person, camera), (2 * person + 1, microphone)] {
            if on {
                sections.push(section(track));
                self.published.insert(track);
            } else {
                self.unpublish(track);
            }
        }
        let uplink = UplinkSpec { extensions: extensions(), transport_cc: true, sections };
        self.room.set_uplink(key(person), uplink, self.now);
    }

    fn subscribe(&mut self, person: u32, track: u32, place: u32) {
        if !self.people.contains(&person) || !self.published.contains(&track) {
            return;
        }
        let subscription = SubscriptionSpec {
            publication: track_key(track),
            ssrc: 7_000 + 10 * person + place,
            rtx_ssrc: Some(8_000 + 10 * person + place),
            ..camera_subscription(key(person))
        };
        self.room.subscribe(subscription, self.now);
        // Another track that was on the section is not received any more.
        let displaced = self.sections.insert((person, place), track).filter(|&old| old != track);
        if let Some(old) = displaced {
            self.unbind(person, old);
        }
        self.sections.retain(|&(owner, section), &mut bound| owner != person || section == place || bound != track);
        self.subscribed.insert((person, track));
    }

    fn send(&mut self, track: u32, keyframe: bool) {
        let packets = if track.is_multiple_of(2) {
            let camera = self.cameras.entry(track).or_insert_with(|| Camera::new(None));
            if keyframe { camera.keyframe(2) } else { camera.delta(2) }
        } else {
            vec![self.microphones.entry(track).or_default().packet(&[0; 80])]
        };
        for mut packet in packets {
            // The last byte says whose it is.
            *packet.payload.last_mut().unwrap() = track as u8;
            let mut bytes = packet.bytes(packet.header.sequence);
            let _ = self.room.handle_rtp(self.now, key(track / 2), &mut bytes);
        }
    }

    fn repeat(&mut self, person: u32) {
        for &(ssrc, sequence) in self.got.get(&person).into_iter().flatten() {
            let mut buffer = [0; 100];
            let mut writer = Writer::new(&mut buffer);
            writer.nack(1, ssrc, &[sequence]).unwrap();
            let _ = self.room.handle_rtcp(self.now, key(person), Leg::Publish, writer.written());
        }
    }

    fn feedback(&mut self, person: u32, first: u16, mask: u64) {
        let micros = self.now.saturating_duration_since(self.start).as_micros() as u64;
        let arrivals: Vec<_> = (0..64).map(|bit| (mask >> bit & 1 == 1).then_some(micros + bit * 500)).collect();
        let observed = Observed { feedback_count: 0, base_sequence: first, arrivals: arrivals.iter().copied() };
        let mut buffer = [0; 1_000];
        let mut writer = Writer::new(&mut buffer);
        writer.transport_feedback(1, 7_000 + 10 * person, &observed).unwrap();
        let _ = self.room.handle_rtcp(self.now, key(person), Leg::Publish, writer.written());
    }

    fn fetch(&mut self) -> Result<(), TestCaseError> {
        let mut buffer = [0; 1_500];
        while let Some(transmit) = self.room.poll_transmit(self.now, &mut buffer) {
            let person = transmit.to.0 - 1;
            prop_assert!(self.people.contains(&person), "{person} is not here");
            if transmit.kind == TransmitKind::Rtcp {
                continue;
            }
            let packet = Packet::parse(&buffer[..transmit.len]).unwrap();
            let is_repair = packet.payload_type == OUT_RTX_PT;
            // What fills a probe may be padding alone.
            let repaired = rtx::split(packet.payload).map(|(_, payload)| payload);
            let payload = if is_repair { repaired.unwrap_or_default() } else { packet.payload };
            if !is_repair {
                self.got.entry(person).or_default().insert((packet.ssrc, packet.sequence));
            }
            let Some(&track) = payload.last() else { continue };
            self.check(person, u32::from(track))?;
            self.forwarded += 1;
        }
        while self.room.poll_event().is_some() {}
        Ok(())
    }

    fn check(&self, person: u32, track: u32) -> Result<(), TestCaseError> {
        let edge = Edge { publisher: key(track / 2), receiver: key(person), medium: medium(track) };
        prop_assert!(self.edges.contains(&edge), "no edge {edge:?}");
        prop_assert!(self.published.contains(&track), "{track} is not published");
        prop_assert!(self.subscribed.contains(&(person, track)), "{person} does not receive {track}");
        prop_assert!(!self.muted.contains(&track), "{track} is muted");
        prop_assert!(!self.disabled.contains(&(person, track)), "{person} switched {track} off");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn nothing_reaches_anybody_without_an_edge(commands in prop::collection::vec(command(), 1..200)) {
        let mut play = Play::new();
        for person in 0..PEOPLE {
            play.join(person);
            play.publish(person, true, true);
        }
        play.play(&Command::Edges(u64::MAX))?;
        for track in 2..TRACKS {
            play.subscribe(0, track, track % SECTIONS);
        }
        for command in &commands {
            play.play(command)?;
        }
    }
}

#[test]
fn the_play_above_does_forward() {
    let mut play = Play::new();
    for person in 0..PEOPLE {
        play.join(person);
        play.publish(person, true, true);
    }
    play.play(&Command::Edges(u64::MAX)).unwrap();
    for person in 0..PEOPLE {
        play.subscribe(person, (2 * person + 2) % TRACKS, 0);
        play.subscribe(person, (2 * person + 3) % TRACKS, 1);
    }
    for track in 0..TRACKS {
        play.play(&Command::Send(track, true)).unwrap();
    }
    play.play(&Command::Fetch).unwrap();
    assert_eq!(play.forwarded, 9);
    assert_eq!(section(0).codec, Codec::Vp8);
}
