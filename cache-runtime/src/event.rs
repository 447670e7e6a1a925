//! What happened in a call, told as it happens: to listeners, and to the counters of the function.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError, Weak};
use std::time::Duration;

use crate::exec;
use crate::guard;
use crate::metrics;
use crate::size::Sizes;
use crate::tally::{Tally, Total};

/// One step of a call of an annotated function, or of an invalidation; or a change of the server's
/// state.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// Which step.
    pub kind: EventKind,
    /// The function's name, as its keys begin; empty for a key by hand.
    pub function: &'a str,
    /// The key as the server has it.
    pub key: &'a str,
    /// Since the call began.
    pub elapsed: Duration,
}

/// The steps of a call, and the changes of the server's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A copy of the stored value that this process has is returned, since the function has `near`.
    Near,
    /// The stored value is returned.
    Hit,
    /// The stored value is past its time to live and is returned all the same, since the function
    /// has `stale`.
    Stale,
    /// Nothing usable is stored.
    Miss,
    /// What is stored cannot be read as the function's type; it is replaced by what is loaded.
    Unreadable,
    /// Another call of this process, or another process, is loading this key: its value is waited
    /// for.
    Waited,
    /// The value that was waited for is returned.
    Joined,
    /// The body runs, and what it returns can be stored.
    Led,
    /// The body runs past the cache: there is no server to ask, the key is too long, or enough was
    /// waited for.
    Bypassed,
    /// The loaded value is stored.
    Filled,
    /// The loaded value is not stored, since the key was invalidated while it was loaded.
    Refused,
    /// The loaded value is not stored, since the server did not take it.
    Failed,
    /// The loaded value is not stored, since it is too large, cannot be had back from JSON (`NaN`, a
    /// map whose keys are no text, `Some(None)`), or lives for no time at all. The first time for each
    /// function the log says which.
    Unstorable,
    /// The lease is given back, since the body gave nothing to store or its caller left.
    Released,
    /// A refresh behind its caller failed: the old value stays, and nobody of the fleet asks the
    /// source again for a while.
    RefreshFailed,
    /// A refresh behind the caller begins.
    Refreshing,
    /// The value was removed.
    Invalidated,
    /// The server is away, or takes no writes: the removal is owed.
    Owed,
    /// The server does not answer, or refuses everything: bodies run past the cache until it is
    /// back. Like the following it is no step of a call: function and key are empty.
    Lost,
    /// The server answers again.
    Back,
    /// The server takes no writes (it is full, or read-only): values are returned but not stored,
    /// while reads go on.
    WritesSuspended,
    /// The server takes writes again.
    WritesResumed,
}

pub(crate) const KINDS: usize = EventKind::WritesResumed as usize + 1;

impl EventKind {
    /// Each at its own place.
    pub(crate) const ALL: [Self; KINDS] = [
        Self::Near,
        Self::Hit,
        Self::Stale,
        Self::Miss,
        Self::Unreadable,
        Self::Waited,
        Self::Joined,
        Self::Led,
        Self::Bypassed,
        Self::Filled,
        Self::Refused,
        Self::Failed,
        Self::Unstorable,
        Self::Released,
        Self::RefreshFailed,
        Self::Refreshing,
        Self::Invalidated,
        Self::Owed,
        Self::Lost,
        Self::Back,
        Self::WritesSuspended,
        Self::WritesResumed,
    ];
}

/// The counters of one function, one for each kind of event.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) function: &'static str,
    counts: [AtomicU64; KINDS],
    /// [`EventKind::Near`] again, as far as threads count by themselves.
    pub(crate) near: Total,
    meters: metrics::OfFunction,
    had_unstorable: AtomicBool,
    pub(crate) sizes: Sizes,
}

impl Counters {
    pub(crate) fn new(cache: &str, function: &'static str) -> Self {
        Self {
            function,
            counts: Default::default(),
            near: Total::default(),
            meters: metrics::OfFunction::new(cache, function),
            had_unstorable: AtomicBool::new(false),
            sizes: Sizes::default(),
        }
    }

    /// Whether this is the first value that is not stored.
    pub(crate) fn is_first_unstorable(&self) -> bool {
        !self.had_unstorable.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn add(&self, kind: EventKind) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        self.meters.add(kind);
    }

