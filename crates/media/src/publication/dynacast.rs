//! Which layers of a publication anybody takes, as told to its publisher so that it does not encode for nobody. A layer
//! that is wanted is asked for at once; one that is not is dropped only after a while, because people who look away look
//! back.

use std::time::{Duration, Instant};

use parlour_model::Layer;

/// Layers of a publication at most.
pub(crate) const LAYERS: usize = 3;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Dynacast {
    delay: Duration,
    /// By layer: told as wanted.
    told: [bool; LAYERS],
    /// By layer: wanted until this instant, `None`: still.
    unwanted_since: [Option<Instant>; LAYERS],
    /// The publisher has not been told anything yet.
    silent: bool,
}

impl Dynacast {
    /// A publisher sends all until told otherwise.
    pub fn new(delay: Duration, now: Instant) -> Self {
        Self { delay, told: [true; LAYERS], unwanted_since: [Some(now); LAYERS], silent: true }
    }

    /// The layers taken now. What to tell, if there is something new: for each of `announced`, wanted or not.
    pub fn update(&mut self, taken: [bool; LAYERS], announced: &[Layer], now: Instant) -> Option<Vec<(Layer, bool)>> {
        let mut changed = false;
        // An encoder stumbles over each change: layers that fall out of use one after the other are dropped together.
        let pending = self.told.iter().zip(&self.unwanted_since).zip(taken).any(|((&told, since), taken)| {
            told && !taken && since.is_none_or(|since| now.saturating_duration_since(since) < self.delay)
        });
        let patience = if pending { self.delay * 2 } else { self.delay };
        let states = self.told.iter_mut().zip(&mut self.unwanted_since).zip(taken);
        for ((told, since), taken) in states {
            if taken {
                changed |= !*told || self.silent;
                (*told, *since) = (true, None);
            } else {
                let since = *since.get_or_insert(now);
                if *told && now.saturating_duration_since(since) >= patience {
                    *told = false;
                    changed = true;
                }
            }
        }
        if !changed {
            return None;
        }
        self.silent = false;
        let wanted = |layer: &Layer| self.told.get(usize::from(layer.0)).copied().unwrap_or(false);
        Some(announced.iter().map(|layer| (*layer, wanted(layer))).collect())
    }

    /// None may be sent, from now on. What to tell, if there is something new.
    pub fn stop(&mut self, announced: &[Layer]) -> Option<Vec<(Layer, bool)>> {
        if self.told == [false; LAYERS] {
            return None;
        }
        (self.told, self.silent) = ([false; LAYERS], false);
        Some(announced.iter().map(|&layer| (layer, false)).collect())
    }

    /// Whether the publisher was told, or assumes, that this layer is wanted.
    pub fn is_told(&self, layer: u8) -> bool {
        self.told.get(usize::from(layer)).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::epoch;

    const ALL: [Layer; 3] = [Layer(0), Layer(1), Layer(2)];
    const DELAY: Duration = Duration::from_secs(5);

    fn told(states: [bool; 3]) -> Option<Vec<(Layer, bool)>> {
        Some(ALL.into_iter().zip(states).collect())
    }

    #[test]
    fn a_layer_is_raised_at_once_and_lowered_after_a_while() {
        let start = epoch();
        let mut dynacast = Dynacast::new(DELAY, start);
        assert_eq!(dynacast.update([true, false, false], &ALL, start), told([true, true, true]));
        assert_eq!(dynacast.update([true, false, false], &ALL, start + DELAY / 2), None);
        assert_eq!(dynacast.update([true, false, false], &ALL, start + DELAY), told([true, false, false]));
        assert_eq!(dynacast.update([true, false, true], &ALL, start + DELAY), told([true, false, true]));
    }

    #[test]
    fn layers_that_fall_out_of_use_one_after_the_other_are_dropped_together_unless_that_takes_too_long() {
        let start = epoch();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut dynacast = Dynacast::new(DELAY, start);
        dynacast.update([true; 3], &ALL, start);
        assert_eq!(dynacast.update([false, true, true], &ALL, at(1)), None);
        assert_eq!(dynacast.update([false, false, true], &ALL, at(4)), None);
        assert_eq!(dynacast.update([false, false, true], &ALL, at(7)), None);
        assert_eq!(dynacast.update([false, false, true], &ALL, at(9)), told([false, false, true]));

        let mut dynacast = Dynacast::new(DELAY, start);
        dynacast.update([true; 3], &ALL, start);
        assert_eq!(dynacast.update([false, true, true], &ALL, at(1)), None);
        assert_eq!(dynacast.update([false, true, false], &ALL, at(10)), None);
        assert_eq!(dynacast.update([false, true, false], &ALL, at(11)), told([false, true, true]));
    }

    #[test]
    fn looking_away_for_a_moment_tells_nothing() {
        let start = epoch();
        let mut dynacast = Dynacast::new(DELAY, start);
        dynacast.update([true; 3], &ALL, start);
        for i in 0..20 {
            let at = start + Duration::from_secs(i);
            assert_eq!(dynacast.update([true, true, i % 4 == 0], &ALL, at), None);
        }
    }
}
