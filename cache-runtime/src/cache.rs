//! The handle that programs hold.

mod blocking;
mod permits;
mod shutdown;
mod unanswered;
mod values;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::Pool;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::{Error, ErrorKind};
use crate::event::{Event, EventKind, Listeners, Listening};
use crate::exec;
use crate::flight::Board;
use crate::key::{Key, MAX_KEY_BYTES, Prefix};
use crate::lost::Lost;
use crate::near::Near;
use crate::owed::Owed;
use crate::spec::Spec;
use crate::stats::{Ledger, ServerStats, Stats};
use crate::store::Store;

pub use self::blocking::Blocking;
pub(crate) use self::permits::Permit;
use self::permits::Permits;
pub use self::shutdown::ShutdownReport;
use self::unanswered::MOST_RELEASES;
pub(crate) use self::unanswered::{Unanswered, release};

/// A cache: a handle, whose clones all are the same cache.
///
/// ```no_run
/// use cache_runtime::Cache;
///
/// # async fn start() -> Result<(), cache_runtime::Error> {
/// let cache = Cache::open("redis://127.0.0.1")?;
/// cache.install()?; // annotated functions use it from now on
/// cache.ping().await?; // if the program should not start without its cache
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    prefix: Prefix,
    store: Store,
    ledger: Ledger,
    board: Board,
    owed: Arc<Owed>,
    lost: Lost,
    near: Arc<Near>,
    permits: Arc<Permits>,
    /// Of those that give tokens back again and again.
    releases: Semaphore,
    listeners: Arc<Listeners>,
    closed: AtomicBool,
    allows_mocks: AtomicBool,
    /// The process that uses it; none before the first use.
    process: AtomicU32,
}

impl Cache {
    /// A cache on the server at this URL, or in memory for `memory://`, with the defaults of
    /// [`Config`]. [`Config::new`] lists the forms of URLs, for sentinels, clusters and TLS as
    /// well. It connects to nothing yet: a server that is away never stops a start.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL cannot be right, or needs a feature that is off, which the
    /// error names.
    pub fn open(url: &str) -> Result<Self, Error> {
        Self::new(Config::new(url))
    }

