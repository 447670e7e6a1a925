//! A lone caller after a burst: whether it is answered as soon as one that never saw a burst.

use std::time::Instant;

use cache_runtime::Cache;
use tokio::runtime::Handle;

use crate::contenders::ours;
use crate::measure::{at, median};
use crate::options::Effort;
use crate::server::Server;
use crate::values::KEYS;

/// Callers of a burst.
const CALLERS: u64 = 1024;

/// The median time of a lone caller's hits just after a burst, in terms of one in a cache that had
/// none: of each round, then of all.
pub fn after_to_without(runtime: &Handle, server: &Server, effort: Effort) -> f64 {
    let open = || Cache::open(server.url()).expect("the URL is made here");
    let (calm, bursting) = (open(), open());
    let rounds = async move {
        let mut ratios = Vec::new();
        for round in 0..effort.rounds * 3 {
            // In turn, so that what else happens on the machine happens to both.
            ratios.push(if round % 2 == 0 {
                let without = lone(&calm, effort.calls).await;
                after_burst(&bursting, effort.calls).await / without
            } else {
                let after = after_burst(&bursting, effort.calls).await;
                after / lone(&calm, effort.calls).await
            });
        }
        median(ratios.into_iter())
    };
    // On a worker, where calls of a program are.
    runtime
        .block_on(runtime.spawn(rounds))
        .expect("hits do not panic")
}

async fn after_burst(cache: &Cache, calls: u32) -> f64 {
    let burst = (0..CALLERS).map(|of| tokio::spawn(cache.scope(ours::small(of % KEYS))));
    for call in burst.collect::<Vec<_>>() {
        call.await.expect("hits do not panic");
    }
    lone(cache, calls).await
}

/// The median of one caller's hits, one after the other, in microseconds.
async fn lone(cache: &Cache, calls: u32) -> f64 {
    let hits = async move {
        let mut times = Vec::new();
        for of in 0..u64::from(calls) {
            let began = Instant::now();
            ours::small(of % KEYS).await;
            times.push(began.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        at(&times, 0.5)
    };
    cache.scope(hits).await
}
