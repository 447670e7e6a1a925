//! Counts that each thread keeps for itself: an addition that no other thread makes needs no
//! instruction that waits for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one thread counted; others read it.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// To be called by the one thread that counts here.
    pub(crate) fn add(&self) {
        let counted = self.0.load(Ordering::Relaxed);
        self.0.store(counted + 1, Ordering::Relaxed);
    }
}

/// What all threads counted of one thing.
#[derive(Debug)]
pub(crate) struct Total {
    number: u64,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    /// By threads that count no more.
    before: u64,
    tallies: Vec<Arc<Tally>>,
}

impl Default for Total {
    fn default() -> Self {
        static TOTALS: AtomicU64 = AtomicU64::new(0);
        Self {
            number: TOTALS.fetch_add(1, Ordering::Relaxed),
            counted: Mutex::default(),
        }
    }
}

impl Total {
    pub(crate) fn read(&self) -> u64 {
        let counted = self.counted();
        let tallies = counted.tallies.iter();
        let now: u64 = tallies.map(|tally| tally.0.load(Ordering::Relaxed)).sum();
        counted.before + now
    }

    fn tally(&self) -> Arc<Tally> {
        let mut counted = self.counted();
        let Counted { before, tallies } = &mut *counted;
        tallies.retain_mut(|tally| match Arc::get_mut(tally) {
            None => true,
            Some(tally) => {
                *before += *tally.0.get_mut();
                false
            }
        });
        let tally = Arc::default();
        tallies.push(Arc::clone(&tally));
        tally
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tallies of one thread.
#[derive(Debug, Default)]
pub(crate) struct Tallies(HashMap<u64, Arc<Tally>>);

impl Tallies {
    /// The one of this total.
    pub(crate) fn of(&mut self, total: &Total) -> Arc<Tally> {
        let tally = self.0.entry(total.number);
        tally.or_insert_with(|| total.tally()).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_threads_counted_adds_up_while_they_count_and_when_they_are_gone() {
        const THREADS: u64 = 8;
        const EACH: u64 = 1000;
        let (total, other) = (Total::default(), Total::default());
        let count = || {
            let mut tallies = Tallies::default();
            for _ in 0..EACH {
                tallies.of(&total).add();
                tallies.of(&other).add();
            }
        };
        for round in 1..=3 {
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(count);
                }
            });
            assert_eq!(total.read(), round * THREADS * EACH);
        }
        assert_eq!(other.read(), total.read());
    }

    #[test]
    fn a_thread_that_is_gone_leaves_no_tally_behind() {
        let total = Total::default();
        for _ in 0..100 {
            thread::scope(|scope| {
                scope.spawn(|| Tallies::default().of(&total).add());
            });
        }
        assert_eq!(total.read(), 100);
        assert!(total.counted().tallies.len() <= 1);
    }
}
