//! The near tier: typed copies of values in this process, bounded, and removed by whoever changes
//! the value.
//!
//! # Why no copy is kept that was changed already
//!
//! A value travels from its read to its copy, and a change of it may be told of on the way. So a read
//! puts its key under watch *before* it is sent. Whoever hears of a change, the server's push or a
//! write of this process, removes the copy and marks those who watch the key, under one lock; a copy
//! is kept only by a watch without that mark, under the same lock. A change that the server made
//! before the read is in what was read, one that it made later finds the watch or the copy.
//!
//! # What survives what
//!
//! A lost connection may have lost what it had to tell, so it empties the tier and marks every watch.
//! A watch that is dropped leaves nothing behind. If nothing is told at all, as by a server that
//! stands still, a copy ends with its age.

mod clock;
mod copied;
pub(crate) mod front;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use quick_cache::{Lifecycle, Weighter, sync};
use tokio::sync::Notify;

use self::clock::{Clock, Ticks};
pub(crate) use self::copied::{Copied, Life};
pub(crate) use self::front::Wanted;
use crate::config::Config;
use crate::exec;
use crate::key::Key;
use crate::stats::Counted;

/// Cheap on a hit: one look into the map, without any other lock and without an allocation; and where
/// a thread asks again, not even that, by what it has of the map in [`front`].
pub(crate) struct Near {
    number: u64,
    copies: Copies,
    watches: Mutex<Watches>,
    clock: Clock,
    max_age: Duration,
}

/// By what the key has without the prefix, compared as a whole.
type Copies = sync::Cache<Box<str>, Arc<Copied>, ByBytes, DefaultHashBuilder, DroppedLater>;

/// Who is about to keep a copy, or waits for a change.
#[derive(Default)]
struct Watches {
    of_keys: HashMap<Box<str>, Watched>,
    closed: bool,
}

struct Watched {
    change: Arc<Change>,
    by: usize,
}

/// Of one key, to all who watched it when it happened.
#[derive(Debug, Default)]
struct Change {
    /// Set under the lock of the watches.
    happened: AtomicBool,
    told: Notify,
}

impl Change {
    fn happened(&self) -> bool {
        self.happened.load(Ordering::Acquire)
    }
}

impl Near {
    pub(crate) fn of(config: &Config) -> Arc<Self> {
        Arc::new(Self::new(config.near_bytes, config.near_max_age))
    }

    /// Room for so many bytes, each copy for `max_age` at most.
    fn new(bytes: u64, max_age: Duration) -> Self {
        static TIERS: AtomicU64 = AtomicU64::new(0);
        const EXPECTED_COPY: u64 = 1024;
        let expected = usize::try_from(bytes / EXPECTED_COPY).unwrap_or(usize::MAX);
        Self {
            number: TIERS.fetch_add(1, Ordering::Relaxed),
            copies: Copies::with(
                expected,
                bytes,
                ByBytes,
                DefaultHashBuilder::default(),
                DroppedLater,
            ),
            watches: Mutex::default(),
            clock: Clock::default(),
            max_age,
        }
    }

    /// Which tier it is, and how late in it.
    pub(crate) fn now(&self) -> Now {
        Now {
            near: self.number,
            time: self.clock.now(),
        }
    }

    /// The copy under a key without its prefix, also if its time is over: to let go of it may run the
    /// user's code, which this must not. Only in the tier of that moment.
    pub(crate) fn find(&self, key: &str, now: Now) -> Option<Arc<Copied>> {
        if self.number != now.near {
            return None;
        }
        self.copies.get(key)
    }

    /// Puts a key under watch, to be called before the read of it is sent. A key by hand has no
    /// copies.
    pub(crate) fn watch(self: &Arc<Self>, key: &Key) -> Option<Watch> {
        let key: Box<str> = key.encoded()?.into();
        let since = self.clock.now();
        let mut watches = self.watches();
        if watches.closed {
            return None;
        }
        let watched = watches.of_keys.entry(key.clone()).or_insert(Watched {
            change: Arc::default(),
            by: 0,
        });
        watched.by += 1;
        let change = watched.change.clone();
        drop(watches);
        Some(Watch {
            near: self.clone(),
            key,
            change,
            since,
        })
    }

    /// The value of this key is about to change, or did.
    pub(crate) fn forget(&self, key: &Key) {
        self.forget_texts(key.encoded());
    }

