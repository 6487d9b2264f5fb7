//! The property that decoders live by: whatever happens on the way in, what goes out is numbered as if one sender had
//! sent it. Nothing twice, no gap that the sender did not have, pictures and times that only go forward.

use std::collections::BTreeMap;
use std::time::Duration;

use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, Quality};
use parlour_rtp::seq::Unwrapper;
use proptest::prelude::*;

use crate::stage::{CAMERA, Camera, Outgoing, RECEIVER, Received, Stage};

/// Something that happens while a camera films.
#[derive(Clone, Debug)]
enum Happening {
    /// A frame of every layer, of this many packets; the flag makes it a keyframe.
    Frame { packets: usize, key: bool },
    /// The receiver asks for a layer.
    Switch(Quality),
    /// The budget changes: temporal layers come and go.
    Budget(u64),
    /// Edges are cut and come back, or the track is muted or disabled and comes back.
    Pause(u8),
    /// A packet of the next frame is lost.
    Lose(usize),
    /// Two packets of the next frame change places.
    Swap(usize),
    /// A packet of the next frame comes two frames late.
    Delay(usize),
    /// A packet of the next frame comes twice.
    Repeat(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        10 => (1usize..4, prop::bool::weighted(0.15)).prop_map(|(packets, key)| Happening::Frame { packets, key }),
        1 => prop_oneof![Just(Quality::Low), Just(Quality::Medium), Just(Quality::High)].prop_map(Happening::Switch),
        1 => prop_oneof![Just(20u64), Just(35), Just(60), Just(130), Just(5_000)].prop_map(Happening::Budget),
        1 => (0u8..3).prop_map(Happening::Pause),
        1 => (0usize..3).prop_map(Happening::Lose),
        2 => (0usize..3).prop_map(Happening::Swap),
        2 => (0usize..3).prop_map(Happening::Delay),
        1 => (0usize..3).prop_map(Happening::Repeat),
    ]
}

/// Plays happenings; says how many gaps the sender's path made.
struct Film {
    stage: Stage,
    layers: Vec<Camera>,
    frames: usize,
    delayed: Vec<(usize, Outgoing)>,
    next: Vec<Happening>,
    /// Packets that were lost, or came after their place was closed by a pause: each may leave a gap.
    excused: usize,
}

impl Film {
    fn new() -> Self {
        let layers = ["q", "h", "f"].map(|rid| Camera::new(Some(rid))).to_vec();
        Self { stage: Stage::watching(&["q", "h", "f"]), layers, frames: 0, delayed: vec![], next: vec![], excused: 0 }
    }

    fn play(&mut self, happening: &Happening) {
        match happening {
            Happening::Frame { packets, key } => self.frame(*packets, *key),
            Happening::Switch(quality) => {
                let settings = TrackSettings { quality: Some(*quality), ..TrackSettings::default() };
                self.stage.room.set_preferences(RECEIVER, CAMERA, settings, self.stage.now);
            }
            Happening::Budget(kbps) => {
                self.stage.room.set_budget(RECEIVER, Bitrate::kbps(*kbps), self.stage.now);
                self.excuse_delayed();
            }
            Happening::Pause(how) => self.pause(*how),
            other => self.next.push(other.clone()),
        }
        self.stage.collect();
    }

    /// Packets that are on their way now may find their place closed.
    fn excuse_delayed(&mut self) {
        self.excused += self.delayed.len();
    }

    fn pause(&mut self, how: u8) {
        self.excuse_delayed();
        let disabled = TrackSettings { disabled: true, ..TrackSettings::default() };
        let now = self.stage.now;
        match how {
            0 => self.stage.close_all(),
            1 => self.stage.room.set_muted(CAMERA, true, now),
            _ => self.stage.room.set_preferences(RECEIVER, CAMERA, disabled, now),
        }
        self.frame(2, false);
        let now = self.stage.now;
        match how {
            0 => self.stage.open_all(),
            1 => self.stage.room.set_muted(CAMERA, false, now),
            _ => self.stage.room.set_preferences(RECEIVER, CAMERA, TrackSettings::default(), now),
        }
    }

