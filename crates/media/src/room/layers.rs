//! Which layer each receiver should get: what it shows, what its budget allows, what arrives. And from that, which layers
//! anybody takes.

use std::time::Instant;

use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, Layer, MediaKind, ParticipantKey, PublicationKey};

use crate::allocation::{Demand, Step, allocate};
use crate::egress::selector::Target;
use crate::error::ForwardDrop;
use crate::event::MediaEvent;
use crate::publication::Publication;
use crate::publication::dynacast::LAYERS;
use crate::room::Room;
use crate::room::steps::{ALL_TEMPORAL, charge_steps_up, steps};

/// What is kept for one audio stream: Opus at 48 kbit/s with one redundant copy, and headers.
pub(super) const AUDIO_RATE: Bitrate = Bitrate::kbps(120);

/// What a receiver would get of one stream.
#[derive(Clone, Copy, Debug)]
struct Plan {
    stream: u16,
    publication: u16,
    /// Index of its demand; `None`: it asks for nothing.
    demand: Option<usize>,
    /// Its publisher's uplink does not carry it.
    withheld: bool,
}

impl Room {
    pub(super) fn prefer(
        &mut self,
        receiver: ParticipantKey,
        publication: PublicationKey,
        settings: TrackSettings,
        now: Instant,
    ) {
        let Some(slot) = self.participants.find(receiver) else { return };
        let Some(stream) = self.stream_of(slot, publication) else { return };
        let Some(binding) = self.stream_mut(slot, stream).and_then(|stream| stream.binding.as_mut()) else { return };
        let was_disabled = std::mem::replace(&mut binding.settings, settings).disabled;
        let source = binding.publication;
        if settings.disabled && !was_disabled {
            self.interrupt(slot, stream, ForwardDrop::Layer);
        }
        if was_disabled && !settings.disabled {
            self.raise_floors(slot, stream, source);
        }
        self.aim(slot, now);
    }

    /// A way that was closed opens: what came until now is not for it.
    fn raise_floors(&mut self, receiver: u16, stream: u16, publication: u16) {
        let Some(floors) = self.publications.get(publication).map(Publication::next_numbers) else { return };
        if let Some(binding) = self.stream_mut(receiver, stream).and_then(|stream| stream.binding.as_mut()) {
            binding.floors = floors;
        }
    }

    pub(super) fn grant(&mut self, receiver: ParticipantKey, budget: Bitrate, now: Instant) {
        let Some(slot) = self.participants.find(receiver) else { return };
        let share = self.config.repair_share;
        if let Some(participant) = self.participants.get_mut(slot) {
            participant.downlink.set_budget(budget, share, now);
        }
        self.aim(slot, now);
    }

    pub(super) fn prioritise(&mut self, publication: PublicationKey, priority: u8, now: Instant) {
        let Some(slot) = self.publications.find(publication) else { return };
        if let Some(state) = self.publications.get_mut(slot) {
            state.priority = priority.max(1);
        }
        self.aim_audience(slot, now);
    }

    /// Aims everyone who receives a publication.
    pub(super) fn aim_audience(&mut self, publication: u16, now: Instant) {
        let Some(state) = self.publications.get(publication) else { return };
        let receivers: Vec<u16> = state.audience.iter().map(|&(receiver, _)| receiver).collect();
        for receiver in receivers {
            self.aim(receiver, now);
        }
        self.tell_subscribed_layers(publication, now);
    }

    /// Divides a receiver's budget anew and asks for the keyframes that its new layers need.
    pub(super) fn aim(&mut self, receiver: u16, now: Instant) {
        let Some(participant) = self.participants.get(receiver) else { return };
        let budget = participant.downlink.budget;
        let (plans, demands, audio) = self.demands(receiver);
        let granted = allocate(budget, audio, &demands);
        let spent = audio + granted.iter().flatten().map(|step| step.rate).sum();
        let wanted = audio + demands.iter().filter_map(|demand| demand.steps.last()).map(|step| step.rate).sum();
        let weight = self.weight_of(receiver);
        if let Some(participant) = self.participants.get_mut(receiver) {
            participant.downlink.note_layers(&mut self.lines, spent, wanted, weight);
        }
        let rooms = rooms(budget, spent, &demands, &granted);
        for plan in plans {
            let step = plan.demand.and_then(|index| granted.get(index).copied().flatten());
            let room = plan.demand.and_then(|index| rooms.get(index).copied().flatten());
            self.aim_stream(receiver, plan, (step, room), now);
            self.bend(plan.publication, now);
        }
    }

    /// What a receiver asks for: its video streams, their demands, and what its audio takes.
    fn demands(&self, receiver: u16) -> (Vec<Plan>, Vec<Demand>, Bitrate) {
        let (mut plans, mut demands, mut audio) = (Vec::new(), Vec::new(), Bitrate::ZERO);
        let streams = self.participants.get(receiver).map(|participant| &participant.downlink.streams);
        for (stream, index) in streams.into_iter().flatten().zip(0u16..) {
            let Some(binding) = stream.binding else { continue };
            let Some(publication) = self.publications.get(binding.publication) else { continue };
            if binding.kind == MediaKind::Audio {
                audio += if binding.open && !publication.muted { AUDIO_RATE } else { Bitrate::ZERO };
                continue;
            }
            if self.is_starved(publication) && !publication.muted && !binding.settings.disabled {
                plans.push(Plan { stream: index, publication: binding.publication, demand: None, withheld: true });
                continue;
            }
            let others = self.room_of_others(publication, receiver);
            let mut steps = steps(publication, &binding, others);
            charge_steps_up(&mut steps, &binding);
            let demand = (!steps.is_empty() && !publication.muted).then_some(demands.len());
            if demand.is_some() {
                demands.push(Demand { medium: publication.medium(), priority: publication.priority, steps });
            }
            plans.push(Plan { stream: index, publication: binding.publication, demand, withheld: false });
        }
        (plans, demands, audio)
    }

