//! The sources of one direction, and how far each has come.
//!
//! Every stream of a session has a source of its own: over an hour there are many, few of them at a time. At the bound the
//! one that was not used for longest makes room for a new one. Of it the highest index is kept, so that it may go on from
//! there, but nothing of it is opened or sealed a second time.

use std::collections::BTreeMap;

use super::MAX_SOURCES;
use super::index::Window;

/// Sources of which only the highest index is kept. A session of twelve in which everyone is moved apart and back takes
/// some 35 new ones each time, so this is a hundred times; and a client that makes them up gets 64 KiB.
pub(super) const MAX_RETIRED: usize = 4_096;

/// A stream, by its source.
#[derive(Clone, Debug)]
pub(super) struct Source<T> {
    pub(super) ssrc: u32,
    pub(super) window: Window,
    /// What else there is to know of it.
    pub(super) tag: T,
    /// When it was used last, counted in packets of all sources.
    used: u64,
}

/// Where a source stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Known(usize),
    /// Not used for long; this was its highest index.
    Retired(u64),
    New,
}

/// All of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources<T> {
    /// Sorted by source, at most [`MAX_SOURCES`].
    sources: Vec<Source<T>>,
    retired: BTreeMap<u32, u64>,
    packets: u64,
    /// Where the source used last is, most likely: a frame's packets come one after the other.
    last: usize,
}

impl<T> Sources<T> {
    pub(super) fn new() -> Self {
        Self { sources: Vec::new(), retired: BTreeMap::new(), packets: 0, last: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    /// `None`: there is no room for another.
    pub(super) fn find(&self, ssrc: u32) -> Option<Place> {
        if self.sources.get(self.last).is_some_and(|source| source.ssrc == ssrc) {
            return Some(Place::Known(self.last));
        }
        if let Ok(at) = self.sources.binary_search_by_key(&ssrc, |source| source.ssrc) {
            return Some(Place::Known(at));
        }
        match self.retired.get(&ssrc) {
            Some(highest) => Some(Place::Retired(*highest)),
            None if self.sources.len() >= MAX_SOURCES && self.retired.len() >= MAX_RETIRED => None,
            None => Some(Place::New),
        }
    }

    /// The index that a sequence number stands for: `Err` if it was used before or may have been.
    pub(super) fn index(&self, place: Place, sequence: u16) -> Result<u64, Option<u64>> {
        let of = |window: &Window| match window.guess(sequence) {
            Some(index) if window.is_fresh(index) => Ok(index),
            used => Err(used),
        };
        match place {
            Place::Known(at) => of(&self.sources[at].window),
            Place::Retired(highest) => of(&Window::used_up_to(highest)),
            Place::New => Ok(u64::from(sequence)),
        }
    }

    /// Whether this index is new.
    pub(super) fn is_fresh(&self, place: Place, index: u64) -> bool {
        match place {
            Place::Known(at) => self.sources[at].window.is_fresh(index),
            Place::Retired(highest) => index > highest,
            Place::New => true,
        }
    }

    /// This index is used now. `tag` is asked where the source is not known.
    pub(super) fn mark(&mut self, place: Place, ssrc: u32, index: u64, tag: impl FnOnce() -> T) -> &mut Source<T> {
        self.packets += 1;
        let at = match place {
            Place::Known(at) => at,
            Place::New => self.insert(ssrc, Window::starting_at(index), tag()),
            Place::Retired(highest) => self.insert(ssrc, Window::used_up_to(highest), tag()),
        };
        self.last = at;
        let source = &mut self.sources[at];
        source.window.mark(index);
        source.used = self.packets;
        source
    }

    fn insert(&mut self, ssrc: u32, window: Window, tag: T) -> usize {
        self.retired.remove(&ssrc);
        if self.sources.len() >= MAX_SOURCES
            && let Some(idle) = (0..self.sources.len()).min_by_key(|at| self.sources[*at].used)
        {
            let idle = self.sources.remove(idle);
            self.retired.insert(idle.ssrc, idle.window.highest());
        }
        let at = self.sources.partition_point(|source| source.ssrc < ssrc);
        self.sources.insert(at, Source { ssrc, window, tag, used: 0 });
        at
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Source<T>> {
        self.sources.iter_mut()
    }
}
