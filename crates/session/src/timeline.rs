//! When the session opens, warns and ends. Calendar times are milliseconds since the Unix epoch.

use std::time::{Duration, Instant};

use parlour_model::session::{EndReason, Schedule, SessionPolicy};

use crate::clock::Clock;

const MINUTE_MS: i64 = 60_000;

/// Warnings, in minutes before the end.
const WARNINGS: [i64; 2] = [10, 5];

/// Facts about time.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    pub schedule: Option<Schedule>,
    pub created_at_ms: i64,
    /// First arrival.
    pub begun_at_ms: Option<i64>,
    pub extended_until_ms: Option<i64>,
    /// Since when nobody has been here, once somebody was.
    pub empty_since: Option<Instant>,
    /// The last warning given, as (end it spoke of, minutes before it).
    warned: Option<(i64, i64)>,
}

impl Timeline {
    pub fn new(schedule: Option<Schedule>, created_at_ms: i64) -> Self {
        Self { schedule, created_at_ms, begun_at_ms: None, extended_until_ms: None, empty_since: None, warned: None }
    }

    /// When people may arrive; `None`: at any time.
    pub fn opens_at_ms(&self) -> Option<i64> {
        let schedule = self.schedule?;
        Some(schedule.starts_at_ms.saturating_sub(minutes(schedule.opens_minutes_before)))
    }

    /// The end by schedule, where the policy has one, as a therapist may have moved it.
    pub fn scheduled_end_ms(&self, policy: &SessionPolicy) -> Option<i64> {
        let after = policy.end_after_schedule_minutes?;
        let end = self.planned_end_ms()?.saturating_add(minutes(after));
        Some(self.extended_until_ms.map_or(end, |until| until.max(end)))
    }

    /// The end that nothing moves. Until someone comes, a planned session counts from its start.
    pub fn latest_end_ms(&self, policy: &SessionPolicy) -> i64 {
        let planned = self.schedule.map_or(self.created_at_ms, |s| s.starts_at_ms.max(self.created_at_ms));
        self.begun_at_ms.unwrap_or(planned).saturating_add(minutes(policy.max_minutes))
    }

    /// The end as it stands, and why it will come.
    pub fn end(&self, policy: &SessionPolicy) -> (i64, EndReason) {
        let latest = self.latest_end_ms(policy);
        match self.scheduled_end_ms(policy) {
            Some(end) if end <= latest => (end, EndReason::Schedule),
            _ => (latest, EndReason::MaxDuration),
        }
    }

    /// When it ends for want of people. Being early empties nothing: idleness counts from the planned start; and where
    /// nobody ever came, from the planned end.
    pub fn idle_end(&self, policy: &SessionPolicy, clock: &Clock) -> Option<Instant> {
        let idle = Duration::from_secs(u64::from(policy.idle_end_minutes) * 60);
        let from = match (self.begun_at_ms, self.empty_since) {
            (None, _) => clock.instant_at(self.planned_end_ms()?)?,
            (Some(_), None) => return None,
            (Some(_), Some(since)) => match self.schedule {
                Some(schedule) => since.max(clock.instant_at(schedule.starts_at_ms)?),
                None => since,
            },
        };
        from.checked_add(idle)
    }

    /// When the next warning is due.
    pub fn next_warning_ms(&self, policy: &SessionPolicy) -> Option<i64> {
        let (end, _) = self.end(policy);
        let next = WARNINGS.into_iter().find(|minutes| match self.warned {
            Some((of, given)) => of != end || *minutes < given,
            None => true,
        })?;
        Some(end.saturating_sub(next * MINUTE_MS))
    }

    /// Takes note of every warning due at `now_ms`; returns the minutes left, rounded up, if there was one.
    pub fn warn(&mut self, policy: &SessionPolicy, now_ms: i64) -> Option<u32> {
        let mut due = false;
        while self.next_warning_ms(policy).is_some_and(|at| at <= now_ms) {
            let (end, _) = self.end(policy);
            let given = match self.warned {
                Some((of, given)) if of == end => WARNINGS.into_iter().find(|minutes| *minutes < given)?,
                _ => WARNINGS[0],
            };
            self.warned = Some((end, given));
            due = true;
        }
        let left = self.end(policy).0.saturating_sub(now_ms).max(0);
        due.then(|| u32::try_from(left.div_euclid(MINUTE_MS) + i64::from(left % MINUTE_MS > 0)).unwrap_or(u32::MAX))
    }

    /// The last warning given for the end as it stands, in minutes before it.
    pub fn minutes_left(&self, policy: &SessionPolicy) -> Option<u32> {
        let (of, given) = self.warned?;
        (of == self.end(policy).0).then(|| u32::try_from(given).unwrap_or(0))
    }

    /// As planned.
    pub fn planned_end_ms(&self) -> Option<i64> {
        let schedule = self.schedule?;
        Some(schedule.starts_at_ms.saturating_add(minutes(schedule.planned_minutes)))
    }
}

fn minutes(count: u32) -> i64 {
    i64::from(count) * MINUTE_MS
}