    fn aim_stream(&mut self, receiver: u16, plan: Plan, granted: (Option<Step>, Option<Bitrate>), now: Instant) {
        let (step, room) = granted;
        let Some(publication) = self.publications.get(plan.publication) else { return };
        let target = step.map(|step| living(publication, step.target));
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let key = participant.key;
        let Some(stream) = participant.downlink.streams.get_mut(usize::from(plan.stream)) else { return };
        let Some(binding) = &mut stream.binding else { return };
        let wanted = match (step, plan.demand) {
            _ if plan.withheld => None,
            (Some(step), _) => Some(step.target.layer),
            // Muted: what it would take, so that the publisher has it ready.
            (None, None) => steps(publication, binding, None).last().map(|step| step.target.layer),
            (None, Some(_)) => None,
        };
        let told = std::mem::replace(&mut binding.wanted, wanted) != wanted;
        binding.room = step.zip(room).map(|(step, room)| (step.target.layer, room));
        let held_back = plan.withheld || step.is_none() && plan.demand.is_some();
        let changed_state = std::mem::replace(&mut binding.held_back, held_back) != held_back;
        let stopped = target.is_none() && binding.selector.target().is_some();
        binding.selector.aim(target);
        let awaited = binding.selector.awaited();
        let publication = binding.key;
        if stopped {
            stream.rewriter.stop();
        }
        if changed_state {
            let event = MediaEvent::StreamState { receiver: key, publication, paused: held_back };
            self.events.push(event, &mut self.counters);
        }
        if let Some(layer) = awaited.filter(|_| !self.is_held(receiver)) {
            self.request_keyframe(plan.publication, layer, now);
        }
        if told {
            self.tell_subscribed_layers(plan.publication, now);
        }
    }

    /// Whether the line of a publisher is too small for its picture.
    fn is_starved(&self, publication: &Publication) -> bool {
        let is_picture = publication.codec().kind() == MediaKind::Video;
        is_picture && self.participants.get(publication.owner).is_some_and(|owner| owner.uplink.starved)
    }

    /// The pictures of those who publish over a line.
    pub(super) fn pictures_sent(&self, owners: &[u16]) -> usize {
        let pictures = self.publications.iter().filter(|(_, one)| one.codec().kind() == MediaKind::Video && !one.muted);
        pictures.filter(|(_, one)| owners.contains(&one.owner)).count()
    }

    /// The line of a publisher turned out to be too small for pictures, or it is to be tried again.
    pub(super) fn withhold_pictures(&mut self, owner: u16, now: Instant) {
        for slot in self.publications.indices() {
            if self.publications.get(slot).is_some_and(|publication| publication.owner == owner) {
                self.aim_audience(slot, now);
            }
        }
    }

    /// Tells the publisher which of its layers anybody takes, if that changed.
    pub(super) fn tell_subscribed_layers(&mut self, publication: u16, now: Instant) {
        let Some(state) = self.publications.get(publication) else { return };
        if state.codec().kind() == MediaKind::Audio {
            return;
        }
        let mut taken = [false; LAYERS];
        for &(receiver, stream) in &state.audience {
            let streams = self.participants.get(receiver).map(|participant| &participant.downlink.streams);
            let wanted = streams.and_then(|streams| streams.get(usize::from(stream))?.binding?.wanted);
            if let Some(taken) = wanted.and_then(|layer| taken.get_mut(usize::from(layer))) {
                *taken = true;
            }
        }
        let (announced, starved) = (state.layers(), self.is_starved(state));
        let Some(state) = self.publications.get_mut(publication) else { return };
        let told =
            if starved { state.dynacast.stop(&announced) } else { state.dynacast.update(taken, &announced, now) };
        let Some(wanted) = told else { return };
        let event = MediaEvent::SubscribedLayers { publication: state.key, wanted };
        self.events.push(event, &mut self.counters);
    }
}

/// The layer to go for: the one granted if it arrives, else the best below it that does, else the least above.
fn living(publication: &Publication, granted: Target) -> Target {
    if publication.is_alive(granted.layer) {
        return granted;
    }
    let layers =
        || publication.layers().into_iter().map(|Layer(layer)| layer).filter(|&layer| publication.is_alive(layer));
    let below = layers().filter(|&layer| layer < granted.layer).max();
    let above = layers().find(|&layer| layer > granted.layer);
    match below.or(above) {
        Some(layer) => Target { layer, temporal: ALL_TEMPORAL },
        None => granted,
    }
}

/// What a receiver's line has for each demand that was granted something: that, and of what is left its part by priority.
fn rooms(budget: Bitrate, spent: Bitrate, demands: &[Demand], granted: &[Option<Step>]) -> Vec<Option<Bitrate>> {
    let weight = |demand: &Demand| f64::from(demand.priority.max(1));
    let all: f64 = demands.iter().map(weight).sum();
    let left = budget.saturating_sub(spent);
    let room = |(demand, step): (&Demand, &Option<Step>)| Some(step.as_ref()?.rate + left.scaled(weight(demand) / all));
    demands.iter().zip(granted).map(room).collect()
}
