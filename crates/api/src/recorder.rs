//! Writes down what sessions tell: for each event its audit record and its entry in the outbox, and for each session
//! that something happened in, how it is now. One task, so that everything is in order.
//!
//! A command's answer waits here until what came of it is on the disk ([`Recorder::settle`]). The recorder takes
//! everything that has come since its last write and writes it at once, so that many commands share one sync.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use parlour_engine::EngineHandle;
use parlour_model::session::{Departure, EndReason, SessionEvent, SessionSnapshot};
use parlour_model::{Command, Refusal, Reply, SessionId, SessionNotice};
use parlour_store::{AuditRecord, Change, PseudonymKey, StoreError, Subject};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::events::{News, Vocabulary};
use crate::ledger::Ledger;
use crate::metrics::ApiMetrics;
use crate::problem::{Kind, Problem};
use crate::touched::Touched;

/// Events written at once at most, so that one write does not keep the others waiting.
const BATCH: usize = 512;

/// Events kept for a disk that takes none now. What comes when there are as many is not written down, and counted.
const MAX_BACKLOG: usize = 16_384;

/// How soon a disk that took nothing is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long one round waits for workers whose mailboxes are full.
const PATIENCE: Duration = Duration::from_secs(1);

/// Commands that may wait for their answer.
const WAITING: usize = 4_096;

/// Who waits until what came of their command is on the disk.
struct Settle {
    session: SessionId,
    done: oneshot::Sender<Result<(), Kind>>,
}

/// Speaks to the recorder's task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    settles: mpsc::Sender<Settle>,
    actors: Actors,
}

/// Who is asking something of a session at the moment. One entry for each command under way.
#[derive(Clone, Default)]
pub(crate) struct Actors(Arc<Mutex<HashMap<SessionId, Vec<Subject>>>>);

impl Actors {
    /// Whoever asked for what happened. With two asking at once it cannot be told; that each asked is in the log.
    fn of(&self, notice: &SessionNotice) -> Subject {
        let actors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match actors.get(&notice.session).map(Vec::as_slice) {
            Some([only]) if is_asked_for(&notice.event) => only.clone(),
            _ => Subject::system(),
        }
    }

    /// From now on, until what is returned is dropped, what happens in this session was asked by this one.
    pub(crate) fn asking(&self, session: &SessionId, subject: Subject) -> Asking {
        let mut actors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        actors.entry(session.clone()).or_default().push(subject.clone());
        Asking { actors: self.clone(), session: session.clone(), subject }
    }
}

/// Whether this only happens because somebody asked.
fn is_asked_for(event: &SessionEvent) -> bool {
    matches!(
        event,
        SessionEvent::Admitted(_)
            | SessionEvent::Held(_)
            | SessionEvent::Resumed(_)
            | SessionEvent::CheckInStarted { .. }
            | SessionEvent::CheckInEnded(_)
            | SessionEvent::FloorChanged(_)
            | SessionEvent::SameRoomChanged { .. }
            | SessionEvent::LockChanged(_)
            | SessionEvent::EndMoved(_)
            | SessionEvent::Mute { .. }
            | SessionEvent::HandOverOffered(_)
            | SessionEvent::PolicyChanged
            | SessionEvent::ConsentAccepted { .. }
            | SessionEvent::RecordingAgreement { .. }
            | SessionEvent::Ended(EndReason::Command)
            | SessionEvent::Departed { how: Departure::Removed | Departure::Denied | Departure::QuickExit, .. }
    )
}

/// See [`Actors::asking`].
pub(crate) struct Asking {
    actors: Actors,
    session: SessionId,
    subject: Subject,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut actors = self.actors.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(asking) = actors.get_mut(&self.session) else { return };
        if let Some(index) = asking.iter().position(|subject| *subject == self.subject) {
            asking.swap_remove(index);
        }
        if asking.is_empty() {
            actors.remove(&self.session);
        }
    }
}

