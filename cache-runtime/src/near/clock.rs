//! A clock that is read in a few nanoseconds and steps by a few milliseconds: reading the exact one
//! would take as long as all the rest of a hit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coarsetime::Instant;

/// The system's own coarse clock, plus what it was moved by. No thread of ours has to keep it
/// going: one that stands still would let copies live for ever.
#[derive(Debug, Default)]
pub(super) struct Clock {
    moved: AtomicU64,
}

/// A moment of this clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(u64);

impl Clock {
    /// The longest step that a system's coarse clock makes.
    pub(super) const STEP: Duration = Duration::from_millis(16);

    pub(super) fn now(&self) -> Ticks {
        let now = Instant::now_without_cache_update().as_ticks();
        Ticks(now.saturating_add(self.moved.load(Ordering::Relaxed)))
    }

    pub(super) fn advance(&self, by: Duration) {
        let add = |moved: u64| Some(moved.saturating_add(ticks(by)));
        // The closure always has a value, so there is nothing to fail.
        let _ = self
            .moved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

impl Ticks {
    pub(super) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(ticks(time)))
    }
}

fn ticks(time: Duration) -> u64 {
    // What would not fit is as good as for ever.
    const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);
    coarsetime::Duration::from(time.min(LONGEST)).as_ticks()
}
