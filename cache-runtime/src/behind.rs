//! Work that goes on after its caller left: refreshes of stale values and detached loads.
//!
//! It is the user's code, so it runs where the caller runs, on its runtime, and never on the I/O
//! thread of this crate.

use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::current::Inherited;
use crate::exec;

/// Runs the refresh of an async function behind its caller: on the caller's runtime, or without one
/// on a thread of its own.
pub fn behind<F>(refresh: F)
where
    F: Future<Output: Send> + Send + 'static,
{
    let refresh = Inherited::cache_only().scope(refresh);
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(refresh)),
        Err(_) => thread(move || drop(exec::wait(refresh))),
    }
}

/// Runs the refresh of a sync function in the background, on a thread of its own inside of the caller's
/// runtime. On a thread of that runtime it would keep the runtime from ending for as long as
/// the source hangs, and a program from returning from `main`.
pub fn behind_sync<R>(refresh: impl FnOnce() -> R + Send + 'static) {
    let (inherited, runtime) = (Inherited::cache_only(), Handle::try_current());
    thread(move || {
        let _entered = inherited.enter();
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
        let error = match runtime.spawn(Inherited::here().scope(load)).await {
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
