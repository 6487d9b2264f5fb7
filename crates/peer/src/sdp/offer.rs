//! Reading a client's description, an offer or an answer: transport, bundle, and the list of media sections.
//!
//! Everything is read and checked before anything is used; an error says what kind, and never echoes input.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use sdp_types::{Attribute, Media, Session};
use thiserror::Error;

use super::media::read_section;
use super::section::{Mid, Section};

/// Largest description. A section of Chromium takes some 6 KiB.
pub(crate) const MAX_SDP: usize = 256 * 1024;

/// Most media sections: a room of 12 needs 3 for each other participant and some for oneself.
pub(crate) const MAX_SECTIONS: usize = 128;

/// Why a description was refused. Always the client's fault; never echoes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum OfferError {
    /// Over 256 KiB.
    #[error("the description is too large")]
    TooLarge,
    /// Not SDP, or malformed where it matters.
    #[error("not valid SDP")]
    Malformed,
    /// Over 128 media sections.
    #[error("too many media sections")]
    TooManySections,
    /// No media section that could be used.
    #[error("no usable media section")]
    NoSections,
    /// A mid is missing, too long, no token, or used twice.
    #[error("a mid is missing, malformed or used twice")]
    Mid,
    /// A payload type is no number of 0 to 127, or means two things in the bundle.
    #[error("a payload type is malformed or ambiguous")]
    PayloadType,
    /// A header extension id is no number of 1 to 255, or means two things in the bundle.
    #[error("a header extension is malformed or ambiguous")]
    Extension,
    /// A rid or an SSRC is malformed, or there are too many.
    #[error("encodings are malformed or too many")]
    Encodings,
    /// No fingerprint, or none of sha-256, sha-384 or sha-512.
    #[error("no usable certificate fingerprint")]
    Fingerprint,
    /// ICE credentials are missing, too short, too long, or hold foreign characters.
    #[error("ICE credentials are missing or malformed")]
    IceCredentials,
    /// The client's DTLS role leaves us not passive.
    #[error("the DTLS role is missing or not possible")]
    Setup,
    /// Sections were removed, or changed their mid or kind while in use.
    #[error("media sections changed their order")]
    Order,
    /// The certificate changed within a connection.
    #[error("the certificate changed")]
    FingerprintChanged,
    /// An answer without an offer, or an offer while one of ours waits for its answer.
    #[error("not the time for this description")]
    State,
    /// The peer is closed.
    #[error("closed")]
    Closed,
}

/// What the client's certificate hashes to (RFC 8122 5).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    algorithm: &'static digest::Algorithm,
    hash: Vec<u8>,
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprint(…)")
    }
}

impl Fingerprint {
    /// Reads `sha-256 AB:CD:…`.
    fn read(value: &str) -> Option<Self> {
        let (name, hex) = value.trim().split_once(' ')?;
        let algorithm = [("sha-256", &SHA256), ("sha-384", &SHA384), ("sha-512", &SHA512)]
            .into_iter()
            .find_map(|(known, algorithm)| known.eq_ignore_ascii_case(name).then_some(algorithm))?;
        let byte = |pair: &str| (pair.len() == 2).then(|| u8::from_str_radix(pair, 16).ok()).flatten();
        let hash: Vec<u8> = hex.trim().split(':').map(byte).collect::<Option<_>>()?;
        (hash.len() == algorithm.output_len()).then_some(Self { algorithm, hash })
    }

    /// Whether this is the fingerprint of a certificate.
    pub(crate) fn is_of(&self, der: &[u8]) -> bool {
        digest::digest(self.algorithm, der).as_ref() == self.hash
    }
}

/// A client's description, checked.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) fingerprint: Fingerprint,
    /// One- and two-byte header extensions may be mixed (RFC 8285 4.1.2).
    pub(crate) mixed_extensions: bool,
    pub(crate) sections: Vec<Section>,
}

