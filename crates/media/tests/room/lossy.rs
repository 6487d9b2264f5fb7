//! A minute over lines that lose every twentieth packet each way, with a publisher and a receiver that repair like
//! browsers do: what is still missing in the end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use parlour_media::TransmitKind;
use parlour_model::ParticipantKey;
use parlour_model::command::Leg;
use parlour_rtp::rtcp::{self, Message, Writer};
use parlour_rtp::seq::Unwrapper;
use parlour_rtp::{Packet, rtx};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stage::{Camera, Outgoing, PUBLISHER, RECEIVER, Stage, camera_subscription};

const ONE_WAY: Duration = Duration::from_millis(25);
const LOSS: f64 = 0.05;
const STEP: Duration = Duration::from_millis(1);
const REPAIR_SSRC: u32 = 4_444;

/// When it arrives, its number (which makes the order total), where, and what.
type UnderWay = (Instant, u64, To, Vec<u8>);

/// Datagrams under way, and the line that loses some.
struct Lines {
    rng: ChaCha8Rng,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    count: u64,
    /// RTP packets given to the receiver's line.
    sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    ServerRtp,
    ServerRtcp(u32),
    Client(u32, bool),
}

impl Lines {
    fn send(&mut self, now: Instant, to: To, bytes: Vec<u8>) {
        if self.rng.random_bool(LOSS) {
            return;
        }
        self.count += 1;
        self.under_way.push(Reverse((now + ONE_WAY, self.count, to, bytes)));
    }

    fn arrived(&mut self, now: Instant) -> Option<(To, Vec<u8>)> {
        let due = self.under_way.peek().is_some_and(|next| next.0.0 <= now);
        due.then(|| self.under_way.pop().map(|next| (next.0.2, next.0.3))).flatten()
    }
}

/// Repeats what it is asked for.
struct Publisher {
    camera: Camera,
    history: BTreeMap<u16, Outgoing>,
    repaired: u16,
    transport: u16,
}

impl Publisher {
    fn film(&mut self, now: Instant, frame: usize, lines: &mut Lines) {
        let packets = if frame == 0 { self.camera.keyframe(8) } else { self.camera.temporal(frame, 8) };
        for packet in packets {
            self.transport = self.transport.wrapping_add(1);
            lines.send(now, To::ServerRtp, packet.bytes(self.transport));
            self.history.insert(packet.header.sequence, packet);
        }
    }

    fn handle(&mut self, now: Instant, bytes: &[u8], lines: &mut Lines) {
        for message in rtcp::parse(bytes).flatten() {
            let Message::Nack(nack) = message else { continue };
            for packet in nack.sequences().filter_map(|sequence| self.history.get(&sequence)) {
                self.repaired = self.repaired.wrapping_add(1);
                self.transport = self.transport.wrapping_add(1);
                let repeated = packet.repeated(REPAIR_SSRC, self.repaired);
                lines.send(now, To::ServerRtp, repeated.bytes(self.transport));
            }
        }
    }
}

/// Asks for what it misses.
#[derive(Default)]
struct Receiver {
    unwrapper: Unwrapper,
    first: Option<u64>,
    got: BTreeMap<u64, Vec<u8>>,
    missing: BTreeMap<u64, (Instant, u8, Instant)>,
    twice: usize,
}

impl Receiver {
    fn handle(&mut self, now: Instant, bytes: &[u8]) {
        let packet = Packet::parse(bytes).unwrap();
        let (sequence, payload) = if packet.ssrc == camera_subscription(RECEIVER).ssrc {
            (packet.sequence, packet.payload)
        } else {
            rtx::split(packet.payload).unwrap()
        };
        let before = self.unwrapper.highest();
        let sequence = self.unwrapper.unwrap(sequence);
        self.first.get_or_insert(sequence);
        for skipped in before.map_or(sequence, |before| before + 1)..sequence {
            self.missing.insert(skipped, (now, 0, now));
        }
        self.missing.remove(&sequence);
        self.twice += usize::from(self.got.insert(sequence, payload.to_vec()).is_some());
    }

