//! Work that goes on after its caller left: refreshes of stale values, which are counted, and detached
//! loads.
//!
//! It is the user's code, so it runs where the caller runs, on its runtime, and never on the I/O
//! thread of this crate.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::current::Inherited;
use crate::exec;

/// Counts what goes on behind.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    running: AtomicUsize,
    ended: Notify,
}

/// One piece of work behind, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Behind>);

impl Behind {
    /// A permit, if fewer than `most` are out.
    pub(crate) fn begin(self: &Arc<Self>, most: usize) -> Option<Permit> {
        let one_more = |running: usize| (running < most).then_some(running + 1);
        self.running
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        Some(Permit(self.clone()))
    }

    pub(crate) async fn drained(self: Arc<Self>) {
        loop {
            let ended = self.ended.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

/// Runs the refresh of an async function behind its caller: on the caller's runtime, or without one
/// on a thread of its own.
pub fn behind<F>(refresh: F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let refresh = Inherited::cache_only().scope(refresh);
    match exec::runtime_of_user() {
        Some(runtime) => drop(runtime.spawn(refresh)),
        None => thread(move || drop(exec::wait(refresh))),
    }
}

/// Runs the refresh of a sync function behind its caller, where it may block: on a thread of the
/// caller's runtime for that, or on one of its own.
pub fn behind_sync<R>(refresh: impl FnOnce() -> R + Send + 'static) {
    let inherited = Inherited::cache_only();
    let refresh = move || {
        let _entered = inherited.enter();
        drop(refresh());
    };
    match exec::runtime_of_user() {
        Some(runtime) => drop(runtime.spawn_blocking(refresh)),
        None => thread(refresh),
    }
}

/// Runs a load so that it goes on when its caller leaves; without a runtime it cannot.
pub fn detached<F>(load: F) -> impl Future<Output = F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    // Boxed here and not in the future, which would have room for it twice.
    let load = Box::pin(load);
    async move {
        let Some(runtime) = exec::runtime_of_user() else {
            return load.await;
        };
        match runtime.spawn(Inherited::here().scope(load)).await {
            Ok(returned) => returned,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime shuts down, and with it a caller that is one of its tasks. One that
                // blocks its thread for the answer would wait for ever, and keep the runtime from
                // ending; there is none to give, since the arguments are gone with the load.
                Err(_) => {
                    const UNTIL_TASKS_END: Duration = Duration::from_millis(100);
                    exec::sleep(UNTIL_TASKS_END).await;
                    panic!("the runtime was shut down while it ran a load with `detach`");
                }
            },
        }
    }
}

/// What an argument must be to outlive the call.
// With a method where a function with a bound would do: of that, the compiler quotes the bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to where the call goes on without its caller",
    label = "must be `Send` and own what it holds",
    note = "`stale` and `detach` go on after the caller has left"
)]
pub trait Owned {
    /// Asks that of an argument, so that the compiler answers at the argument.
    fn owned(&self) {}
}

#[diagnostic::do_not_recommend]
impl<T: Send + 'static> Owned for T {}

fn thread(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().name("cache-behind".to_owned());
    // Without a thread the work is dropped, and with it what it holds is given back.
    let _ = thread.spawn(work);
}
