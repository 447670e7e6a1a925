//! The call as the address: what is to happen with the annotated call inside a future or closure.
//!
//! `invalidate(repo.load_user(7))` names a stored value by the call that would answer with it. The
//! request stands in a thread-local while the future is polled, and the first annotated call that
//! begins meanwhile takes it: before its key is made, which may take other annotated calls. One that
//! waits in another way gives it back, since it could not be left as one of the right kind can be.

mod asked;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

pub(crate) use self::asked::{Asked, Flow, addressed};
use self::asked::{Pending, with};
use crate::cache::Cache;
use crate::current::Current;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::spec::Spec;
use crate::store::Invalidated;

/// What an annotated call was asked to do instead of what it does.
#[derive(Debug)]
pub(crate) enum Request {
    /// Run the body and store what it returns.
    Refresh,
    /// Run the body and nothing else.
    Uncached,
    /// Tell how the call was answered.
    Observe(Report<Seen>),
    /// Tell which value the call stands for, and go no further.
    Address(Report<Addressed>),
}

impl Report<Addressed> {
    /// Adds a call that was addressed.
    pub(crate) fn add(&self, spec: &'static Spec, cache: Option<Current>, key: Key) {
        let mut addressed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *addressed = Some(match addressed.take() {
            None => Addressed::Value(spec, cache, key),
            Some(Addressed::Value(first, ..) | Addressed::Several(first, _)) => {
                Addressed::Several(first, spec)
            }
        });
    }
}

/// What a future or closure turned out to stand for.
#[derive(Debug)]
pub(crate) enum Addressed {
    /// The value of one call, and the cache it is in.
    Value(&'static Spec, Option<Current>, Key),
    /// Several calls: none of them is meant more than the others.
    Several(&'static Spec, &'static Spec),
}

/// How a call was answered; see [`observe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Seen {
    /// With the copy that this process has of the stored value, since the function has `near`.
    Near,
    /// With the stored value.
    Stored,
    /// With the stored value, past its time to live.
    Stale,
    /// With what another call, or another process, loaded meanwhile.
    Joined,
    /// By the body, since nothing usable was stored.
    Loaded,
    /// By the body, past the cache: there was none to ask, or no annotated call.
    Bypassed,
}

/// Filled in by the call, read by who asked.
#[derive(Debug)]
pub(crate) struct Report<T>(Arc<Mutex<Option<T>>>);

impl<T> Report<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    pub(crate) fn set(&self, value: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<T> Clone for Report<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

pin_project_lite::pin_project! {
    struct Ask<F> {
        pending: Option<Pending>,
        #[pin]
        call: F,
    }
}

impl<F: Future> Future for Ask<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if this.pending.is_none() {
            return this.call.poll(context);
        }
        with(this.pending, || this.call.poll(context))
    }
}

fn ask<F>(request: Request, only: Option<&'static Spec>, call: F) -> Ask<F> {
    let flow = Flow::Async;
    Ask {
        pending: Some(Pending {
            request,
            flow,
            only,
        }),
        call,
    }
}