    fn ask(&mut self, now: Instant, lines: &mut Lines) {
        let due = self.missing.iter_mut().filter(|(_, (at, tries, since))| {
            *at <= now && *tries < 10 && now.saturating_duration_since(*since) < Duration::from_secs(1)
        });
        let mut asked = Vec::new();
        for (sequence, (at, tries, _)) in due {
            *at = now + Duration::from_millis(60);
            *tries += 1;
            asked.push(*sequence as u16);
        }
        if !asked.is_empty() {
            let mut buffer = [0; 1_200];
            let mut writer = Writer::new(&mut buffer);
            writer.nack(1, camera_subscription(RECEIVER).ssrc, &asked).unwrap();
            lines.send(now, To::ServerRtcp(RECEIVER.0), writer.written().to_vec());
        }
    }
}

fn exchange(stage: &mut Stage, lines: &mut Lines, publisher: &mut Publisher, receiver: &mut Receiver) {
    while let Some((to, mut bytes)) = lines.arrived(stage.now) {
        match to {
            To::ServerRtp => drop(stage.room.handle_rtp(stage.now, PUBLISHER, &mut bytes)),
            To::ServerRtcp(from) => {
                stage.room.handle_rtcp(stage.now, ParticipantKey(from), Leg::Publish, &bytes).unwrap();
            }
            To::Client(key, true) if key == RECEIVER.0 => receiver.handle(stage.now, &bytes),
            To::Client(key, false) if key == PUBLISHER.0 => publisher.handle(stage.now, &bytes, lines),
            To::Client(..) => {}
        }
    }
    if stage.room.poll_timeout().is_some_and(|due| due <= stage.now) {
        stage.room.handle_timeout(stage.now);
    }
    let mut buffer = [0; 1_500];
    while let Some(transmit) = stage.room.poll_transmit(stage.now, &mut buffer) {
        let is_rtp = transmit.kind == TransmitKind::Rtp;
        lines.sent += u64::from(is_rtp);
        lines.send(stage.now, To::Client(transmit.to.0, is_rtp), buffer[..transmit.len].to_vec());
    }
}

#[test]
fn five_percent_loss_each_way_leaves_less_than_a_thousandth_missing() {
    for seed in 0..3 {
        let mut stage = Stage::watching(&[]);
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let mut lines = Lines { rng, under_way: BinaryHeap::new(), count: 0, sent: 0 };
        let mut publisher =
            Publisher { camera: Camera::new(None), history: BTreeMap::new(), repaired: 0, transport: 0 };
        let mut receiver = Receiver::default();
        for millisecond in 0..31_000u64 {
            if millisecond % 33 == 0 && millisecond < 30_000 {
                publisher.film(stage.now, millisecond as usize / 33, &mut lines);
            }
            exchange(&mut stage, &mut lines, &mut publisher, &mut receiver);
            if millisecond % 10 == 0 {
                receiver.ask(stage.now, &mut lines);
            }
            stage.now += STEP;
        }
        let first = receiver.first.unwrap();
        let expected = receiver.unwrapper.highest().unwrap() - first + 1;
        let missing = expected - receiver.got.range(first..).count() as u64;
        let share = missing as f64 / expected as f64;
        assert!(share < 0.001, "seed {seed}: {missing} of {expected} missing");
        // And the publisher's line is not called bad for what was repaired.
        let loss = stage.room.receiver_report(PUBLISHER).unwrap().uplink_loss;
        assert!(loss < 0.02, "seed {seed}: {loss}");
        // Repair costs about what was lost.
        let (sent, twice) = (lines.sent, receiver.twice);
        assert!((sent as f64) < expected as f64 * 1.15, "seed {seed}: {sent} sent for {expected}, {twice} twice");
        // What came is what was sent: each payload carries its own number.
        for payload in receiver.got.values().filter(|payload| payload.len() > 8) {
            let sequence = u16::from_be_bytes([payload[7], payload[8]]);
            assert_eq!(payload[9..], publisher.history[&sequence].payload[9..]);
        }
    }
}
