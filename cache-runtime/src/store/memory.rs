//! The store without a server: the same verbs in this process, bounded, with a clock that can be
//! moved.

mod locked;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::unsync;

use self::locked::{Locked, Untold};
use super::{Found, Invalidated, Leased, Left, Lock, Waited};
use crate::key::Key;
use crate::lease::Token;
use crate::metrics;

#[derive(Debug)]
pub(crate) struct Memory {
    // One lock makes every verb atomic, as a server's single thread does.
    entries: Mutex<Entries>,
    meter: metrics::OfMemory,
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
        OVERHEAD + key.len() as u64 + entry.value.len() as u64
    }
}

impl Memory {
    pub(crate) fn new(bytes: u64, meter: metrics::OfMemory) -> Self {
        const EXPECTED_ENTRY: u64 = 1024;
        let expected = usize::try_from(bytes / EXPECTED_ENTRY).unwrap_or(usize::MAX);
        Self {
            entries: Mutex::new(Entries::new(expected, bytes)),
            meter,
            clock: Clock::new(),
        }
    }

    pub(crate) fn get(&self, key: &Key, left: bool) -> Found {
        let now = self.clock.now();
        let mut entries = self.entries();
        let Some(entry) = live(&mut entries, key, now) else {
            return Found::default();
        };
        let left = match entry.expires {
            _ if !left => Left::Unknown,
            None => Left::Forever,
            Some(at) => Left::For(at.saturating_sub(now)),
        };
        Found {
            json: Some(entry.value.clone()),
            left,
            waited: Waited::Never,
            watched: false,
        }
    }

    /// All who change something here are of this process, and tell of it themselves.
    pub(crate) fn get_watched(&self, key: &Key) -> Found {
        Found {
            watched: true,
            ..self.get(key, true)
        }
    }

    pub(crate) fn get_many(&self, keys: &[Key]) -> Vec<Option<Vec<u8>>> {
        keys.iter().map(|key| self.get(key, false).json).collect()
    }

    pub(crate) fn lease(&self, key: &Key, token: &Token, life: Duration) -> Leased {
        let now = self.clock.now();
        let mut entries = self.entries();
        entries.remove(&refresh(key));
        match live(&mut entries, key, now).map(|entry| entry.value.clone()) {
            None => {
                put(
                    &mut entries,
                    key,
                    token.as_bytes().to_vec(),
                    Some(now.saturating_add(life)),
                );
                Leased::Ours
            }
            Some(stored) => match Token::read(&stored) {
                Some(holder) => Leased::Held(holder),
                None => Leased::Value(stored),
            },
        }
    }

    pub(crate) fn displace(
        &self,
        key: &Key,
        unusable: &[u8],
        token: &Token,
        life: Duration,
    ) -> bool {
        let now = self.clock.now();
        let mut entries = self.entries();
        let same = live(&mut entries, key, now).is_some_and(|entry| entry.value == unusable);
        if same {
            entries.remove(&refresh(key));
            put(
                &mut entries,
                key,
                token.as_bytes().to_vec(),
                Some(now.saturating_add(life)),
            );
        }
        same
    }

    pub(crate) fn seize(&self, key: &Key, token: &Token, life: Duration) {
        let expires = self.clock.now().saturating_add(life);
        let mut entries = self.entries();
        entries.remove(&refresh(key));
        put(&mut entries, key, token.as_bytes().to_vec(), Some(expires));
    }

    pub(crate) fn extend(&self, key: &Key, lock: Lock, token: &Token, life: Duration) -> bool {
        let now = self.clock.now();
        let mut entries = self.entries();
        let place = at(key, lock);
        let held = holds(&mut entries, &place, token, now);
        if held {
            put(
                &mut entries,
                &place,
                token.as_bytes().to_vec(),
                Some(now.saturating_add(life)),
            );
        }
        held
    }

    pub(crate) fn fill(
        &self,
        key: &Key,
        lock: Lock,
        token: &Token,
        json: Vec<u8>,
        ttl: Option<Duration>,
    ) -> bool {
        let now = self.clock.now();
        let mut entries = self.entries();
        if !holds(&mut entries, &at(key, lock), token, now) {
            return false;
        }
        if lock == Lock::Refresh {
            entries.remove(&refresh(key));
            let is_value = |entry: &Entry| Token::read(&entry.value).is_none();
            if !live(&mut entries, key, now).is_some_and(is_value) {
                return false;
            }
        }
        put(
            &mut entries,
            key,
            json,
            ttl.map(|ttl| now.saturating_add(ttl)),
        );
        true
    }

    pub(crate) fn set(&self, key: &Key, json: Vec<u8>, ttl: Option<Duration>) {
        let expires = ttl.map(|ttl| self.clock.now().saturating_add(ttl));
        let mut entries = self.entries();
        entries.remove(&refresh(key));
        put(&mut entries, key, json, expires);
    }

