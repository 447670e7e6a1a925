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

/// Of calls whose value is stored, so many at once.
#[derive(Debug)]
pub struct Crowd {
    pub slow: Answers,
    /// How many of them were answered by what is stored.
    pub hits: u64,
    /// On a server that is quick: what the machine takes for so many.
    pub quick: Answers,
}

/// The same for callers of whose values each is stored.
pub fn of_a_crowd(cache: &Cache, proxy: &Proxy, callers: u64, delay: Duration) -> Crowd {
    /// So many are stored in time, however slow the machine.
    const AT_ONCE: usize = 100;
    let runtime = crate::support::runtime();
    let of = |keys: &[u64]| {
        let before = hits(cache);
        let answers = calls(Kind::Async, cache, &runtime, keys);
        (answers, hits(cache) - before)
    };
    let keys = Vec::from_iter(0..callers);
    for keys in keys.chunks(AT_ONCE) {
        while of(keys).1 < keys.len() as u64 {}
    }
    let (quick, _) = of(&keys);
    proxy.delay(delay);
    let (slow, hits) = of(&keys);
    proxy.delay(Duration::ZERO);
    Crowd { slow, hits, quick }
}

fn hits(cache: &Cache) -> u64 {
    cache.stats().function("late").map_or(0, |of| of.hits)
}

fn is_stored(kind: Kind, cache: &Cache, runtime: &tokio::runtime::Runtime, n: u64) -> bool {
    let before = hits(cache);
    calls(kind, cache, runtime, &[n]);
    hits(cache) > before
}
