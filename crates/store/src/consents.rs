//! Who accepted which version of which text, and when. Kept for as long as retention says, which may be longer than
//! the session is.

use parlour_model::session::ConsentText;
use parlour_model::{Identity, SessionId};
use rusqlite::params;

use crate::error::StoreError;
use crate::store::{Change, Store};

/// One acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// In which session.
    pub session: SessionId,
    /// Who.
    pub identity: Identity,
    /// What, exactly.
    pub text: ConsentText,
    /// When first; milliseconds since the Unix epoch.
    pub accepted_at_ms: i64,
}

impl Change<'_> {
    /// Keeps an acceptance. Accepting the same again changes nothing, also not the time.
    pub fn keep_consent(&mut self, consent: &Consent) -> Result<(), StoreError> {
        self.transaction.prepare_cached("INSERT OR IGNORE INTO consent VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![
                consent.session.as_str(),
                consent.identity.as_str(),
                consent.text.id,
                consent.text.sha256,
                consent.accepted_at_ms
            ],
        )?;
        Ok(())
    }
}

impl Store {
    /// The acceptances of a session, in order of time.
    pub fn consents(&self, session: &SessionId) -> Result<Vec<Consent>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT session, identity, text_id, sha256, accepted_at FROM consent
             WHERE session = ?1 ORDER BY accepted_at, identity",
        )?;
        let rows = statement.query_map([session.as_str()], |row| {
            Ok(Consent {
                session: row.get::<_, String>(0)?.into(),
                identity: row.get::<_, String>(1)?.into(),
                text: ConsentText { id: row.get(2)?, sha256: row.get(3)? },
                accepted_at_ms: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
