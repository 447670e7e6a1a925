//! Which lanes a caller uses.
//!
//! A connection belongs to the runtime that made it. A caller inside a multi-thread runtime uses
//! lanes of that runtime, from its own task: no thread is switched on the way. Lanes end with their
//! runtime. Every other caller uses those of the I/O thread: a current-thread runtime may not be
//! driven tomorrow, or have a paused clock; a caller who blocks its thread may keep its runtime
//! from driving anything; and there may be no runtime at all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task::AbortHandle;

use super::batch::Wanted;
use super::connect::Connector;
use super::debts::Debts;
use super::failure::late;
use super::health::Health;
use super::lane::{Again, Lane};
use super::link::Link;
use super::reads::Reads;
use super::threads::Threads;
use crate::error::Error;
use crate::exec;
use crate::key::OnServer;
use crate::store::{Found, Reading};

type ByRuntime = Mutex<HashMap<Id, Arc<Pair>>>;

pub(super) struct Lanes {
    number: u64,
    make: Box<dyn Fn() -> Pair + Send + Sync>,
    health: Arc<Health>,
    /// Bounds all that one call here does, connecting included.
    limit: Duration,
    io: Arc<Pair>,
    threads: Arc<Threads>,
    by_runtime: Arc<ByRuntime>,
}

/// The lanes of one runtime: reads do not wait behind what is written.
struct Pair {
    writes: Arc<Lane>,
    reads: Arc<Reads>,
    suits: AtomicU8,
    /// Watches for the end of the runtime.
    watch: OnceLock<AbortHandle>,
}

impl Pair {
    fn close(&self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.get() {
            watch.abort();
        }
    }
}

/// Whether a runtime can hold a connection: one without a reactor or without timers cannot.
const UNKNOWN: u8 = 0;
const SUITABLE: u8 = 1;
const UNSUITABLE: u8 = 2;

