//! Which sessions may be joined, and with which rules: those that were made, from the store.

use std::pin::Pin;
use std::sync::Arc;

use parlour_model::session::EndReason;
use parlour_model::{Command, Refusal, SessionId, SessionOpening};
use parlour_signal::{CommandRecord, SessionDirectory};
use parlour_store::{SessionRow, StoreError, Subject};

use crate::state::ApiState;

type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<SessionOpening>, Refusal>> + Send + 'a>>;

type Ended<'a> = Pin<Box<dyn Future<Output = Result<bool, Refusal>> + Send + 'a>>;

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

    fn end<'a>(&'a self, session: &'a SessionId, key: &'a str) -> Ended<'a> {
        Box::pin(async move {
            // It may have ended a moment ago, and not have been written down.
            self.recorder.settle(session).await.map_err(|_| Refusal::Limit)?;
            let ended = self.end_kept(session, Subject::signing_key(key), EndReason::Command).await;
            ended.map_err(|_| Refusal::Limit)
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
}
