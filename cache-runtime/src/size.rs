//! How large the values of a function are: large ones travel apart, so that small ones do not wait
//! behind them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A value of more bytes of JSON is large.
pub(crate) const LARGE: usize = 64 * 1024;

/// The longest that is stored, unless the configuration says another. It is what is expected of values
/// that nobody has seen yet.
pub(crate) const LONGEST: usize = 1024 * 1024;

/// What the next value of a function is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Unknown,
    Small,
    /// Of so many bytes.
    Large(usize),
}

impl Size {
    pub(crate) fn is_large(self) -> bool {
        matches!(self, Self::Large(_))
    }

    /// How many bytes to make room for; none for what is small, of which a whole batch is no more
    /// than may be waited for.
    pub(crate) fn room(self) -> usize {
        match self {
            Self::Unknown => LONGEST,
            Self::Small => 0,
            Self::Large(bytes) => bytes,
        }
    }
}

/// What was seen of the values of one function: about the largest of the last hundred. One large
/// value in a million does not make a function large for ever.
#[derive(Debug)]
pub(crate) struct Sizes(AtomicUsize);

/// No value has so many bytes.
const NONE_SEEN: usize = usize::MAX;

impl Default for Sizes {
    fn default() -> Self {
        Self(AtomicUsize::new(NONE_SEEN))
    }
}

impl Sizes {
    pub(crate) fn expected(&self) -> Size {
        match self.0.load(Ordering::Relaxed) {
            NONE_SEEN => Size::Unknown,
            bytes if bytes > LARGE => Size::Large(bytes),
            _ => Size::Small,
        }
    }

    /// Nothing was stored. Where that is so, callers who come together do not ask for much.
    pub(crate) fn saw_none(&self) {
        let order = Ordering::Relaxed;
        // Else it is known what the values are like.
        let _ = self.0.compare_exchange(NONE_SEEN, 0, order, order);
    }

    /// A value of so many bytes was read or written. Of two at the same time one may go unnoticed.
    pub(crate) fn saw(&self, bytes: usize) {
        let largest = self.0.load(Ordering::Relaxed);
        // Nothing is written for one small value after the other.
        if bytes <= LARGE && largest <= LARGE {
            return;
        }
        let largest = match largest {
            NONE_SEEN => bytes,
            largest => bytes.max(largest - largest.saturating_sub(bytes) / 64),
        };
        self.0.store(largest, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_before_the_first_value() {
        let sizes = Sizes::default();
        assert_eq!(sizes.expected(), Size::Unknown);
        sizes.saw(0);
        assert_eq!(sizes.expected(), Size::Small);
    }

    #[test]
    fn that_nothing_is_stored_changes_nothing_of_what_is_known() {
        let sizes = Sizes::default();
        sizes.saw_none();
        assert_eq!(sizes.expected(), Size::Small);
        sizes.saw(LARGE + 1);
        sizes.saw_none();
        assert_eq!(sizes.expected(), Size::Large(LARGE + 1));
    }

    #[test]
    fn a_function_is_large_from_its_first_large_value_on() {
        let sizes = Sizes::default();
        sizes.saw(LARGE);
        assert_eq!(sizes.expected(), Size::Small);
        sizes.saw(LARGE + 1);
        assert_eq!(sizes.expected(), Size::Large(LARGE + 1));
        sizes.saw(1 << 30);
        assert_eq!(sizes.expected(), Size::Large(1 << 30));
    }

    #[test]
    fn a_function_stays_large_while_one_value_in_a_hundred_is() {
        let sizes = Sizes::default();
        for _ in 0..10 {
            sizes.saw(1 << 20);
            for _ in 0..99 {
                sizes.saw(100);
                assert!(sizes.expected().is_large());
            }
        }
    }

    #[test]
    fn a_function_whose_values_became_small_is_small_after_some_hundreds() {
        let sizes = Sizes::default();
        sizes.saw(8 << 20);
        let seen = (0..1000).take_while(|_| {
            sizes.saw(100);
            sizes.expected().is_large()
        });
        assert!(seen.count() < 500);
    }
}
