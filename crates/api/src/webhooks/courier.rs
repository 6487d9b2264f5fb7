//! Carries events from the store's outbox to one endpoint.
//!
//! Of each session one event is under way at a time, the oldest, so that a receiver sees a session in order; several
//! sessions go side by side. What arrived is noted only when the receiver said so: after a crash, ours or theirs, an
//! event may come twice, under the same id, and never not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use parlour_store::{Delivery, Endpoint, StoreError, Wait};
use tokio::task::JoinSet;

use super::address::Target;
use super::form::Form;
use super::transport::{Failed, Failure, Transport};
use crate::events::News;
use crate::ledger::Ledger;
use crate::metrics::ApiMetrics;
use crate::{now_ms, seal};

/// Attempts under way to one endpoint.
const AT_ONCE: usize = 4;
/// Deliveries looked at in one go: those under way are among them.
const PAGE: u32 = 32;
/// After a store that cannot be asked.
const BREATH: Duration = Duration::from_secs(1);

/// What couriers share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Post {
    pub(super) ledger: Ledger,
    pub(super) keys: parlour_signal::Keys,
    pub(super) transport: Transport,
    pub(super) news: News,
    pub(super) metrics: ApiMetrics,
}

/// One endpoint's.
pub(super) struct Courier {
    post: Post,
    endpoint: String,
    target: Option<Target>,
    form: Option<Form>,
}

/// What became of a delivery.
enum Outcome {
    Arrived,
    /// Nothing of it is to be sent to this endpoint.
    NotForThis,
    /// For a reason, and with the wait that the receiver asks for.
    Failed(&'static str, Duration),
    /// The receiver wants nothing any more.
    Gone,
}

impl Outcome {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::NotForThis => "not_for_this",
            Self::Failed(word, _) => word,
            Self::Gone => "gone",
        }
    }
}

impl Courier {
    /// For an endpoint as kept. One whose address is no longer allowed keeps failing, and says so.
    pub(super) fn new(post: Post, endpoint: &Endpoint) -> Self {
        Self {
            target: Target::parse(&endpoint.url, post.transport.rules()).ok(),
            form: Form::of(endpoint),
            endpoint: endpoint.id.clone(),
            post,
        }
    }

    /// Carries until it is stopped.
    pub(super) async fn run(self) {
        let courier = std::sync::Arc::new(self);
        let mut ear = courier.post.news.listen();
        let mut under_way = BTreeSet::new();
        let mut attempts = JoinSet::new();
        loop {
            let Ok((due, next)) = courier.due().await else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            for delivery in due {
                let event = delivery.event.number;
                if under_way.len() < AT_ONCE && under_way.insert(event) {
                    let courier = courier.clone();
                    attempts.spawn(async move {
                        courier.carry(delivery).await;
                        event
                    });
                }
            }
            let wait = next.map_or(Duration::MAX, |at| until(at, now_ms()));
            tokio::select! {
                Some(done) = attempts.join_next() => match done {
                    Ok(event) => drop(under_way.remove(&event)),
                    // A bug in one attempt: all that seem to be under way are looked at again.
                    Err(_) => under_way.clear(),
                },
                () = ear.wait_at_most(wait) => {}
            }
        }
    }

    /// What is to be sent now, and when the next is.
    async fn due(&self) -> Result<(Vec<Delivery>, Option<i64>), StoreError> {
        let endpoint = self.endpoint.clone();
        let now = now_ms();
        self.post
            .ledger
            .read(move |store| {
                let due = store.due_deliveries(&endpoint, now, PAGE)?;
                let next = store.next_delivery_at(&endpoint, now)?;
                Ok((due, next))
            })
            .await
    }

    async fn carry(&self, delivery: Delivery) {
        let outcome = self.attempt(&delivery).await;
        self.post.metrics.delivered(outcome.as_str());
        if let Outcome::Failed(reason, _) = outcome {
            tracing::warn!(endpoint = %self.endpoint, reason, attempts = delivery.attempts + 1, "webhook not delivered");
        }
        // Not noted: it is sent once more.
        if let Err(error) = self.note(delivery.event.number, outcome).await {
            tracing::warn!(%error, endpoint = %self.endpoint, "delivery not noted");
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn attempt(&self, delivery: &Delivery) -> Outcome {
        let (Some(target), Some(form)) = (&self.target, &self.form) else {
            return Outcome::Failed("forbidden_address", Duration::ZERO);
        };
        let Some(message) = form.message(&delivery.event, &self.post.keys, now_ms()) else {
            return Outcome::NotForThis;
        };
        match self.post.transport.post(target, message.headers, message.body).await {
            Ok(()) => Outcome::Arrived,
            Err(Failed { why: Failure::Status(axum::http::StatusCode::GONE), .. }) => Outcome::Gone,
            Err(Failed { why, retry_after }) => Outcome::Failed(why.as_str(), retry_after.unwrap_or_default()),
        }
    }

    async fn note(&self, event: i64, outcome: Outcome) -> Result<(), StoreError> {
        let endpoint = self.endpoint.clone();
        let [chance] = seal::random::<1>().unwrap_or_default();
        let noted = self.post.ledger.change(move |change| match outcome {
            Outcome::Arrived | Outcome::NotForThis => change.delivered(&endpoint, event),
            Outcome::Failed(_, asked) => {
                let asked_ms = i64::try_from(asked.as_millis()).unwrap_or(i64::MAX);
                change.delivery_failed(&endpoint, event, Wait { chance, asked_ms }, now_ms()).map(drop)
            }
            Outcome::Gone => change.disable_endpoint(&endpoint, now_ms()),
        });
        match noted.await {
            // Deleted, or sent again by hand, in the meantime.
            Err(StoreError::NotFound) => Ok(()),
            other => other,
        }
    }
}

fn until(at_ms: i64, now_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or_default())
}
