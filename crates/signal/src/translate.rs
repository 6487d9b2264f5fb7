//! LiveKit's words to ours and back: pure functions, the only place where the two meet.

pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod roster;
pub(crate) mod track;

#[cfg(test)]
mod tests;
