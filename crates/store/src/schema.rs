//! The file's shape. Migrations are numbered, only added, and only go forward; each runs in a transaction of its own.

use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;

/// `PRAGMA application_id`: "PRLR", so that `file` and a careless open can tell the file from another.
const APPLICATION_ID: i32 = 0x5052_4c52;

const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_endpoint_form.sql"),
    include_str!("migrations/0003_unused_sessions.sql"),
    include_str!("migrations/0004_endpoint_rotation.sql"),
];

/// The schema this version writes.
pub(crate) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// The schema the file has; zero if it is empty. Refuses files that are not ours or are newer.
pub(crate) fn found(connection: &Connection) -> Result<u32, StoreError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_new = application == 0 && found == 0 && tables == 0;
    if application != APPLICATION_ID && !is_new {
        return Err(StoreError::Damaged);
    }
    if found > known() {
        return Err(StoreError::TooNew { found, known: known() });
    }
    Ok(found)
}

/// Brings the file to the schema this version knows.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    // A second process may be at it too: look again inside the transaction.
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = found(&transaction)?;
        let Some(migration) = usize::try_from(version).ok().and_then(|index| MIGRATIONS.get(index)) else {
            return Ok(());
        };
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
}
