//! Which sessions may be joined, and with which rules: those that were made, from the store.

use std::pin::Pin;
use std::sync::Arc;

use parlour_model::{Command, Refusal, SessionId, SessionOpening};
use parlour_signal::{CommandRecord, SessionDirectory};
use parlour_store::{Action, AuditRecord, SessionRow, StoreError, Subject};

use crate::now_ms;
use crate::state::ApiState;

/// Sessions read at once when the server starts.
const PAGE: u32 = 500;

type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<SessionOpening>, Refusal>> + Send + 'a>>;

impl SessionDirectory for ApiState {
    fn find<'a>(&'a self, session: &'a SessionId) -> Found<'a> {
        Box::pin(async move {
            let id = session.clone();
            match self.ledger.read(move |store| store.session(&id)).await {
                Ok(row) if row.ended_at_ms.is_some() => Err(Refusal::Ended),
                Ok(row) => Ok(Some(opening(row))),
                Err(StoreError::NotFound) if self.config.ad_hoc => Ok(None),
                // The server API of LiveKit opens rooms by themselves.
                Err(StoreError::NotFound) => match self.engine.request(session, Command::Snapshot).await {
                    Ok(_) => Ok(None),
                    Err(_) => Err(Refusal::UnknownSession),
                },
                Err(_) => Err(Refusal::Limit),
            }
        })
    }
}

/// What the worker needs to open it.
pub(crate) fn opening(row: SessionRow) -> SessionOpening {
    let SessionRow { spec, policy, snapshot, .. } = row;
    SessionOpening { kind: spec.kind, modality: spec.modality, schedule: spec.schedule, policy, snapshot }
}

impl ApiState {
    /// For signalling.
    pub fn directory(&self) -> Arc<dyn SessionDirectory> {
        Arc::new(self.clone())
    }

    /// For signalling: where what integrators' servers ask is written down.
    pub fn record(&self) -> Arc<dyn CommandRecord> {
        Arc::new(self.clone())
    }

    /// After a start: brings back every session that somebody had come to, everyone held. Returns how many.
    ///
    /// # Errors
    /// When the store cannot be read or written: then nobody should be let in.
    pub async fn restore(&self) -> Result<usize, StoreError> {
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
        let (mut restored, mut after) = (0, 0);
        loop {
            let rows = self.ledger.list(move |store| store.running_sessions_after(after, PAGE)).await?;
            let Some(last) = rows.last() else { return Ok(restored) };
            after = last.number;
            for row in rows.into_iter().filter(|row| row.snapshot.is_some()) {
                let id = row.id.clone();
                match self.engine.request(&id, Command::Open(Box::new(opening(row)))).await {
                    Ok(_) => restored += 1,
                    // It opens when somebody joins, if there is room then.
                    Err(refusal) => tracing::warn!(%refusal, "a session could not be brought back"),
                }
            }
        }
    }
}
