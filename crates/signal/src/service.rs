//! What all connections share, and the directory of links.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_engine::EngineHandle;
use parlour_model::{Command, Identity, ParticipantSid, Refusal, SessionId};
use tokio::sync::{Notify, mpsc, watch};

use crate::admission::Admission;
use crate::config::{SignalConfig, StopAdvice};
use crate::directory::{AdHoc, SessionDirectory};
use crate::http::LineResults;
use crate::link::{Attachment, Relocation};
use crate::metrics::SignalMetrics;
use crate::record::{CommandRecord, NoRecord};
use crate::refusals::Refusals;

/// The signalling service: what the router's handlers and the links share. Cheap to clone.
#[derive(Clone)]
pub struct SignalState {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: EngineHandle,
    pub(crate) config: SignalConfig,
    pub(crate) metrics: SignalMetrics,
    pub(crate) admission: Admission,
    pub(crate) refusals: Refusals,
    pub(crate) line_results: LineResults,
    pub(crate) directory: Arc<dyn SessionDirectory>,
    pub(crate) record: Arc<dyn CommandRecord>,
    links: Links,
    stop: watch::Sender<Option<StopAdvice>>,
}

impl SignalState {
    /// A service in front of `engine` that opens any room a token names, and writes nothing down.
    pub fn new(engine: EngineHandle, config: SignalConfig, metrics: SignalMetrics) -> Self {
        Self::backed(engine, config, metrics, Arc::new(AdHoc), Arc::new(NoRecord))
    }

    /// A service in front of `engine` that opens the sessions `directory` knows, and has what is asked of them recorded.
    pub fn backed(
        engine: EngineHandle,
        config: SignalConfig,
        metrics: SignalMetrics,
        directory: Arc<dyn SessionDirectory>,
        record: Arc<dyn CommandRecord>,
    ) -> Self {
        let shared = Shared {
            admission: Admission::new(config.limits),
            refusals: Refusals::default(),
            line_results: LineResults::default(),
            directory,
            record,
            links: Links::default(),
            stop: watch::Sender::new(None),
            engine,
            config,
            metrics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes nobody in any more, tells everyone to leave, and waits until they are gone or `deadline` has passed.
    /// Returns how many were left then.
    pub async fn shutdown(&self, advice: StopAdvice, deadline: Duration) -> usize {
        self.shared.stop.send_replace(Some(advice));
        // What is left is reported instead.
        let _ = tokio::time::timeout(deadline, self.shared.links.wait_until_empty()).await;
        self.shared.links.len()
    }
}

impl Shared {
    /// Opens the session of a join, if it is not open, as the directory wants it.
    pub(crate) async fn open(&self, session: &SessionId) -> Result<(), Refusal> {
        if let Some(opening) = self.directory.find(session).await? {
            self.engine.request(session, Command::Open(Box::new(opening))).await?;
        }
        Ok(())
    }

    pub(crate) fn stopping(&self) -> watch::Receiver<Option<StopAdvice>> {
        self.stop.subscribe()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// What clients are told when the server stops, decided at the latest when it does.
    pub(crate) fn stop_advice(&self) -> StopAdvice {
        self.stop.borrow().unwrap_or_default()
    }

    /// Registers a link under its stay. The entry lives as long as what is returned.
    pub(crate) fn register(self: &Arc<Self>, sid: &ParticipantSid, link: LinkAddress) -> Registration {
        self.links.lock().insert(sid.clone(), link);
        self.metrics.participants.inc();
        Registration { shared: self.clone(), sid: sid.clone() }
    }

    /// The link of a stay, if it belongs to this bearer.
    pub(crate) fn link(
        &self,
        sid: &ParticipantSid,
        session: &SessionId,
        identity: &Identity,
    ) -> Option<mpsc::Sender<Attachment>> {
        let links = self.links.lock();
        let link = links.get(sid)?;
        (link.session == *session && link.identity == *identity).then(|| link.attachments.clone())
    }

    /// How a stay's link is told to send its client to another session.
    pub(crate) fn relocations(&self, sid: &ParticipantSid) -> Option<mpsc::Sender<Relocation>> {
        self.links.lock().get(sid).map(|link| link.relocations.clone())
    }
}

/// Where a link is reached.
pub(crate) struct LinkAddress {
    pub(crate) session: SessionId,
    pub(crate) identity: Identity,
    pub(crate) attachments: mpsc::Sender<Attachment>,
    pub(crate) relocations: mpsc::Sender<Relocation>,
}

/// Has an entry for each participant; the engine bounds their number.
#[derive(Default)]
struct Links {
    by_sid: Mutex<HashMap<ParticipantSid, LinkAddress>>,
    emptied: Notify,
}

impl Links {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ParticipantSid, LinkAddress>> {
        self.by_sid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    async fn wait_until_empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A link's entry in the directory.
pub(crate) struct Registration {
    shared: Arc<Shared>,
    sid: ParticipantSid,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut links = self.shared.links.lock();
        links.remove(&self.sid);
        self.shared.metrics.participants.dec();
        if links.is_empty() {
            self.shared.links.emptied.notify_waiters();
        }
    }
}

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
