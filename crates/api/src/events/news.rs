//! Wakes those who wait for events.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Who waits looks again after this in any case.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Says that there are new events. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct News(watch::Sender<()>);

/// Waits for news; none is missed between two waits.
pub(crate) struct Ear(watch::Receiver<()>);

impl News {
    /// There are new events.
    pub(crate) fn tell(&self) {
        self.0.send_replace(());
    }

    /// To wait for what is told from now on.
    pub(crate) fn listen(&self) -> Ear {
        Ear(self.0.subscribe())
    }
}

impl Ear {
    /// Returns when there is news, or it is time to look again.
    pub(crate) async fn wait(&mut self) {
        self.wait_at_most(LOOK_AGAIN).await;
    }

    /// As [`Self::wait`], within this time.
    pub(crate) async fn wait_at_most(&mut self, time: Duration) {
        // It cannot end: whoever waits holds a sender through the API's state. If it did, this is a plain wait.
        if let Ok(Err(_)) = timeout(time.min(LOOK_AGAIN), self.0.changed()).await {
            tokio::time::sleep(time.min(LOOK_AGAIN)).await;
        }
    }
}
