//! Work that goes on after its caller left: refreshes of stale values and detached loads.
//!
//! It is the user's code, so it runs where the caller runs, on its runtime, and never on the I/O
//! thread of this crate.

use std::future::Future;
use std::panic::resume_unwind;
use std::time::Duration;

use crate::current::Inherited;
use crate::exec;

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
