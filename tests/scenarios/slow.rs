//! A server that answers everything, but slowly: what many callers at once wait for it.

use std::sync::Barrier;
use std::time::Duration;

use cache_runtime::{Cache, read_through};

use super::Kind;
use super::answers::{Answer, Answers};
use crate::proxy::Proxy;

/// What a call must not take long beside.
pub const BODY: Duration = Duration::from_millis(2);

#[read_through(name = "late", ttl = 600)]
async fn load(n: u64) -> u64 {
    tokio::time::sleep(BODY).await;
    n * 2
}

#[read_through(name = "late", ttl = 600)]
fn load_sync(n: u64) -> u64 {
    std::thread::sleep(BODY);
    n * 2
}

/// Calls at the same time, of a key each.
fn calls(kind: Kind, cache: &Cache, runtime: &tokio::runtime::Runtime, keys: &[u64]) -> Answers {
    match kind {
        Kind::Async => runtime.block_on(async {
            let call = |&n| tokio::spawn(cache.scope(Answer::of(load(n), n * 2)));
            let calls: Vec<_> = keys.iter().map(call).collect();
            let mut answers = Vec::new();
            for call in calls {
                answers.push(call.await.ok());
            }
            answers.into_iter().collect()
        }),
        Kind::Sync => {
            let together = Barrier::new(keys.len());
            std::thread::scope(|threads| {
                let call = |&n| {
                    let together = &together;
                    threads.spawn(move || {
                        let _inside = cache.enter();
                        together.wait();
                        Answer::of_sync(|| load_sync(n), n * 2)
                    })
                };
                let calls: Vec<_> = keys.iter().map(call).collect();
                calls.into_iter().map(|call| call.join().ok()).collect()
            })
        }
    }
}

#[derive(Debug)]
pub struct Figures {
    /// Of calls whose value is stored.
    pub stored: Answers,
    /// Of calls whose value is not.
    pub missing: Answers,
    /// How many of the first were answered by what is stored.
    pub hits: u64,
    pub outages: u64,
    /// Of calls whose value is not stored on a server that is quick: what the machine takes for so many.
    pub quick: Answers,
}

/// So many callers at once, each with a key of its own, of a server whose answers each take this much
/// longer.
pub fn run(kind: Kind, cache: &Cache, proxy: &Proxy, callers: u64, delay: Duration) -> Figures {
    let runtime = crate::support::runtime();
    let of = |from| Vec::from_iter(from * callers..(from + 1) * callers);
    let keys = of(0);
    // One at a time, so that each is stored.
    for n in &keys {
        while !is_stored(kind, cache, &runtime, *n) {}
    }
    let quick = calls(kind, cache, &runtime, &of(1));
    let before = hits(cache);
    proxy.delay(delay);
    let stored = calls(kind, cache, &runtime, &keys);
    let hits = hits(cache) - before;
    let missing = calls(kind, cache, &runtime, &of(2));
    proxy.delay(Duration::ZERO);
    Figures {
        stored,
        missing,
        hits,
        outages: cache.stats().server().outages,
        quick,
    }
}

fn hits(cache: &Cache) -> u64 {
    cache.stats().function("late").map_or(0, |of| of.hits)
}

fn is_stored(kind: Kind, cache: &Cache, runtime: &tokio::runtime::Runtime, n: u64) -> bool {
    let before = hits(cache);
    calls(kind, cache, runtime, &[n]);
    hits(cache) > before
}
