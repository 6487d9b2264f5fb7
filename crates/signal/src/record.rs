//! Where what integrators' servers ask is written down, and answered the same when it is asked again.
//!
//! The order is that of the control API: appended, carried out, synced, answered.

use std::pin::Pin;

use parlour_model::{Identity, SessionId};

/// What is waited for.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something is asked of a session.
#[derive(Clone, Copy, Debug)]
pub struct AskedCommand<'a> {
    /// The key that signed the caller's token.
    pub key: &'a str,
    /// Of which session.
    pub session: &'a SessionId,
    /// What, in a word of ours.
    pub word: &'static str,
    /// About whom.
    pub whom: Option<&'a Identity>,
}

/// The record of it cannot be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotRecord;

/// What the id of a request turned out to be.
pub enum RequestTurn {
    /// New: carry it out, and say what came of it.
    First(Box<dyn OpenRequest>),
    /// It was carried out; this was the answer.
    Again(Vec<u8>),
    /// It is being carried out.
    InFlight,
    /// Another request had this id.
    OtherRequest,
}

/// Keeps the record.
pub trait CommandRecord: Send + Sync {
    /// Appends that this is asked. If it cannot be done nothing may be carried out.
    fn append<'a>(&'a self, asked: AskedCommand<'a>) -> Pending<'a, Result<Box<dyn OpenCommand>, CannotRecord>>;

    /// Asks for the id of a request in the name of a key; `request` is all that must be the same.
    fn claim<'a>(
        &'a self,
        key: &'a str,
        id: &'a str,
        request: &'a [u8],
    ) -> Pending<'a, Result<RequestTurn, CannotRecord>>;
}

/// A command under way. Dropped: it was refused.
pub trait OpenCommand: Send {
    /// It is in force; returns when what came of it is on the disk.
    fn settle(self: Box<Self>) -> Pending<'static, Result<(), CannotRecord>>;
}

/// A request under way.
pub trait OpenRequest: Send {
    /// It was carried out and is answered with this, or was not.
    fn close(self: Box<Self>, answer: Option<Vec<u8>>) -> Pending<'static, ()>;
}

/// Nothing is written down: for tests and development.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecord;

impl CommandRecord for NoRecord {
    fn append<'a>(&'a self, _: AskedCommand<'a>) -> Pending<'a, Result<Box<dyn OpenCommand>, CannotRecord>> {
        Box::pin(async { Ok(Box::new(Self) as Box<dyn OpenCommand>) })
    }

    fn claim<'a>(&'a self, _: &'a str, _: &'a str, _: &'a [u8]) -> Pending<'a, Result<RequestTurn, CannotRecord>> {
        Box::pin(async { Ok(RequestTurn::First(Box::new(Self))) })
    }
}

impl OpenCommand for NoRecord {
    fn settle(self: Box<Self>) -> Pending<'static, Result<(), CannotRecord>> {
        Box::pin(async { Ok(()) })
    }
}

impl OpenRequest for NoRecord {
    fn close(self: Box<Self>, _: Option<Vec<u8>>) -> Pending<'static, ()> {
        Box::pin(async {})
    }
}
