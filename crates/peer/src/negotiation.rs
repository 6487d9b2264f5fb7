//! Offer/answer state of a peer (RFC 8829 4.1.1, 5): what the client last described, and whose turn it is.

use crate::config::PeerConfig;
use crate::sdp::{
    Description, Fingerprint, LocalSection, LocalTransport, parse_description, plan_sections, repeatable_offered,
    repeatable_sources, write_answer, write_offer,
};
use crate::{AnswerError, IceCredentials, OfferError, OfferedSection, Section, SectionPlan};

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
    /// An offer of ours waits for the client's answer.
    Theirs,
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
    /// Of our last offer; empty where the client offers.
    offered: Vec<LocalSection>,
    /// Our sources that are repaired by repetition.
    repeatable: Vec<u32>,
    mixed_extensions: bool,
    session_id: u64,
    version: u64,
}

impl Negotiation {
    pub(crate) fn new(session_id: u64) -> Self {
        // RFC 8829 5.2.1: the session id has 63 bits.
        let session_id = session_id >> 1;
        Self {
            turn: Turn::Stable,
            remote: None,
            sections: Vec::new(),
            offered: Vec::new(),
            repeatable: Vec::new(),
            mixed_extensions: false,
            session_id,
            version: 0,
        }
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Our sources that are repaired by repetition, of the last answer or offer.
    pub(crate) fn repeatable(&self) -> &[u32] {
        &self.repeatable
    }

    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Takes an offer, or changes nothing. `keyed`: DTLS has begun, so the certificate is fixed. A new offer may replace
    /// one that was not answered.
    pub(crate) fn take_offer(&mut self, sdp: &str, keyed: bool) -> Result<OfferOutcome, OfferError> {
        // Either side offers on a connection, never both: no glare.
        if self.turn == Turn::Theirs || !self.offered.is_empty() {
            return Err(OfferError::State);
        }
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
        self.repeatable = repeatable_sources(&self.sections, plan);
        self.version += 1;
        self.turn = Turn::Stable;
        Ok(sdp)
    }

    /// Makes an offer of ours.
    pub(crate) fn offer(
        &mut self,
        config: &PeerConfig,
        credentials: &IceCredentials,
        plan: &[OfferedSection],
    ) -> Result<String, AnswerError> {
        if self.turn != Turn::Stable || (self.offered.is_empty() && !self.sections.is_empty()) {
            return Err(AnswerError::OfferOpen);
        }
        self.offered = plan_sections(&self.offered, plan)?;
        self.repeatable = repeatable_offered(plan);
        let sdp = write_offer(&self.transport(config, credentials, "actpass"), &self.offered, plan);
        self.version += 1;
        self.turn = Turn::Theirs;
        Ok(sdp)
    }

    /// An offer of ours that was not answered counts no more.
    pub(crate) fn withdraw(&mut self) {
        if self.turn == Turn::Theirs {
            self.turn = Turn::Stable;
        }
    }

    /// Takes the answer to our offer, or changes nothing.
    pub(crate) fn take_answer(&mut self, sdp: &str, keyed: bool) -> Result<(), OfferError> {
        if self.turn != Turn::Theirs {
            return Err(OfferError::State);
        }
        let description = parse_description(sdp)?;
        self.check(&description, keyed)?;
        let same_place = |(index, (ours, theirs)): (usize, (&LocalSection, &Section))| {
            ours.kind() == theirs.kind && theirs.mid.as_str().parse() == Ok(index)
        };
        let in_order = description.sections.len() == self.offered.len()
            && self.offered.iter().zip(&description.sections).enumerate().all(same_place);
        if !in_order {
            return Err(OfferError::Order);
        }
        self.adopt(description);
        self.turn = Turn::Stable;
        Ok(())
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
