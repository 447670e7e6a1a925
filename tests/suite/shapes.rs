//! Every shape of function, async and sync: the first call runs the body, the second does not, and
//! once the value is forgotten the body runs again.

use std::cell::Cell;

use cache_runtime::{Error, Invalidated};

mod address;
mod detach;
mod free;
mod methods;
mod sizes;
mod stale;
mod traits;

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

/// What every body does.
fn ran<T>(value: T) -> T {
    RUNS.set(RUNS.get() + 1);
    value
}

fn runs() -> u32 {
    RUNS.get()
}

async fn three_steps<R>(
    call: impl AsyncFn() -> R,
    invalidate: impl AsyncFn() -> Result<Invalidated, Error>,
) {
    let before = runs();
    call().await;
    assert_eq!(runs() - before, 1, "the first call runs the body");
    call().await;
    assert_eq!(runs() - before, 1, "the second does not");
    assert_eq!(invalidate().await.unwrap(), Invalidated::Removed);
    call().await;
    assert_eq!(runs() - before, 2, "then the body runs again");
}

/// A shape a line: a call of an async function of that shape, and one of a sync function. The call is
/// the address of its value.
macro_rules! shapes {
    ($($(#[$attr:meta])* $shape:ident: $call:expr, $sync:expr;)*) => {
        mod table {$(
            $(#[$attr])*
            mod $shape {
                use super::super::*;

                #[tokio::test]
                async fn is_cached() {
                    let invalidate = async || cache_runtime::invalidate($call).await;
                    let steps = three_steps(async || $call.await, invalidate);
                    cache_runtime::Cache::in_memory().scope(steps).await;
                }

                #[tokio::test]
                async fn is_cached_sync() {
                    let invalidate = async || cache_runtime::blocking::invalidate(|| $sync);
                    let steps = three_steps(async || $sync, invalidate);
                    cache_runtime::Cache::in_memory().scope(steps).await;
                }
            }
        )*}
    };
}
use shapes;
