//! What voices take of the lines they go over, and whether their makers are asked to make them narrow ([`crate::narrow`]): for
//! whoever hears them over too small a line, or because their own uplink is.

use parlour_model::{Bitrate, MediaKind};

use crate::event::MediaEvent;
use crate::publication::Publication;
use crate::room::Room;
use crate::wire::BELOW_RTP;

/// Of a voice with one frame again in each packet, headers included, what is left without that.
const BARE: f64 = 0.65;

/// Voices that go over a line, added up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Voices {
    /// What they take as they are published.
    pub published: Bitrate,
    /// What they would take without redundancy, were they not asked to be narrow.
    pub bare: Bitrate,
    /// All of them are sent with redundancy.
    pub redundant: bool,
}

impl Room {
    /// The voices that a receiver hears.
    pub(super) fn voices_heard(&self, receiver: u16) -> Voices {
        let mut voices = Voices { published: Bitrate::ZERO, bare: Bitrate::ZERO, redundant: true };
        let streams = self.participants.get(receiver).map(|participant| &participant.downlink.streams);
        for stream in streams.into_iter().flatten() {
            let binding = stream.binding.filter(|binding| binding.open && binding.kind == MediaKind::Audio);
            let Some(publication) = binding.and_then(|binding| self.publications.get(binding.publication)) else {
                continue;
            };
            voices.published += publication.voice();
            voices.bare += publication.bare_voice();
            voices.redundant &= stream.redundant;
        }
        voices
    }

    /// What the voices of some publishers take, were none asked to be narrow. Nothing takes redundancy out on the way up.
    pub(super) fn voices_sent(&self, owners: &[u16]) -> Bitrate {
        let voices = self.publications.iter().map(|(_, one)| one).filter(|one| one.is_voice());
        voices.filter(|one| owners.contains(&one.owner)).map(Publication::whole_voice).sum()
    }

    /// Asks publishers for narrow voices, or no longer, where that changed.
    pub(super) fn look_after_voices(&mut self) {
        for slot in self.publications.indices() {
            let Some(publication) = self.publications.get(slot).filter(|one| one.is_voice()) else { continue };
            let asked = self.is_too_much(publication);
            let whole = publication.whole_voice();
            let Some(publication) = self.publications.get_mut(slot) else { continue };
            if publication.narrow.is_some() == asked {
                continue;
            }
            publication.narrow = asked.then_some(whole);
            let event = MediaEvent::NarrowSpeech { publication: publication.key, narrow: asked };
            self.counters.narrowed += u64::from(asked);
            self.events.push(event, &mut self.counters);
        }
    }

    /// Whether a voice is too much for the line of its owner or of anyone who hears it.
    fn is_too_much(&self, publication: &Publication) -> bool {
        let owner = self.participants.get(publication.owner);
        let hears = |&(receiver, stream): &(u16, u16)| {
            let downlink = &self.participants.get(receiver)?.downlink;
            let binding = downlink.streams.get(usize::from(stream))?.binding.as_ref()?;
            Some(binding.open && downlink.narrow.is_asked())
        };
        owner.is_some_and(|owner| owner.uplink.narrow)
            || publication.audience.iter().any(|way| hears(way).unwrap_or(false))
    }
}

impl Publication {
    fn is_voice(&self) -> bool {
        self.codec().kind() == MediaKind::Audio
    }

    /// What a voice takes on the wire: what lies below RTP is as much as half of it.
    fn voice(&self) -> Bitrate {
        let rungs = self.encoding(0).and_then(|encoding| encoding.meter.measured());
        let below = |packets_per_second: f32| (f64::from(packets_per_second) * 8.0 * BELOW_RTP as f64) as u64;
        rungs.map_or(Bitrate::ZERO, |[.., all]| all.rate + Bitrate::bps(below(all.frames_per_second)))
    }

    /// What a voice takes, or took before it was asked to be narrow.
    fn whole_voice(&self) -> Bitrate {
        self.narrow.unwrap_or_else(|| self.voice())
    }

    /// The same without redundancy, where that can be taken out.
    fn bare_voice(&self) -> Bitrate {
        let newest = self.encoding(0).and_then(|encoding| encoding.cache.get(encoding.newest()));
        let redundant = newest.and_then(|(kept, ..)| kept.red).is_some_and(|primary| primary > 0);
        self.whole_voice().scaled(if redundant { BARE } else { 1.0 })
    }
}
