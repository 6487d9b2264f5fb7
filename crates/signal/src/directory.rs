//! Where the sessions are that a token may name.

use std::pin::Pin;

use parlour_model::{Refusal, SessionId, SessionOpening};

/// What a directory's answer is waited for as.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Option<SessionOpening>, Refusal>> + Send + 'a>>;

/// What the end of a session is waited for as.
pub type Ending<'a> = Pin<Box<dyn Future<Output = Result<bool, Refusal>> + Send + 'a>>;

/// Says with which rules a session is opened when somebody joins it.
pub trait SessionDirectory: Send + Sync {
    /// `None`: with the server's own, by whoever comes first.
    ///
    /// Refused with [`Refusal::UnknownSession`] where there is no such session, [`Refusal::Ended`] where it is over.
    fn find<'a>(&'a self, session: &'a SessionId) -> Finding<'a>;

    /// Ends a session that is kept and that no worker runs, in the name of a signing key; whether there was one. It is
    /// not opened for that: it may have no room here, or be of another region.
    fn end<'a>(&'a self, session: &'a SessionId, key: &'a str) -> Ending<'a>;
}

/// Every room there could be, opened by a token alone: for development, and for integrators whose tokens are all there
/// is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdHoc;

impl SessionDirectory for AdHoc {
    fn find<'a>(&'a self, _: &'a SessionId) -> Finding<'a> {
        Box::pin(async { Ok(None) })
    }

    fn end<'a>(&'a self, _: &'a SessionId, _: &'a str) -> Ending<'a> {
        Box::pin(async { Ok(false) })
    }
}
