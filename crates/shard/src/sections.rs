//! The media sections on which we send to one client, and which publication each carries (RFC 8829). A client's section
//! is used by one publication, then answered `inactive` once, then free for the next: reuse without that step would show
//! the new track under the old one's name.
//!
//! Each publication has SSRCs of its own, also on a section that carried another before. libwebrtc ends the stream of a
//! section that becomes inactive, together with what plays it; for the same SSRC it builds a new stream but connects
//! nothing to it, and the client stays dark (`VideoRtpReceiver::RestartMediaChannel`).

use parlour_model::{MediaKind, PublicationKey};

/// Sections of one connection that we keep for sending. A session has at most 12 people with microphone, camera and two
/// screen tracks each; a client that offers more than that gets the rest answered `inactive`.
pub(crate) const MAX_SEND_SECTIONS: usize = 64;

/// What a section is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Ready for a publication.
    Free,
    /// Carries this one.
    Sending(PublicationKey),
    /// Carried one that is gone, which the client has not been told yet.
    Retiring,
}

/// One section on which we may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SendSection {
    pub(crate) mid: String,
    pub(crate) kind: MediaKind,
    /// Of the publication it carries; without one, of no meaning.
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    pub(crate) used: Use,
}

/// How many sections more a client must offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shortage {
    pub(crate) audio: u32,
    pub(crate) video: u32,
}

/// All sections of one connection on which we may send, in the client's order.
#[derive(Default)]
pub(crate) struct SendSections {
    sections: Vec<SendSection>,
    /// Publications that wait for a section, in order of wish.
    waiting: Vec<(PublicationKey, MediaKind)>,
}

impl SendSections {
    pub(crate) fn by_mid(&self, mid: &str) -> Option<&SendSection> {
        self.sections.iter().find(|section| section.mid == mid)
    }

    pub(crate) fn of(&self, publication: PublicationKey) -> Option<&SendSection> {
        self.sections.iter().find(|section| section.used == Use::Sending(publication))
    }

    /// A section the client offers to receive on.
    pub(crate) fn offer(&mut self, mid: &str, kind: MediaKind) {
        if self.by_mid(mid).is_some() || self.sections.len() >= MAX_SEND_SECTIONS {
            return;
        }
        let section = SendSection { mid: mid.to_owned(), kind, ssrc: 0, rtx_ssrc: 0, used: Use::Free };
        self.sections.push(section);
    }

    /// Makes the sections that those that wait lack: for a connection on which we offer. Its first section, mid 0, is that
    /// of the data channels, and mids count on from there.
    pub(crate) fn grow(&mut self) {
        let Shortage { audio, video } = self.shortage();
        let kinds = [(MediaKind::Audio, audio), (MediaKind::Video, video)];
        for (kind, count) in kinds {
            for _ in 0..count {
                let mid = (self.sections.len() + 1).to_string();
                self.offer(&mid, kind);
            }
        }
    }

    /// The publication is wanted: it gets a section at the next [`Self::assign`].
    pub(crate) fn want(&mut self, publication: PublicationKey, kind: MediaKind) {
        let known = self.of(publication).is_some() || self.waiting.iter().any(|(one, _)| *one == publication);
        if !known {
            self.waiting.push((publication, kind));
        }
    }

    /// The publication is no longer wanted; `true` if a section carried it, so that the client must be asked for an offer.
    pub(crate) fn retire(&mut self, publication: PublicationKey) -> bool {
        self.waiting.retain(|(one, _)| *one != publication);
        match self.sections.iter_mut().find(|section| section.used == Use::Sending(publication)) {
            Some(section) => {
                section.used = Use::Retiring;
                true
            }
            None => false,
        }
    }

    /// Gives free sections, with new identifiers, to those that wait. What is `Retiring` stays so: this answer tells the
    /// client.
    pub(crate) fn assign(&mut self, mut ssrc: impl FnMut() -> u32) {
        let sections = &mut self.sections;
        self.waiting.retain(|(publication, kind)| {
            match sections.iter_mut().find(|section| section.kind == *kind && section.used == Use::Free) {
                Some(section) => {
                    section.used = Use::Sending(*publication);
                    (section.ssrc, section.rtx_ssrc) = (ssrc(), ssrc());
                    false
                }
                None => true,
            }
        });
    }

