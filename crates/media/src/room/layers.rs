//! Which layer each receiver should get: what it shows, what its budget allows, what arrives. And from that, which layers
//! anybody takes.

use std::time::Instant;

use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, Layer, MediaKind, ParticipantKey, PublicationKey, VideoSize};

use crate::allocation::{Demand, Step, allocate, ladder};
use crate::egress::selector::Target;
use crate::egress::stream::Binding;
use crate::error::ForwardDrop;
use crate::event::MediaEvent;
use crate::publication::Publication;
use crate::publication::dynacast::LAYERS;
use crate::publication::meter::{Rung, TEMPORAL_LAYERS};
use crate::room::Room;
use crate::spec::{layer_of_quality, nominal_rate};

/// What is kept for one audio stream: Opus at 48 kbit/s with one redundant copy, and headers.
const AUDIO_RATE: Bitrate = Bitrate::kbps(120);

/// All temporal layers.
const ALL_TEMPORAL: u8 = (TEMPORAL_LAYERS - 1) as u8;

/// A layer this much smaller than what is shown is good enough: nobody sees a tenth.
const SIZE_SLACK: f32 = 0.9;

/// A step up must fit with this to spare.
const STEP_UP: f64 = 1.1;

/// What a receiver would get of one stream.
#[derive(Clone, Copy, Debug)]
struct Plan {
    stream: u16,
    publication: u16,
    /// Index of its demand; `None`: it asks for nothing.
    demand: Option<usize>,
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
        let (plans, demands, audio) = self.demands(receiver);
        let granted = allocate(participant.downlink.budget, audio, &demands);
        let spent = audio + granted.iter().flatten().map(|step| step.rate).sum();
        let wanted = audio + demands.iter().filter_map(|demand| demand.steps.last()).map(|step| step.rate).sum();
        if let Some(participant) = self.participants.get_mut(receiver) {
            participant.downlink.note_layers(spent, wanted);
        }
        for plan in plans {
            let step = plan.demand.and_then(|index| granted.get(index).copied().flatten());
            self.aim_stream(receiver, plan, step, now);
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
            let mut steps = steps(publication, &binding);
            charge_steps_up(&mut steps, &binding);
            let demand = (!steps.is_empty() && !publication.muted).then_some(demands.len());
            if demand.is_some() {
                demands.push(Demand { medium: publication.medium(), priority: publication.priority, steps });
            }
            plans.push(Plan { stream: index, publication: binding.publication, demand });
        }
        (plans, demands, audio)
    }

    fn aim_stream(&mut self, receiver: u16, plan: Plan, step: Option<Step>, now: Instant) {
        let timeout = self.config.layer_timeout;
        let Some(publication) = self.publications.get(plan.publication) else { return };
        let target =
            step.map(|step| living(publication, step.target, |layer| publication.is_alive(layer, timeout, now)));
        let Some(participant) = self.participants.get_mut(receiver) else { return };
        let key = participant.key;
        let Some(stream) = participant.downlink.streams.get_mut(usize::from(plan.stream)) else { return };
        let Some(binding) = &mut stream.binding else { return };
        let wanted = match (step, plan.demand) {
            (Some(step), _) => Some(step.target.layer),
            // Muted: what it would take, so that the publisher has it ready.
            (None, None) => steps(publication, binding).last().map(|step| step.target.layer),
            (None, Some(_)) => None,
        };
        let told = std::mem::replace(&mut binding.wanted, wanted) != wanted;
        let held_back = step.is_none() && plan.demand.is_some();
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
        let announced = state.layers();
        let Some(state) = self.publications.get_mut(publication) else { return };
        let Some(wanted) = state.dynacast.update(taken, &announced, now) else { return };
        let event = MediaEvent::SubscribedLayers { publication: state.key, wanted };
        self.events.push(event, &mut self.counters);
    }
}

