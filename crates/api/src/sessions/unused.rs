//! Sessions that nobody came to: they end by themselves, as those do that a worker runs. No worker knows of them, so it
//! is done here, from what is kept, by the clock and after each start.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parlour_model::session::{EndReason, SessionPolicy};
use parlour_model::{Command, Refusal, SessionId};
use parlour_store::{Action, AuditRecord, Change, SessionRow, SessionSpec, StoreError, Subject};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::planned_end;
use crate::caller::Caller;
use crate::commands::PATIENCE;
use crate::now_ms;
use crate::problem::{Kind, Problem, or_missing};
use crate::reply::Reply;
use crate::state::ApiState;

const MINUTE_MS: i64 = 60_000;

/// A session without a schedule is for now: a day later it is over, unless a ticket to it is still good.
const ON_DEMAND_MS: i64 = 24 * 60 * MINUTE_MS;

/// Ended in one go; the rest have their turn at once after.
const STEP: u32 = 100;

/// Looked at again after this in any case: a write may have failed, a clock been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Waits between two looks at least.
const BREATH: Duration = Duration::from_millis(50);

/// When a session is over if nobody comes, and why: the earliest of the ends that it would have on a worker.
pub(crate) fn unused_until(spec: &SessionSpec, policy: &SessionPolicy, made_at_ms: i64) -> (i64, EndReason) {
    let Some(schedule) = &spec.schedule else {
        return (made_at_ms.saturating_add(ON_DEMAND_MS), EndReason::Idle);
    };
    let planned = planned_end(schedule);
    let ends = [
        policy.end_after_schedule_minutes.map(|minutes| (minutes_after(planned, minutes), EndReason::Schedule)),
        Some((minutes_after(schedule.starts_at_ms.max(made_at_ms), policy.max_minutes), EndReason::MaxDuration)),
        Some((minutes_after(planned, policy.idle_end_minutes), EndReason::Idle)),
    ];
    let earliest = ends.into_iter().flatten().min_by_key(|(at, _)| *at);
    earliest.unwrap_or((planned, EndReason::Idle))
}

/// So many minutes later.
pub(crate) fn minutes_after(from_ms: i64, minutes: u32) -> i64 {
    from_ms.saturating_add(i64::from(minutes) * MINUTE_MS)
}

/// Wakes whoever ends them.
#[derive(Default)]
pub(crate) struct Unused {
    /// The next end that is waited for.
    next_ms: AtomicI64,
    sooner: Notify,
}

impl Unused {
    /// There is one more that is over at this time.
    pub(crate) fn expect(&self, until_ms: i64) {
        if until_ms < self.next_ms.load(Ordering::Relaxed) {
            self.sooner.notify_one();
        }
    }
}

impl ApiState {
    /// Ends sessions that nobody came to when their time is over, for as long as the runtime lives.
    pub async fn end_unused_by_the_clock(self) {
        loop {
            let wait = match self.end_unused().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "sessions that nobody came to could not be ended");
                    LOOK_AGAIN
                }
            };
            tokio::time::sleep(BREATH).await;
            let _ = tokio::time::timeout(wait.min(LOOK_AGAIN), self.unused.sooner.notified()).await;
        }
    }

    /// Ends those whose time is over; returns how long it is until the next.
    async fn end_unused(&self) -> Result<Duration, StoreError> {
        let now = now_ms();
        // Before looking: what is made meanwhile must wake.
        self.unused.next_ms.store(i64::MAX, Ordering::Relaxed);
        let over = self.ledger.list(move |store| store.unused_sessions(now, STEP)).await?;
        let is_all = over.len() < STEP as usize;
        for row in over {
            self.end_or_keep(row, now).await?;
        }
        let next = self.ledger.read(move |store| store.next_unused_session_at(now)).await?.unwrap_or(i64::MAX);
        self.unused.next_ms.fetch_min(next, Ordering::Relaxed);
        let wait = u64::try_from(next.saturating_sub(now_ms())).unwrap_or_default();
        Ok(if is_all { Duration::from_millis(wait) } else { Duration::ZERO })
    }

    async fn end_or_keep(&self, row: SessionRow, now: i64) -> Result<(), StoreError> {
        if let Some(until) = self.used_until(&row, now).await? {
            let id = row.id;
            return self.ledger.append(move |change| change.keep_unused_session(&id, until)).await;
        }
        let (_, reason) = unused_until(&row.spec, &row.policy, row.created_at_ms);
        let end = |change: &mut Change<'_>, id: &SessionId, now| change.end_unused_session(id, now);
        self.end_where(&row.id, (Subject::system(), reason), now, end).await.map(drop)
    }

    /// Until when it is not over after all.
    async fn used_until(&self, row: &SessionRow, now: i64) -> Result<Option<i64>, StoreError> {
        let id = row.id.clone();
        // Somebody came to the door: its worker keeps the time.
        if matches!(self.engine.request(&id, Command::Snapshot).await, Ok(_) | Err(Refusal::Limit)) {
            return Ok(Some(now.saturating_add(MINUTE_MS)));
        }
        if row.spec.schedule.is_some() {
            return Ok(None);
        }
        let last = self.ledger.read(move |store| store.last_ticket_expires_at(&id)).await?;
        Ok(last.filter(|last| *last > now))
    }

    /// Ends a session that is kept and that no worker runs; whether there was one.
    pub(crate) async fn end_kept(
        &self,
        session: &SessionId,
        actor: Subject,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        let end = |change: &mut Change<'_>, id: &SessionId, now| change.end_session_once(id, now);
        self.end_where(session, (actor, reason), now_ms(), end).await
    }

    /// Ends a session if `end` finds that it is to be ended, with the record of it, and tells it; whether it was so.
    async fn end_where(
        &self,
        session: &SessionId,
        (actor, reason): (Subject, EndReason),
        now: i64,
        end: impl FnOnce(&mut Change<'_>, &SessionId, i64) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let id = session.clone();
        let recorded = move |change: &mut Change<'_>| -> Result<bool, StoreError> {
            let ended = end(change, &id, now)?;
            if ended {
                record_end(change, &id, actor, reason, now)?;
            }
            Ok(ended)
        };
        let ended = self.ledger.change(recorded).await?;
        if ended {
            self.tell_ended(session).await;
        }
        Ok(ended)
    }

    /// Views and receivers learn of it, and whoever came in between is out.
    async fn tell_ended(&self, session: &SessionId) {
        self.touched.touch(session);
        self.news.tell();
        // Nobody came, as a rule.
        let _ = self.engine.insist(session, || Command::End, Instant::now() + PATIENCE).await;
    }
}

