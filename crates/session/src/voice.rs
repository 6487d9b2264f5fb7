//! Who is heard by whom within a space: the floor, and pairs that sit in one room.

use std::collections::BTreeMap;

use parlour_model::session::{Floor, SameRoom};
use parlour_model::{Identity, Medium, Role};

/// Pairs among the twelve of the largest session.
const MAX_PAIRS: usize = 66;

/// Facts about hearing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Voice {
    pub floor: Floor,
    pairs: BTreeMap<(Identity, Identity), SameRoom>,
}

impl Voice {
    /// How two people are kept from echoing; the order of the two does not matter.
    pub fn same_room(&self, a: &Identity, b: &Identity) -> SameRoom {
        self.pairs.get(&ordered(a, b)).copied().unwrap_or(SameRoom::Apart)
    }

    /// False at the bound on pairs, with nothing changed.
    pub fn set_same_room(&mut self, a: &Identity, b: &Identity, how: SameRoom) -> bool {
        let pair = ordered(a, b);
        if how == SameRoom::Apart {
            self.pairs.remove(&pair);
            return true;
        }
        if self.pairs.len() >= MAX_PAIRS && !self.pairs.contains_key(&pair) {
            return false;
        }
        self.pairs.insert(pair, how);
        true
    }

    pub fn pairs(&self) -> impl Iterator<Item = (&Identity, &Identity, SameRoom)> {
        self.pairs.iter().map(|((a, b), how)| (a, b, *how))
    }

    /// Whether the floor lets this publisher be heard by that receiver. Therapists hear everyone: they could not lead
    /// a cool-down otherwise.
    pub fn floor_allows(&self, publisher: (&Identity, Role), receiver: Role) -> bool {
        if publisher.1 == Role::Therapist || receiver == Role::Therapist {
            return true;
        }
        match &self.floor {
            Floor::Open => true,
            Floor::TherapistOnly => false,
            Floor::OneVoice(speaker) => publisher.0 == speaker,
        }
    }

    /// Whether two people, where they sit, may exchange this medium.
    pub fn room_allows(&self, a: &Identity, b: &Identity, medium: Medium) -> bool {
        match (self.same_room(a, b), medium) {
            (SameRoom::Apart, _) | (_, Medium::Data) => true,
            (_, Medium::Audio | Medium::ScreenAudio) => false,
            (SameRoom::Audio, _) => true,
            (SameRoom::AudioAndVideo, Medium::Camera | Medium::ScreenVideo) => false,
        }
    }
}

fn ordered(a: &Identity, b: &Identity) -> (Identity, Identity) {
    if a <= b { (a.clone(), b.clone()) } else { (b.clone(), a.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_bound_no_pair_is_added_and_those_there_are_can_change() {
        let person = |number: usize| Identity::new(format!("p{number}"));
        let mut voice = Voice::default();
        for number in 1..=MAX_PAIRS {
            assert!(voice.set_same_room(&person(0), &person(number), SameRoom::Audio));
        }
        assert!(!voice.set_same_room(&person(1), &person(2), SameRoom::Audio));
        assert_eq!(voice.same_room(&person(1), &person(2)), SameRoom::Apart);
        assert!(voice.set_same_room(&person(1), &person(0), SameRoom::AudioAndVideo));
        assert_eq!(voice.same_room(&person(0), &person(1)), SameRoom::AudioAndVideo);
        assert!(voice.set_same_room(&person(0), &person(1), SameRoom::Apart));
        assert!(voice.set_same_room(&person(1), &person(2), SameRoom::Audio));
    }
}