/// The layer to go for: the one granted if it arrives, else the best below it that does, else the least above.
fn living(publication: &Publication, granted: Target, alive: impl Fn(u8) -> bool) -> Target {
    if alive(granted.layer) {
        return granted;
    }
    let layers = || publication.layers().into_iter().map(|Layer(layer)| layer).filter(|&layer| alive(layer));
    let below = layers().filter(|&layer| layer < granted.layer).max();
    let above = layers().find(|&layer| layer > granted.layer);
    match below.or(above) {
        Some(layer) => Target { layer, temporal: ALL_TEMPORAL },
        None => granted,
    }
}

/// The ways in which a publication could be sent to someone who shows it like this, from the least to the most.
fn steps(publication: &Publication, binding: &Binding) -> Vec<Step> {
    if !binding.open || binding.settings.disabled {
        return Vec::new();
    }
    let most = highest_useful(publication, &binding.settings);
    let fps = binding.settings.fps.filter(|&fps| fps > 0);
    let layers = publication.layers().into_iter().filter(|&layer| layer <= most);
    let steps = layers.enumerate().flat_map(|(rank, layer)| layer_steps(publication, layer, rank == 0, fps));
    ladder(steps)
}

/// What is above what goes out now is counted a little dearer: a rate that breathes at the edge of the budget should not
/// switch layers with each breath. A larger picture is counted at all its frames: it begins with a keyframe many times the
/// size of another, and is not worth that if only every other frame of it fits.
fn charge_steps_up(steps: &mut [Step], binding: &Binding) {
    let Some(current) = binding.selector.target() else { return };
    let above = |target: Target| (target.layer, target.temporal) > (current.layer, current.temporal);
    let mut whole = Vec::from(&*steps);
    whole.reverse();
    for step in steps.iter_mut().filter(|step| above(step.target)) {
        let larger = step.target.layer > current.layer;
        let all_frames = whole.iter().find(|one| larger && one.target.layer == step.target.layer);
        step.rate = all_frames.map_or(step.rate, |whole| whole.rate).scaled(STEP_UP);
    }
}

/// The steps of one layer. Only the lowest is worth having at the frame rate of its base layer alone.
fn layer_steps(publication: &Publication, layer: Layer, is_lowest: bool, fps: Option<u32>) -> Vec<Step> {
    let whole = |rate| vec![Step { target: Target { layer: layer.0, temporal: ALL_TEMPORAL }, rate }];
    let Some(rungs) = publication.encoding(layer.0).and_then(|encoding| encoding.meter.measured()) else {
        let announced = publication.layer_spec(layer).map(|spec| spec.bitrate).filter(|&rate| rate > Bitrate::ZERO);
        return whole(announced.unwrap_or(nominal_rate(layer)));
    };
    let mut steps: Vec<Step> = Vec::new();
    let mut below = Bitrate::ZERO;
    for (temporal, Rung { rate, frames_per_second }) in (0u8..).zip(rungs) {
        if rate == below {
            continue;
        }
        below = rate;
        steps.push(Step { target: Target { layer: layer.0, temporal }, rate });
        if fps.is_some_and(|fps| frames_per_second >= fps as f32) {
            return steps;
        }
    }
    // What is measured now need not be all that ever comes: the last step takes whatever there is.
    if let Some(last) = steps.last_mut() {
        last.target.temporal = ALL_TEMPORAL;
    }
    if !is_lowest && steps.len() > 1 {
        steps.remove(0);
    }
    steps
}

/// The highest layer that adds something to what is shown.
fn highest_useful(publication: &Publication, settings: &TrackSettings) -> Layer {
    let layers = publication.layers();
    let top = layers.last().copied().unwrap_or(Layer(0));
    if let Some(shown) = settings.size.filter(|size| size.width > 0 && size.height > 0) {
        let fills = |layer: &&Layer| publication.layer_spec(**layer).is_some_and(|spec| fills(spec.size, shown));
        return layers.iter().find(fills).copied().unwrap_or(top);
    }
    settings.quality.map_or(top, |quality| layer_of_quality(quality).min(top))
}

/// Whether a picture is large enough for where it is shown, however either is turned. By the shorter side: shapes differ,
/// and what is cut off or left free at the longer is not worth a layer.
fn fills(size: VideoSize, shown: VideoSize) -> bool {
    let short = |size: VideoSize| size.width.min(size.height) as f32;
    short(size) >= short(shown) * SIZE_SLACK
}