/// A session that nobody came to is ended by command.
pub(super) async fn end_by_command(api: &ApiState, caller: &Caller, session: &SessionId) -> Result<Reply, Problem> {
    let (now, id, actor) = (now_ms(), session.clone(), caller.subject(&api.pseudonyms));
    let end = move |change: &mut Change<'_>| -> Result<(), StoreError> {
        change.end_session(&id, now)?;
        record_end(change, &id, actor, EndReason::Command, now)
    };
    api.ledger.change(end).await.map_err(or_missing(Kind::SessionNotFound))?;
    api.touched.touch(session);
    api.news.tell();
    // Somebody may have come in between.
    match api.engine.insist(session, || Command::End, Instant::now() + PATIENCE).await {
        Ok(_) | Err(Refusal::UnknownSession | Refusal::Ended) => Ok(Reply::done()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn record_end(
    change: &mut Change<'_>,
    session: &SessionId,
    actor: Subject,
    reason: EndReason,
    now: i64,
) -> Result<(), StoreError> {
    let word = AuditRecord::word_of_end(reason);
    change.audit(&AuditRecord {
        at_ms: now,
        action: Action::SessionEnded,
        session: Some(session.clone()),
        actor,
        subject: Subject::none(),
        detail: word.to_owned(),
    })?;
    change.emit(session, "session.ended", &format!("{{\"reason\":\"{word}\"}}"), now).map(drop)
}

#[cfg(test)]
mod tests {
    use parlour_model::session::Schedule;

    use super::*;

    const START: i64 = 1_800_000_000_000;

    fn planned() -> SessionSpec {
        let schedule = Schedule { starts_at_ms: START, planned_minutes: 50, opens_minutes_before: 15 };
        SessionSpec { schedule: Some(schedule), ..SessionSpec::default() }
    }

    #[test]
    fn a_planned_session_is_over_at_the_first_of_its_ends() {
        let at = |policy: SessionPolicy| unused_until(&planned(), &policy, 0);
        let minutes = |count: i64| START + count * MINUTE_MS;
        let rules = SessionPolicy::default;
        assert_eq!(at(rules()), (minutes(65), EndReason::Idle));
        let hard = SessionPolicy { end_after_schedule_minutes: Some(5), ..rules() };
        assert_eq!(at(hard), (minutes(55), EndReason::Schedule));
        assert_eq!(at(SessionPolicy { max_minutes: 30, ..rules() }), (minutes(30), EndReason::MaxDuration));
    }

    #[test]
    fn one_on_demand_is_over_a_day_after_it_was_made() {
        let (at, reason) = unused_until(&SessionSpec::default(), &SessionPolicy::default(), START);
        assert_eq!((at - START, reason), (24 * 60 * MINUTE_MS, EndReason::Idle));
    }
}
