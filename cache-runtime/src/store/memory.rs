//! The store without a server: the same verbs in this process, bounded, with a clock that can be
//! moved.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::unsync;

use crate::key::Key;

#[derive(Debug)]
pub(crate) struct Memory {
    // One lock makes every verb atomic, as a server's single thread does.
    entries: Mutex<unsync::Cache<Key, Entry, ByBytes>>,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    /// On this store's clock.
    expires: Option<Duration>,
}

#[derive(Clone, Debug)]
struct ByBytes;

/// What an entry costs beside its key and its value: the map's own fields, about.
const OVERHEAD: u64 = 128;

impl Weighter<Key, Entry> for ByBytes {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        OVERHEAD + key.len_on_server("") as u64 + entry.value.len() as u64
    }
}

impl Memory {
    pub(crate) fn new(bytes: u64) -> Self {
        const EXPECTED_ENTRY: u64 = 1024;
        let expected = usize::try_from(bytes / EXPECTED_ENTRY).unwrap_or(usize::MAX);
        Self {
            entries: Mutex::new(unsync::Cache::with_weighter(expected, bytes, ByBytes)),
            clock: Clock::new(),
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let mut entries = self.entries();
        let now = self.clock.now();
        match entries.get(key) {
            None => None,
            Some(entry) if entry.expires.is_some_and(|at| at <= now) => {
                entries.remove(key);
                None
            }
            Some(entry) => Some(entry.value.clone()),
        }
    }

    pub(crate) fn fill(&self, key: &Key, value: Vec<u8>, ttl: Option<Duration>) {
        let expires = ttl.map(|ttl| self.clock.now().saturating_add(ttl));
        self.entries().insert(key.clone(), Entry { value, expires });
    }

    pub(crate) fn remove(&self, key: &Key) -> bool {
        let removed = self.entries().remove(key);
        let now = self.clock.now();
        removed.is_some_and(|(_, entry)| entry.expires.is_none_or(|at| at > now))
    }

    /// Moves this store's clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn entries(&self) -> MutexGuard<'_, unsync::Cache<Key, Entry, ByBytes>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Real time since it was made, plus what it was moved by.
#[derive(Debug)]
struct Clock {
    start: Instant,
    moved_nanos: AtomicU64,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            moved_nanos: AtomicU64::new(0),
        }
    }

    fn now(&self) -> Duration {
        let moved = Duration::from_nanos(self.moved_nanos.load(Ordering::Relaxed));
        self.start.elapsed().saturating_add(moved)
    }

    fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let add = |moved: u64| Some(moved.saturating_add(by));
        // The closure always has a value, so there is nothing to fail.
        let _ = self
            .moved_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> Key {
        Key::new("test").part(&n)
    }

    #[test]
    fn what_was_filled_is_found_until_its_time_is_over() {
        let memory = Memory::new(1 << 20);
        memory.fill(&key(1), b"1".to_vec(), Some(Duration::from_secs(60)));
        memory.fill(&key(2), b"2".to_vec(), None);
        memory.advance(Duration::from_secs(59));
        assert_eq!(memory.get(&key(1)), Some(b"1".to_vec()));
        memory.advance(Duration::from_secs(1));
        assert_eq!(memory.get(&key(1)), None);
        memory.advance(Duration::MAX);
        assert_eq!(memory.get(&key(2)), Some(b"2".to_vec()));
    }

    #[test]
    fn removing_tells_whether_something_was_there() {
        let memory = Memory::new(1 << 20);
        assert!(!memory.remove(&key(1)));
        memory.fill(&key(1), b"1".to_vec(), None);
        assert!(memory.remove(&key(1)));
        assert!(!memory.remove(&key(1)));
        memory.fill(&key(1), b"1".to_vec(), Some(Duration::from_secs(1)));
        memory.advance(Duration::from_secs(1));
        assert!(!memory.remove(&key(1)));
    }

    #[test]
    fn it_never_holds_more_bytes_than_it_was_given() {
        let memory = Memory::new(100_000);
        for n in 0..10_000 {
            memory.fill(&key(n), vec![b'1'; 100], None);
            assert!(memory.entries().weight() <= 100_000);
        }
        assert!(memory.entries().len() > 100);
    }
}