    pub(crate) fn release(&self, key: &Key, lock: Lock, token: &Token) {
        let now = self.clock.now();
        let mut entries = self.entries();
        let place = at(key, lock);
        if holds(&mut entries, &place, token, now) {
            entries.remove(&place);
        }
    }

    pub(crate) fn claim(&self, key: &Key, token: &Token, life: Duration, take_over: bool) -> bool {
        let now = self.clock.now();
        let mut entries = self.entries();
        let place = refresh(key);
        if !take_over && live(&mut entries, &place, now).is_some() {
            return false;
        }
        put(
            &mut entries,
            &place,
            token.as_bytes().to_vec(),
            Some(now.saturating_add(life)),
        );
        true
    }

    pub(crate) fn remove(&self, key: &Key) -> Invalidated {
        let now = self.clock.now();
        let mut entries = self.entries();
        entries.remove(&refresh(key));
        let was = live(&mut entries, key, now).is_some();
        entries.remove(key);
        if was {
            Invalidated::Removed
        } else {
            Invalidated::Absent
        }
    }

    /// Moves this store's clock.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn entries(&self) -> Locked<'_> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Locked::new(self, entries)
    }

    /// Again if they changed since.
    fn tell(&self, evicted: usize) {
        self.meter.evicted(evicted);
        let held = || {
            let entries = self.entries();
            (entries.map.len(), entries.map.weight())
        };
        let mut told = None;
        loop {
            let now = held();
            if told == Some(now) {
                return;
            }
            self.meter.holds(now.0, now.1);
            told = Some(now);
        }
    }
}

#[derive(Debug)]
struct Entries {
    map: unsync::Cache<Key, Entry, ByBytes>,
    untold: Untold,
}

impl Entries {
    fn new(expected: usize, bytes: u64) -> Self {
        Self {
            map: unsync::Cache::with_weighter(expected, bytes, ByBytes),
            untold: Untold::default(),
        }
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        let with_it = self.map.len() + usize::from(!self.map.contains_key(&key));
        self.map.insert(key, entry);
        self.untold.evicted += with_it - self.map.len();
        self.untold.is_changed = true;
    }

    fn remove(&mut self, key: &Key) {
        self.map.remove(key);
        self.untold.is_changed = true;
    }
}

fn refresh(key: &Key) -> Key {
    key.refresh()
}

fn at(key: &Key, lock: Lock) -> Key {
    match lock {
        Lock::Lease => key.clone(),
        Lock::Refresh => refresh(key),
    }
}

/// The entry, if its time is not over; one whose time is over is taken out on the way.
fn live<'a>(entries: &'a mut Entries, key: &Key, now: Duration) -> Option<&'a Entry> {
    let is_over = |entry: &Entry| entry.expires.is_some_and(|at| at <= now);
    if entries.map.peek(key).is_some_and(is_over) {
        entries.remove(key);
    }
    entries.map.get(key)
}

fn holds(entries: &mut Entries, place: &Key, token: &Token, now: Duration) -> bool {
    live(entries, place, now).is_some_and(|entry| entry.value == token.as_bytes())
}

fn put(entries: &mut Entries, key: &Key, value: Vec<u8>, expires: Option<Duration>) {
    entries.insert(key.clone(), Entry { value, expires });
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

    fn memory(bytes: u64) -> Memory {
        Memory::new(bytes, metrics::OfMemory::new("test"))
    }

    fn key(n: u64) -> Key {
        Key::new("test").part(&n)
    }

    #[test]
    fn what_was_filled_is_found_until_its_time_is_over() {
        let memory = memory(1 << 20);
        memory.set(&key(1), b"1".to_vec(), Some(Duration::from_secs(60)));
        memory.set(&key(2), b"2".to_vec(), None);
        memory.advance(Duration::from_secs(59));
        assert_eq!(memory.get(&key(1), false).json, Some(b"1".to_vec()));
        memory.advance(Duration::from_secs(1));
        assert_eq!(memory.get(&key(1), false).json, None);
        memory.advance(Duration::MAX);
        assert_eq!(memory.get(&key(2), false).json, Some(b"2".to_vec()));
    }

    #[test]
    fn removing_tells_whether_something_was_there() {
        let memory = memory(1 << 20);
        assert_eq!(memory.remove(&key(1)), Invalidated::Absent);
        memory.set(&key(1), b"1".to_vec(), None);
        assert_eq!(memory.remove(&key(1)), Invalidated::Removed);
        assert_eq!(memory.remove(&key(1)), Invalidated::Absent);
        memory.set(&key(1), b"1".to_vec(), Some(Duration::from_secs(1)));
        memory.advance(Duration::from_secs(1));
        assert_eq!(memory.remove(&key(1)), Invalidated::Absent);
    }

    #[test]
    fn it_never_holds_more_bytes_than_it_was_given() {
        let memory = memory(100_000);
        for n in 0..10_000 {
            memory.set(&key(n), vec![b'1'; 100], None);
            assert!(memory.entries().map.weight() <= 100_000);
        }
        assert!(memory.entries().map.len() > 100);
    }
}
