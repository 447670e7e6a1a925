//! How many refreshes run in the background at the same time.
//!
//! One that runs for longer than anybody waits for a load is overdue: its source may hang for ever, so
//! its permit goes to others. It holds its task, or its thread, all the same. So a function with many
//! overdue refreshes gets no further permit until one of them ends: a source that hangs keeps no other
//! one from being asked, and the number of threads has an end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::spec::Spec;

/// Counts the refreshes of one cache.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    running: Mutex<Running>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Running {
    refreshes: Vec<Refresh>,
    began: u64,
}

#[derive(Debug)]
struct Refresh {
    number: u64,
    spec: &'static Spec,
    due: Instant,
}

/// One refresh, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    number: u64,
}

impl Permits {
    /// A permit, if fewer than `most` are out and not overdue, and no more than `most` of this function
    /// are overdue.
    pub(crate) fn begin(
        self: &Arc<Self>,
        spec: &'static Spec,
        most: usize,
        now: Instant,
    ) -> Option<Permit> {
        let mut running = self.running();
        let refreshes = &running.refreshes;
        // What is overdue is looked for only where it matters.
        if refreshes.len() >= most {
            let is_overdue = |refresh: &&Refresh| refresh.due <= now;
            let overdue = || refreshes.iter().filter(is_overdue);
            let of_function = overdue().filter(|refresh| std::ptr::eq(refresh.spec, spec));
            if refreshes.len() - overdue().count() >= most || of_function.count() >= most {
                return None;
            }
        }
        running.began += 1;
        let number = running.began;
        // A bound so long that it has no end on this clock is one of years.
        const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        let due = now + spec.follow.min(YEARS);
        running.refreshes.push(Refresh { number, spec, due });
        Some(Permit {
            permits: self.clone(),
            number,
        })
    }

    pub(crate) async fn drained(self: Arc<Self>) {
        loop {
            let ended = self.ended.notified();
            if self.running().refreshes.is_empty() {
                return;
            }
            ended.await;
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let is_other = |refresh: &Refresh| refresh.number != self.number;
        self.permits.running().refreshes.retain(is_other);
        self.permits.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static HANGS: Spec = Spec::named("hangs", file!(), [line!(), column!()]).follow_millis(1000);
    static OTHER: Spec = Spec::named("other", file!(), [line!(), column!()]).follow_millis(1000);

    #[test]
    fn an_overdue_refresh_makes_room_for_others() {
        let (permits, now) = (Arc::<Permits>::default(), Instant::now());
        let begin = |spec, now| permits.begin(spec, 2, now);
        let hang = [begin(&HANGS, now), begin(&HANGS, now)];
        assert!(hang.iter().all(Option::is_some));
        let due = now + Duration::from_secs(1);
        assert!(begin(&OTHER, due - Duration::from_millis(1)).is_none());
        let others = [begin(&OTHER, due), begin(&OTHER, due)];
        assert!(others.iter().all(Option::is_some));
        assert!(begin(&OTHER, due).is_none());
    }

    #[test]
    fn a_function_that_hangs_gets_no_more() {
        let (permits, now) = (Arc::<Permits>::default(), Instant::now());
        let begin = |spec, now| permits.begin(spec, 2, now);
        let mut hang = vec![begin(&HANGS, now), begin(&HANGS, now)];
        let due = now + Duration::from_secs(1);
        assert!(begin(&HANGS, due).is_none());
        hang.pop();
        assert!(begin(&HANGS, due).is_some());
    }
}
