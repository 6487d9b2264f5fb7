//! Who waits for news of a session: the streams of its views.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use parlour_model::SessionId;
use tokio::sync::Notify;

/// Sessions that somebody watches. An entry lives as long as a stream of it, and streams are bounded.
#[derive(Clone, Default)]
pub(crate) struct Touched {
    watched: Arc<Mutex<HashMap<SessionId, Weak<Notify>>>>,
}

impl Touched {
    /// To wait for news of a session.
    pub(crate) fn watch(&self, session: &SessionId) -> Arc<Notify> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = watched.get(session).and_then(Weak::upgrade) {
            return notify;
        }
        watched.retain(|_, notify| notify.strong_count() > 0);
        let notify = Arc::new(Notify::new());
        watched.insert(session.clone(), Arc::downgrade(&notify));
        notify
    }

    /// There is news.
    pub(crate) fn touch(&self, session: &SessionId) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = watched.get(session).and_then(Weak::upgrade) {
            notify.notify_waiters();
        }
    }
}
