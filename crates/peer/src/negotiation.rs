//! Offer/answer state of a peer.

/// What an offer did to ICE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceChange {
    /// Same credentials as before, or the first offer.
    Same,
    /// The client restarted ICE: [`crate::Peer::local_ufrag`] is new. The former one is answered to until the client
    /// nominates a pair under the new one; then [`crate::PeerEvent::UfragRetired`].
    Restarted,
}

/// What an offer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferOutcome {
    /// See there.
    pub ice: IceChange,
}