/// Forgets the value that an annotated call stands for; the call itself is not made.
///
/// ```
/// # use cache_runtime::{Cache, Invalidated, read_through};
/// struct Repo;
///
/// impl Repo {
///     #[read_through(key = "id", ttl = 60)]
///     async fn name(&self, id: u64) -> String {
///         format!("user {id}")
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(Cache::in_memory().scope(async {
/// let repo = Repo;
/// repo.name(7).await;
/// assert_eq!(cache_runtime::invalidate(repo.name(7)).await?, Invalidated::Removed);
/// # Ok::<(), cache_runtime::Error>(())
/// # })).unwrap();
/// ```
///
/// It works for methods, trait objects and free functions alike. The future is polled exactly once
/// and then dropped. An annotated call gets no further than its key; its arguments are evaluated,
/// since they are by the time this function has the future.
///
/// # Errors
/// [`ErrorKind::NotCached`] if no annotated async call was reached by that poll, naming the future's
/// type; a sync call in there is made as ever, and is addressed by [`blocking::invalidate`].
/// What such a future does before it first waits has then happened: a future cannot be asked what
/// it is without being polled. A cache in memory can be made to accept mocks:
/// [`Cache::allow_mocks`](crate::Cache::allow_mocks).
///
/// The same kind, and nothing is forgotten, if that poll reached two annotated calls, as the poll of
/// `join!(repo.name(7), repo.name(8))` does. A call that needs the value of an earlier one cannot be
/// seen: of `async { repo.name(repo.id("bob").await).await }` only `id` is reached and forgotten, since
/// no body runs. Evaluate such arguments before: `let id = repo.id("bob").await;`.
///
/// Otherwise as [`Cache::invalidate`](crate::Cache::invalidate).
pub async fn invalidate<F: Future>(call: F) -> Result<Invalidated, Error> {
    let report = Report::new();
    {
        let request = Request::Address(report.clone());
        let mut asking = pin!(ask(request, None, call));
        poll_fn(|context| {
            // Whatever the poll says, it was the only one.
            let _ = asking.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
    }
    invalidate_addressed(report.take(), std::any::type_name::<F>()).await
}

async fn invalidate_addressed(
    addressed: Option<Addressed>,
    given: &str,
) -> Result<Invalidated, Error> {
    match addressed {
        Some(Addressed::Value(spec, Some(cache), key)) => cache.invalidate_of(spec, key).await,
        Some(Addressed::Value(_, None, _)) => Err(no_cache()),
        Some(Addressed::Several(first, second)) => Err(several(first, second, given)),
        None if Cache::current().is_some_and(|cache| cache.allows_mocks()) => {
            Ok(Invalidated::Absent)
        }
        None => Err(Error::new(
            ErrorKind::NotCached,
            format!("`{given}` made no call of a #[read_through] function"),
        )),
    }
}

fn several(first: &Spec, second: &Spec, given: &str) -> Error {
    let (first, second) = (first.name(), second.name());
    Error::new(
        ErrorKind::NotCached,
        format!(
            "`{given}` calls `{first}` and `{second}`, so that nothing is forgotten: address each call \
             by itself"
        ),
    )
}

pub(crate) fn no_cache() -> Error {
    Error::new(
        ErrorKind::NoCache,
        "there is no cache: install one at startup or set REDIS_URL",
    )
}

/// Makes an annotated async call run its body whatever is stored, and store what it returns. Of several
/// calls in the future it is the first one; the others are made as ever.
pub async fn refresh<F: Future>(call: F) -> F::Output {
    ask(Request::Refresh, None, call).await
}

/// Makes an annotated async call run its body and leave the cache alone. Of several calls in the future
/// it is the first one; the others are made as ever.
pub async fn uncached<F: Future>(call: F) -> F::Output {
    ask(Request::Uncached, None, call).await
}

/// Makes an annotated async call and tells how it was answered: was this a hit? Of several calls in the
/// future the answer is about the first one.
pub async fn observe<F: Future>(call: F) -> (F::Output, Seen) {
    let report = Report::new();
    let output = ask(Request::Observe(report.clone()), None, call).await;
    (output, report.take().unwrap_or(Seen::Bypassed))
}

/// [`refresh`] for the companion, which knows the function.
pub async fn refresh_of<F: Future>(spec: &'static Spec, call: F) -> F::Output {
    ask(Request::Refresh, Some(spec), call).await
}

/// The same for the companion of a sync function.
pub fn refresh_sync_of<R>(spec: &'static Spec, call: impl FnOnce() -> R) -> R {
    ask_sync(Request::Refresh, Some(spec), call)
}

fn ask_sync<R>(request: Request, only: Option<&'static Spec>, call: impl FnOnce() -> R) -> R {
    let flow = Flow::Sync;
    let pending = Pending {
        request,
        flow,
        only,
    };
    with(&mut Some(pending), call)
}

/// What unwinds a sync call that was only asked for its address.
struct Unwound;

/// Ends a sync call that has told its address: it has no value to return, so it unwinds to who
/// asked. No panic hook runs, since this is no panic.
pub(crate) fn leave() -> ! {
    resume_unwind(Box::new(Unwound))
}

/// The call as the address, for sync functions: the call stands in a closure.
pub mod blocking {
    use super::{
        Addressed, AssertUnwindSafe, Error, ErrorKind, Invalidated, Report, Request, Seen, Unwound,
        ask_sync, catch_unwind, invalidate_addressed, resume_unwind,
    };
    use crate::exec;

    /// Forgets the value that an annotated sync call stands for; its body does not run.
    ///
    /// ```
    /// # use cache_runtime::{Cache, Invalidated, blocking, read_through};
    /// struct Repo;
    ///
    /// impl Repo {
    ///     #[read_through(key = "id", ttl = 60)]
    ///     fn name(&self, id: u64) -> String {
    ///         format!("user {id}")
    ///     }
    /// }
    ///
    /// let cache = Cache::in_memory();
    /// let _inside = cache.enter();
    /// let repo = Repo;
    /// repo.name(7);
    /// assert_eq!(blocking::invalidate(|| repo.name(7))?, Invalidated::Removed);
    /// # Ok::<(), cache_runtime::Error>(())
    /// ```
    ///
    /// A sync call cannot stay pending as an async one can, so it is left by unwinding: what the
    /// closure did before the call has happened, what it would do after it does not happen, and a
    /// `catch_unwind` between the two sees a payload that is not its own and should pass it on. So a
    /// call behind the first one cannot be seen: of `|| repo.name(repo.id("bob"))` only `id` is reached
    /// and forgotten. Evaluate such arguments before.
    ///
    /// # Errors
    /// [`ErrorKind::NotCached`] if the closure made no annotated sync call (it then ran to its
    /// end), if it made a second one although the first was left (a `catch_unwind` of its own went on;
    /// nothing is forgotten then), or if the program is built with `panic = "abort"`, under which nothing can be left
    /// this way: nothing has run then; use the companion of a free function instead. Otherwise as
    /// [`Cache::invalidate`](crate::Cache::invalidate).
    pub fn invalidate<R>(call: impl FnOnce() -> R) -> Result<Invalidated, Error> {
        let addressed = address(call)?;
        exec::wait(invalidate_addressed(addressed, "the closure"))
    }

    fn address<R>(call: impl FnOnce() -> R) -> Result<Option<Addressed>, Error> {
        if cfg!(panic = "abort") {
            return Err(Error::new(
                ErrorKind::NotCached,
                "a sync call cannot be an address in a program built with `panic = \"abort\"`",
            ));
        }
        let report = Report::new();
        let request = Request::Address(report.clone());
        let left = catch_unwind(AssertUnwindSafe(|| ask_sync(request, None, call)));
        match left {
            Err(payload) if !payload.is::<Unwound>() => resume_unwind(payload),
            _ => Ok(report.take()),
        }
    }

    /// Makes an annotated sync call run its body whatever is stored, and store what it returns.
    pub fn refresh<R>(call: impl FnOnce() -> R) -> R {
        ask_sync(Request::Refresh, None, call)
    }

    /// Makes an annotated sync call run its body and leave the cache alone.
    pub fn uncached<R>(call: impl FnOnce() -> R) -> R {
        ask_sync(Request::Uncached, None, call)
    }

    /// Makes an annotated sync call and tells how it was answered.
    pub fn observe<R>(call: impl FnOnce() -> R) -> (R, Seen) {
        let report = Report::new();
        let output = ask_sync(Request::Observe(report.clone()), None, call);
        (output, report.take().unwrap_or(Seen::Bypassed))
    }
}
