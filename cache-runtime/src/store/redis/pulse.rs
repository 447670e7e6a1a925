//! The signs of life of one connection.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(super) struct Pulse {
    answers: AtomicU64,
    /// A caller left without an answer, and no answer to anybody came after it.
    left: AtomicBool,
    left_at: Mutex<Option<Instant>>,
}

impl Pulse {
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        if self.left.load(Ordering::Relaxed) {
            self.left.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn left(&self) {
        let mut left_at = self.left_at();
        if !self.left.swap(true, Ordering::Relaxed) {
            *left_at = Some(Instant::now());
        }
    }

    pub(super) fn is_silent_for(&self, limit: Duration) -> bool {
        let since = |at: Instant| at.elapsed() > limit;
        self.left.load(Ordering::Relaxed) && self.left_at().is_some_and(since)
    }

    fn left_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.left_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_silent_since_somebody_left_unanswered_until_anybody_is_answered() {
        let pulse = Pulse::default();
        assert!(!pulse.is_silent_for(Duration::ZERO), "nobody asked");
        pulse.left();
        assert!(!pulse.is_silent_for(Duration::from_secs(60)), "not so long");
        while !pulse.is_silent_for(Duration::ZERO) {}
        pulse.answered();
        assert!(!pulse.is_silent_for(Duration::ZERO));
    }
}
