//! A whole copy of the store while it is in use.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::{StoreError, Unavailable};
use crate::store::Store;

/// Pages copied before other users of the file have their turn. 256 pages are 1 MiB.
const PAGES_PER_STEP: i32 = 256;

/// For another's turn.
const PAUSE: Duration = Duration::from_millis(5);

impl Store {
    /// Writes a copy, as of one moment, to a file that must not be there yet. The pseudonym key is not in it: copy
    /// that separately, or the copy's log stays anonymous.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::AlreadyExists);
        }
        let mut copy = Connection::open(to)?;
        let backup = Backup::new(&self.connection, &mut copy)?;
        loop {
            match backup.step(PAGES_PER_STEP)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                StepResult::Busy | StepResult::Locked => std::thread::sleep(PAUSE),
                _ => return Err(Unavailable::Locked.into()),
            }
        }
    }
}
