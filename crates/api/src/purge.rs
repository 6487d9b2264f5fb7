//! Retention, by the clock: what is over its time is taken away once an hour.

use std::time::Duration;

use parlour_store::{Purged, StoreError};

use crate::now_ms;
use crate::state::ApiState;

/// Retention is in days: an hour more or less is nothing.
const EVERY: Duration = Duration::from_secs(3_600);

impl ApiState {
    /// Takes away what is over its time, in steps, so that commands are written in between.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn purge(&self) -> Result<Purged, StoreError> {
        let (retention, mut purged) = (self.config.retention, Purged::default());
        loop {
            let step = self.ledger.append(move |change| change.purge_step(&retention, now_ms())).await?;
            purged.add(step);
            if step.total() == 0 {
                break;
            }
        }
        self.ledger.with_store(move |store| store.finish_purge(purged, now_ms())).await?;
        Ok(purged)
    }

    /// Does so every hour for as long as the runtime lives.
    pub async fn purge_by_the_clock(self) {
        loop {
            match self.purge().await {
                Ok(purged) if purged.total() > 0 => {
                    tracing::info!(rows = purged.total(), "retention took records away")
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "retention could not take records away"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
