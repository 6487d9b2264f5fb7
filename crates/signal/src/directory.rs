//! Where the sessions are that a token may name.

use std::pin::Pin;

use parlour_model::{Refusal, SessionId, SessionOpening};

/// What a directory's answer is waited for as.
pub type Finding<'a> = Pin<Box<dyn Future<Output = Result<Option<SessionOpening>, Refusal>> + Send + 'a>>;

/// Says with which rules a session is opened when somebody joins it.
pub trait SessionDirectory: Send + Sync {
    /// `None`: with the server's own, by whoever comes first.
    ///
    /// Refused with [`Refusal::UnknownSession`] where there is no such session, [`Refusal::Ended`] where it is over.
    fn find<'a>(&'a self, session: &'a SessionId) -> Finding<'a>;
}

/// Every room there could be, opened by a token alone: for development, and for integrators whose tokens are all there
/// is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdHoc;

impl SessionDirectory for AdHoc {
    fn find<'a>(&'a self, _: &'a SessionId) -> Finding<'a> {
        Box::pin(async { Ok(None) })
    }
}
