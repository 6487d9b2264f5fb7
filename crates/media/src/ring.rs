//! Values by sequence number: a ring that holds the newest, found by index instead of by hash.
//!
//! It begins small and doubles while values are pushed out that are still wanted, up to a bound; at the bound the oldest
//! goes. So a quiet stream costs a kibibyte and a busy one what its history needs.

/// Where a value went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// Into its place.
    Stored,
    /// Nowhere: its number is taken.
    Duplicate,
    /// Nowhere: a newer number has its place.
    Late,
}

#[derive(Clone, Copy, Debug)]
struct Slot<T> {
    /// Lower bits of the number: the ring holds what is near the newest.
    sequence: u32,
    value: T,
}

/// See the head of this file.
#[derive(Clone, Debug)]
pub(crate) struct SequenceRing<T> {
    /// A power of two many, or none before the first value.
    slots: Vec<Option<Slot<T>>>,
    initial: usize,
    max: usize,
}

impl<T: Copy> SequenceRing<T> {
    /// Bytes a place takes.
    #[cfg(test)]
    pub const SLOT: usize = size_of::<Option<Slot<T>>>();

    /// Both sizes are powers of two.
    pub fn new(initial: usize, max: usize) -> Self {
        debug_assert!(initial.is_power_of_two() && max.is_power_of_two() && initial <= max);
        Self { slots: Vec::new(), initial, max }
    }

    /// Stores a value; `wanted` says of the one whose place it takes whether the ring should rather grow.
    pub fn insert(&mut self, sequence: u64, value: T, wanted: impl Fn(&T) -> bool) -> Inserted {
        if self.slots.is_empty() {
            self.slots = vec![None; self.initial];
        }
        loop {
            let index = self.index(sequence);
            let may_grow = self.slots.len() < self.max;
            let Some(slot) = self.slots.get_mut(index) else { return Inserted::Late };
            let older = |old: &Slot<T>| (sequence as u32).wrapping_sub(old.sequence);
            match slot {
                Some(old) if older(old) == 0 => return Inserted::Duplicate,
                Some(old) if older(old) > u32::MAX / 2 => return Inserted::Late,
                Some(old) if may_grow && wanted(&old.value) => self.grow(),
                _ => {
                    *slot = Some(Slot { sequence: sequence as u32, value });
                    return Inserted::Stored;
                }
            }
        }
    }

    /// The value with this number.
    pub fn get(&self, sequence: u64) -> Option<&T> {
        let slot = self.slots.get(self.index(sequence))?.as_ref()?;
        (slot.sequence == sequence as u32).then_some(&slot.value)
    }

    /// The value with this number, to be changed.
    pub fn get_mut(&mut self, sequence: u64) -> Option<&mut T> {
        let index = self.index(sequence);
        let slot = self.slots.get_mut(index)?.as_mut()?;
        (slot.sequence == sequence as u32).then_some(&mut slot.value)
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.slots = Vec::new();
    }

    #[cfg(test)]
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    fn index(&self, sequence: u64) -> usize {
        // Cut to the index: the mask is smaller than any usize.
        sequence as usize & self.slots.len().wrapping_sub(1)
    }

    fn grow(&mut self) {
        let doubled = vec![None; self.slots.len() * 2];
        let old = std::mem::replace(&mut self.slots, doubled);
        for slot in old.into_iter().flatten() {
            let index = self.index(u64::from(slot.sequence));
            if let Some(place) = self.slots.get_mut(index) {
                *place = Some(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_while_what_would_be_lost_is_wanted_and_no_further_than_its_bound() {
        let mut ring = SequenceRing::new(4, 16);
        for sequence in 0..100 {
            assert_eq!(ring.insert(sequence, sequence, |_| true), Inserted::Stored);
        }
        assert_eq!(ring.slots.len(), 16);
        assert_eq!(ring.get(84), Some(&84));
        assert_eq!(ring.get(83), None);
    }

    #[test]
    fn stays_small_when_the_old_is_not_wanted() {
        let mut ring = SequenceRing::new(4, 16);
        (0..100).for_each(|sequence| {
            ring.insert(sequence, sequence, |_| false);
        });
        assert_eq!(ring.slots.len(), 4);
    }

    #[test]
    fn tells_what_came_twice_from_what_came_too_late() {
        let mut ring = SequenceRing::new(4, 4);
        (10..14).for_each(|sequence| {
            ring.insert(sequence, (), |()| true);
        });
        assert_eq!(ring.insert(12, (), |()| true), Inserted::Duplicate);
        assert_eq!(ring.insert(8, (), |()| true), Inserted::Late);
    }
}
