//! Which cache a call uses.
//!
//! The innermost [`enter`](Cache::enter) or [`scope`](Cache::scope), else the function's own
//! `cache = ..`, else the installed one, else one opened from `REDIS_URL`, else none. In-memory is
//! only ever asked for: a copy per process that nobody knows of would never be invalidated by the
//! rest of the fleet.

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::cache::Cache;
use crate::error::{Error, ErrorKind};
use crate::load_chain::{Chain, Within};

static INSTALLED: OnceLock<Cache> = OnceLock::new();

thread_local! {
    static ENTERED: RefCell<Option<Cache>> = const { RefCell::new(None) };
}

impl Cache {
    /// Makes this the cache of the whole process. Doing it again with the same cache is fine.
    ///
    /// # Errors
    /// [`ErrorKind::Installed`] if another cache is installed already.
    pub fn install(&self) -> Result<(), Error> {
        if INSTALLED.get_or_init(|| self.clone()).is_same(self) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Installed,
            "another cache is already installed; clones of that one are the same cache",
        ))
    }

    /// The cache that an annotated function called here would use, if it names none of its own:
    /// the one entered or in scope, else the installed one, else one opened from `REDIS_URL`.
    #[must_use]
    pub fn current() -> Option<Self> {
        of_call(None).map(|current| Self::clone(&current))
    }

    /// Makes this the cache of every call inside a future, whatever is installed. Tasks that the
    /// future spawns are outside of it, unless they [`inherit`](Self::inherit) it.
    pub fn scope<F: Future>(&self, inside: F) -> Scoped<F> {
        Inherited::here().with_cache(self).scope(inside)
    }

    /// Makes this the cache of every call on this thread until the guard is dropped. Guards that
    /// overlap are dropped in the reverse order of their making.
    pub fn enter(&self) -> Entered {
        Inherited::cache_only().with_cache(self).enter()
    }

    /// The cache in scope here, and the loads that the code here is part of, to be taken to another task or
    /// thread.
    ///
    /// A body that waits for a task or a thread of its own takes them there. Otherwise calls there use the
    /// installed cache; and a call there of the body's own key waits for the whole of the
    /// option `follow`.
    ///
    /// ```
    /// use cache_runtime::{Cache, read_through};
    ///
    /// #[read_through(ttl = 60)]
    /// async fn price(item: u64) -> u64 {
    ///     item * 9
    /// }
    ///
    /// #[read_through(ttl = 60)]
    /// async fn total(first: u64, second: u64) -> u64 {
    ///     let inherited = Cache::inherit();
    ///     let first = tokio::spawn(inherited.scope(price(first)));
    ///     let second = tokio::spawn(inherited.scope(price(second)));
    ///     first.await.unwrap() + second.await.unwrap()
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() {
    /// assert_eq!(Cache::in_memory().scope(total(1, 2)).await, 27);
    /// # }
    /// ```
    ///
    /// A thread has [`Inherited::enter`]:
    ///
    /// ```
    /// use cache_runtime::{Cache, read_through};
    ///
    /// #[read_through(ttl = 60)]
    /// fn price(item: u64) -> u64 {
    ///     item * 9
    /// }
    ///
    /// #[read_through(ttl = 60)]
    /// fn total(first: u64, second: u64) -> u64 {
    ///     let inherited = Cache::inherit();
    ///     std::thread::scope(|threads| {
    ///         let first = threads.spawn(|| {
    ///             let _entered = inherited.enter();
    ///             price(first)
    ///         });
    ///         price(second) + first.join().unwrap()
    ///     })
    /// }
    ///
    /// let _entered = Cache::in_memory().enter();
    /// assert_eq!(total(1, 2), 27);
    /// ```
    #[must_use]
    pub fn inherit() -> Inherited {
        Inherited::here()
    }
}

/// The cache of one call. That of the process is only pointed at: all threads would otherwise write
/// to its count of handles, on every call.
#[derive(Clone, Debug)]
pub(crate) enum Current {
    Process(&'static Cache),
    Own(Cache),
}

impl Deref for Current {
    type Target = Cache;

