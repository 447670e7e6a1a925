//! Invalidations that could not be delivered.
//!
//! Until one is made up for, its key is not read in this process: what the server holds under it
//! may be what was to be removed. Making up comes before the first command of a new connection,
//! since a fill that began before the outage may still be on its way; what the server does not take
//! then is tried again behind everybody's back.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::key::Key;
use crate::metrics;

/// More would be a sign of something else being wrong; the caller is told that it failed.
const MOST: usize = 10_000;

#[derive(Debug)]
pub(crate) struct Owed {
    keys: Mutex<Keys>,
    /// Read on every call, so that nothing is locked while nothing is owed.
    count: AtomicUsize,
    meter: metrics::OfOwed,
}

#[derive(Debug, Default)]
struct Keys {
    /// When each was last added, in the order of additions.
    added: HashMap<Key, u64>,
    additions: u64,
}

/// What was owed at one moment.
#[derive(Debug)]
pub(crate) struct Debt(Vec<(Key, u64)>);

impl Debt {
    pub(crate) fn in_parts(&self, most: usize) -> impl Iterator<Item = Self> {
        self.0.chunks(most).map(|part| Self(part.to_vec()))
    }

    pub(crate) fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The keys for which this is so, in their order.
    pub(crate) fn only(&self, is_so: &[bool]) -> Self {
        let each = self.0.iter().zip(is_so);
        Self(
            each.filter(|(_, is_so)| **is_so)
                .map(|(key, _)| key.clone())
                .collect(),
        )
    }
}

impl Owed {
    pub(crate) fn new(cache: &str) -> Self {
        Self {
            keys: Mutex::default(),
            count: AtomicUsize::new(0),
            meter: metrics::OfOwed::new(cache),
        }
    }

    /// Whether there was room for it.
    pub(crate) fn add(&self, key: &Key) -> bool {
        let mut keys = self.keys();
        if keys.added.len() >= MOST && !keys.added.contains_key(key) {
            return false;
        }
        keys.additions += 1;
        let addition = keys.additions;
        keys.added.insert(key.clone(), addition);
        self.counted(keys);
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        !self.is_empty() && self.keys().added.contains_key(key)
    }

    pub(crate) fn debt(&self) -> Debt {
        let keys = self.keys();
        Debt(
            keys.added
                .iter()
                .map(|(key, at)| (key.clone(), *at))
                .collect(),
        )
    }

    /// What was owed then is made up for; a key that was added again meanwhile is owed again.
    pub(crate) fn settle(&self, debt: &Debt) {
        let mut keys = self.keys();
        for (key, added) in &debt.0 {
            if keys.added.get(key) == Some(added) {
                keys.added.remove(key);
            }
        }
        self.counted(keys);
    }

    /// What counts them is the user's, so it is called without the lock, and again if the count changed since.
    fn counted(&self, keys: MutexGuard<'_, Keys>) {
        self.count.store(keys.added.len(), Ordering::Release);
        drop(keys);
        let mut counted = None;
        while counted != Some(self.len()) {
            let keys = self.len();
            self.meter.set(keys);
            counted = Some(keys);
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> Key {
        Key::new("owed").part(&n)
    }

    #[test]
    fn a_key_is_owed_until_it_was_made_up_for() {
        let owed = Owed::new("test");
        assert!(owed.is_empty());
        assert!(owed.add(&key(1)));
        assert!(owed.contains(&key(1)) && !owed.contains(&key(2)));
        let debt = owed.debt();
        assert!(owed.add(&key(2)));
        owed.settle(&debt);
        assert!(!owed.contains(&key(1)) && owed.contains(&key(2)));
    }

    #[test]
    fn a_key_that_is_owed_again_while_it_is_made_up_for_stays_owed() {
        let owed = Owed::new("test");
        owed.add(&key(1));
        let debt = owed.debt();
        owed.add(&key(1));
        owed.settle(&debt);
        assert!(owed.contains(&key(1)));
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let owed = Owed::new("test");
        assert!((0..MOST).all(|n| owed.add(&key(n))));
        assert!(!owed.add(&key(MOST)));
        assert!(owed.add(&key(0)));
    }
}