    /// The same of several keys, without their prefix: all of them are known to change before what is
    /// the user's hears of one.
    pub(crate) fn forget_texts<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        let (mut watched, mut removed) = (Vec::new(), Vec::new());
        {
            let mut watches = self.watches();
            for key in keys {
                watched.extend(watches.of_keys.remove(key));
                removed.extend(self.copies.remove(key));
            }
            mark(&watched);
            end(&removed);
        }
        tell(watched);
        let_go_of(removed);
    }

    /// Nothing is known any more of what changed.
    pub(crate) fn forget_all(&self) {
        let (watched, removed) = {
            let mut watches = self.watches();
            let watched = std::mem::take(&mut watches.of_keys);
            mark(watched.values());
            let removed: Vec<_> = self.copies.drain().collect();
            end(&removed);
            (watched, removed)
        };
        tell(watched.into_values());
        let_go_of(removed);
    }

    /// Nothing is kept from now on.
    pub(crate) fn close(&self) {
        self.watches().closed = true;
        self.forget_all();
    }

    /// Moves the clock of copies.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Near {
    /// Whoever was the last to have it may be the I/O thread.
    fn drop(&mut self) {
        let_go_of(self.copies.drain().collect());
    }
}

/// Under the lock of the watches, so that threads which have it in their front know it as soon as the
/// map does.
fn end<'a>(removed: impl IntoIterator<Item = &'a (Box<str>, Arc<Copied>)>) {
    for (_, copied) in removed {
        copied.end();
    }
}

fn mark<'a>(watched: impl IntoIterator<Item = &'a Watched>) {
    for watched in watched {
        watched.change.happened.store(true, Ordering::Release);
    }
}

/// To be called without the lock: a copy is the user's own type, and its destructor the user's code.
fn let_go_of(removed: Vec<(Box<str>, Arc<Copied>)>) {
    if !removed.is_empty() {
        exec::drop_of_user(removed);
    }
}

fn tell(watched: impl IntoIterator<Item = Watched>) {
    for watched in watched {
        watched.change.told.notify_waiters();
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near").finish_non_exhaustive()
    }
}

/// A moment in a tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    near: u64,
    time: Ticks,
}

impl Now {
    pub(crate) fn is_in_time_of(self, copied: &Copied) -> bool {
        copied.lives_at(self.time)
    }
}

/// A key under watch, by one who is about to read it.
#[derive(Debug)]
pub(crate) struct Watch {
    near: Arc<Near>,
    key: Box<str>,
    change: Arc<Change>,
    since: Ticks,
}

impl Watch {
    /// How long a copy may live of what was read under this watch, if at all: a value of which so
    /// much is left (without end if `None`), and no more than `max_age`. `bytes` is its size.
    pub(crate) fn life(
        &self,
        left: Option<Duration>,
        max_age: Duration,
        bytes: usize,
        counters: &Counted,
    ) -> Option<Life> {
        let age = max_age.min(self.near.max_age);
        // The clock may be late, so that a copy would outlive its value.
        let left = left.map(|left| left.saturating_sub(Clock::STEP));
        let time = left.unwrap_or(age).min(age);
        if time.is_zero() {
            return None;
        }
        Some(Life {
            until: self.since.after(time),
            bytes,
            counters: counters.clone(),
        })
    }

    /// Keeps a copy, unless the value was changed since.
    pub(crate) fn keep(self, copied: Arc<Copied>) {
        let mut removed = Vec::new();
        let watches = self.near.watches();
        if !self.change.happened() {
            // A copy that is replaced in the map would be dropped there.
            removed.extend(self.near.copies.remove(&*self.key));
            let key = self.key.clone();
            let copies = &self.near.copies;
            copies.insert_with_lifecycle(key, copied, &mut removed);
            // Nobody would hear of a change of what had to make room.
            end(&removed);
        }
        drop(watches);
        let_go_of(removed);
    }

    /// Waits until the value may have been changed.
    pub(crate) async fn changed(&self) {
        let told = self.change.told.notified();
        let mut told = std::pin::pin!(told);
        // Registered before the look, so that no change is missed between the two.
        told.as_mut().enable();
        if !self.change.happened() {
            told.await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = self.near.watches();
        let Some(watched) = watches.of_keys.get_mut(&self.key) else {
            return;
        };
        // After a change others may watch the key anew.
        if !Arc::ptr_eq(&watched.change, &self.change) {
            return;
        }
        watched.by -= 1;
        if watched.by == 0 {
            watches.of_keys.remove(&self.key);
        }
    }
}

#[derive(Clone, Debug)]
struct ByBytes;

/// What a copy costs beside its key and its value: the map's own fields, about.
const OVERHEAD: u64 = 160;

impl Weighter<Box<str>, Arc<Copied>> for ByBytes {
    fn weight(&self, key: &Box<str>, copied: &Arc<Copied>) -> u64 {
        OVERHEAD + key.len() as u64 + copied.bytes() as u64
    }
}

/// What has to make room is handed to who inserts, and dropped there: a copy's destructor is the
/// user's code and must not run under a lock.
#[derive(Clone, Debug)]
struct DroppedLater;

impl Lifecycle<Box<str>, Arc<Copied>> for DroppedLater {
    type RequestState = Vec<(Box<str>, Arc<Copied>)>;

    fn on_evict(&self, removed: &mut Self::RequestState, key: Box<str>, copied: Arc<Copied>) {
        removed.push((key, copied));
    }
}

#[cfg(test)]
mod tests;