impl Recorder {
    /// Begins to record. What happened before nobody writes down.
    pub(crate) fn start(
        engine: &EngineHandle,
        ledger: &Ledger,
        pseudonyms: &PseudonymKey,
        touched: &Touched,
        news: &News,
        metrics: &ApiMetrics,
    ) -> Self {
        let (settles, waiting) = mpsc::channel(WAITING);
        let recorder = Self { settles, actors: Actors::default() };
        // Taken by somebody else before: then nothing comes from here, and settling still keeps snapshots.
        let notices = engine.session_events().unwrap_or_else(|| mpsc::channel(1).1);
        let task = Task {
            engine: engine.clone(),
            ledger: ledger.clone(),
            pseudonyms: pseudonyms.clone(),
            touched: touched.clone(),
            news: news.clone(),
            vocabulary: Vocabulary::default(),
            metrics: metrics.clone(),
            actors: recorder.actors.clone(),
            backlog: Vec::new(),
            unasked: BTreeSet::new(),
        };
        tokio::spawn(task.run(notices, waiting));
        recorder
    }

    /// Who is asking, see [`Actors::asking`].
    pub(crate) fn actors(&self) -> &Actors {
        &self.actors
    }

    /// Returns when everything that the session told up to now is on the disk.
    pub(crate) async fn settle(&self, session: &SessionId) -> Result<(), Problem> {
        let (done, settled) = oneshot::channel();
        let settle = Settle { session: session.clone(), done };
        self.settles.send(settle).await.map_err(|_| Kind::Draining)?;
        Ok(settled.await.map_err(|_| Kind::Draining)??)
    }
}

/// An event with what the log will say of who asked for it.
struct Noted {
    notice: SessionNotice,
    actor: Subject,
    /// What is told of it outside.
    told: Vec<(&'static str, String)>,
}

struct Task {
    engine: EngineHandle,
    ledger: Ledger,
    pseudonyms: PseudonymKey,
    touched: Touched,
    news: News,
    vocabulary: Vocabulary,
    metrics: ApiMetrics,
    actors: Actors,
    /// What could not be written yet, in order.
    backlog: Vec<Noted>,
    /// Sessions whose workers were too busy to say how they are now.
    unasked: BTreeSet<SessionId>,
}

impl Task {
    async fn run(mut self, mut notices: mpsc::Receiver<SessionNotice>, mut waiting: mpsc::Receiver<Settle>) {
        let mut notices_end = false;
        loop {
            let (mut noted, mut settles) = (Vec::new(), Vec::new());
            tokio::select! {
                notice = notices.recv(), if !notices_end => match notice {
                    Some(notice) => noted.push(self.note(notice)),
                    None => notices_end = true,
                },
                () = tokio::time::sleep(RETRY), if !self.backlog.is_empty() || !self.unasked.is_empty() => {}
                settle = waiting.recv() => match settle {
                    Some(settle) => settles.push(settle),
                    None => return,
                },
            }
            // What a command brought about was told before its reply, so it is here before whoever settles it.
            while let Ok(settle) = waiting.try_recv() {
                settles.push(settle);
            }
            while noted.len() < BATCH
                && let Ok(notice) = notices.try_recv()
            {
                noted.push(self.note(notice));
            }
            if noted.len() == BATCH {
                // There may be more that those who wait are waiting for: their turn is the next.
                self.write(std::mem::take(&mut noted), Vec::new()).await;
                while let Ok(notice) = notices.try_recv() {
                    noted.push(self.note(notice));
                }
            }
            self.write(noted, settles).await;
        }
    }

    fn note(&mut self, notice: SessionNotice) -> Noted {
        self.touched.touch(&notice.session);
        Noted { actor: self.actors.of(&notice), told: self.vocabulary.words(&notice), notice }
    }

