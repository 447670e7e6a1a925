//! Looks after a runtime whose workers user code may block.
//!
//! A task that a worker runs next is taken by no other worker, and the I/O of a runtime is driven by one worker
//! at a time. If user code blocks that worker, its next task waits, and so does all I/O, though other workers are
//! idle. So while something is under way, the I/O thread of the cache looks every few milliseconds: it sends
//! what its sender leaves, and if nothing was answered meanwhile, it wakes a worker that drives the I/O.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::home::Home;
use super::reads::{Reads, USUAL};
use crate::exec;

#[derive(Default)]
pub(super) struct Watch {
    reads: Mutex<Vec<Weak<Reads>>>,
    under_way: AtomicUsize,
    /// How often something ended.
    ended: AtomicUsize,
    is_on: AtomicBool,
}

impl Watch {
    /// Adds reads whose sender is looked after.
    pub(super) fn add(&self, reads: &Arc<Reads>) {
        let mut all = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::downgrade(reads));
    }

    fn send_late(&self) {
        let reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        for reads in reads.iter().filter_map(Weak::upgrade) {
            reads.send_if_late(USUAL);
        }
    }

    /// Returns whether to go on.
    fn goes_on(&self) -> bool {
        if self.under_way.load(Ordering::SeqCst) > 0 {
            return true;
        }
        self.is_on.store(false, Ordering::SeqCst);
        // Something may have begun in between, and counts on it.
        self.under_way.load(Ordering::SeqCst) > 0 && !self.is_on.swap(true, Ordering::SeqCst)
    }
}

/// Something under way on a runtime.
pub(super) struct Watched(Arc<Home>);

impl Watched {
    pub(super) fn on(home: &Arc<Home>) -> Self {
        let watch = home.watch();
        watch.under_way.fetch_add(1, Ordering::SeqCst);
        // Without the I/O thread nothing is sent.
        if !watch.is_on.load(Ordering::SeqCst)
            && !watch.is_on.swap(true, Ordering::SeqCst)
            && exec::spawn_on_io(look_after(Arc::downgrade(home))).is_err()
        {
            watch.is_on.store(false, Ordering::SeqCst);
        }
        Self(home.clone())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let watch = self.0.watch();
        watch.ended.fetch_add(1, Ordering::Relaxed);
        watch.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn look_after(home: Weak<Home>) {
    let mut ended = None;
    loop {
        exec::sleep(USUAL).await;
        let Some(home) = home.upgrade() else {
            return;
        };
        let watch = home.watch();
        if !watch.goes_on() {
            return;
        }
        watch.send_late();
        let now = watch.ended.load(Ordering::Relaxed);
        if ended.replace(now) == Some(now) {
            home.runtime().spawn(async {});
        }
    }
}
