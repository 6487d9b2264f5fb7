//! The store behind threads of its own, for callers that must not block.
//!
//! One thread writes. A change is appended to the write-ahead log and in force for every reader at once; a third
//! thread syncs the log, one sync for all changes that came since the last one began. A caller chooses what it waits
//! for: [`Ledger::append`] survives the end of the process (kill -9), [`Ledger::change`] the loss of power too.
//! A protecting command appends its record, acts, and answers after the sync of what came of it: what protects someone
//! does not wait for a disk, and what was answered is on it.
//!
//! Two threads read, one for look-ups and one for listings, so that a command never waits behind a long list.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use parlour_store::{Change, LogSync, Store, StoreError, Unavailable};
use tokio::sync::oneshot;

/// Jobs that may wait for one thread. At 500 changes a second this is some seconds of work; beyond it, callers are
/// told that the disk is not keeping up.
const WAITING: usize = 2_048;

/// What a change leaves to be done once it is synced.
type Acknowledge = Box<dyn FnOnce(Result<(), Unavailable>) + Send>;
type Job = Box<dyn FnOnce(&mut Store) -> Option<Acknowledge> + Send>;

/// The store, asked from async code. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    writer: SyncSender<Job>,
    reader: SyncSender<Job>,
    lister: SyncSender<Job>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// For the sync.
    Synced,
    /// For nothing more.
    Appended,
}

impl Ledger {
    /// Opens a file.
    ///
    /// # Errors
    /// When it cannot be opened, or is not ours.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut store = Store::open(path)?;
        let log = store.leave_syncing_to_caller()?;
        let reading = || -> Result<Store, StoreError> {
            let store = Store::open(path)?;
            store.forbid_writing()?;
            Ok(store)
        };
        let (reader, lister) = (reading()?, reading()?);
        Ok(Self {
            writer: spawn("store", store, log)?,
            reader: spawn("look-up", reader, None)?,
            lister: spawn("listing", lister, None)?,
        })
    }

    /// Keeps nothing beyond the process.
    ///
    /// # Errors
    /// When there are no threads left.
    pub fn in_memory() -> Result<Self, StoreError> {
        let writer = spawn("store", Store::in_memory()?, None)?;
        Ok(Self { reader: writer.clone(), lister: writer.clone(), writer })
    }

    /// Changes something; returns when it is safe from a loss of power.
    ///
    /// # Errors
    /// The change's own, or the store's: then nothing was changed (or, after a failed sync, nobody knows).
    pub async fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write(Wait::Synced, |store| store.change(change)).await
    }

    /// Changes something; returns when it survives the end of the process.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn append<T, E>(
        &self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write(Wait::Appended, |store| store.change(change)).await
    }

    /// Does something with the writing store itself.
    ///
    /// # Errors
    /// The work's own.
    pub async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(Wait::Synced, work).await
    }

    /// Looks something up.
    ///
    /// # Errors
    /// The store's.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        ask(&self.reader, Wait::Appended, |store| read(store)).await
    }

    /// Reads what may be long.
    ///
    /// # Errors
    /// The store's.
    pub async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        ask(&self.lister, Wait::Appended, |store| read(store)).await
    }

    async fn write<T, E>(
        &self,
        wait: Wait,
        work: impl FnOnce(&mut Store) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        ask(&self.writer, wait, work).await
    }
}

async fn ask<T, E>(
    thread: &SyncSender<Job>,
    wait: Wait,
    work: impl FnOnce(&mut Store) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    let job = move |store: &mut Store| -> Option<Acknowledge> {
        let done = work(store);
        // Whoever asked may have gone; what was done stays done.
        if done.is_err() || wait == Wait::Appended {
            let _ = answer.send(done);
            return None;
        }
        Some(Box::new(move |synced| {
            let _ = answer.send(synced.map_err(|why| E::from(why.into())).and(done));
        }))
    };
    let unavailable = || E::from(Unavailable::Busy.into());
    thread.try_send(Box::new(job)).map_err(|_| unavailable())?;
    // The thread dropped the job: it panicked in it, and the change was rolled back.
    answered.await.unwrap_or_else(|_| Err(unavailable()))
}

/// Starts a thread that does jobs on a store, and one that syncs its log if there is one. Both end with the last sender.
fn spawn(name: &str, mut store: Store, log: Option<LogSync>) -> Result<SyncSender<Job>, StoreError> {
    let (sender, jobs) = sync_channel::<Job>(WAITING);
    let syncer = log.map(|log| {
        let (sender, waiting) = sync_channel(WAITING);
        thread::Builder::new().name(format!("{name}-sync")).spawn(move || sync(&log, &waiting)).map(|_| sender)
    });
    let syncer = syncer.transpose().map_err(|_| Unavailable::Busy)?;
    let work = move || {
        while let Ok(job) = jobs.recv() {
            // A bug in one job must not take the store from all others; its change is rolled back by its guard.
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(&mut store)));
            let Ok(Some(acknowledge)) = done else { continue };
            match &syncer {
                None => acknowledge(Ok(())),
                // Full: the disk is that slow, and waiting here makes callers be told so.
                Some(syncer) => {
                    let _ = syncer.send(acknowledge);
                }
            }
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|_| Unavailable::Busy)?;
    Ok(sender)
}

/// One sync for everything that came since the last one began.
fn sync(log: &LogSync, waiting: &Receiver<Acknowledge>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(waiting.try_iter().take(WAITING)).collect();
        let synced = log.sync();
        batch.into_iter().for_each(|acknowledge| acknowledge(synced));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use parlour_store::NewSession;

    use super::*;

    fn session(id: &str) -> NewSession {
        NewSession {
            id: id.into(),
            external_id: None,
            spec: parlour_store::SessionSpec::default(),
            policy: parlour_model::session::SessionPolicy::default(),
            created_at_ms: 1,
            unused_until_ms: 2,
        }
    }

    #[tokio::test]
    async fn what_was_answered_is_there_for_readers_and_for_the_next_to_open_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let ledger = Ledger::open(&path).unwrap();
        for (number, name) in ["a", "b", "c"].into_iter().enumerate() {
            let new = session(name);
            let create = move |change: &mut Change<'_>| -> Result<(), StoreError> { change.create_session(&new) };
            if number == 0 {
                ledger.append(create).await.unwrap()
            } else {
                ledger.change(create).await.unwrap()
            }
            assert_eq!(ledger.read(|store| store.sessions_after(0, 10)).await.unwrap().len(), number + 1);
        }
        assert_eq!(Store::open_read_only(&path).unwrap().sessions_after(0, 10).unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_bug_in_one_change_undoes_it_and_leaves_the_store_to_the_others() {
        let ledger = Ledger::in_memory().unwrap();
        let new = session("half");
        let failed: Result<(), StoreError> = ledger
            .change(move |change| {
                change.create_session(&new)?;
                None::<()>.ok_or(StoreError::NotFound).unwrap_or_else(|_| panic!("a bug"));
                Ok(())
            })
            .await;
        assert!(matches!(failed, Err(StoreError::Unavailable(Unavailable::Busy))));
        assert!(ledger.read(|store| store.sessions_after(0, 10)).await.unwrap().is_empty());
        let new = session("whole");
        ledger.change(move |change| change.create_session(&new)).await.unwrap();
    }
}
