//! Which loads wait for which, in this process.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use super::{LOADS, LoadId};

/// For each load, the loads that calls from within it wait for.
type Waits = HashMap<LoadId, Vec<LoadId>>;

/// Locked only by calls from within a load: no other call can be part of a ring.
static WAITS: LazyLock<Mutex<Waits>> = LazyLock::new(Mutex::default);

/// A wait for another's load, until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Vec<Arc<LoadId>>,
    target: LoadId,
}

/// Notes that the code that runs here waits for a load. Returns `None` if that load waits for this
/// code: neither would ever end.
pub(crate) fn wait_for(target: LoadId) -> Option<Waiting> {
    let waiters = LOADS.try_with(|loads| loads.borrow().clone());
    let waiters = waiters.unwrap_or_default();
    if !waiters.is_empty() {
        let mut waits = waits();
        if reaches(&waits, &target, &waiters) {
            return None;
        }
        for waiter in &waiters {
            let targets = waits.entry(LoadId::clone(waiter)).or_default();
            targets.push(target.clone());
        }
    }
    Some(Waiting { waiters, target })
}

/// Returns whether `from` waits for one of these loads, directly or by others.
fn reaches(waits: &Waits, from: &LoadId, loads: &[Arc<LoadId>]) -> bool {
    let mut seen = HashSet::from([from]);
    let mut next = vec![from];
    while let Some(load) = next.pop() {
        if loads.iter().any(|waiter| **waiter == *load) {
            return true;
        }
        let targets = waits.get(load).into_iter().flatten();
        next.extend(targets.filter(|target| seen.insert(target)));
    }
    false
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.waiters.is_empty() {
            return;
        }
        let mut waits = waits();
        for waiter in &self.waiters {
            let Some(targets) = waits.get_mut(&**waiter) else {
                continue;
            };
            if let Some(at) = targets.iter().position(|target| *target == self.target) {
                targets.swap_remove(at);
            }
            if targets.is_empty() {
                waits.remove(&**waiter);
            }
        }
    }
}

fn waits() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::enter;
    use super::*;
    use crate::key::Key;

    fn load(name: &str) -> LoadId {
        LoadId::new(0, Key::raw(name))
    }

    /// As a call from within a load of `waiter`.
    fn wait(waiter: &str, target: &str) -> Option<Waiting> {
        let waiter = Arc::new(load(waiter));
        let _within = enter(&waiter);
        wait_for(load(target))
    }

    #[test]
    fn a_ring_is_refused_where_it_closes() {
        let first = wait("ring a", "ring b");
        let second = wait("ring b", "ring c");
        assert!(first.is_some() && second.is_some());
        assert!(wait("ring c", "ring a").is_none());
        assert!(wait("ring d", "ring a").is_some());
        drop(second);
        assert!(wait("ring c", "ring a").is_some());
    }

    #[test]
    fn one_of_two_equal_waits_remains() {
        let [first, second] = [wait("twice a", "twice b"), wait("twice a", "twice b")];
        drop(first);
        assert!(wait("twice b", "twice a").is_none());
        drop(second);
        assert!(wait("twice b", "twice a").is_some());
    }
}
