//! The innermost scope, else the installed cache, else the one from `REDIS_URL`, else none.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cache_runtime::{Cache, ErrorKind, Seen, observe, read_through};

use crate::support::{Server, in_own_process, is_own_process};

static RUNS: AtomicU32 = AtomicU32::new(0);

#[read_through(ttl = 60)]
async fn run() -> u32 {
    RUNS.fetch_add(1, Relaxed)
}

#[read_through(ttl = 60)]
fn run_sync() -> u32 {
    RUNS.fetch_add(1, Relaxed)
}

static OWN: LazyLock<Cache> = LazyLock::new(Cache::in_memory);

#[read_through(ttl = 60, cache = &OWN)]
async fn run_with_own() -> u32 {
    RUNS.fetch_add(1, Relaxed)
}

#[tokio::test]
async fn the_innermost_scope_is_used_and_left_again() {
    let (outer, inner) = (Cache::in_memory(), Cache::in_memory());
    outer
        .scope(async {
            run().await;
            inner.scope(run()).await;
            {
                let _inside = inner.enter();
                run_sync();
            }
            run().await;
            run_sync();
        })
        .await;
    let counts = |cache: &Cache| {
        let stats = cache.stats();
        let sum = |of: fn(&cache_runtime::FunctionStats) -> u64| {
            stats.functions().iter().map(of).sum::<u64>()
        };
        (sum(|of| of.hits), sum(|of| of.misses))
    };
    assert_eq!(counts(&outer), (1, 2));
    assert_eq!(counts(&inner), (0, 2));
}

#[tokio::test]
async fn a_functions_own_cache_is_used_outside_of_any_scope() {
    run_with_own().await;
    run_with_own().await;
    assert_eq!(OWN.stats().functions()[0].hits, 1);
    let scoped = Cache::in_memory();
    scoped.scope(run_with_own()).await;
    assert_eq!(scoped.stats().functions()[0].misses, 1);
}

static SHARDS: LazyLock<[Cache; 2]> = LazyLock::new(|| [Cache::in_memory(), Cache::in_memory()]);

#[read_through(key = "id", ttl = 60, cache = &SHARDS[(id % 2) as usize])]
async fn sharded(id: u64) -> u64 {
    id
}

#[read_through(key = "id", ttl = 60, cache = &SHARDS[(id % 2) as usize])]
fn sharded_sync(id: u64) -> u64 {
    id
}

fn shard_of(id: u64, name: &str) -> &'static Cache {
    &SHARDS[(id as usize + name.len()) % 2]
}

#[read_through(cache = shard_of(id, &name))]
async fn named(id: u64, name: String, lang: String) -> usize {
    name.len() + lang.len() + id as usize
}

struct Named;

impl Named {
    #[read_through(key = "id, name, lang", cache = shard_of(id, &name))]
    async fn named(&self, id: u64, name: String, lang: String) -> usize {
        name.len() + lang.len() + id as usize
    }
}

#[tokio::test]
async fn an_expression_for_the_cache_sees_the_arguments_as_the_function_has_them() {
    for name in ["bob", "alice", "mary"] {
        named(1, name.into(), "en".into()).await;
        let stored = named::peek(1, name.into(), "en").await.unwrap();
        assert_eq!(stored, Some(3 + name.len()));
        let seen = async || observe(Named.named(1, name.into(), "en".into())).await.1;
        assert_eq!([seen().await, seen().await], [Seen::Loaded, Seen::Stored]);
    }
}

#[read_through(key = "id", ttl = 60, cache = &shards[(id % 2) as usize])]
async fn sharded_by(shards: &[Cache; 2], id: u64) -> u64 {
    let _ = shards;
    id
}

#[tokio::test]
async fn each_of_many_values_is_read_from_the_cache_that_its_call_uses() {
    for id in [1, 2, 3, 6] {
        sharded(id).await;
        sharded_sync(id);
        sharded_by(&SHARDS, id).await;
    }
    let ids = [1, 2, 3, 4, 5, 6];
    let stored = vec![Some(1), Some(2), Some(3), None, None, Some(6)];
    assert_eq!(sharded::peek_many(ids).await.unwrap(), stored);
    assert_eq!(sharded_sync::peek_many(ids).unwrap(), stored);
    assert_eq!(sharded_by::peek_many(&SHARDS, ids).await.unwrap(), stored);
    assert_eq!(sharded::peek(3).await.unwrap(), Some(3));
}

#[test]
fn a_guard_dropped_by_a_panic_leaves_its_cache() {
    let cache = Cache::in_memory();
    let panicked = std::panic::catch_unwind(|| {
        let _inside = cache.enter();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panicked.is_err());
    assert!(Cache::current().is_none_or(|current| current.stats().functions().is_empty()));
}

const INSTALLED: &str = "which_cache::one_cache_is_installed_for_the_whole_process";

#[test]
fn one_cache_is_installed_for_the_whole_process() {
    if !is_own_process(INSTALLED) {
        in_own_process(INSTALLED, &[("REDIS_URL", "redis://127.0.0.1:1")]);
        return;
    }
    let cache = Cache::in_memory();
    cache.install().unwrap();
    cache.clone().install().unwrap();
    let error = Cache::in_memory().install().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Installed);
    run_sync();
    std::thread::spawn(run_sync).join().unwrap();
    assert_eq!(cache.stats().functions()[0].hits, 1);
}

const FROM_ENV: &str = "which_cache::without_an_installed_cache_redis_url_names_one";

#[test]
fn without_an_installed_cache_redis_url_names_one() {
    if !is_own_process(FROM_ENV) {
        let server = Server::start();
        in_own_process(FROM_ENV, &[("REDIS_URL", &server.url())]);
        assert_eq!(server.keys(), ["cache:suite.which_cache.run_sync"]);
        return;
    }
    run_sync();
    assert_eq!(run_sync(), 0);
    // One that is installed later takes its place.
    let cache = Cache::in_memory();
    cache.install().unwrap();
    assert_eq!(run_sync(), 1);
}

const NONE: &str = "which_cache::without_any_cache_bodies_run_and_one_warning_says_so";

#[test]
fn without_any_cache_bodies_run_and_one_warning_says_so() {
    if !is_own_process(NONE) {
        for (variables, reason) in [
            (&[][..], "REDIS_URL is not set"),
            (&[("REDIS_URL", "localhost:6379")][..], "no scheme"),
        ] {
            let printed = in_own_process(NONE, variables);
            assert_eq!(printed.matches("WARN").count(), 1, "{printed}");
            assert!(printed.contains("install one at startup"), "{printed}");
            assert!(printed.contains(reason), "{printed}");
        }
        return;
    }
    tracing_subscriber::fmt().with_ansi(false).init();
    assert_eq!(run_sync(), 0);
    assert_eq!(run_sync(), 1);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(run()), 2);
    assert_eq!(runtime.block_on(run()), 3);
    let error = runtime.block_on(run::invalidate()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCache);
}
