//! One copy: a value of the function's own type behind a type that all copies share.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock::Ticks;
use crate::event::Counters;
use crate::stats::Counted;

/// How long a copy lives, what it takes, and where its hits are counted.
#[derive(Debug)]
pub(crate) struct Life {
    pub(super) until: Ticks,
    pub(super) bytes: usize,
    pub(super) counters: Counted,
}

/// A copy and its life in one allocation, so that a hit counts one reference.
pub(crate) struct Copied<T: ?Sized = dyn Any + Send + Sync> {
    life: Life,
    /// It is no copy of the stored value any more, wherever it is held.
    ended: AtomicBool,
    value: T,
}

impl<T: Any + Send + Sync> Copied<T> {
    pub(crate) fn new(life: Life, value: T) -> Arc<Copied> {
        let ended = AtomicBool::new(false);
        Arc::new(Self { life, ended, value })
    }
}

impl Copied {
    pub(super) fn lives_at(&self, now: Ticks) -> bool {
        now < self.life.until && !self.ended.load(Ordering::Acquire)
    }

    /// Nobody is answered with it from now on.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn bytes(&self) -> usize {
        self.life.bytes
    }

    /// The value, if it is of this type: two functions of one name may differ in it.
    pub(crate) fn value<T: Any>(&self) -> Option<&T> {
        self.value.downcast_ref()
    }

    /// Where its hits are counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.life.counters
    }
}

impl fmt::Debug for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copied").finish_non_exhaustive()
    }
}
