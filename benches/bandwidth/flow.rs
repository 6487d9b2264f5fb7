//! One media flow of a run: what its camera and microphone make, what its leg makes of that, and what arrives.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use parlour_simnet::{Micros, Random};

use crate::leg::Leg;
use crate::media::{AUDIO_WIRE, Allocator, Audio, LADDER, MediaPacket, Picture, wire_rate};
use crate::receiver::Player;
use crate::record::FlowRecord;
use crate::scenario::{Flow, Model, Scenario};

const AUDIO_INTERVAL: Micros = Micros::millis(20);
const DTX_INTERVAL: Micros = Micros::millis(400);
/// Both are asked for a little more than is used: the allocator steps up only with some to spare.
const DEMAND_MARGIN: f64 = 1.1;
/// A packet that the publisher lost comes this much later, repaired upstream.
const UPSTREAM_REPAIR: Micros = Micros::millis(60);

/// A flow while it runs.
pub struct LiveFlow<'a> {
    pub spec: &'a Flow,
    pub leg: Option<Box<dyn Leg>>,
    pub addresses: [SocketAddr; 2],
    pub audio: Audio,
    pub next_audio: Micros,
    pub pictures: Vec<Picture>,
    pub allocator: Allocator,
    pub camera: bool,
    pub delayed: BTreeMap<(Micros, u32), MediaPacket>,
    pub key_requests: Vec<(Micros, u8)>,
    pub random: Random,
    pub record: FlowRecord,
    pub feedback_delay: Micros,
    pub ended: bool,
}

/// What is run.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    pub scenario: &'a Scenario,
    pub model: Model,
    pub seed: u64,
}

impl<'a> LiveFlow<'a> {
    /// Flow `number` of the scenario, not begun.
    pub fn new(
        plan: &Plan<'a>,
        number: usize,
        addresses: [SocketAddr; 2],
        bottleneck: usize,
        feedback_delay: Micros,
    ) -> Self {
        let spec = &plan.scenario.flow[number];
        let part = 10 + number as u64 * 10;
        let per_picture = spec.demand_mbps * 1e6 / spec.pictures as f64;
        let picture = |index: usize| {
            Picture::new(plan.model, index as u8 + 1, per_picture, Random::fork(plan.seed, part + index as u64))
        };
        let until = spec.until(plan.scenario);
        Self {
            spec,
            leg: None,
            addresses,
            audio: Audio::default(),
            next_audio: Micros::seconds(spec.from_s),
            pictures: (0..spec.pictures).map(picture).collect(),
            allocator: Allocator::default(),
            camera: false,
            delayed: BTreeMap::new(),
            key_requests: Vec::new(),
            random: Random::fork(plan.seed, part + 9),
            feedback_delay: feedback_delay + Micros((spec.extra_delay_ms * 1e3) as u64),
            ended: false,
            record: FlowRecord {
                name: spec.name.clone(),
                direction: spec.direction,
                from: spec.from_s,
                until,
                priority: spec.priority,
                demand: match plan.model {
                    Model::M1 => wire_rate(spec.demand_mbps * 1e6) + AUDIO_WIRE,
                    Model::M2 => wire_rate(LADDER[2]) * spec.pictures as f64 + AUDIO_WIRE,
                },
                samples: Vec::new(),
                player: Player::default(),
                audio_made: Vec::new(),
                sent_packets: 0,
                arrived_packets: 0,
                feedback_bytes: 0,
                switches: Vec::new(),
                camera: spec.video_s.clone().unwrap_or_else(|| vec![(spec.from_s, until)]),
                pictures: spec.pictures,
                bottleneck,
                trace: Vec::new(),
            },
        }
    }

    /// Makes the media that is due and hands it to the leg.
    pub fn produce(&mut self, now: Micros) {
        let Some(leg) = &mut self.leg else { return };
        while self.next_audio <= now {
            self.record.audio_made.push(self.next_audio);
            leg.write(now, self.audio.make(self.next_audio));
            let dtx = self.spec.dtx(self.next_audio.as_seconds());
            self.next_audio = self.next_audio + if dtx { DTX_INTERVAL } else { AUDIO_INTERVAL };
        }
        while let Some(entry) = self.delayed.first_entry().filter(|entry| entry.key().0 <= now) {
            leg.write(now, entry.remove());
        }
        if !self.camera {
            return;
        }
        for picture in &mut self.pictures {
            while picture.next_frame() <= now {
                for packet in picture.make_frame(now) {
                    if self.random.chance(self.spec.publisher_loss) {
                        self.delayed.insert((now + UPSTREAM_REPAIR, packet.number), packet);
                    } else {
                        leg.write(now, packet);
                    }
                }
            }
        }
    }

    pub fn decide(&mut self, now: Micros, look: bool, model: Model) {
        let seconds = now.as_seconds();
        let Some(leg) = &mut self.leg else { return };
        let camera = self.spec.camera_on(seconds);
        if camera != self.camera {
            self.camera = camera;
            for picture in &mut self.pictures {
                picture.start(now);
                picture.set_layer(now, None);
            }
        }
        for stream in self.record.player.keyframes_wanted(now) {
            self.key_requests.push((now + self.feedback_delay, stream));
        }
        for &(_, stream) in self.key_requests.iter().filter(|(due, _)| *due <= now) {
            if let Some(picture) = self.pictures.get_mut(usize::from(stream).saturating_sub(1)) {
                picture.request_key(now);
            }
        }
        self.key_requests.retain(|(due, _)| *due > now);
        if !look {
            return;
        }
        // Audio only: the estimator is told of the camera that may come, as a server knows its publications.
        leg.set_demand(now, self.record.demand * DEMAND_MARGIN);
        let budget = leg.budget();
        if !camera {
            return;
        }
        let video = |total: f64| (total - AUDIO_WIRE).max(0.0);
        match model {
            Model::M1 => {
                let rate = video(budget.now) / wire_rate(1.0) / self.pictures.len() as f64;
                self.pictures.iter_mut().for_each(|picture| picture.set_rate(now, rate));
            }
            Model::M2 => self.choose_layers(now, video(budget.lasting)),
        }
    }

    fn choose_layers(&mut self, now: Micros, budget: f64) {
        let present: Vec<Option<u8>> = self.pictures.iter().map(Picture::wanted).collect();
        let chosen = self.allocator.choose(now, budget, &present);
        for ((picture, &layer), before) in self.pictures.iter_mut().zip(&chosen).zip(&present) {
            if layer != *before {
                self.record.switches.push(now);
            }
            picture.set_layer(now, layer);
        }
    }

    pub fn sample(&mut self, model: Model) {
        let mut sample = self.record.samples.last().copied().unwrap_or_default();
        if let Some(leg) = &self.leg {
            let stats = leg.stats();
            sample.sent = stats.sent_bytes;
            sample.useless = stats.useless_bytes;
            sample.arrived = stats.arrived_bytes;
            sample.target = leg.budget().now;
            sample.shared = leg.is_shared();
        }
        sample.layer = if model == Model::M2 && self.camera { self.pictures[0].layer } else { None };
        self.record.samples.push(sample);
    }

    pub fn keep_stats(&mut self, leg: &dyn Leg) {
        let stats = leg.stats();
        self.record.sent_packets = stats.sent_packets;
        self.record.arrived_packets = stats.arrived_packets;
        self.record.feedback_bytes = stats.feedback_bytes;
    }

    pub fn trace(&mut self, now: Micros) {
        self.record.trace.extend(self.leg.as_ref().and_then(|leg| leg.trace(now)).map(|point| (now, point)));
    }
}
