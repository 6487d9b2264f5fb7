//! Reading a client's description.
use thiserror::Error;
/// Why a description was refused. Always the client's fault; never echoes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum OfferError {
    /// Not SDP, or malformed where it matters.
    #[error("not valid SDP")]
    Malformed,
}