    /// A cache with this configuration. Like [`open`](Self::open), it connects to nothing yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if something in the configuration cannot be right.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let owed = Arc::new(Owed::new(&config.prefix));
        let (near, listeners) = (Near::of(&config), Arc::default());
        let store = Store::open(&config, &owed, &near, &listeners)?;
        Ok(Self::with_store(config, store, owed, near, listeners))
    }

    /// A cache without a server: the same behaviour, in this process alone, bounded in size. For
    /// tests, examples, and programs of one process.
    #[must_use]
    pub fn in_memory() -> Self {
        let config = Config::new("memory://");
        let owed = Arc::new(Owed::new(&config.prefix));
        let near = Near::of(&config);
        let store = Store::memory(&config, &owed);
        Self::with_store(config, store, owed, near, Arc::default())
    }

    /// The cache at the URL in the environment variable `REDIS_URL`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the variable is not set or its URL cannot be right.
    pub fn from_env() -> Result<Self, Error> {
        match std::env::var("REDIS_URL") {
            Ok(url) => Self::open(&url),
            Err(_) => Err(Error::new(
                ErrorKind::Config,
                "the environment variable REDIS_URL is not set",
            )),
        }
    }

    fn with_store(
        config: Config,
        store: Store,
        owed: Arc<Owed>,
        near: Arc<Near>,
        listeners: Arc<Listeners>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                ledger: Ledger::new(&config.prefix),
                prefix: Prefix::new(&config.prefix),
                config,
                store,
                board: Board::default(),
                owed,
                lost: Lost::default(),
                near,
                permits: Arc::default(),
                releases: Semaphore::new(MOST_RELEASES),
                listeners,
                closed: AtomicBool::new(false),
                allows_mocks: AtomicBool::new(false),
                process: AtomicU32::new(0),
            }),
        }
    }

    /// The verbs of this cache for programs without a runtime.
    #[must_use]
    pub fn blocking(&self) -> Blocking<'_> {
        Blocking::new(self)
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// Whatever keeps the server from answering, in particular a wrong password.
    pub async fn ping(&self) -> Result<(), Error> {
        self.here()?;
        self.shared.store.ping().await
    }

    /// Lets mocks stand in for annotated functions in a cache in memory: [`invalidate`] of a call
    /// that reaches no annotated function is [`Invalidated::Absent`] there. Without this it is
    /// [`ErrorKind::NotCached`], as on a server. A cache on a server ignores it.
    ///
    /// ```
    /// # use cache_runtime::{Cache, Error, Invalidated, invalidate};
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Error> {
    /// async fn mock_of_load_user(_id: u64) {}
    ///
    /// let cache = Cache::in_memory().allow_mocks();
    /// let invalidated = cache.scope(invalidate(mock_of_load_user(7))).await?;
    /// assert_eq!(invalidated, Invalidated::Absent);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`invalidate`]: crate::invalidate
    /// [`Invalidated::Absent`]: crate::Invalidated::Absent
    #[must_use]
    pub fn allow_mocks(self) -> Self {
        self.shared.allows_mocks.store(true, Ordering::Relaxed);
        self
    }

    pub(crate) fn allows_mocks(&self) -> bool {
        self.is_in_memory() && self.shared.allows_mocks.load(Ordering::Relaxed)
    }

    /// Calls `listener` with each step of each call, until the returned guard is dropped. It is
    /// called where the step happens, so it should be quick. It hears of the server's state on a thread of the
    /// cache's own. A panic of it is caught.
    pub fn on_event(&self, listener: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Listening {
        self.shared.listeners.add(Arc::new(listener))
    }

    /// The connection pool, for commands of your own. Nothing connects before the first connection
    /// is taken from it.
    ///
    /// There is none for a cache in memory, nor for one behind sentinels or on a cluster: the pools
    /// of those are other types, `deadpool_redis::sentinel::Pool` and `deadpool_redis::cluster::Pool`,
    /// for a program to make of its own.
    #[must_use]
    pub fn pool(&self) -> Option<Pool> {
        self.shared.store.pool().cloned()
    }

    /// What happened so far, per function, and how the server is.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let store = &self.shared.store;
        let server = ServerStats {
            away: store.is_away(),
            outages: store.outages(),
            takes_writes: store.takes_writes(),
            owed: self.shared.owed.len(),
        };
        self.shared.ledger.read(server)
    }

    /// Moves the clock of a cache in memory, so that expiry can be tested without sleeping. The
    /// values of a cache on a server expire by the server's clock. Of such a cache it moves only the
    /// minute after which a right that the server refused is tried again.
    pub fn advance(&self, by: Duration) {
        self.shared.store.advance(by);
        if self.is_in_memory() {
            self.shared.near.advance(by);
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Tells this cache from all others while it lives.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.shared).addr()
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self.shared.store, Store::Memory { .. })
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    pub(crate) fn prefix(&self) -> &Prefix {
        &self.shared.prefix
    }

    /// The key as this cache has it, if it can be used.
    pub(crate) fn usable(&self, key: Key) -> Result<Key, Error> {
        self.here()?;
        let key = key.under(self.prefix());
        self.check(&key)?;
        Ok(key)
    }

    /// Whether this cache is open, and the key of a sane length.
    pub(crate) fn check(&self, key: &Key) -> Result<(), Error> {
        self.open_or_closed()?;
        if key.len_on_server(self.prefix()) > MAX_KEY_BYTES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("the key is longer than {MAX_KEY_BYTES} bytes"),
            ));
        }
        Ok(())
    }

    /// Tells those who listen, if there are any.
    pub(crate) fn tell(
        &self,
        kind: EventKind,
        function: &str,
        key: &Key,
        elapsed: impl FnOnce() -> Duration,
    ) {
        if self.is_listened_to() {
            self.shared.listeners.tell(&Event {
                kind,
                function,
                key: &key.on_server(self.prefix()),
                elapsed: elapsed(),
            });
        }
    }

    /// Whether anybody wants to know of events, and of their times.
    pub(crate) fn is_listened_to(&self) -> bool {
        self.shared.listeners.any()
    }

    pub(crate) fn near(&self) -> &Arc<Near> {
        &self.shared.near
    }

    pub(crate) fn store(&self) -> &Store {
        &self.shared.store
    }

    pub(crate) fn board(&self) -> &Board {
        &self.shared.board
    }

    pub(crate) fn owed(&self) -> &Owed {
        &self.shared.owed
    }

    pub(crate) fn lost(&self) -> &Lost {
        &self.shared.lost
    }

    /// A permit for a refresh of this function in the background, if there is one.
    pub(crate) fn begin_refresh(&self, spec: &'static Spec) -> Option<Permit> {
        let most = self.shared.config.max_refreshes;
        self.shared.permits.begin(spec, most, Instant::now())
    }

    /// How long a call waits for the server, in all.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.shared.config.response_timeout
    }

    pub(crate) fn retry(&self) -> Duration {
        self.shared.config.retry
    }

    /// Whether a call of this thread can wait for the cache: not in a process that was forked since the cache
    /// was used first, nor in a thread that is ending.
    ///
    /// For a store in memory only to be asked before something is waited for, since to ask takes longer than
    /// half a hit.
    pub(crate) fn can_wait(&self) -> bool {
        !exec::is_ending() && !self.is_forked()
    }

    /// Whether this process is a fork of the one that used this cache first: it has the connections of that
    /// one, which it must not use, and none of its threads.
    fn is_forked(&self) -> bool {
        let process = std::process::id();
        let before = self.shared.process.load(Ordering::Relaxed);
        if before != 0 {
            return before != process;
        }
        let first =
            self.shared
                .process
                .compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
        first.is_err_and(|before| before != process)
    }

    /// Whether verbs can do their work here.
    fn here(&self) -> Result<(), Error> {
        if self.is_forked() {
            return Err(Error::new(
                ErrorKind::Closed,
                "this process was forked from one that uses this cache; open another one here",
            ));
        }
        if exec::is_ending() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "this thread is ending, and can wait for nothing",
            ));
        }
        self.open_or_closed()
    }

    fn open_or_closed(&self) -> Result<(), Error> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the cache was shut down"));
        }
        Ok(())
    }
}

// A panic elsewhere cannot leave a cache half-changed: its locks are held over no user code.
impl UnwindSafe for Cache {}
impl RefUnwindSafe for Cache {}

/// To end a connection in a fork would end it for the other process, too: they share what it is registered
/// with. So it stays until the process ends.
impl Drop for Cache {
    fn drop(&mut self) {
        if Arc::strong_count(&self.shared) == 1 && self.is_forked() {
            std::mem::forget(self.shared.clone());
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("config", &self.shared.config)
            .finish_non_exhaustive()
    }
}
