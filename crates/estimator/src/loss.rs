//! Whether losses are congestion, judged by their response.
//!
//! Loss beside a standing queue is the queue's. Loss without one is either the medium's (a share of whatever is sent;
//! lowering the rate changes nothing) or that of a short buffer or a policer (what exceeds a rate). To tell them apart,
//! the rate is lowered to what was delivered for a moment, once: if the share falls to a third, it was
//! congestion and the delivered rate is the capacity; if not, the share is remembered as the medium's and the rate
//! returns. Bursts are waited out: what counts is in how many messages something was lost, not only how much.

use crate::observer::Observation;
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
/// What exceeds a rate is lost message after message; interference comes in bursts with clean messages between.
const NEARLY_ALWAYS: f64 = 0.65;
/// A small excess: this share of the messages, for so long.
const OFTEN: f64 = 0.25;
const LONG: u64 = 2_000_000;
/// A trial goes on until so many losses were to be expected, so that a quarter of them comes by chance once in 500 times
/// (B4-5: after 0.9 s each 50th trial said congestion, and the bound stayed); but no longer than this much more.
const TELLING: f64 = 12.0;
const TRIAL_LONGEST: u64 = 2_000_000;
/// Loss must have been this much above the medium's for its going away to say anything.
const CLEARLY_MORE: f64 = 0.6;
/// Messages in a trial at 20 a second.
const TRIAL_MESSAGES: u32 = 18;
/// How long a trial measures, after the loop delay: at 2 Mbit/s 200 packets, of which 5 % are 10, and 3 or fewer come by chance once in a hundred times.
const TRIAL: u64 = 900_000;
/// The rate of a trial is at least this share of the capacity: what was delivered during a burst of interference says
/// nothing of it (B5-heavy, seed 2: two bursts in half a second, and 400 kbit/s for the rest of the minute).
const TRIAL_SHARE: f64 = 0.7;
/// And clearly below what was delivered: a policer delivers its rate, and at that rate goes on losing (B7-policer, seed 1:
/// with 0.97 it was taken for the medium, and the next probe showed 6.7 Mbit/s).
const TRIAL_BELOW: f64 = 0.92;
/// What is left of the excess loss when it was congestion.
const RESPONSE: f64 = 0.25;
/// A verdict of "the medium" stands this long unless loss grows by half.
const VERDICT_HOLDS: u64 = 15_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Watching,
    Suspicious { since: u64 },
    Trying { measure_from: u64, until: u64, before: f64, rate: f64 },
}

/// What to do about losses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    Nothing,
    /// Send no more than this while it is tried out.
    Try(f64),
    /// The capacity is this.
    Congestion(f64),
    /// Hardly anything gets through, whatever is sent. Nothing says why, so nothing says that it lasts.
    Collapse(f64),
    /// The trial is over; go back.
    Medium,
}

#[derive(Clone, Debug)]
pub(crate) struct LossJudge {
    phase: Phase,
    recent: SlidingSums,
    long: SlidingSums,
    /// One bit for each of the newest messages: something was lost.
    lossy: u64,
    /// Received and lost since suspicion.
    since: (f64, f64),
    trial: SlidingSums,
    /// Received during the trial.
    bytes: f64,
    /// The medium's share, and when that was found.
    medium: f64,
    medium_at: u64,
}

