//! After a start: every session that somebody had come to is brought back, everyone held.

use std::collections::VecDeque;
use std::time::Duration;

use parlour_model::{Command, Refusal, SessionId};
use parlour_store::{Action, AuditRecord, StoreError, Subject};

use crate::directory::opening;
use crate::now_ms;
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

    /// Goes on until the rest are back or over: a session that nobody returns to must still end by its own clock.
    pub async fn restore_the_rest(self, mut left: VecDeque<SessionId>) {
        while let Some(session) = left.pop_front() {
            let found = parlour_signal::SessionDirectory::find(&self, &session).await;
            let asked = match found {
                Ok(Some(kept)) => self.engine.request(&session, Command::Open(Box::new(kept))).await.map(drop),
                Ok(None) => Ok(()),
                Err(refusal) => Err(refusal),
            };
            match asked {
                Ok(()) | Err(Refusal::Ended | Refusal::UnknownSession) => {}
                Err(_) => {
                    left.push_front(session);
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}
