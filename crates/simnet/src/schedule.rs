//! The rate of a link over time, as steps.

use crate::Micros;

/// Bits per second over time, piecewise constant. Before the first step the first rate holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSchedule {
    /// (from, bits per second), in order of time, never empty.
    steps: Vec<(Micros, u64)>,
}

impl RateSchedule {
    /// The same rate for ever.
    pub fn constant(bits_per_second: u64) -> Self {
        Self { steps: vec![(Micros::ZERO, bits_per_second)] }
    }

    /// From steps in any order; a later entry for the same time wins. No steps at all is no rate at all.
    pub fn from_steps(steps: impl IntoIterator<Item = (Micros, u64)>) -> Self {
        let ordered: std::collections::BTreeMap<Micros, u64> = steps.into_iter().collect();
        let mut steps: Vec<_> = ordered.into_iter().collect();
        if steps.is_empty() {
            steps.push((Micros::ZERO, 0));
        }
        Self { steps }
    }

    /// The same schedule with nothing served in these spans (start, end): a radio that stalls and keeps its queue.
    pub fn with_stalls(&self, stalls: &[(Micros, Micros)]) -> Self {
        let mut steps = self.steps.clone();
        for &(start, end) in stalls {
            let after = Self { steps: steps.clone() }.rate_at(end);
            steps.retain(|&(at, _)| at < start || at > end);
            steps.push((start, 0));
            steps.push((end, after));
            steps.sort_by_key(|&(at, _)| at);
        }
        Self { steps }
    }

    fn index_at(&self, at: Micros) -> usize {
        self.steps.partition_point(|&(from, _)| from <= at).saturating_sub(1)
    }

    /// Bits per second at a time.
    pub fn rate_at(&self, at: Micros) -> u64 {
        self.steps[self.index_at(at)].1
    }

    /// The first rate.
    pub fn first_rate(&self) -> u64 {
        self.steps[0].1
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[(Micros, u64)] {
        &self.steps
    }

    /// When `bytes` whose transmission starts at `start` have left, rounded up; `NEVER` when the rate stays zero.
    pub fn finish(&self, start: Micros, bytes: u64) -> Micros {
        // Work is counted in bit-microseconds per second so that no step loses a fraction.
        let mut work = u128::from(bytes) * 8_000_000;
        let mut at = start;
        let mut index = self.index_at(start);
        loop {
            let rate = u128::from(self.steps[index].1);
            let until = self.steps.get(index + 1).map_or(Micros::NEVER, |&(from, _)| from);
            let span = u128::from(until.0.saturating_sub(at.0));
            if rate > 0 && (until == Micros::NEVER || work <= rate * span) {
                return Micros(at.0.saturating_add(work.div_ceil(rate) as u64));
            }
            if until == Micros::NEVER {
                return Micros::NEVER;
            }
            work = work.saturating_sub(rate * span);
            at = until;
            index += 1;
        }
    }

    /// How many bytes pass between two times when the link is always busy.
    pub fn capacity(&self, from: Micros, to: Micros) -> f64 {
        let mut bits = 0.0;
        for (index, &(start, rate)) in self.steps.iter().enumerate() {
            let start = if index == 0 { Micros::ZERO } else { start };
            let end = self.steps.get(index + 1).map_or(Micros::NEVER, |&(at, _)| at);
            let span = end.min(to).0.saturating_sub(start.max(from).0);
            bits += rate as f64 * span as f64 / 1e6;
        }
        bits / 8.0
    }
}
