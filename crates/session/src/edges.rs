//! Who may send what to whom: the one function that makes edges.

use std::collections::{BTreeMap, BTreeSet};

use parlour_model::session::{E2eePolicy, Modality, SessionPolicy, Space};
use parlour_model::{Edge, Encryption, Grants, Identity, Medium, ParticipantKey, Role};

use crate::people::{Line, People};
use crate::voice::Voice;

/// What edges depend on.
pub(crate) struct Rules<'a> {
    pub people: &'a People,
    pub spaces: &'a BTreeMap<ParticipantKey, Space>,
    pub voice: &'a Voice,
    pub modality: Modality,
    pub policy: &'a SessionPolicy,
}

/// Someone who can be an end of an edge.
struct End<'a> {
    identity: &'a Identity,
    role: Role,
    line: &'a Line,
    space: Space,
}

impl Rules<'_> {
    /// Every edge there is.
    pub fn edges(&self) -> BTreeSet<Edge> {
        let ends: Vec<End<'_>> = self.ends().collect();
        let mut edges = BTreeSet::new();
        for publisher in &ends {
            for receiver in ends.iter().filter(|end| end.space == publisher.space && end.line.key != publisher.line.key)
            {
                let allowed = Medium::ALL.into_iter().filter(|medium| self.allows(publisher, receiver, *medium));
                edges.extend(allowed.map(|medium| Edge {
                    publisher: publisher.line.key,
                    receiver: receiver.line.key,
                    medium,
                }));
            }
        }
        edges
    }

    /// Those in a shared space whose line is up. A lost line has no edges: whoever comes back gets them anew, and a
    /// quick exit looks the same.
    fn ends(&self) -> impl Iterator<Item = End<'_>> {
        self.people.seats().filter_map(|(identity, person, line)| {
            let space = self.spaces.get(&line.key).copied().filter(|space| space.is_shared())?;
            let usable = line.is_connected() && self.is_encrypted_enough(line);
            usable.then_some(End { identity, role: person.role, line, space })
        })
    }

    fn is_encrypted_enough(&self, line: &Line) -> bool {
        self.policy.e2ee != E2eePolicy::Required || line.encryption != Encryption::None
    }

    fn allows(&self, publisher: &End<'_>, receiver: &End<'_>, medium: Medium) -> bool {
        carries(self.modality, medium)
            && may_send(publisher.line.grants, medium)
            && receiver.line.grants.subscribe
            && self.voice.room_allows(publisher.identity, receiver.identity, medium)
            && (!is_sound(medium) || self.voice.floor_allows((publisher.identity, publisher.role), receiver.role))
    }
}

/// Whether a session of this modality has this medium at all.
pub(crate) fn carries(modality: Modality, medium: Medium) -> bool {
    match modality {
        Modality::Video => true,
        Modality::Audio => matches!(medium, Medium::Audio | Medium::ScreenAudio | Medium::Data),
        Modality::Text => medium == Medium::Data,
    }
}

/// Whether these grants allow sending this medium.
pub(crate) fn may_send(grants: Grants, medium: Medium) -> bool {
    match medium {
        Medium::Audio => grants.microphone,
        Medium::Camera => grants.camera,
        Medium::ScreenAudio | Medium::ScreenVideo => grants.screen,
        Medium::Data => grants.data,
    }
}

fn is_sound(medium: Medium) -> bool {
    matches!(medium, Medium::Audio | Medium::ScreenAudio)
}
