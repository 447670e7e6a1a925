//! One copy: a value of the function's own type behind a type that all copies share.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::clock::Ticks;
use crate::event::Counters;
use crate::guard;
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

/// The user's value. A copy is dropped wherever the last one has it: in a call, or by the thread that
/// told of a change. None of them has to do with a destructor that panics.
struct OfUser<T>(Option<T>);

impl<T> Drop for OfUser<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        guard::of_user(|| drop(value));
    }
}

impl Copied {
    pub(crate) fn new<T: Any + Send + Sync>(life: Life, value: T) -> Arc<Self> {
        let (ended, value) = (AtomicBool::new(false), OfUser(Some(value)));
        Arc::new(Copied { life, ended, value })
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
        let of_user: &OfUser<T> = self.value.downcast_ref()?;
        of_user.0.as_ref()
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