impl LossJudge {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Watching,
            recent: SlidingSums::new(RECENT),
            long: SlidingSums::new(LONG),
            lossy: 0,
            since: (0.0, 0.0),
            trial: SlidingSums::new(2 * TRIAL + TRIAL_LONGEST),
            bytes: 0.0,
            medium: 0.0,
            medium_at: 0,
        }
    }

    /// One observation, at this capacity.
    pub(crate) fn judge(&mut self, seen: &Observation, capacity: f64) -> Verdict {
        let (now, received, lost) = (seen.now, f64::from(seen.received), f64::from(seen.lost));
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
        self.lossy = self.lossy << 1 | u64::from(lost > 0.0);
        self.long.add(now, received, lost);
        let (r, l) = self.long.sums();
        let lasting = l / (r + l).max(1.0) > (self.medium * 1.5).max(NEGLIGIBLE) && self.lossy_share(40) > OFTEN;
        self.since = (self.since.0 + received, self.since.1 + lost);
        match self.phase {
            Phase::Watching if share > bound && total >= 20.0 => {
                self.phase = Phase::Suspicious { since: now };
                self.since = (r, l);
                Verdict::Nothing
            }
            Phase::Watching if !lasting => Verdict::Nothing,
            Phase::Suspicious { .. } if share <= bound && !lasting => {
                self.phase = Phase::Watching;
                Verdict::Nothing
            }
            Phase::Suspicious { since }
                if !lasting && (now.saturating_sub(since) < PATIENCE || self.lossy_share(10) < NEARLY_ALWAYS) =>
            {
                Verdict::Nothing
            }
            Phase::Watching | Phase::Suspicious { .. } if seen.delivered <= 0.0 => Verdict::Nothing,
            Phase::Watching | Phase::Suspicious { .. } => {
                let measure_from = now + seen.loop_delay + 50_000;
                self.trial.clear();
                self.bytes = 0.0;
                let before =
                    if lasting { l / (r + l).max(1.0) } else { self.since.1 / (self.since.0 + self.since.1).max(1.0) };
                let rate = (seen.delivered * TRIAL_BELOW).clamp(TRIAL_SHARE * capacity, TRIAL_BELOW * capacity);
                self.phase = Phase::Trying { measure_from, until: measure_from + TRIAL, before, rate };
                Verdict::Try(rate)
            }
            Phase::Trying { measure_from, until, before, rate } => {
                if now >= measure_from {
                    self.trial.add(now, received, lost);
                    self.bytes += seen.received_bytes;
                }
                let (r, l) = self.trial.sums();
                let telling = before * (r + l) >= TELLING || now >= until + TRIAL_LONGEST;
                if now >= until && telling {
                    self.conclude(now, now - measure_from, before, rate)
                } else {
                    Verdict::Nothing
                }
            }
        }
    }

    /// The share of packets that is lost whatever is sent, as far as is known.
    pub(crate) fn medium(&self) -> f64 {
        self.medium
    }

    /// Circumstances changed: no verdict.
    pub(crate) fn give_up(&mut self) {
        self.phase = Phase::Watching;
    }

    /// Of the newest messages, up to 64.
    fn lossy_share(&self, messages: u32) -> f64 {
        f64::from((self.lossy << (64 - messages)).count_ones()) / f64::from(messages)
    }

    fn conclude(&mut self, now: u64, lasted: u64, before: f64, rate: f64) -> Verdict {
        self.phase = Phase::Watching;
        self.recent.clear();
        let (received, lost) = self.trial.sums();
        let share = if received + lost > 0.0 { lost / (received + lost) } else { 0.0 };
        let excess_before = (before - self.medium).max(0.0);
        let excess = (share - self.medium).max(0.0);
        let unbearable = share > UNBEARABLE && self.lossy_share(TRIAL_MESSAGES) > NEARLY_ALWAYS;
        self.long.clear();
        self.lossy = 0;
        let clear = excess_before > CLEARLY_MORE * self.medium + NEGLIGIBLE;
        if unbearable || clear && excess < excess_before * RESPONSE {
            let received = self.bytes * 8e6 / lasted.max(1) as f64;
            if unbearable {
                return Verdict::Collapse(received);
            }
            // What went through without losses is no more than the capacity, however little media there was.
            return Verdict::Congestion(received.max(rate * (1.0 - share)));
        }
        self.medium = 0.5 * (share + before);
        self.medium_at = now;
        Verdict::Medium
    }
}
