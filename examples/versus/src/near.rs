//! Hits in the process, without a clock around each: a loop of them is timed.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use cache_runtime::Cache;
use quick_cache::sync::Cache as QuickCache;
use serde::Serialize;
use tokio::runtime::Handle;

use crate::contenders::cached_in_client::CachedInClient;
use crate::contenders::{self, Contender, Peer, ours, ours_near};
use crate::measure::{Keys, Plan, Table, median};
use crate::options::Effort;
use crate::server::Server;
use crate::values::{self, KEYS, Large, Size, Small};

const CALLS: u64 = 20_000;

/// Nanoseconds a hit of a lone caller.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NearHits {
    pub shared_nanos: f64,
    pub cloned_nanos: f64,
    /// A near hit that hands out the shared value, in terms of a bare `get` of quick_cache that
    /// does.
    pub shared_to_bare: f64,
    /// How many of them are as long as one of `cached` with client-side caching, which decodes the
    /// value anew.
    pub cached_to_shared: f64,
}

impl NearHits {
    pub fn measure(runtime: &Handle, effort: Effort) -> Self {
        let all = async move {
            let bare = QuickCache::new(10_000);
            for id in 0..KEYS {
                bare.insert(id, Arc::new(values::load_small(id)));
                ours_near::shared(id).await;
                ours_near::small(id).await;
                CachedInClient.small(id).await;
            }
            let mut rounds = Vec::new();
            for _ in 0..effort.rounds * 5 {
                rounds.push([
                    nanos(async |id| bare.get(&id)).await,
                    nanos(ours_near::shared).await,
                    nanos(ours_near::small).await,
                    nanos(|id| CachedInClient.small(id)).await,
                ]);
            }
            rounds
        };
        let rounds = runtime
            .block_on(runtime.spawn(all))
            .expect("hits do not panic");
        Self {
            shared_nanos: median(rounds.iter().map(|[_, shared, ..]| *shared)),
            cloned_nanos: median(rounds.iter().map(|[_, _, cloned, _]| *cloned)),
            shared_to_bare: median(rounds.iter().map(|[bare, shared, ..]| shared / bare)),
            cached_to_shared: median(rounds.iter().map(|[_, shared, _, cached]| cached / shared)),
        }
    }
}

async fn nanos<F: Future>(call: impl Fn(u64) -> F) -> f64 {
    let began = Instant::now();
    for id in 0..CALLS {
        black_box(call(id % KEYS).await);
    }
    began.elapsed().as_secs_f64() * 1e9 / CALLS as f64
}

/// What a near hit that hands out the shared value allocates, by a count of all allocations.
pub fn shared_allocations(runtime: &Handle, allocations: &dyn Fn() -> f64) -> f64 {
    let hits = || async {
        for id in 0..CALLS {
            black_box(ours_near::shared(id % KEYS).await);
        }
    };
    runtime.block_on(hits());
    let before = allocations();
    runtime.block_on(hits());
    (allocations() - before) / CALLS as f64
}

/// Hits per second of functions that are not near, in a cache that has a near function too, in
/// terms of a cache that has none.
pub fn plain_beside_near(runtime: &Handle, server: &Server, effort: Effort) -> f64 {
    let open = || Cache::open(server.url()).expect("the URL is made here");
    let (alone, beside) = (open(), open());
    runtime
        .block_on(runtime.spawn(beside.scope(ours_near::small(0))))
        .expect("it returns");
    let alone = contenders::tasks(runtime, async { Scoped::<Alone>::new(alone) });
    let beside = contenders::tasks(runtime, async { Scoped::<Beside>::new(beside) });
    let contenders: [&dyn Contender; 2] = [&*alone, &*beside];
    let plan = Plan {
        size: Size::Small,
        keys: Keys::Stored,
        callers: 64,
        // The goal is a difference of two hundredths.
        rounds: effort.rounds * 3,
        slice: effort.slice,
        probe: &|| 0.0,
    };
    let table = Table::measure(&contenders, &plan);
    let ratio = table.ratio(Beside::NAME, Alone::NAME, |slice| slice.per_second);
    ratio.expect("both were measured")
}

trait Named: Send + Sync + 'static {
    const NAME: &'static str;
}

struct Alone;
struct Beside;

impl Named for Alone {
    const NAME: &'static str = "no near function";
}

impl Named for Beside {
    const NAME: &'static str = "beside a near function";
}

/// Ours, in a cache of its own.
struct Scoped<N> {
    cache: Cache,
    named: std::marker::PhantomData<N>,
}

impl<N> Scoped<N> {
    fn new(cache: Cache) -> Self {
        Self {
            cache,
            named: std::marker::PhantomData,
        }
    }
}

impl<N: Named> Peer for Scoped<N> {
    const NAME: &'static str = N::NAME;

    fn small(&self, id: u64) -> impl Future<Output = Small> + Send {
        self.cache.scope(ours::small(id))
    }

    fn large(&self, id: u64) -> impl Future<Output = Large> + Send {
        self.cache.scope(ours::large(id))
    }

    fn slow(&self, id: u64) -> impl Future<Output = Small> + Send {
        self.cache.scope(ours::slow(id))
    }
}
