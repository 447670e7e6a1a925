//! Work that goes on after its caller left: refreshes of stale values, which are counted, and detached
//! loads.
//!
//! It is the user's code, so it runs where the caller runs, on its runtime, and never on the I/O
//! thread of this crate.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::current;
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
    let refresh = current::inherited(refresh);
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(refresh)),
        Err(_) => thread(move || drop(exec::wait(refresh))),
    }
}

/// Runs the refresh of a sync function behind its caller, where it may block: on a thread of its own, inside
/// of the caller's runtime. On a thread of that runtime it would keep the runtime from ending for as long as
/// the source hangs, and a program from returning from `main`.
pub fn behind_sync<R>(refresh: impl FnOnce() -> R + Send + 'static) {
    let (entered, runtime) = (current::entered(), Handle::try_current());
    thread(move || {
        let _entered = entered.as_ref().map(current::enter);
        let _inside = runtime.as_ref().map(Handle::enter);
        drop(refresh());
    });
}

/// Runs a load so that it goes on when its caller leaves; without a runtime it cannot.
pub fn detached<F>(load: F) -> impl Future<Output = F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    // Boxed here and not in the future, which would have room for it twice.
    let load = Box::pin(load);
    async move {
        let Ok(runtime) = Handle::try_current() else {
            return load.await;
        };
        let given = Arc::new(Mutex::new(Some(load)));
        let begun = given.clone();
        let load = async move {
            match take(&begun) {
                Some(load) => load.await,
                // Its caller took it, who does so only where this does not run.
                None => pending().await,
            }
        };
        let error = match runtime.spawn(current::inherited(load)).await {
            Ok(returned) => return returned,
            Err(error) => error,
        };
        // A runtime that had ended before has not begun it.
        if let Some(load) = take(&given) {
            return load.await;
        }
        match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime shuts down, and with it a caller that is one of its tasks. One that
            // blocks its thread for the answer would wait for ever, and keep the runtime from
            // ending; there is none to give, since the arguments are gone with the load.
            Err(_) => {
                const UNTIL_TASKS_END: Duration = Duration::from_millis(100);
                exec::sleep(UNTIL_TASKS_END).await;
                panic!("the runtime was shut down while it ran a load with `detach`");
            }
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

fn take<T>(given: &Mutex<Option<T>>) -> Option<T> {
    given.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn thread(work: impl FnOnce() + Send + 'static) {
    // Without a thread the work is dropped, and with it what it holds is given back.
    let _ = exec::thread("cache-behind", work);
}
