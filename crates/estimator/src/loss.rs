//! Whether losses are congestion, judged by their response.
//!
//! Loss beside a standing queue is the queue's. Loss without one is either the medium's (a share of whatever is sent;
//! lowering the rate changes nothing) or that of a short buffer or a policer (what exceeds a rate). To tell them apart,
//! the rate is lowered to what was delivered for a moment, once: if the share falls to a third, it was
//! congestion and the delivered rate is the capacity; if not, the share is remembered as the medium's and the rate
//! returns. Short bursts are waited out. Random loss above 20 % is always taken as congestion.

use crate::window::SlidingSums;

/// Less than this is no matter.
const NEGLIGIBLE: f64 = 0.015;
/// More than this is congestion, whatever its cause.
const UNBEARABLE: f64 = 0.25;
/// Loss is looked at over three messages.
const RECENT: u64 = 150_000;
/// It must last this long before a trial: longer than a burst of interference of 250 ms seen through this window
/// (B5-heavy: with 300 ms and a window of 400 ms every burst became a verdict, and use fell to 41 %).
const PATIENCE: u64 = 500_000;
/// How long a trial measures, after the loop delay: at 2 Mbit/s 200 packets, of which 5 % are 10, and 3 or fewer come by chance once in a hundred times.
const TRIAL: u64 = 900_000;
/// What is left of the excess loss when it was congestion.
const RESPONSE: f64 = 0.35;
/// A verdict of "the medium" stands this long unless loss grows by half.
const VERDICT_HOLDS: u64 = 15_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Watching,
    Suspicious { since: u64 },
    Trying { measure_from: u64, until: u64, before: f64, delivered: f64 },
}

/// What to do about losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Nothing,
    /// Send no more than this while it is tried out.
    Try(f64),
    /// The capacity is this.
    Congestion(f64),
    /// The trial is over; go back.
    Medium,
}

#[derive(Clone, Debug)]
pub(crate) struct LossJudge {
    phase: Phase,
    recent: SlidingSums,
    trial: SlidingSums,
    /// The medium's share, and when that was found.
    medium: f64,
    medium_at: u64,
}

impl LossJudge {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Watching,
            recent: SlidingSums::new(RECENT),
            trial: SlidingSums::new(2 * TRIAL),
            medium: 0.0,
            medium_at: 0,
        }
    }

    /// One observation: packets received and lost, delivery rate, loop delay.
    pub(crate) fn judge(&mut self, now: u64, received: f64, lost: f64, delivered: f64, loop_delay: u64) -> Verdict {
        self.recent.add(now, received, lost);
        let (r, l) = self.recent.sums();
        let (total, share) = (r + l, if r + l > 0.0 { l / (r + l) } else { 0.0 });
        // Two standard deviations of a binomial: twenty packets with one loss are no evidence.
        let doubt = 2.0 * (self.medium.max(NEGLIGIBLE) / total.max(1.0)).sqrt();
        let bound = (self.medium * 1.5).max(NEGLIGIBLE) + doubt;
        if now.saturating_sub(self.medium_at) > VERDICT_HOLDS {
            self.medium *= 0.5;
            self.medium_at = now;
        }
        match self.phase {
            Phase::Watching if share > bound && total >= 20.0 => {
                self.phase = Phase::Suspicious { since: now };
                Verdict::Nothing
            }
            Phase::Watching => Verdict::Nothing,
            Phase::Suspicious { .. } if share <= bound => {
                self.phase = Phase::Watching;
                Verdict::Nothing
            }
            Phase::Suspicious { since } if now.saturating_sub(since) < PATIENCE || delivered <= 0.0 => Verdict::Nothing,
            Phase::Suspicious { .. } => {
                let measure_from = now + loop_delay + 50_000;
                self.trial.clear();
                self.phase = Phase::Trying { measure_from, until: measure_from + TRIAL, before: share, delivered };
                Verdict::Try(delivered * 0.97)
            }
            Phase::Trying { measure_from, until, before, delivered } => {
                if now >= measure_from {
                    self.trial.add(now, received, lost);
                }
                if now < until { Verdict::Nothing } else { self.conclude(now, before, delivered) }
            }
        }
    }

    /// Circumstances changed: no verdict.
    pub(crate) fn give_up(&mut self) {
        self.phase = Phase::Watching;
    }

    fn conclude(&mut self, now: u64, before: f64, delivered: f64) -> Verdict {
        self.phase = Phase::Watching;
        self.recent.clear();
        let (received, lost) = self.trial.sums();
        let share = if received + lost > 0.0 { lost / (received + lost) } else { 0.0 };
        let excess_before = (before - self.medium).max(0.0);
        let excess = (share - self.medium).max(0.0);
        if share > UNBEARABLE || excess < excess_before * RESPONSE {
            return Verdict::Congestion(delivered);
        }
        self.medium = share;
        self.medium_at = now;
        Verdict::Medium
    }
}
