//! Small windowed filters. All bounded, all by time given as an argument.

use std::collections::VecDeque;

/// The minimum of the last `BUCKETS * width` microseconds.
#[derive(Clone, Debug)]
pub(crate) struct WindowedMin {
    buckets: VecDeque<(u64, i64)>,
    width: u64,
    count: usize,
    /// Of all buckets: asked for with every packet.
    min: Option<i64>,
}

impl WindowedMin {
    pub(crate) fn new(count: usize, width: u64) -> Self {
        Self { buckets: VecDeque::with_capacity(count + 1), width, count, min: None }
    }

    pub(crate) fn push(&mut self, now: u64, value: i64) {
        match self.buckets.back_mut() {
            Some((start, low)) if now < start.saturating_add(self.width) => *low = (*low).min(value),
            _ => self.buckets.push_back((now, value)),
        }
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        if self.buckets.len() > self.count {
            self.buckets.pop_front();
            self.min = self.buckets.iter().map(|&(_, low)| low).min();
        }
    }

    pub(crate) fn min(&self) -> Option<i64> {
        self.min
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
        self.min = None;
    }
}

/// Sums of two counts over a sliding time, in steps of a tenth of it.
#[derive(Clone, Debug)]
pub(crate) struct SlidingSums {
    steps: VecDeque<(u64, f64, f64)>,
    span: u64,
}

impl SlidingSums {
    pub(crate) fn new(span: u64) -> Self {
        Self { steps: VecDeque::with_capacity(12), span }
    }

    pub(crate) fn add(&mut self, now: u64, a: f64, b: f64) {
        match self.steps.back_mut() {
            Some((start, x, y)) if now < *start + self.span / 10 => {
                *x += a;
                *y += b;
            }
            _ => self.steps.push_back((now, a, b)),
        }
        while self.steps.front().is_some_and(|&(start, ..)| start + self.span < now) {
            self.steps.pop_front();
        }
    }

    pub(crate) fn sums(&self) -> (f64, f64) {
        self.steps.iter().fold((0.0, 0.0), |(a, b), &(_, x, y)| (a + x, b + y))
    }

    pub(crate) fn clear(&mut self) {
        self.steps.clear();
    }
}
