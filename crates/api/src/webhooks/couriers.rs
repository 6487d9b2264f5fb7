//! One courier for each endpoint that is in use.

use std::collections::BTreeMap;

use parlour_store::Endpoint;
use tokio::task::{AbortHandle, JoinSet};

use super::address::WebhookRules;
use super::courier::{Courier, Post};
use super::transport::Transport;
use crate::events::News;
use crate::ledger::Ledger;
use crate::metrics::ApiMetrics;

/// Speaks to the task that keeps the couriers. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Couriers {
    changes: News,
}

impl Couriers {
    /// Begins to deliver.
    pub(crate) fn start(
        ledger: &Ledger,
        keys: &parlour_signal::Keys,
        news: &News,
        metrics: &ApiMetrics,
        rules: WebhookRules,
    ) -> Self {
        let couriers = Self::default();
        let (ledger, keys, news, metrics) = (ledger.clone(), keys.clone(), news.clone(), metrics.clone());
        let changes = couriers.changes.clone();
        tokio::spawn(async move {
            // Reads the certificates this machine trusts from files.
            let transport = tokio::task::spawn_blocking(move || Transport::new(rules)).await;
            let Ok(Some(transport)) = transport else {
                return tracing::error!("webhooks cannot be sent: no TLS");
            };
            keep(Post { ledger, keys, transport, news, metrics }, changes).await;
        });
        couriers
    }

    /// An endpoint was made, taken away or put to use again.
    pub(crate) fn changed(&self) {
        self.changes.tell();
    }
}

/// A courier at work.
struct Running {
    courier: AbortHandle,
    /// What it signs with.
    secret: Vec<u8>,
}

impl Running {
    fn serves(&self, endpoint: &Endpoint) -> bool {
        !self.courier.is_finished() && self.secret == endpoint.secret
    }
}

/// Starts and stops couriers as endpoints come and go and their secrets change. A courier that disabled its endpoint, or died of a bug, is
/// looked after at the next turn.
async fn keep(post: Post, changes: News) {
    let mut ear = changes.listen();
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    // Dropped with this task, and all couriers with it.
    let mut couriers = JoinSet::new();
    loop {
        if let Ok(endpoints) = post.ledger.read(parlour_store::Store::endpoints).await {
            let in_use: Vec<Endpoint> = endpoints.into_iter().filter(|one| one.disabled_at_ms.is_none()).collect();
            running.retain(|id, one| {
                let stays = in_use.iter().any(|endpoint| endpoint.id == *id && one.serves(endpoint));
                if !stays {
                    one.courier.abort();
                }
                stays
            });
            for endpoint in in_use {
                running.entry(endpoint.id.clone()).or_insert_with(|| Running {
                    courier: couriers.spawn(Courier::new(post.clone(), &endpoint).run()),
                    secret: endpoint.secret,
                });
            }
        }
        while couriers.try_join_next().is_some() {}
        ear.wait().await;
    }
}
