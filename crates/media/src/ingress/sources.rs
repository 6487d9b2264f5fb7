//! Which publication and encoding a stream belongs to (RFC 9143 section 9.2, RFC 8852, RFC 8853).
//!
//! An SSRC named in the SDP is what the SDP says. Any other is bound by the mid and rid extensions of the first packet
//! that has them, and then known by itself, since senders soon leave the extensions out. One place (section, encoding,
//! media or repair) has one SSRC at a time: a second one that claims it is refused while the first is alive.

use std::time::{Duration, Instant};

use parlour_model::{Layer, PublicationKey};
use parlour_rtp::extension::token;
use parlour_rtp::{ExtensionKind, ExtensionMap, Packet};
use thiserror::Error;

use crate::spec::{IngressSection, layer_of_rid};

/// SSRCs known at once on one connection: camera and screen with three encodings and their repair, and two audio
/// sources, take 14.
pub const MAX_SOURCES: usize = 32;

/// A stream silent for this long may be replaced by one that claims its place.
pub const SILENCE: Duration = Duration::from_millis(300);

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The encoding itself.
    Media,
    /// Repetitions of it (RFC 4588).
    Repair,
}

/// Where a stream belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Index into the sections given to [`SourceTable::set_sections`].
    pub section: usize,
    /// What it is part of.
    pub publication: PublicationKey,
    /// Which encoding.
    pub layer: Layer,
    /// Media or repair.
    pub role: Role,
}

/// Why a packet belongs nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    /// Its SSRC is not known, and nothing in it tells where it belongs.
    #[error("no section carries this stream")]
    Unknown,
    /// Its section did not negotiate this payload type.
    #[error("payload type was not negotiated")]
    PayloadType,
    /// It claims the place of a stream that is alive.
    #[error("the place is taken by another stream")]
    Taken,
    /// More than [`MAX_SOURCES`].
    #[error("too many streams")]
    TooMany,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    source: Source,
    /// Named in the SDP: only a new SDP changes it.
    signalled: bool,
    seen: Instant,
}

/// What the table keeps of a section.
#[derive(Clone, Debug)]
struct Section {
    mid: String,
    publication: PublicationKey,
    media_types: [Option<u8>; 2],
    repair_type: Option<u8>,
    rids: Vec<(String, Layer)>,
    ssrcs: Vec<(u32, Option<u32>)>,
}

impl Section {
    fn new(spec: &IngressSection) -> Self {
        let rids = spec.rids.iter().enumerate();
        Self {
            mid: spec.mid.clone(),
            publication: spec.publication,
            media_types: [Some(spec.payload_type), spec.red],
            repair_type: spec.rtx,
            // A rid that is not of the ladder counts by its place in the offer.
            rids: rids.map(|(place, rid)| (rid.clone(), layer_of_rid(rid).unwrap_or(Layer(place as u8)))).collect(),
            ssrcs: spec.ssrcs.clone(),
        }
    }

    fn role(&self, payload_type: u8) -> Option<Role> {
        if self.media_types.contains(&Some(payload_type)) {
            Some(Role::Media)
        } else if self.repair_type == Some(payload_type) {
            Some(Role::Repair)
        } else {
            None
        }
    }

    /// A stream bound under `old` is bound under this section as well.
    fn continues(&self, old: &Self) -> bool {
        self.mid == old.mid && self.publication == old.publication && self.rids == old.rids && self.ssrcs == old.ssrcs
    }
}

/// The streams of one publishing connection.
#[derive(Clone, Debug, Default)]
pub struct SourceTable {
    extensions: ExtensionMap,
    sections: Vec<Section>,
    /// Searched for every packet: hence apart from `entries`, in the same order.
    ssrcs: Vec<u32>,
    entries: Vec<Entry>,
}

impl SourceTable {
    /// Nothing is published.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is published from now on, whole. Streams of sections that stay as they were stay known.
    pub fn set_sections(&mut self, extensions: &ExtensionMap, specs: &[IngressSection], now: Instant) {
        let sections: Vec<_> = specs.iter().map(Section::new).collect();
        let known: Vec<_> = self.ssrcs.drain(..).zip(self.entries.drain(..)).collect();
        for (ssrc, entry) in known {
            let old = self.sections.get(entry.source.section);
            let new = old.and_then(|old| sections.iter().position(|section| section.continues(old)));
            if let Some(section) = new {
                self.ssrcs.push(ssrc);
                self.entries.push(Entry { source: Source { section, ..entry.source }, ..entry });
            }
        }
        self.extensions = *extensions;
        self.sections = sections;
        self.bind_signalled(now);
    }