/// Reads an offer or an answer.
pub(crate) fn parse_description(sdp: &str) -> Result<Description, OfferError> {
    if sdp.len() > MAX_SDP {
        return Err(OfferError::TooLarge);
    }
    // Counted before parsing: the parser keeps every line.
    if sdp.lines().filter(|line| line.starts_with("m=")).count() > MAX_SECTIONS {
        return Err(OfferError::TooManySections);
    }
    let session = Session::parse(sdp.as_bytes()).map_err(|_| OfferError::Malformed)?;
    let bundle = bundle(&session);
    let mut sections = Vec::with_capacity(session.medias.len());
    for media in &session.medias {
        let mut section = read_section(media, &session)?;
        // One transport is all there is: what is not bundled onto it cannot be used (RFC 9143 7.3.3).
        section.rejected |= match &bundle {
            Some(mids) => !mids.contains(section.mid.as_str()),
            None => !sections.is_empty(),
        };
        sections.push(section);
    }
    check_mids(&sections)?;
    check_bundle(&sections)?;

    let first = sections.iter().position(|section| !section.rejected).ok_or(OfferError::NoSections)?;
    let transport = Transport { session: &session, media: session.medias.get(first).ok_or(OfferError::NoSections)? };
    transport.check_setup()?;
    let (ufrag, password) = transport.ice_credentials()?;
    let fingerprint = transport.fingerprint()?;
    let mixed_extensions = transport.attribute("extmap-allow-mixed").is_some();
    Ok(Description { ufrag, password, fingerprint, mixed_extensions, sections })
}

/// The mids of `a=group:BUNDLE`; `None` without one.
fn bundle(session: &Session) -> Option<BTreeSet<&str>> {
    session
        .attributes
        .iter()
        .filter(|attribute| attribute.attribute == "group")
        .filter_map(|attribute| attribute.value.as_deref()?.strip_prefix("BUNDLE"))
        .map(|mids| mids.split_ascii_whitespace().collect())
        .next()
}

fn check_mids(sections: &[Section]) -> Result<(), OfferError> {
    let mids: BTreeSet<&Mid> = sections.iter().map(|section| &section.mid).collect();
    (mids.len() == sections.len()).then_some(()).ok_or(OfferError::Mid)
}

/// One payload type and one extension id must mean one thing (RFC 9143 9.1, 9.2).
fn check_bundle(sections: &[Section]) -> Result<(), OfferError> {
    let mut payload_types = [None; 128];
    let mut kinds = [None; 256];
    for section in sections.iter().filter(|section| !section.rejected) {
        for codec in &section.codecs {
            let slot = payload_types.get_mut(usize::from(codec.payload_type)).ok_or(OfferError::PayloadType)?;
            if slot.replace(codec.codec).is_some_and(|other| other != codec.codec) {
                return Err(OfferError::PayloadType);
            }
        }
        for (kind, id) in section.extensions.iter() {
            let slot = &mut kinds[usize::from(id)];
            if slot.replace(kind).is_some_and(|other| other != kind) {
                return Err(OfferError::Extension);
            }
        }
    }
    Ok(())
}

/// The section that stands for the transport of the bundle, with what the session says for all.
struct Transport<'a> {
    session: &'a Session,
    media: &'a Media,
}

impl<'a> Transport<'a> {
    fn attributes(&self, name: &'static str) -> impl Iterator<Item = &'a Attribute> {
        let all = self.media.attributes.iter().chain(&self.session.attributes);
        all.filter(move |attribute| attribute.attribute == name)
    }

    fn attribute(&self, name: &'static str) -> Option<&'a str> {
        self.attributes(name).next().map(|attribute| attribute.value.as_deref().unwrap_or(""))
    }

    /// RFC 8842 5.3: an offer says `actpass`; an answer, or a client that insists, `active`.
    fn check_setup(&self) -> Result<(), OfferError> {
        matches!(self.attribute("setup"), Some("actpass" | "active")).then_some(()).ok_or(OfferError::Setup)
    }

    fn ice_credentials(&self) -> Result<(String, String), OfferError> {
        // RFC 8839 5.4.
        let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        let read = |name, least: usize| {
            let value: &str = self.attribute(name)?;
            let fits = (least..=256).contains(&value.len()) && value.bytes().all(is_ice_char);
            fits.then(|| value.to_owned())
        };
        read("ice-ufrag", 4).zip(read("ice-pwd", 22)).ok_or(OfferError::IceCredentials)
    }

    fn fingerprint(&self) -> Result<Fingerprint, OfferError> {
        self.attributes("fingerprint")
            .find_map(|attribute| Fingerprint::read(attribute.value.as_deref()?))
            .ok_or(OfferError::Fingerprint)
    }
}
