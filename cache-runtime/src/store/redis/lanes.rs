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
use std::time::{Duration, Instant};

use redis::{Arg, Cmd, Pipeline, RedisResult, Value};
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task::AbortHandle;

use super::batch::Wanted;
use super::connect::Connector;
use super::debts::Debts;
use super::failure::{ended, late};
use super::health::Health;
use super::home::{AtHome, Home};
use super::lane::{Again, Lane};
use super::link::{Carries, Link};
use super::lone::Lone;
use super::reads::{Reads, USUAL};
use super::threads::{Read, Threads};
use super::watch::Watched;
use crate::error::Error;
use crate::exec;
use crate::key::OnServer;
use crate::size::{LARGE, Size};
use crate::store::{Found, Reading, Waited};

type ByRuntime = Mutex<HashMap<Id, Arc<Bundle>>>;

pub(super) struct Lanes {
    number: u64,
    make: Box<dyn Fn(Option<Arc<Home>>) -> Bundle + Send + Sync>,
    health: Arc<Health>,
    /// Bounds all that one call here does, connecting included.
    limit: Duration,
    io: Arc<Bundle>,
    threads: Arc<Threads>,
    by_runtime: Arc<ByRuntime>,
}

/// The lanes of one runtime: reads do not wait behind what is written, and neither of them behind a
/// large value. A lane has no connection before it is used, so that the third costs nothing where all
/// values are small.
struct Bundle {
    writes: Arc<Lane>,
    reads: Arc<Reads>,
    /// Of values of which none was seen yet, on the same connection: nobody waits for those who ask for them.
    unseen: Arc<Reads>,
    large: Arc<Reads>,
    suits: AtomicU8,
    /// Where they are used by callers themselves.
    home: Option<Arc<Home>>,
    /// Watches for the end of the runtime.
    watch: OnceLock<AbortHandle>,
}

impl Bundle {
    /// A future of these lanes, for one of those callers.
    fn at_home<F>(&self, inside: F) -> Option<AtHome<F>> {
        Some(self.home.clone()?.run(inside))
    }

    fn close(&self) {
        self.writes.close();
        self.reads.close();
        self.large.close();
    }

    fn to_read(&self, size: Size) -> &Arc<Reads> {
        match size {
            Size::Small => &self.reads,
            Size::Unknown => &self.unseen,
            Size::Large(_) => &self.large,
        }
    }

    /// To be run in a task of its own: what wakes a connection may be the next thing on its worker, and
    /// the worker of a caller may be blocked by that next.
    async fn send(
        self: Arc<Self>,
        commands: Pipeline,
        again: Again,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        let lane = self.to_write(&commands);
        lane.send(&commands, again, &mut lane.deadline()).await
    }

    fn to_write(&self, commands: &Pipeline) -> &Lane {
        if is_large(commands) {
            self.large.lane()
        } else {
            &self.writes
        }
    }
}

/// Whether a value in it is, or may be in what is answered to it.
pub(super) fn is_large(commands: &Pipeline) -> bool {
    let is_large =
        |argument: Arg<&[u8]>| matches!(argument, Arg::Simple(bytes) if bytes.len() > LARGE);
    // Who peeks at values, or reads one by hand, says nothing of their size.
    let reads = |command: &Cmd| matches!(command.args_iter().next(), Some(Arg::Simple(b"MGET")));
    let mut commands = commands.cmd_iter();
    commands.any(|command| reads(command) || command.args_iter().any(is_large))
}

impl Drop for Bundle {
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
        let of_lone = (connector.clone(), health.clone());
        let lone = move || Lone::new(of_lone.0.clone(), of_lone.1.clone());
        let of_lanes = health.clone();
        let lane = move |carries| {
            let (health, debts) = (of_lanes.clone(), debts.clone());
            let link = Link::new(connector.clone(), health, debts, carries);
            Arc::new(Lane::new(link, connector.response_timeout()))
        };
        let make = move |home: Option<Arc<Home>>| {
            let reads = |lane| Reads::new(lane, limit, home.clone());
            let small = lane(Carries::Small);
            let bundle = Bundle {
                writes: lane(Carries::Small),
                unseen: Arc::new(reads(small.clone()).growing()),
                reads: Arc::new(reads(small).with_lone(lone())),
                large: Arc::new(reads(lane(Carries::Large))),
                suits: AtomicU8::new(UNKNOWN),
                home: home.clone(),
                watch: OnceLock::new(),
            };
            if let Some(home) = home {
                let all = [&bundle.reads, &bundle.unseen, &bundle.large];
                all.into_iter().for_each(|reads| home.watch().add(reads));
            }
            bundle
        };
        static LANES: AtomicU64 = AtomicU64::new(0);
        Self {
            number: LANES.fetch_add(1, Ordering::Relaxed),
            io: Arc::new(make(None)),
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
        // What may be large has room made for it on the lanes, and a deadline as a whole.
        if exec::is_waiting() && !wanted.left && wanted.size == Size::Small {
            match self.threads.get(wanted.name) {
                Read::Answer(found) => return Reading::now(found),
                Read::Elsewhere(Some(since)) if since.elapsed() >= USUAL => {
                    return Reading::Boxed(Box::pin(self.get_after(wanted, since)));
                }
                Read::Elsewhere(_) => {}
            }
        }
        let together =
            |bundle: Arc<Bundle>| bundle.at_home(bundle.to_read(wanted.size).get(wanted));
        match self.last().and_then(together) {
            Some(get) => Reading::Together(get),
            None => Reading::Boxed(Box::pin(self.get_at_first(wanted))),
        }
    }