impl Lanes {
    pub(super) fn new(
        connector: Arc<Connector>,
        health: &Arc<Health>,
        debts: Debts,
        limit: Duration,
    ) -> Self {
        let threads = Threads::new(connector.clone(), health.clone());
        let of_lanes = health.clone();
        let lane = move || {
            let link = Link::new(connector.clone(), of_lanes.clone(), debts.clone(), None);
            Arc::new(Lane::new(link, connector.response_timeout()))
        };
        let make = move || Pair {
            writes: lane(),
            reads: Arc::new(Reads::new(lane(), limit)),
            suits: AtomicU8::new(UNKNOWN),
            watch: OnceLock::new(),
        };
        static LANES: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LANES.fetch_add(1, Ordering::Relaxed),
            io: Arc::new(make()),
            threads,
            make: Box::new(make),
            health: health.clone(),
            limit,
            by_runtime: Arc::default(),
        }
    }

    /// Reads what stands under a key, together with whoever else reads.
    pub(super) fn get<'a>(&'a self, wanted: Wanted<'a>) -> Reading<'a> {
        if let Err(error) = self.health.check() {
            return Reading::now(Err(error));
        }
        if exec::is_waiting()
            && !wanted.left
            && let Some(json) = self.threads.get(wanted.name)
        {
            let found = |json| Found {
                json,
                ..Found::default()
            };
            return Reading::now(json.map(found));
        }
        match self.last() {
            Some(pair) => Reading::Together(pair.reads.get(wanted)),
            None => Reading::Boxed(Box::pin(self.get_at_first(wanted))),
        }
    }

    async fn get_at_first(&self, wanted: Wanted<'_>) -> Result<Found, Error> {
        if let Some(pair) = self.of_caller().await {
            return pair.reads.get(wanted).await;
        }
        let (reads, name, left) = (self.io.reads.clone(), wanted.name.to_string(), wanted.left);
        let reading = exec::on_io(self.limit, async move {
            let name = OnServer::whole(&name);
            reads.get(Wanted { name, left }).await
        });
        reading.await?.unwrap_or_else(|| Err(late()))
    }

    /// Sends commands together; one answer each.
    pub(super) async fn send(
        &self,
        commands: Pipeline,
        again: Again,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        self.health.check()?;
        if let Some(pair) = self.of_caller().await {
            return pair.writes.send(&commands, again).await;
        }
        let lane = self.io.writes.clone();
        let sending = exec::on_io(self.limit, async move { lane.send(&commands, again).await });
        sending.await?.unwrap_or_else(|| Err(late()))
    }

    /// The lane of the I/O thread, where what has no caller is done.
    pub(super) fn io(&self) -> &Arc<Lane> {
        &self.io.writes
    }

    pub(super) fn close(&self) {
        // First the one by which it is known that no other may be made.
        self.io.close();
        self.threads.close();
        for pair in std::mem::take(&mut *lock(&self.by_runtime)).values() {
            pair.close();
        }
    }

    /// The lanes that this thread used last, if they still are the caller's. Most threads belong to
    /// one runtime for ever, so that no map needs to be locked to find them.
    fn last(&self) -> Option<Arc<Pair>> {
        if exec::is_waiting() || self.io.writes.is_closed() {
            return None;
        }
        let id = Handle::try_current().ok()?.id();
        let last = |last: &RefCell<Option<Last>>| {
            let last = last.borrow();
            let last = last.as_ref();
            last.filter(|last| last.lanes == self.number && last.runtime == id)?
                .pair
                .upgrade()
        };
        LAST.try_with(last).ok().flatten()
    }

    fn remember(&self, pair: &Arc<Pair>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let last = Last {
            lanes: self.number,
            runtime: runtime.id(),
            pair: Arc::downgrade(pair),
        };
        // A thread that ends has no use for it.
        let _ = LAST.try_with(|of| of.replace(Some(last)));
    }

    /// The lanes of the caller's runtime, if its own task can use them.
    async fn of_caller(&self) -> Option<Arc<Pair>> {
        let pair = self.of_runtime()?;
        match pair.suits.load(Ordering::Relaxed) {
            SUITABLE => {
                self.remember(&pair);
                return Some(pair);
            }
            UNSUITABLE => return None,
            _ => {}
        }
        // The first connection is made in a task: an unsuitable runtime panics there, for itself.
        let (lane, limit) = (pair.writes.clone(), self.limit);
        let trying = tokio::spawn(async move { tokio::time::timeout(limit, lane.settle()).await });
        let suits = if trying.await.is_ok() {
            SUITABLE
        } else {
            UNSUITABLE
        };
        pair.suits.store(suits, Ordering::Relaxed);
        (suits == SUITABLE).then_some(pair)
    }

    fn of_runtime(&self) -> Option<Arc<Pair>> {
        // Where a panic ends the program, no runtime is tried.
        if exec::is_waiting() || self.io.writes.is_closed() || cfg!(panic = "abort") {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return None;
        }
        let id = runtime.id();
        let pair = {
            let mut by_runtime = lock(&self.by_runtime);
            if let Some(pair) = by_runtime.get(&id) {
                return Some(pair.clone());
            }
            let pair = Arc::new((self.make)());
            by_runtime.insert(id, pair.clone());
            pair
        };
        let entry = Entry {
            by_runtime: Arc::downgrade(&self.by_runtime),
            id,
            pair: Arc::downgrade(&pair),
        };
        // Dropped by the runtime when it ends, and the entry with it: in this very call if it is
        // ending, so the lock is not held here.
        let watch = runtime.spawn(async move {
            let _entry = entry;
            std::future::pending::<()>().await;
        });
        // It is new, so nothing was set before.
        let _ = pair.watch.set(watch.abort_handle());
        Some(pair)
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Which lanes a thread used last. It does not keep them alive.
struct Last {
    lanes: u64,
    runtime: Id,
    pair: Weak<Pair>,
}

fn lock(by_runtime: &ByRuntime) -> MutexGuard<'_, HashMap<Id, Arc<Pair>>> {
    by_runtime.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lanes of an ended runtime off the map. Its number may be another runtime's by then.
struct Entry {
    by_runtime: Weak<ByRuntime>,
    id: Id,
    pair: Weak<Pair>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Some(by_runtime) = self.by_runtime.upgrade() else {
            return;
        };
        let mut by_runtime = lock(&by_runtime);
        let is_ours = |pair: &Arc<Pair>| std::ptr::eq(Arc::as_ptr(pair), self.pair.as_ptr());
        if by_runtime.get(&self.id).is_some_and(is_ours) {
            by_runtime.remove(&self.id);
        }
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").finish_non_exhaustive()
    }
}
