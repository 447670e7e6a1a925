//! Work that one task at a time does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The turn of one task. Dropped with it, also where its runtime ends, it lets the next begin.
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    pub(super) fn begin(is_taken: &Arc<AtomicBool>) -> Option<Self> {
        let was_taken = is_taken.load(Ordering::Acquire) || is_taken.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| Self(is_taken.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
