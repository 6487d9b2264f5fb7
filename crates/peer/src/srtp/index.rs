//! Packet indices: the 48-bit RTP index guessed from 16 bits (RFC 3711 3.3.1, appendix A), and the replay window (3.3.2).

const WORDS: usize = 16;

/// Bits of a window. A repaired packet may come a second late: some 500 packets of video.
pub(super) const WINDOW: u64 = 64 * WORDS as u64;

/// Largest RTP index: 2^48 packets, then the key is used up.
pub(super) const MAX_RTP_INDEX: u64 = (1 << 48) - 1;

/// Which indices of a source were used, as far back as [`WINDOW`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The highest index used.
    highest: u64,
    /// Bit `i % WINDOW` tells of index `i`, for the last [`WINDOW`] indices.
    bits: [u64; WORDS],
}

impl Window {
    /// Of a source whose first packet has this index.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { highest: index, bits: [0; WORDS] };
        window.set(index);
        window
    }

    /// Of a source of which no more is known than its highest index: all before it may have been used.
    pub(super) fn used_up_to(highest: u64) -> Self {
        Self { highest, bits: [u64::MAX; WORDS] }
    }

    /// The highest index used.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Whether this index is new: not used, and not too old to tell.
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        index > self.highest || (self.highest - index < WINDOW && !self.is_set(index))
    }

    /// Marks an index as used. Indices too old to have a bit are left alone.
    pub(super) fn mark(&mut self, index: u64) {
        if index == self.highest + 1 {
            // The next one, as nearly always: it takes the bit of the one that is forgotten.
            self.highest = index;
            return self.set(index);
        }
        if index > self.highest {
            let gone = (index - self.highest).min(WINDOW);
            for forgotten in index + 1 - gone..=index {
                self.clear(forgotten);
            }
            self.highest = index;
        }
        if self.highest - index < WINDOW {
            self.set(index);
        }
    }

    fn position(index: u64) -> (usize, u64) {
        let bit = index % WINDOW;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn is_set(&self, index: u64) -> bool {
        let (word, bit) = Self::position(index);
        self.bits[word] & bit != 0
    }

    fn set(&mut self, index: u64) {
        let (word, bit) = Self::position(index);
        self.bits[word] |= bit;
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = Self::position(index);
        self.bits[word] &= !bit;
    }

    /// The index that a sequence number most likely stands for: the one nearest to the highest seen. `None` for one
    /// from before the first round: there is no index for it.
    pub(super) fn guess(&self, sequence: u16) -> Option<u64> {
        let delta = sequence.wrapping_sub(self.highest as u16).cast_signed();
        self.highest.checked_add_signed(i64::from(delta))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_index_is_fresh_once() {
        let mut window = Window::starting_at(5);
        assert!(!window.is_fresh(5));
        assert!(window.is_fresh(4));
        window.mark(4);
        assert!(!window.is_fresh(4));
        window.mark(5 + WINDOW);
        assert!(!window.is_fresh(5), "older than the window");
        assert!(window.is_fresh(6));
        window.mark(5 + 10 * WINDOW);
        assert!(window.is_fresh(5 + 10 * WINDOW - 1), "a leap leaves no stale bits");
    }

    #[test]
    fn the_guess_follows_both_ways_over_the_wrap() {
        let window = Window::starting_at(0xffff);
        assert_eq!(window.guess(0), Some(0x1_0000));
        assert_eq!(window.guess(0xfffe), Some(0xfffe));
        let window = Window::starting_at(0x1_0002);
        assert_eq!(window.guess(0xffff), Some(0xffff));
        assert_eq!(window.guess(3), Some(0x1_0003));
        assert_eq!(Window::starting_at(2).guess(0xffff), None, "no round before the first");
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(start in 0u64..3000, steps in prop::collection::vec(-1500i64..1500, 0..200)) {
            let mut window = Window::starting_at(start);
            let mut seen = std::collections::BTreeSet::from([start]);
            let mut at = start;
            for step in steps {
                at = at.saturating_add_signed(step);
                let too_old = at + WINDOW <= window.highest;
                prop_assert_eq!(window.is_fresh(at), !too_old && !seen.contains(&at));
                window.mark(at);
                seen.insert(at);
            }
        }

        #[test]
        fn the_guess_is_right_within_half_a_round(highest in 0u64..1 << 40, step in -0x7fffi64..0x7fff) {
            let Some(index) = highest.checked_add_signed(step) else { return Ok(()) };
            prop_assert_eq!(Window::starting_at(highest).guess(index as u16), Some(index));
        }
    }
}
