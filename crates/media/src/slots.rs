//! Values with a key, found on the packet path by a small index that stays theirs until they go.

use std::collections::BTreeMap;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    values: Vec<Option<V>>,
    by_key: BTreeMap<K, u16>,
}

impl<K: Ord + Copy, V> Slots<K, V> {
    pub fn new() -> Self {
        Self { values: Vec::new(), by_key: BTreeMap::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// The index of a key.
    pub fn find(&self, key: K) -> Option<u16> {
        self.by_key.get(&key).copied()
    }

    pub fn get(&self, slot: u16) -> Option<&V> {
        self.values.get(usize::from(slot))?.as_ref()
    }

    pub fn get_mut(&mut self, slot: u16) -> Option<&mut V> {
        self.values.get_mut(usize::from(slot))?.as_mut()
    }

    /// Takes a value in; an index that was left is used again. `None` (and the value is gone) if the key is there or
    /// there is no index left.
    pub fn insert(&mut self, key: K, value: V) -> Option<u16> {
        if self.by_key.contains_key(&key) {
            return None;
        }
        let free = self.values.iter().position(Option::is_none);
        let index = free.unwrap_or(self.values.len());
        let slot = u16::try_from(index).ok()?;
        match self.values.get_mut(index) {
            Some(place) => *place = Some(value),
            None => self.values.push(Some(value)),
        }
        self.by_key.insert(key, slot);
        Some(slot)
    }

    pub fn remove(&mut self, key: K) -> Option<(u16, V)> {
        let slot = self.by_key.remove(&key)?;
        let value = self.values.get_mut(usize::from(slot))?.take()?;
        Some((slot, value))
    }

    /// Indices in use, in their order.
    pub fn indices(&self) -> impl Iterator<Item = u16> + use<K, V> {
        let used: Vec<u16> =
            (0u16..).zip(&self.values).filter(|(_, value)| value.is_some()).map(|(slot, _)| slot).collect();
        used.into_iter()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, &V)> {
        (0u16..).zip(&self.values).filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u16, &mut V)> {
        (0u16..).zip(&mut self.values).filter_map(|(slot, value)| Some((slot, value.as_mut()?)))
    }
}
