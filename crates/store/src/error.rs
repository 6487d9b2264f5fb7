//! Whose fault it is when the store says no: the asker's, the world's, or ours.

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why something was not stored or found.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Refused: there is no such thing.
    #[error("not found")]
    NotFound,
    /// Refused: there is one already.
    #[error("exists already")]
    AlreadyExists,
    /// Refused: it changed since it was read.
    #[error("changed since it was read")]
    VersionConflict,
    /// The world: nothing can be written (or read) now. Nothing was changed.
    #[error("the store is unavailable: {0}")]
    Unavailable(#[from] Unavailable),
    /// The world: the file is not a whole store of ours.
    #[error("the store's file is damaged or not a store")]
    Damaged,
    /// The world: a newer version wrote the file. Migrations only go forward.
    #[error("the store has schema {found}, this version knows {known}")]
    TooNew {
        /// Of the file.
        found: u32,
        /// Of this program.
        known: u32,
    },
    /// Ours.
    #[error("internal store error")]
    Bug(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is wrong with the disk, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Unavailable {
    /// No space left, or the file's own limit.
    #[error("the disk is full")]
    DiskFull,
    /// The file, or the disk, cannot be written.
    #[error("the disk is read-only")]
    ReadOnly,
    /// Another process holds the file.
    #[error("the file is locked")]
    Locked,
    /// It cannot be opened.
    #[error("the file cannot be opened")]
    CannotOpen,
    /// Reading or writing failed.
    #[error("input or output failed")]
    Io,
    /// More waits for the disk than it can take.
    #[error("too much waits for the disk")]
    Busy,
}

impl Unavailable {
    /// Stable word for metrics and problem types.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::ReadOnly => "read_only",
            Self::Locked => "locked",
            Self::CannotOpen => "cannot_open",
            Self::Io => "io",
            Self::Busy => "busy",
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if matches!(error, rusqlite::Error::QueryReturnedNoRows) {
            return Self::NotFound;
        }
        match error.sqlite_error().map(|e| (e.code, e.extended_code)) {
            Some((ErrorCode::DiskFull, _)) => Unavailable::DiskFull.into(),
            Some((ErrorCode::ReadOnly, _)) => Unavailable::ReadOnly.into(),
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => Unavailable::Locked.into(),
            Some((ErrorCode::CannotOpen, _)) => Unavailable::CannotOpen.into(),
            Some((ErrorCode::SystemIoFailure, _)) => Unavailable::Io.into(),
            Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => Self::Damaged,
            Some((ErrorCode::ConstraintViolation, code)) if is_uniqueness(code) => Self::AlreadyExists,
            Some((ErrorCode::ConstraintViolation, rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY)) => Self::NotFound,
            _ => Self::Bug(Box::new(error)),
        }
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Bug(Box::new(error))
    }
}

fn is_uniqueness(extended_code: i32) -> bool {
    [rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE, rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY].contains(&extended_code)
}
