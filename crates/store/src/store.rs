//! The open file, and changes to it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::error::{StoreError, Unavailable};
use crate::schema;

/// How long a write waits for another process (a backup, the command line) to be done with the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// An open store. Reading is on it, changing goes through [`Store::change`].
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
}

/// A change under way. What is done on it is in force, all of it, when [`Store::change`] returns; a read on it sees it.
#[derive(Debug)]
pub struct Change<'a> {
    pub(crate) transaction: Transaction<'a>,
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings it up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Readers and the one writer do not wait for each other; survives kill -9 at any point.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        Self::prepared(connection)
    }

    /// For development and tests: nothing outlives the process.
    pub fn in_memory() -> Result<Self, StoreError> {
        Self::prepared(Connection::open_in_memory()?)
    }

    /// For looking only (`parlour audit verify`): nothing is made, migrated or written.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        match schema::found(&connection)? {
            version if version == schema::known() => Ok(Self { connection }),
            // An empty file is no store, and an older one cannot be brought up to date here.
            _ => Err(StoreError::Damaged),
        }
    }

    /// At most this many pages of 4 KiB; a change that would need more is refused as if the disk were full.
    pub fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "max_page_count", pages)?;
        Ok(())
    }

    /// From now on every change is refused, as on a read-only disk: an operator's way to keep a file as it is.
    pub fn forbid_writing(&self) -> Result<(), StoreError> {
        self.connection.pragma_update(None, "query_only", true)?;
        Ok(())
    }

    /// Makes changes together: all of them, synced to disk, or none. Keep it short, since other writers wait; put
    /// several commands into one call where they come together, since the sync is what takes the time.
    pub fn change<T, E: From<StoreError>>(
        &mut self,
        change: impl FnOnce(&mut Change<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        // Immediate: the lock is taken now, so that two writers cannot both read and then find each other in the way.
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(StoreError::from)?;
        let mut change_under_way = Change { transaction };
        let done = change(&mut change_under_way)?;
        change_under_way.transaction.commit().map_err(StoreError::from)?;
        Ok(done)
    }

    /// From now on a change is appended to the write-ahead log, so that it survives the end of the process, but not
    /// synced: whoever changes asks the returned [`LogSync`] before telling anyone that it is safe from a loss of power
    /// too. Several changes then share one sync, and those that come while it runs need not wait for it to begin.
    /// `None`: the store is in memory.
    ///
    /// SQLite calls this `synchronous = NORMAL`: the file cannot be damaged by it, since SQLite still syncs around
    /// each checkpoint; what is at stake is only the newest changes, and those are what the returned handle is for.
    pub fn leave_syncing_to_caller(&mut self) -> Result<Option<LogSync>, StoreError> {
        let Some(file) = self.connection.path().filter(|path| !path.is_empty()).map(PathBuf::from) else {
            return Ok(None);
        };
        // One change synced by SQLite makes the log, and its name in the folder, safe. The file stays the same one
        // for as long as a connection is open.
        self.change(|change| change.touch())?;
        let mut log = file.into_os_string();
        log.push("-wal");
        let log = File::open(PathBuf::from(log)).map_err(|_| Unavailable::CannotOpen)?;
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(Some(LogSync(log)))
    }

    fn prepared(mut connection: Connection) -> Result<Self, StoreError> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // What was acknowledged survives the loss of power, not only of the process.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What retention takes away is overwritten, not only unlinked.
        connection.pragma_update(None, "secure_delete", true)?;
        // A file from elsewhere runs no code of its own through its schema.
        connection.pragma_update(None, "trusted_schema", false)?;
        // A crash leaves a log that the next start replays: keep it small. 1,000 pages are 4 MB.
        connection.pragma_update(None, "wal_autocheckpoint", 1_000)?;
        schema::migrate(&mut connection)?;
        Ok(Self { connection })
    }
}

impl Change<'_> {
    /// Writes what is there once more.
    fn touch(&mut self) -> Result<(), StoreError> {
        self.transaction.execute("UPDATE audit_bounds SET head_seq = head_seq", [])?;
        Ok(())
    }
}

/// The write-ahead log, to be synced.
#[derive(Debug)]
pub struct LogSync(File);

impl LogSync {
    /// Everything that was changed before this call is on the disk after it.
    ///
    /// # Errors
    /// When the disk says no: nobody knows then what is on it.
    pub fn sync(&self) -> Result<(), Unavailable> {
        self.0.sync_data().map_err(|_| Unavailable::Io)
    }
}