    fn frame(&mut self, packets: usize, key: bool) {
        let asked = self.stage.plis();
        self.stage.rtcp.clear();
        for index in 0..self.layers.len() {
            let camera = &mut self.layers[index];
            let key = key || self.frames == 0 || asked.contains(&camera.ssrc);
            let frame = if key { camera.keyframe(packets) } else { camera.temporal(self.frames, packets) };
            self.deliver(frame);
        }
        self.next.clear();
        self.frames += 1;
        let due: Vec<Outgoing> = {
            let frames = self.frames;
            let (due, later) = std::mem::take(&mut self.delayed).into_iter().partition(|(at, _)| *at <= frames);
            self.delayed = later;
            due.into_iter().map(|(_, packet): (usize, Outgoing)| packet).collect()
        };
        for packet in due {
            let _ = self.stage.send(&packet);
        }
        self.stage.pass(Duration::from_millis(33));
    }

    fn deliver(&mut self, mut frame: Vec<Outgoing>) {
        for happening in self.next.clone() {
            match happening {
                Happening::Lose(index) if index < frame.len() => {
                    frame.remove(index);
                    self.excused += 1;
                }
                Happening::Swap(index) if index + 1 < frame.len() => frame.swap(index, index + 1),
                Happening::Delay(index) if index < frame.len() => {
                    self.delayed.push((self.frames + 2, frame.remove(index)));
                }
                Happening::Repeat(index) if index < frame.len() => frame.push(frame[index].clone()),
                _ => {}
            }
        }
        for packet in &frame {
            let _ = self.stage.send(packet);
        }
    }

    fn finish(&mut self) -> Vec<Received> {
        for _ in 0..6 {
            self.frame(2, false);
        }
        self.stage.camera()
    }
}

fn check(got: &[Received], excused: usize) -> Result<(), TestCaseError> {
    let mut unwrapper = Unwrapper::new();
    let mut by_sequence = BTreeMap::new();
    for received in got {
        let sequence = unwrapper.unwrap(received.rtp().sequence);
        prop_assert!(by_sequence.insert(sequence, received).is_none(), "{sequence} twice");
    }
    let (Some(first), Some(last)) = (by_sequence.keys().next(), by_sequence.keys().last()) else { return Ok(()) };
    let missing = (last - first + 1) as usize - by_sequence.len();
    prop_assert!(missing <= excused, "{missing} missing, {excused} excused");
    // In the order of their numbers: whole pictures, forwards.
    let pictures: Vec<(u32, u16, u8, bool)> = by_sequence
        .values()
        .filter(|received| !received.rtp().payload.is_empty())
        .map(|received| {
            let descriptor = received.vp8();
            let tl0 = descriptor.tl0_picture_index.unwrap();
            let base = descriptor.temporal.unwrap().layer == 0;
            (received.rtp().timestamp, received.picture(), tl0, base)
        })
        .collect();
    for pair in pictures.windows(2) {
        let [(time, picture, tl0, _), (next_time, next_picture, next_tl0, base)] = [pair[0], pair[1]];
        let step = next_picture.wrapping_sub(picture) & 0x7fff;
        let time_step = next_time.wrapping_sub(time);
        prop_assert_eq!(step == 0, time_step == 0, "{:?}", pair);
        prop_assert!(time_step < 1 << 31, "{pair:?}");
        // One further, or as many more as frames were lost.
        prop_assert!(usize::from(step) <= 1 + excused, "{pair:?}");
        let expected = u8::from(base && step > 0);
        let tl0_step = next_tl0.wrapping_sub(tl0);
        prop_assert!(tl0_step >= expected && usize::from(tl0_step) <= 1 + excused, "{pair:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn what_goes_out_is_numbered_as_if_one_sender_had_sent_it(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut film = Film::new();
        film.play(&Happening::Frame { packets: 2, key: true });
        for happening in &happenings {
            film.play(happening);
        }
        let got = film.finish();
        prop_assert!(!got.is_empty());
        check(&got, film.excused)?;
    }
}
