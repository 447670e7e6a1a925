//! Whether the server takes writes: one that is full or read-only refuses them at once, so they are
//! left out for a while, and reads go on.
//!
//! No probe is needed: when the while is over, one caller tries, for one round trip.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Writes {
    suspended: AtomicBool,
    until: Mutex<Option<Instant>>,
}

impl Writes {
    pub(super) fn are_suspended(&self) -> bool {
        self.suspended.load(Ordering::Relaxed)
    }

    /// Whether a write may be sent. Of those who ask when the pause is over, one may.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        let mut until = self.until();
        match *until {
            None => true,
            Some(end) if now < end => false,
            Some(_) => {
                *until = Some(now + PAUSE);
                true
            }
        }
    }

    /// The server refused a write. Whether it took them before.
    pub(super) fn refused(&self, now: Instant) -> bool {
        let mut until = self.until();
        self.suspended.store(true, Ordering::Relaxed);
        until.replace(now + PAUSE).is_none()
    }

    /// The server took a write. Whether it refused them before.
    pub(super) fn accepted(&self) -> bool {
        let mut until = self.until();
        self.suspended.store(false, Ordering::Relaxed);
        until.take().is_some()
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_refusal_one_caller_a_pause_tries() {
        let (writes, now) = (Writes::default(), Instant::now());
        assert!(writes.may_try(now) && !writes.are_suspended());
        assert!(writes.refused(now), "that is news");
        assert!(!writes.refused(now), "that is not");
        assert!(!writes.may_try(now));
        let later = now + PAUSE;
        assert!(writes.may_try(later));
        assert!(!writes.may_try(later), "one tries already");
        assert!(
            writes.may_try(later + PAUSE),
            "it never said what came of it"
        );
    }

    #[test]
    fn one_accepted_write_ends_it() {
        let (writes, now) = (Writes::default(), Instant::now());
        assert!(!writes.accepted(), "it took them before");
        writes.refused(now);
        assert!(writes.accepted() && !writes.are_suspended());
        assert!(writes.may_try(now));
    }
}