    /// One more of these, which this thread has a tally of.
    pub(crate) fn add_near(&self, tally: &Tally) {
        tally.add();
        self.meters.add(EventKind::Near);
    }

    /// A body has run for so long.
    pub(crate) fn loaded(&self, timer: &metrics::Timer) {
        self.meters.loaded(timer);
    }

    pub(crate) fn read(&self, kind: EventKind) -> u64 {
        let counted = self.counts[kind as usize].load(Ordering::Relaxed);
        match kind {
            EventKind::Near => counted + self.near.read(),
            _ => counted,
        }
    }
}

type Listener = dyn Fn(&Event<'_>) + Send + Sync;

/// Who listens to a cache.
#[derive(Default)]
pub(crate) struct Listeners {
    any: AtomicBool,
    all: RwLock<Vec<Arc<Listener>>>,
    /// Changes of the server's state that are still to be told, in their order.
    changes: Mutex<VecDeque<EventKind>>,
    /// Held while they are.
    telling: Mutex<()>,
}

impl Listeners {
    pub(crate) fn add(self: &Arc<Self>, listener: Arc<Listener>) -> Listening {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(listener.clone());
        self.any.store(true, Ordering::Release);
        Listening {
            listeners: Arc::downgrade(self),
            listener,
        }
    }

    /// Whether an event is worth putting together.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        // A listener may make annotated calls itself, so it is called without the lock.
        let all = self
            .all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for listener in all {
            // A step may be told while a body's panic unwinds, where a second one would abort.
            let told = guard::of_user(|| {
                listener(event);
                // It may be the last one to have it.
                drop(listener);
            });
            if told.is_none() {
                guard::of_user(|| tracing::error!("a listener of the cache panicked"));
            }
        }
    }
}

impl Listeners {
    /// Tells of a change of the server's state: elsewhere, since a listener may make calls of its
    /// own, which those who notice such changes must not wait for; and one after the other.
    pub(crate) fn change(self: &Arc<Self>, kind: EventKind) {
        if !self.any() {
            return;
        }
        lock(&self.changes).push_back(kind);
        let all = self.clone();
        exec::always_aside(move || all.tell_of_changes());
    }
}

impl Listeners {
    /// Who is at it tells of what comes meanwhile, too: nobody waits for a listener, least of all one
    /// whose own call changed something.
    fn tell_of_changes(&self) {
        let is_left = || !lock(&self.changes).is_empty();
        while is_left() {
            let _telling = match self.telling.try_lock() {
                Ok(telling) => telling,
                Err(TryLockError::Poisoned(telling)) => telling.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            while let Some(kind) = self.next_change() {
                self.tell(&Event {
                    kind,
                    function: "",
                    key: "",
                    elapsed: Duration::ZERO,
                });
            }
        }
    }

    fn next_change(&self) -> Option<EventKind> {
        lock(&self.changes).pop_front()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last to have them may be the I/O thread.
impl Drop for Listeners {
    fn drop(&mut self) {
        let all = self.all.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !all.is_empty() {
            exec::drop_of_user(std::mem::take(all));
        }
    }
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

/// Keeps a listener; made by [`Cache::on_event`](crate::Cache::on_event).
#[must_use = "the listener is removed when this is dropped"]
pub struct Listening {
    listeners: Weak<Listeners>,
    listener: Arc<Listener>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(listeners) = self.listeners.upgrade() else {
            return;
        };
        let mut all = listeners
            .all
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.retain(|listener| !Arc::ptr_eq(listener, &self.listener));
        listeners.any.store(!all.is_empty(), Ordering::Release);
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_whose_own_call_changes_something_hears_of_it_next() {
        let (tell, told) = std::sync::mpsc::channel();
        let listeners = Arc::<Listeners>::default();
        let inside = Arc::downgrade(&listeners);
        let _listening = listeners.add(Arc::new(move |event: &Event<'_>| {
            if event.kind == EventKind::WritesSuspended {
                inside.upgrade().unwrap().change(EventKind::WritesResumed);
            }
            tell.send(event.kind).unwrap();
        }));
        listeners.change(EventKind::WritesSuspended);
        let next = || told.recv_timeout(Duration::from_secs(5));
        assert_eq!(next(), Ok(EventKind::WritesSuspended));
        assert_eq!(next(), Ok(EventKind::WritesResumed));
    }

    #[test]
    fn each_kind_stands_at_its_place() {
        for (place, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
