//! Who gets how much of one receiver's budget: a pure function from demands to layers. docs/allocation.md tells the why.
//!
//! Every demand is a ladder of rungs, each a layer with a temporal layer and what it takes in all. The steps of all
//! ladders are put into one order that does not depend on the budget, and the longest beginning of that order that fits
//! is taken. So more budget never lowers anything, and the sum is never over the budget.

use parlour_model::{Bitrate, Medium};

use crate::egress::selector::Target;

/// A way to send a publication, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub target: Target,
    pub rate: Bitrate,
}

/// What a receiver wants of one publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub medium: Medium,
    /// Larger gets more: with 4 it rises to four times the rate of one with 1 before that gets its next step.
    pub priority: u8,
    /// From the least that is of use to the most that is wanted; see [`ladder`].
    pub steps: Vec<Step>,
}

/// Keeps of steps in ascending order of picture those that cost more than the ones before.
pub(crate) fn ladder(steps: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut ladder: Vec<Step> = Vec::new();
    for step in steps {
        // A better picture for less: nobody would take the worse one.
        while ladder.last().is_some_and(|last| last.rate >= step.rate) {
            ladder.pop();
        }
        ladder.push(step);
    }
    ladder
}

/// What each demand gets, in the order of `demands`; `None`: nothing fits. Audio is not asked: `audio` is what it takes,
/// and it is taken first, also when that is more than there is.
pub(crate) fn allocate(budget: Bitrate, audio: Bitrate, demands: &[Demand]) -> Vec<Option<Step>> {
    let mut left = budget.saturating_sub(audio);
    let mut granted: Vec<Option<Step>> = vec![None; demands.len()];
    for (demand, step) in ordered_steps(demands) {
        let Some(current) = granted.get_mut(demand) else { continue };
        let more = step.rate.saturating_sub(current.map_or(Bitrate::ZERO, |current| current.rate));
        // What comes later must not get what this one could not have: a little more budget would take it away again.
        let Some(rest) = left.as_bps().checked_sub(more.as_bps()) else { break };
        left = Bitrate::bps(rest);
        *current = Some(step);
    }
    granted
}

/// All steps of all demands: first the floors, then the others; in each, what takes the least for its priority comes
/// first, so that one large picture does not stand in the way of three small ones.
fn ordered_steps(demands: &[Demand]) -> Vec<(usize, Step)> {
    let mut steps = Vec::new();
    for (index, demand) in demands.iter().enumerate() {
        for (rung, &step) in demand.steps.iter().enumerate() {
            // In thousandths, because integers compare exactly.
            let weighted = step.rate.as_bps() * 1_000 / u64::from(demand.priority.max(1));
            steps.push(((rung > 0, weighted, demand.medium, index), (index, step)));
        }
    }
    steps.sort_by_key(|&(key, _)| key);
    steps.into_iter().map(|(_, step)| step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn step(layer: u8, temporal: u8, kbps: u64) -> Step {
        Step { target: Target { layer, temporal }, rate: Bitrate::kbps(kbps) }
    }

    fn demand(priority: u8, kbps: &[u64]) -> Demand {
        let steps = kbps.iter().enumerate().map(|(layer, &kbps)| step(layer as u8, 0, kbps));
        Demand { medium: Medium::Camera, priority, steps: ladder(steps) }
    }

    fn any_demand() -> impl Strategy<Value = Demand> {
        let medium = prop_oneof![Just(Medium::Camera), Just(Medium::ScreenVideo)];
        (medium, 1u8..5, prop::collection::vec(1u64..3_000, 0..9))
            .prop_map(|(medium, priority, kbps)| Demand { medium, ..demand(priority, &kbps) })
    }

    fn sum(granted: &[Option<Step>]) -> Bitrate {
        granted.iter().flatten().map(|step| step.rate).sum()
    }

    proptest! {
        #[test]
        fn never_over_the_budget(
            demands in prop::collection::vec(any_demand(), 0..8), budget in 0u64..12_000, audio in 0u64..200,
        ) {
            let granted = allocate(Bitrate::kbps(budget), Bitrate::kbps(audio), &demands);
            prop_assert!(sum(&granted) <= Bitrate::kbps(budget.saturating_sub(audio)));
        }

        #[test]
        fn more_budget_never_lowers_a_layer(
            demands in prop::collection::vec(any_demand(), 0..8), budget in 0u64..12_000, more in 0u64..3_000,
        ) {
            let before = allocate(Bitrate::kbps(budget), Bitrate::ZERO, &demands);
            let after = allocate(Bitrate::kbps(budget + more), Bitrate::ZERO, &demands);
            for (before, after) in before.iter().zip(&after) {
                let rate = |step: &Option<Step>| step.map_or(Bitrate::ZERO, |step| step.rate);
                prop_assert!(rate(before) <= rate(after), "{before:?} {after:?}");
            }
        }

        #[test]
        fn nothing_is_held_back_when_all_fits(demands in prop::collection::vec(any_demand(), 0..8)) {
            let granted = allocate(Bitrate::mbps(100), Bitrate::kbps(100), &demands);
            for (demand, granted) in demands.iter().zip(granted) {
                prop_assert_eq!(granted, demand.steps.last().copied());
            }
        }
    }

    #[test]
    fn everyone_has_a_picture_before_anyone_has_a_better_one() {
        let demands = [demand(4, &[100, 500, 1_700]), demand(1, &[100, 500, 1_700])];
        let granted = allocate(Bitrate::kbps(450), Bitrate::ZERO, &demands);
        assert_eq!(granted, [Some(step(0, 0, 100)), Some(step(0, 0, 100))]);
    }

    #[test]
    fn the_therapist_rises_first() {
        let demands = [demand(1, &[100, 500, 1_700]), demand(4, &[100, 500, 1_700])];
        let granted = allocate(Bitrate::kbps(1_850), Bitrate::ZERO, &demands);
        assert_eq!(granted, [Some(step(0, 0, 100)), Some(step(2, 0, 1_700))]);
    }

    #[test]
    fn audio_is_taken_first_and_video_pauses_for_it() {
        let demands = [demand(1, &[100, 500])];
        assert_eq!(allocate(Bitrate::kbps(140), Bitrate::kbps(50), &demands), [None]);
        assert_eq!(allocate(Bitrate::kbps(150), Bitrate::kbps(50), &demands), [Some(step(0, 0, 100))]);
    }

    #[test]
    fn a_rung_that_costs_no_more_than_the_one_below_takes_its_place() {
        let steps = ladder([step(0, 0, 100), step(0, 2, 300), step(1, 0, 250), step(1, 2, 500)]);
        assert_eq!(steps, [step(0, 0, 100), step(1, 0, 250), step(1, 2, 500)]);
    }
}
