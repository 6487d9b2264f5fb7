//! Durations counted in buckets that grow with the value: 32 per power of two, so a quantile is within 3.2 %.

use std::time::Duration;

const SUB: u64 = 32;
/// Powers of two of microseconds above the linear part; the last bucket ends beyond 2 minutes.
const OCTAVES: u64 = 23;

/// Counts of durations.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// Empty until the first value.
    buckets: Vec<u32>,
    count: u64,
    max_us: u64,
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: Duration) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; (SUB * (OCTAVES + 1)) as usize];
        }
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let index = bucket_of(us).min(self.buckets.len() - 1);
        self.buckets[index] = self.buckets[index].saturating_add(1);
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![0; other.buckets.len()];
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }

    /// The value that this share (0 to 1) of all is at or below; zero when nothing was counted.
    pub fn quantile(&self, share: f64) -> Duration {
        let target = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= target {
                return Duration::from_micros(upper_edge(index as u64).min(self.max_us));
            }
        }
        Duration::ZERO
    }
}

fn bucket_of(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let octave = u64::from(us.ilog2() - SUB.ilog2());
    let within = (us >> octave) - SUB;
    ((octave + 1) * SUB + within) as usize
}

fn upper_edge(index: u64) -> u64 {
    if index < SUB {
        return index;
    }
    let octave = index / SUB - 1;
    ((SUB + index % SUB + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_within_a_thirtieth_of_the_truth(mut values in prop::collection::vec(0u64..100_000_000, 1..200), share in 0.01f64..1.0) {
            let mut histogram = Histogram::default();
            for value in &values {
                histogram.record(Duration::from_micros(*value));
            }
            values.sort_unstable();
            let exact = values[((share * values.len() as f64).ceil() as usize).max(1) - 1];
            let told = histogram.quantile(share).as_micros() as u64;
            prop_assert!(told >= exact && told <= exact + exact / 30 + 1, "{told} for {exact}");
        }
    }
}