    fn bind_signalled(&mut self, now: Instant) {
        let mut named = Vec::new();
        for (index, section) in self.sections.iter().enumerate() {
            for (place, &(media, repair)) in section.ssrcs.iter().enumerate() {
                let source = |role| Source {
                    section: index,
                    publication: section.publication,
                    layer: Layer(u8::try_from(place).unwrap_or(u8::MAX)),
                    role,
                };
                named.push((media, source(Role::Media)));
                named.extend(repair.map(|repair| (repair, source(Role::Repair))));
            }
        }
        for (ssrc, source) in named {
            let entry = Entry { source, signalled: true, seen: now };
            match self.find(ssrc).and_then(|index| self.entries.get_mut(index)) {
                // Two sections that name one SSRC: the first keeps it.
                Some(known) if known.signalled => {}
                Some(known) => *known = entry,
                // Beyond the bound a stream stays unknown, and its packets are counted as that.
                None => drop(self.insert(ssrc, entry)),
            }
        }
    }

    fn find(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|&known| known == ssrc)
    }

    fn insert(&mut self, ssrc: u32, entry: Entry) -> Result<(), SourceError> {
        if self.entries.len() >= MAX_SOURCES {
            return Err(SourceError::TooMany);
        }
        self.ssrcs.push(ssrc);
        self.entries.push(entry);
        Ok(())
    }

    /// Where a packet belongs.
    pub fn resolve(&mut self, packet: &Packet<'_>, now: Instant) -> Result<Source, SourceError> {
        let Some(index) = self.find(packet.ssrc) else { return self.bind(packet, now) };
        let entry = self.entries.get_mut(index).ok_or(SourceError::Unknown)?;
        let section = self.sections.get(entry.source.section).ok_or(SourceError::Unknown)?;
        if section.role(packet.payload_type) != Some(entry.source.role) {
            return Err(SourceError::PayloadType);
        }
        entry.seen = now;
        Ok(entry.source)
    }

    /// The SSRC now bound to a place.
    pub fn ssrc_of(&self, publication: PublicationKey, layer: Layer, role: Role) -> Option<u32> {
        let place = self.entries.iter().position(|entry| {
            let Source { publication: p, layer: l, role: r, section: _ } = entry.source;
            (p, l, r) == (publication, layer, role)
        });
        self.ssrcs.get(place?).copied()
    }

    /// Where an SSRC that is already known belongs, for RTCP.
    pub fn source_of(&self, ssrc: u32) -> Option<Source> {
        Some(self.entries.get(self.find(ssrc)?)?.source)
    }

    /// The first packet of a stream that the SDP does not name.
    fn bind(&mut self, packet: &Packet<'_>, now: Instant) -> Result<Source, SourceError> {
        let index = self.section_of(packet).ok_or(SourceError::Unknown)?;
        let section = self.sections.get(index).ok_or(SourceError::Unknown)?;
        let role = section.role(packet.payload_type).ok_or(SourceError::PayloadType)?;
        let layer = self.layer_of(section, role, packet).ok_or(SourceError::Unknown)?;
        let source = Source { section: index, publication: section.publication, layer, role };
        let entry = Entry { source, signalled: false, seen: now };
        match self.entries.iter().position(|entry| entry.source == source) {
            None => self.insert(packet.ssrc, entry)?,
            Some(place) => {
                let holder = self.entries.get_mut(place).ok_or(SourceError::Taken)?;
                if holder.signalled || now.saturating_duration_since(holder.seen) < SILENCE {
                    return Err(SourceError::Taken);
                }
                *holder = entry;
                *self.ssrcs.get_mut(place).ok_or(SourceError::Taken)? = packet.ssrc;
            }
        }
        Ok(source)
    }

    fn name<'p>(&self, packet: &Packet<'p>, kind: ExtensionKind) -> Option<&'p str> {
        token(packet.extension(self.extensions.id(kind)?)?)
    }

    /// By mid; without one by payload type, if only one section has it.
    fn section_of(&self, packet: &Packet<'_>) -> Option<usize> {
        if let Some(mid) = self.name(packet, ExtensionKind::Mid) {
            return self.sections.iter().position(|section| section.mid == mid);
        }
        let mut candidates = self.sections.iter().enumerate().filter(|(_, s)| s.role(packet.payload_type).is_some());
        let (index, _) = candidates.next()?;
        candidates.next().is_none().then_some(index)
    }

    fn layer_of(&self, section: &Section, role: Role, packet: &Packet<'_>) -> Option<Layer> {
        if section.rids.is_empty() {
            // With SSRCs named, an unnamed one has no place; without, there is one encoding.
            return section.ssrcs.is_empty().then_some(Layer(0));
        }
        let kind = if role == Role::Media { ExtensionKind::Rid } else { ExtensionKind::RepairedRid };
        let rid = self.name(packet, kind)?;
        section.rids.iter().find(|(known, _)| known == rid).map(|&(_, layer)| layer)
    }
}

#[cfg(test)]
mod tests;