    async fn write(&mut self, noted: Vec<Noted>, settles: Vec<Settle>) {
        let late = !self.backlog.is_empty();
        let mut all = std::mem::take(&mut self.backlog);
        all.extend(noted);
        let noted = Arc::new(all);
        let sessions = self.snapshots(&noted, &settles).await;
        let (writing, key) = (noted.clone(), self.pseudonyms.clone());
        let written = self.ledger.change(move |change| record(change, &writing, &sessions, &key)).await;
        let result = match written {
            Ok(()) => {
                self.metrics.recorded.inc_by(noted.len() as u64);
                if !noted.is_empty() {
                    self.news.tell();
                }
                if late {
                    tracing::info!(events = noted.len(), "what could not be recorded is recorded now");
                }
                Ok(())
            }
            Err(error) => {
                self.metrics.record_failures.inc();
                if !late {
                    tracing::error!(%error, events = noted.len(), "what sessions do cannot be recorded");
                }
                // Kept until the disk is well again; what fails for another reason would fail for ever.
                if matches!(error, StoreError::Unavailable(_)) {
                    self.backlog = Arc::into_inner(noted).unwrap_or_default();
                    self.backlog.truncate(MAX_BACKLOG);
                }
                Err(Kind::StoreUnavailable)
            }
        };
        for Settle { session, done } in settles {
            let kept = if self.unasked.contains(&session) { Err(Kind::StoreUnavailable) } else { result };
            let _ = done.send(kept);
        }
    }

    /// How each session that something happened in is now. `None`: it is gone, and its end is among the events.
    async fn snapshots(&mut self, noted: &[Noted], settles: &[Settle]) -> BTreeMap<SessionId, Option<SessionSnapshot>> {
        let touched = noted.iter().map(|one| &one.notice.session).chain(settles.iter().map(|one| &one.session));
        let mut sessions: BTreeMap<SessionId, Option<SessionSnapshot>> =
            touched.map(|session| (session.clone(), None)).collect();
        sessions.extend(std::mem::take(&mut self.unasked).into_iter().map(|session| (session, None)));
        let deadline = Instant::now() + PATIENCE;
        for (session, kept) in &mut sessions {
            match self.engine.insist(session, || Command::Snapshot, deadline).await {
                Ok(Reply::Snapshot(snapshot)) => *kept = Some(*snapshot),
                Err(Refusal::Limit) => drop(self.unasked.insert(session.clone())),
                _ => {}
            }
        }
        sessions
    }
}

/// All of it in one change.
fn record(
    change: &mut Change<'_>,
    noted: &[Noted],
    sessions: &BTreeMap<SessionId, Option<SessionSnapshot>>,
    key: &PseudonymKey,
) -> Result<(), StoreError> {
    let now = crate::now_ms();
    for Noted { notice, actor, told } in noted {
        let SessionNotice { session, at_ms, event, .. } = notice;
        if let Some(record) = AuditRecord::of_event(event, session, actor, key, *at_ms) {
            change.audit(&record)?;
        }
        for (kind, body) in told {
            change.emit(session, kind, body, *at_ms)?;
        }
        if let SessionEvent::ConsentAccepted { identity, text } = event {
            change.keep_consent(&parlour_store::Consent {
                session: session.clone(),
                identity: identity.clone(),
                text: text.clone(),
                accepted_at_ms: *at_ms,
            })?;
        }
        if matches!(event, SessionEvent::Ended(_)) {
            ignore_unknown(change.end_session(session, *at_ms))?;
        }
    }
    for (session, snapshot) in sessions {
        if let Some(snapshot) = snapshot {
            ignore_unknown(change.save_snapshot(session, snapshot, now))?;
        }
    }
    Ok(())
}

/// A room that was opened by a token alone has no row, and nothing of it comes back.
fn ignore_unknown(result: Result<(), StoreError>) -> Result<(), StoreError> {
    match result {
        Err(StoreError::NotFound) => Ok(()),
        other => other,
    }
}
