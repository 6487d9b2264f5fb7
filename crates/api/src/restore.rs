//! After a start: every session that somebody had come to is brought back, everyone held.

use std::collections::VecDeque;
use std::time::Duration;

use parlour_model::session::{EndReason, SessionSnapshot};
use parlour_model::{Command, Refusal, SessionId};
use parlour_store::{Action, AuditRecord, SessionRow, StoreError, Subject};

use crate::directory::opening;
use crate::now_ms;
use crate::sessions::{minutes_after, planned_end};
use crate::state::ApiState;

/// Sessions read at once.
const PAGE: u32 = 500;

/// How soon what found no room is tried again: room is made when others end.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// What a start brought back.
#[derive(Debug, Default)]
pub struct Restored {
    /// Sessions on their workers again.
    pub sessions: usize,
    /// Those that found no room. Their time goes on, so they are to be tried again: [`ApiState::restore_the_rest`].
    pub left: VecDeque<SessionId>,
}

impl ApiState {
    /// Brings them back, and writes down that the server started.
    ///
    /// # Errors
    /// When the store cannot be read or written: then nobody should be let in.
    pub async fn restore(&self) -> Result<Restored, StoreError> {
        let started = AuditRecord {
            at_ms: now_ms(),
            action: Action::ServerStarted,
            session: None,
            actor: Subject::system(),
            subject: Subject::none(),
            detail: String::new(),
        };
        self.ledger
            .change(move |change| -> Result<(), StoreError> {
                change.give_up_all_claims()?;
                change.audit(&started).map(drop)
            })
            .await?;
        let (mut restored, mut after) = (Restored::default(), 0);
        loop {
            let rows = self.ledger.list(move |store| store.running_sessions_after(after, PAGE)).await?;
            let Some(last) = rows.last() else { return Ok(restored) };
            after = last.number;
            for row in rows.into_iter().filter(|row| row.snapshot.is_some()) {
                let id = row.id.clone();
                match self.engine.request(&id, Command::Open(Box::new(opening(row)))).await {
                    Ok(_) => restored.sessions += 1,
                    Err(_) => restored.left.push_back(id),
                }
            }
        }
    }

