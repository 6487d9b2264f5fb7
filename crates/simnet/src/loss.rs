//! Losses that are not congestion: independent, and bursts in time (Gilbert and Elliott).

use crate::{Micros, Random};

/// How packets are lost on the wire after the bottleneck.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Loss {
    /// None.
    #[default]
    None,
    /// Each packet on its own, with this probability.
    Bernoulli(f64),
    /// Two states that last exponential times, whatever is sent meanwhile: a sender that sends less in a bad time loses
    /// less. (The textbook form changes state per packet and so makes bursts that depend on the packet rate.)
    GilbertElliott {
        /// Mean length of a good time.
        good: Micros,
        /// Mean length of a bad time.
        bad: Micros,
        /// Probability of loss in a good time.
        loss_in_good: f64,
        /// Probability of loss in a bad time.
        loss_in_bad: f64,
    },
    /// As `GilbertElliott`, with a bad time of fixed length at fixed intervals; the phase is random.
    Periodic {
        /// From start to start.
        every: Micros,
        /// Length of the bad time.
        bad: Micros,
        /// Probability of loss in it.
        loss_in_bad: f64,
    },
}

/// The state of a loss process.
#[derive(Clone, Debug)]
pub(crate) struct LossProcess {
    model: Loss,
    random: Random,
    in_bad: bool,
    until: Micros,
    phase: u64,
}

impl LossProcess {
    pub(crate) fn new(model: Loss, mut random: Random) -> Self {
        let phase = random.bits();
        Self { model, random, in_bad: true, until: Micros::ZERO, phase }
    }

    pub(crate) fn set_model(&mut self, model: Loss) {
        self.model = model;
    }

    /// Whether a packet that passes at `at` is lost. Times must not go back.
    pub(crate) fn loses(&mut self, at: Micros) -> bool {
        match self.model {
            Loss::None => false,
            Loss::Bernoulli(probability) => self.random.chance(probability),
            Loss::GilbertElliott { good, bad, loss_in_good, loss_in_bad } => {
                while self.until <= at {
                    self.in_bad = !self.in_bad;
                    let mean = if self.in_bad { bad } else { good };
                    self.until = self.until + self.random.exponential(mean).max(Micros(1));
                }
                self.random.chance(if self.in_bad { loss_in_bad } else { loss_in_good })
            }
            Loss::Periodic { every, bad, loss_in_bad } => {
                let every = every.0.max(1);
                let place = at.0.wrapping_add(self.phase % every) % every;
                place >= every.saturating_sub(bad.0) && self.random.chance(loss_in_bad)
            }
        }
    }
}