    async fn get_at_first(&self, wanted: Wanted<'_>) -> Result<Found, Error> {
        if let Some(bundle) = self.of_caller().await
            && let Some(get) = bundle.at_home(bundle.to_read(wanted.size).get(wanted))
        {
            return get.await;
        }
        let reads = self.io.to_read(wanted.size).clone();
        let (name, Wanted { left, size, .. }) = (wanted.name.to_string(), wanted);
        let reading = exec::on_io(self.limit, async move {
            let name = OnServer::whole(&name);
            reads.get(Wanted { name, left, size }).await
        });
        reading.await?.unwrap_or_else(|| Err(late()))
    }

    /// The same for who has waited for an answer since then, and has one deadline in all.
    async fn get_after(&self, wanted: Wanted<'_>, since: Instant) -> Result<Found, Error> {
        let left = self.io().limit().saturating_sub(since.elapsed());
        let found = exec::within(left, self.get_at_first(wanted)).await;
        Ok(Found {
            waited: Waited::Since(since),
            ..found.unwrap_or_else(|| Err(late()))?
        })
    }

    /// Sends commands together; one answer each.
    pub(super) async fn send(
        &self,
        commands: Pipeline,
        again: Again,
    ) -> Result<Vec<RedisResult<Value>>, Error> {
        self.health.check()?;
        if let Some(bundle) = self.of_caller().await
            && let Some(home) = &bundle.home
        {
            let (watched, bundle) = (Watched::on(home), bundle.clone());
            let sending = home.runtime().spawn(async move {
                let _watched = watched;
                bundle.send(commands, again).await
            });
            // An error only where the runtime ends.
            return exec::shielded(sending)
                .await
                .unwrap_or_else(|_| Err(ended()));
        }
        let io = self.io.clone();
        let sending = exec::on_io(self.limit, io.send(commands, again));
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
        for bundle in std::mem::take(&mut *lock(&self.by_runtime)).values() {
            bundle.close();
        }
    }

    /// The lanes that this thread used last, if they still are the caller's. Most threads belong to
    /// one runtime for ever, so that no map needs to be locked to find them.
    fn last(&self) -> Option<Arc<Bundle>> {
        if exec::is_waiting() || self.io.writes.is_closed() {
            return None;
        }
        let id = Handle::try_current().ok()?.id();
        let last = |last: &RefCell<Option<Last>>| {
            let last = last.borrow();
            let last = last.as_ref();
            last.filter(|last| last.lanes == self.number && last.runtime == id)?
                .bundle
                .upgrade()
        };
        LAST.try_with(last).ok().flatten()
    }

    fn remember(&self, bundle: &Arc<Bundle>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let last = Last {
            lanes: self.number,
            runtime: runtime.id(),
            bundle: Arc::downgrade(bundle),
        };
        // A thread that ends has no use for it.
        let _ = LAST.try_with(|of| of.replace(Some(last)));
    }

    /// The lanes of the caller's runtime, if its own task can use them.
    async fn of_caller(&self) -> Option<Arc<Bundle>> {
        let bundle = self.of_runtime()?;
        match bundle.suits.load(Ordering::Relaxed) {
            SUITABLE => {
                self.remember(&bundle);
                return Some(bundle);
            }
            UNSUITABLE => return None,
            _ => {}
        }
        // The first connection is made in tasks: an unsuitable runtime panics there, for itself; without
        // timers in this one, without a reactor in the one that connects.
        let (lane, limit) = (bundle.writes.clone(), self.limit);
        let trying = tokio::spawn(async move { tokio::time::timeout(limit, lane.settle()).await });
        let suits = if trying.await.is_ok() && !bundle.writes.broke_off() {
            SUITABLE
        } else {
            UNSUITABLE
        };
        bundle.suits.store(suits, Ordering::Relaxed);
        (suits == SUITABLE).then_some(bundle)
    }

    fn of_runtime(&self) -> Option<Arc<Bundle>> {
        // Where a panic ends the program, no runtime is tried.
        if exec::is_waiting() || self.io.writes.is_closed() || cfg!(panic = "abort") {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return None;
        }
        let id = runtime.id();
        let bundle = {
            let mut by_runtime = lock(&self.by_runtime);
            if let Some(bundle) = by_runtime.get(&id) {
                return Some(bundle.clone());
            }
            let bundle = Arc::new((self.make)(Some(Home::new(runtime.clone()))));
            by_runtime.insert(id, bundle.clone());
            bundle
        };
        let entry = Entry {
            by_runtime: Arc::downgrade(&self.by_runtime),
            id,
            bundle: Arc::downgrade(&bundle),
            home: bundle.home.clone(),
        };
        // Dropped by the runtime when it ends, and the entry with it: in this very call if it is
        // ending, so the lock is not held here.
        let watch = runtime.spawn(async move {
            let _entry = entry;
            exec::learn_that_of_task().await;
            std::future::pending::<()>().await;
        });
        // It is new, so nothing was set before.
        let _ = bundle.watch.set(watch.abort_handle());
        Some(bundle)
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Which lanes a thread used last. It does not keep them alive.
struct Last {
    lanes: u64,
    runtime: Id,
    bundle: Weak<Bundle>,
}

fn lock(by_runtime: &ByRuntime) -> MutexGuard<'_, HashMap<Id, Arc<Bundle>>> {
    by_runtime.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the lanes of an ended runtime off the map. Its number may be another runtime's by then.
struct Entry {
    by_runtime: Weak<ByRuntime>,
    id: Id,
    bundle: Weak<Bundle>,
    home: Option<Arc<Home>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.home.iter().for_each(|home| home.ends());
        let Some(by_runtime) = self.by_runtime.upgrade() else {
            return;
        };
        let mut by_runtime = lock(&by_runtime);
        let is_ours =
            |bundle: &Arc<Bundle>| std::ptr::eq(Arc::as_ptr(bundle), self.bundle.as_ptr());
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