    /// Goes on until the rest are back or over: a session that no worker runs ends as its times say, too.
    pub async fn restore_the_rest(self, mut left: VecDeque<SessionId>) {
        let started_at_ms = now_ms();
        while !left.is_empty() {
            for _ in 0..left.len() {
                let Some(session) = left.pop_front() else { break };
                // One that is refused for ever must not stand in the way of the others.
                if self.bring_back_or_end(&session, started_at_ms).await == Fate::Open {
                    left.push_back(session);
                }
            }
            if !left.is_empty() {
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }

    async fn bring_back_or_end(&self, session: &SessionId, started_at_ms: i64) -> Fate {
        let id = session.clone();
        let row = match self.ledger.read(move |store| store.session(&id)).await {
            Ok(row) if row.ended_at_ms.is_none() => row,
            Ok(_) | Err(StoreError::NotFound) => return Fate::Settled,
            Err(_) => return Fate::Open,
        };
        let Some((until_ms, reason)) = over_at(&row, started_at_ms) else { return Fate::Settled };
        match self.engine.request(session, Command::Open(Box::new(opening(row)))).await {
            Ok(_) | Err(Refusal::Ended) => Fate::Settled,
            Err(_) if until_ms <= now_ms() => match self.end_kept(session, Subject::system(), reason).await {
                Ok(_) => Fate::Settled,
                Err(_) => Fate::Open,
            },
            Err(_) => Fate::Open,
        }
    }
}

/// Of a session that found no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It has a worker, or is over.
    Settled,
    /// Neither.
    Open,
}

/// When a session that somebody had come to is over if nobody is here since `empty_since_ms`, and why: as its worker would
/// say. `None`: nobody had come.
fn over_at(row: &SessionRow, empty_since_ms: i64) -> Option<(i64, EndReason)> {
    let SessionSnapshot { policy, begun_at_ms, created_at_ms, extended_until_ms, .. } = row.snapshot.as_ref()?;
    let schedule = row.spec.schedule.as_ref();
    let begins = schedule.map_or(*created_at_ms, |schedule| schedule.starts_at_ms.max(*created_at_ms));
    let planned = schedule.map(planned_end);
    let by_schedule = planned.zip(policy.end_after_schedule_minutes).map(|(planned, minutes)| {
        let end = minutes_after(planned, minutes);
        extended_until_ms.map_or(end, |until| until.max(end))
    });
    let empty_from = match begun_at_ms {
        Some(_) => Some(schedule.map_or(empty_since_ms, |schedule| schedule.starts_at_ms.max(empty_since_ms))),
        None => planned,
    };
    let ends = [
        by_schedule.map(|at| (at, EndReason::Schedule)),
        Some((minutes_after(begun_at_ms.unwrap_or(begins), policy.max_minutes), EndReason::MaxDuration)),
        empty_from.map(|from| (minutes_after(from, policy.idle_end_minutes), EndReason::Idle)),
    ];
    ends.into_iter().flatten().min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use parlour_model::session::{Floor, Schedule, SessionPhase, SessionPolicy};
    use parlour_store::SessionSpec;

    use super::*;

    const START: i64 = 1_800_000_000_000;
    const MINUTE_MS: i64 = 60_000;

    fn row(schedule: Option<Schedule>, policy: SessionPolicy, begun_at_ms: Option<i64>) -> SessionRow {
        let snapshot = SessionSnapshot {
            phase: SessionPhase::Live,
            policy: policy.clone(),
            created_at_ms: START - 60 * MINUTE_MS,
            begun_at_ms,
            extended_until_ms: None,
            locked: false,
            floor: Floor::Open,
            same_room: Vec::new(),
            next_check_in: 0,
            people: BTreeMap::new(),
        };
        SessionRow {
            number: 1,
            id: SessionId::from("s"),
            external_id: None,
            spec: SessionSpec { schedule, ..SessionSpec::default() },
            policy,
            snapshot: Some(snapshot),
            version: 1,
            created_at_ms: START,
            ended_at_ms: None,
        }
    }

    fn minutes(count: i64) -> i64 {
        START + count * MINUTE_MS
    }

    #[test]
    fn what_no_worker_runs_is_over_when_a_worker_would_end_it() {
        let rules = || SessionPolicy { idle_end_minutes: 15, max_minutes: 240, ..SessionPolicy::default() };
        let planned = Schedule { starts_at_ms: START, planned_minutes: 50, opens_minutes_before: 15 };
        let at = |row: &SessionRow, empty: i64| over_at(row, minutes(empty)).unwrap();

        let begun = row(None, rules(), Some(START));
        assert_eq!(at(&begun, 30), (minutes(45), EndReason::Idle), "nobody is here since the start of the server");
        assert_eq!(at(&begun, 230), (minutes(240), EndReason::MaxDuration));
        let early = row(Some(planned), rules(), Some(minutes(-10)));
        assert_eq!(at(&early, -5), (minutes(15), EndReason::Idle), "who was early empties nothing");
        let hard = SessionPolicy { end_after_schedule_minutes: Some(5), ..rules() };
        assert_eq!(at(&row(Some(planned), hard.clone(), Some(START)), 45), (minutes(55), EndReason::Schedule));
        let mut extended = row(Some(planned), hard, Some(START));
        extended.snapshot.as_mut().unwrap().extended_until_ms = Some(minutes(58));
        assert_eq!(at(&extended, 45), (minutes(58), EndReason::Schedule));
        assert_eq!(at(&row(Some(planned), rules(), None), 1), (minutes(65), EndReason::Idle), "nobody let in yet");
        assert_eq!(over_at(&SessionRow { snapshot: None, ..begun }, START), None);
    }
}
