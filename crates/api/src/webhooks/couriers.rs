//! One courier for each endpoint that is in use.

use std::collections::BTreeMap;
use std::time::Duration;

use parlour_store::Endpoint;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::address::WebhookRules;
use super::courier::{Courier, Post};
use super::transport::Transport;
use crate::events::{LOOK_AGAIN, News};
use crate::ledger::Ledger;
use crate::metrics::ApiMetrics;

/// Speaks to the task that keeps the couriers. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Couriers {
    turns: Turns,
}

/// Turns of the task that keeps the couriers, counted: asked for, and done.
#[derive(Clone, Default)]
struct Turns {
    asked: watch::Sender<u64>,
    done: watch::Sender<u64>,
}

/// A turn waits for the store only.
const PATIENCE: Duration = Duration::from_secs(2);

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
        let turns = couriers.turns.clone();
        tokio::spawn(async move {
            // Reads the certificates this machine trusts from files.
            let transport = tokio::task::spawn_blocking(move || Transport::new(rules)).await;
            let Ok(Some(transport)) = transport else {
                return tracing::error!("webhooks cannot be sent: no TLS");
            };
            keep(Post { ledger, keys, transport, news, metrics }, turns).await;
        });
        couriers
    }

    /// An endpoint was made, taken away, put to use again or has another secret. When this is over, couriers go by it: none
    /// signs with what an integrator was told is void.
    pub(crate) async fn changed(&self) {
        let mut turn = 0;
        self.turns.asked.send_modify(|asked| {
            *asked += 1;
            turn = *asked;
        });
        let mut done = self.turns.done.subscribe();
        // A store that cannot be read, or no TLS: nothing is sent at all.
        let _ = tokio::time::timeout(PATIENCE, done.wait_for(|done| *done >= turn)).await;
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
async fn keep(post: Post, turns: Turns) {
    let mut asked = turns.asked.subscribe();
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    // Dropped with this task, and all couriers with it.
    let mut couriers = JoinSet::new();
    loop {
        let turn = *asked.borrow_and_update();
        if let Ok(endpoints) = post.ledger.read(parlour_store::Store::endpoints).await {
            let in_use: Vec<Endpoint> = endpoints.into_iter().filter(|one| one.disabled_at_ms.is_none()).collect();
            let serves =
                |id: &str, one: &Running| in_use.iter().any(|endpoint| endpoint.id == id && one.serves(endpoint));
            let stopped: Vec<_> = running.extract_if(.., |id, one| !serves(id, one)).collect();
            stopped.iter().for_each(|(_, one)| one.courier.abort());
            while stopped.iter().any(|(_, one)| !one.courier.is_finished()) && couriers.join_next().await.is_some() {}
            for endpoint in in_use {
                running.entry(endpoint.id.clone()).or_insert_with(|| Running {
                    courier: couriers.spawn(Courier::new(post.clone(), &endpoint).run()),
                    secret: endpoint.secret,
                });
            }
            turns.done.send_replace(turn);
        }
        while couriers.try_join_next().is_some() {}
        // Never an error: the sender is here.
        let _ = tokio::time::timeout(LOOK_AGAIN, asked.changed()).await;
    }
}
