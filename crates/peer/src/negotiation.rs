//! Offer/answer state of a peer (RFC 8829 4.1.1, 5): what the client last described, and whose turn it is.

use crate::config::PeerConfig;
use crate::sdp::{Description, Fingerprint, LocalTransport, parse_description, write_answer};
use crate::{AnswerError, IceCredentials, OfferError, Section, SectionPlan};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing is open.
    Stable,
    /// An offer of the client waits for our answer.
    Ours,
}

/// The client's transport, as described.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) fingerprint: Fingerprint,
}

/// See above.
pub(crate) struct Negotiation {
    turn: Turn,
    remote: Option<Remote>,
    sections: Vec<Section>,
    mixed_extensions: bool,
    session_id: u64,
    version: u64,
}

impl Negotiation {
    pub(crate) fn new(session_id: u64) -> Self {
        // RFC 8829 5.2.1: the session id has 63 bits.
        let session_id = session_id >> 1;
        let (turn, sections) = (Turn::Stable, Vec::new());
        Self { turn, remote: None, sections, mixed_extensions: false, session_id, version: 0 }
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Takes an offer, or changes nothing. `keyed`: DTLS has begun, so the certificate is fixed. A new offer may replace
    /// one that was not answered.
    pub(crate) fn take_offer(&mut self, sdp: &str, keyed: bool) -> Result<OfferOutcome, OfferError> {
        let description = parse_description(sdp)?;
        self.check(&description, keyed)?;
        let ice = self.adopt(description);
        self.turn = Turn::Ours;
        Ok(OfferOutcome { ice })
    }

    fn check(&self, description: &Description, keyed: bool) -> Result<(), OfferError> {
        let same_place =
            |(old, new): (&Section, &Section)| old.rejected || (old.mid == new.mid && old.kind == new.kind);
        let in_order = description.sections.len() >= self.sections.len()
            && self.sections.iter().zip(&description.sections).all(same_place);
        if !in_order {
            return Err(OfferError::Order);
        }
        let same_certificate = self.remote.as_ref().is_none_or(|remote| remote.fingerprint == description.fingerprint);
        if keyed && !same_certificate {
            return Err(OfferError::FingerprintChanged);
        }
        Ok(())
    }

    fn adopt(&mut self, description: Description) -> IceChange {
        let Description { ufrag, password, fingerprint, mixed_extensions, sections } = description;
        let restarted = self.remote.as_ref().is_some_and(|old| old.ufrag != ufrag || old.password != password);
        self.remote = Some(Remote { ufrag, password, fingerprint });
        self.mixed_extensions = mixed_extensions;
        self.sections = sections;
        if restarted { IceChange::Restarted } else { IceChange::Same }
    }

    /// Answers the open offer.
    pub(crate) fn answer(
        &mut self,
        config: &PeerConfig,
        credentials: &IceCredentials,
        plan: &[SectionPlan],
    ) -> Result<String, AnswerError> {
        if self.turn != Turn::Ours {
            return Err(AnswerError::NoOffer);
        }
        let transport = self.transport(config, credentials, "passive");
        let sdp = write_answer(&transport, &self.sections, plan)?;
        self.version += 1;
        self.turn = Turn::Stable;
        Ok(sdp)
    }

    fn transport<'a>(
        &self,
        config: &'a PeerConfig,
        credentials: &'a IceCredentials,
        setup: &'static str,
    ) -> LocalTransport<'a> {
        LocalTransport {
            credentials,
            fingerprint: config.certificate.fingerprint(),
            candidates: &config.candidates,
            session_id: self.session_id,
            version: self.version,
            mixed_extensions: self.mixed_extensions,
            setup,
        }
    }
}