    /// The client knows of the retired ones now.
    pub(crate) fn answered(&mut self) {
        for section in &mut self.sections {
            if section.used == Use::Retiring {
                section.used = Use::Free;
            }
        }
    }

    /// Whether a new offer would change anything.
    pub(crate) fn unsettled(&self) -> bool {
        !self.waiting.is_empty() || self.sections.iter().any(|section| section.used == Use::Retiring)
    }

    /// How many sections those that wait lack, counting what is about to be free.
    pub(crate) fn shortage(&self) -> Shortage {
        let lacking = |kind| {
            let waiting = self.waiting.iter().filter(|(_, one)| *one == kind).count();
            let ready = self.sections.iter().filter(|one| one.kind == kind && !matches!(one.used, Use::Sending(_)));
            let room = MAX_SEND_SECTIONS - self.sections.len();
            waiting.saturating_sub(ready.count()).min(room) as u32
        };
        Shortage { audio: lacking(MediaKind::Audio), video: lacking(MediaKind::Video) }
    }

    /// Every section that carries a publication.
    pub(crate) fn sending(&self) -> impl Iterator<Item = (&SendSection, PublicationKey)> {
        self.sections.iter().filter_map(|section| match section.used {
            Use::Sending(publication) => Some((section, publication)),
            Use::Free | Use::Retiring => None,
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SendSection> {
        self.sections.iter()
    }

    /// The connection is new: nothing carries anything, and what was carried waits again.
    pub(crate) fn reset(&mut self) {
        for section in self.sections.drain(..) {
            if let Use::Sending(publication) = section.used {
                self.waiting.push((publication, section.kind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIO: MediaKind = MediaKind::Audio;
    const VIDEO: MediaKind = MediaKind::Video;

    fn sections(kinds: &[MediaKind]) -> SendSections {
        let mut sections = SendSections::default();
        for (index, kind) in kinds.iter().enumerate() {
            sections.offer(&index.to_string(), *kind);
        }
        sections
    }

    /// Identifiers counted from `first`.
    fn from(first: u32) -> impl FnMut() -> u32 {
        let mut numbers = first..;
        move || numbers.next().unwrap_or_default()
    }

    #[test]
    fn a_section_is_inactive_for_one_answer_before_another_stream_uses_it() {
        let mut sections = sections(&[VIDEO]);
        sections.want(PublicationKey(1), VIDEO);
        sections.assign(from(10));
        sections.answered();
        assert_eq!(sections.of(PublicationKey(1)).map(|section| (section.ssrc, section.rtx_ssrc)), Some((10, 11)));

        assert!(sections.retire(PublicationKey(1)));
        sections.want(PublicationKey(2), VIDEO);
        sections.assign(from(20));
        assert_eq!(sections.by_mid("0").map(|section| section.used), Some(Use::Retiring));
        sections.answered();
        assert!(sections.unsettled());
        sections.assign(from(30));
        assert_eq!(sections.of(PublicationKey(2)).map(|section| section.ssrc), Some(30));
    }

    #[test]
    fn a_shortage_counts_kinds_apart_and_what_is_about_to_be_free() {
        let mut sections = sections(&[AUDIO, VIDEO]);
        for (key, kind) in [(1, AUDIO), (2, VIDEO), (3, VIDEO), (4, VIDEO)] {
            sections.want(PublicationKey(key), kind);
        }
        assert_eq!(sections.shortage(), Shortage { audio: 0, video: 2 });
        sections.assign(from(40));
        sections.retire(PublicationKey(2));
        assert_eq!(sections.shortage(), Shortage { audio: 0, video: 1 });
    }

    #[test]
    fn a_wish_withdrawn_before_it_was_met_needs_no_offer() {
        let mut sections = sections(&[]);
        sections.want(PublicationKey(1), AUDIO);
        sections.want(PublicationKey(1), AUDIO);
        assert!(!sections.retire(PublicationKey(1)));
        assert!(!sections.unsettled());
    }

    #[test]
    fn a_client_cannot_make_us_keep_more_sections_than_the_bound() {
        let sections = sections(&[AUDIO; MAX_SEND_SECTIONS + 5]);
        assert_eq!(sections.iter().count(), MAX_SEND_SECTIONS);
    }
}
