//! The ways in which a publication could be sent to someone, from the least to the most, and what each takes.

use parlour_model::command::TrackSettings;
use parlour_model::{Bitrate, Layer, VideoSize};

use crate::allocation::{Step, ladder};
use crate::egress::selector::Target;
use crate::egress::stream::Binding;
use crate::publication::Publication;
use crate::publication::meter::{Rung, TEMPORAL_LAYERS};
use crate::spec::{layer_of_quality, nominal_rate};

/// All temporal layers.
pub(super) const ALL_TEMPORAL: u8 = (TEMPORAL_LAYERS - 1) as u8;

/// A layer this much smaller than what is shown is good enough: nobody sees a tenth.
const SIZE_SLACK: f32 = 0.9;

/// A step up must fit with this to spare.
const STEP_UP: f64 = 1.1;

/// Frames a second below which a picture is a row of stills.
const LEAST_FRAMES: f32 = 12.0;

/// Rates offered of an encoding that can be bent, each by this more than the one before.
const FINENESS: f64 = 1.12;

/// The ways in which a publication could be sent to someone who shows it like this, from the least to the most.
pub(super) fn steps(publication: &Publication, binding: &Binding, others: Option<(u8, Bitrate)>) -> Vec<Step> {
    if !binding.open || binding.settings.disabled {
        return Vec::new();
    }
    let most = highest_useful(publication, &binding.settings);
    let fps = binding.settings.fps.filter(|&fps| fps > 0);
    let layers = publication.layers().into_iter().filter(|&layer| layer <= most && !publication.is_thin(layer));
    let mut steps: Vec<Step> =
        layers.enumerate().flat_map(|(rank, layer)| layer_steps(publication, layer, rank == 0, fps)).collect();
    if fps.is_none() {
        bend_top(publication, binding, others, &mut steps);
    }
    ladder(steps)
}

/// Where the publisher does as it is asked, its top layer is to be had at less than its whole rate: then it is made at that
/// rate. `others`: the highest layer that another takes, and what that line has for it.
fn bend_top(publication: &Publication, binding: &Binding, others: Option<(u8, Bitrate)>, steps: &mut Vec<Step>) {
    let Some(top) = steps.last().copied().filter(|_| publication.bends()) else { return };
    let layer = top.target.layer;
    // Only the highest that anyone takes is bent; what others have for a smaller one is no matter here.
    if others.is_some_and(|(other, _)| other > layer) {
        return;
    }
    let others = others.filter(|&(other, _)| other == layer).map(|(_, room)| room);
    let is_shown = binding.selector.target().is_some_and(|target| target.layer == layer);
    let whole = publication.whole_rate(Layer(layer)).max(top.rate);
    let mut rate = publication.least_rate(Layer(layer), is_shown, others);
    if rate >= whole {
        return;
    }
    steps.retain(|step| step.target.layer != layer || step.rate < rate && step.target.temporal < ALL_TEMPORAL);
    let target = Target { layer, temporal: ALL_TEMPORAL };
    while rate < whole {
        steps.push(Step { target, rate });
        rate = rate.scaled(FINENESS);
    }
    steps.push(Step { target, rate: whole });
}

/// What is above what goes out now is counted a little dearer: a rate that breathes at the edge of the budget should not
/// switch layers with each breath. A larger picture is counted at all its frames: it begins with a keyframe many times the
/// size of another, and is not worth that if only every other frame of it fits.
pub(super) fn charge_steps_up(steps: &mut [Step], binding: &Binding) {
    let Some(current) = binding.selector.target() else { return };
    let above = |target: Target| (target.layer, target.temporal) > (current.layer, current.temporal);
    let mut whole = Vec::from(&*steps);
    whole.reverse();
    for step in steps.iter_mut().filter(|step| above(step.target)) {
        let larger = step.target.layer > current.layer && step.target.temporal < ALL_TEMPORAL;
        let all_frames = whole.iter().find(|one| larger && one.target.layer == step.target.layer);
        step.rate = all_frames.map_or(step.rate, |whole| whole.rate).scaled(STEP_UP);
    }
}

/// The steps of one layer. Only the lowest is worth having at a few frames a second: a smaller picture that moves says more
/// of a face than a larger one that does not.
fn layer_steps(publication: &Publication, layer: Layer, is_lowest: bool, fps: Option<u32>) -> Vec<Step> {
    let whole = |rate| vec![Step { target: Target { layer: layer.0, temporal: ALL_TEMPORAL }, rate }];
    let Some(rungs) = publication.encoding(layer.0).and_then(|encoding| encoding.meter.measured()) else {
        return whole(publication.announced_rate(layer).unwrap_or(nominal_rate(layer)));
    };
    let mut steps: Vec<Step> = Vec::new();
    let (mut below, mut moving) = (Bitrate::ZERO, 0.0);
    for (temporal, Rung { rate, frames_per_second }) in (0u8..).zip(rungs) {
        if rate == below {
            continue;
        }
        below = rate;
        let step = Step { target: Target { layer: layer.0, temporal }, rate };
        match steps.last_mut() {
            Some(last) if !is_lowest && moving < LEAST_FRAMES => *last = step,
            _ => steps.push(step),
        }
        moving = frames_per_second;
        if fps.is_some_and(|fps| frames_per_second >= fps as f32) {
            return steps;
        }
    }
    // What is measured now need not be all that ever comes: the last step takes whatever there is.
    if let Some(last) = steps.last_mut() {
        last.target.temporal = ALL_TEMPORAL;
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