    fn deref(&self) -> &Cache {
        match self {
            Self::Process(cache) => cache,
            Self::Own(cache) => cache,
        }
    }
}

/// The cache of a call of a function whose own cache is `own`.
pub(crate) fn of_call(own: Option<Cache>) -> Option<Current> {
    let own = entered().or(own).map(Current::Own);
    own.or_else(|| of_process().map(Current::Process))
}

/// The same without a handle of one's own, where one would cost more than all the rest. `look` must
/// not run the user's code.
#[inline]
pub(crate) fn with_call<T>(own: Option<&Cache>, look: impl FnOnce(&Cache) -> T) -> Option<T> {
    let mut look = Some(look);
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        let cache = entered.as_ref()?;
        look.take().map(|look| look(cache))
    });
    if let Ok(Some(looked)) = entered {
        return Some(looked);
    }
    let cache = match own {
        Some(cache) => cache,
        None => of_process()?,
    };
    look.map(|look| look(cache))
}

pub(crate) fn entered() -> Option<Cache> {
    // A call from another thread-local's destructor may come when this one is gone.
    ENTERED
        .try_with(|entered| entered.borrow().clone())
        .ok()
        .flatten()
}

fn of_process() -> Option<&'static Cache> {
    static FROM_ENV: OnceLock<Result<Cache, Error>> = OnceLock::new();
    static WARNED: AtomicBool = AtomicBool::new(false);
    if let Some(installed) = INSTALLED.get() {
        return Some(installed);
    }
    match FROM_ENV.get_or_init(Cache::from_env) {
        Ok(cache) => Some(cache),
        Err(error) => {
            if !WARNED.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    %error,
                    "no cache: annotated functions run their bodies on every call; \
                     install one at startup or set REDIS_URL"
                );
            }
            None
        }
    }
}

fn swap(cache: Option<Cache>) -> Option<Cache> {
    ENTERED
        .try_with(|entered| entered.replace(cache))
        .ok()
        .flatten()
}

/// Keeps a cache entered on this thread; made by [`Cache::enter`] and [`Inherited::enter`].
#[derive(Debug)]
#[must_use = "the cache is left again when this is dropped"]
pub struct Entered {
    before: Option<Option<Cache>>,
    _within: Within,
    // It restores what was entered on the thread that made it.
    stays: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            swap(before);
        }
    }
}

pin_project_lite::pin_project! {
    /// A future inside which calls use a given cache; made by [`Cache::scope`] and [`Inherited::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        inherited: Inherited,
        #[pin]
        inside: F,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.inherited.enter();
        this.inside.poll(context)
    }
}

/// The surroundings of a call, to be taken to another task or thread; made by [`Cache::inherit`].
#[derive(Clone, Debug)]
pub struct Inherited {
    cache: Option<Cache>,
    chain: Chain,
}

impl Inherited {
    /// The cache in scope, and the loads that the code here is part of.
    pub(crate) fn here() -> Self {
        Self {
            cache: entered(),
            chain: Chain::current(),
        }
    }

    /// The same without the loads: for code that no load waits for, or that remains on this thread.
    pub(crate) fn cache_only() -> Self {
        Self {
            cache: entered(),
            chain: Chain::default(),
        }
    }

    /// The same with this cache.
    pub(crate) fn with_cache(self, cache: &Cache) -> Self {
        Self {
            cache: Some(cache.clone()),
            ..self
        }
    }

    /// Makes these the surroundings of a future, on whatever task it runs.
    pub fn scope<F: Future>(&self, inside: F) -> Scoped<F> {
        Scoped {
            inherited: self.clone(),
            inside,
        }
    }

    /// Makes these the surroundings of all calls on this thread until the guard is dropped. Guards that
    /// overlap are dropped in the reverse order of their making.
    pub fn enter(&self) -> Entered {
        Entered {
            before: self.cache.clone().map(|cache| swap(Some(cache))),
            _within: self.chain.enter(),
            stays: PhantomData,
        }
    }
}
