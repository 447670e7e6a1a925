//! A process that is forked has its parent's connections and none of its threads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, ErrorKind, Invalidated, Seen, blocking, read_through};
use fork::{Fork, fork, waitpid};

use crate::support::{Server, in_own_process, is_own_process, patient};

static BODIES: AtomicU64 = AtomicU64::new(0);

#[read_through(name = "plain", key = "n", ttl = 60)]
fn plain(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "near", key = "n", ttl = 60, near)]
fn near(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

#[read_through(name = "later", key = "n", ttl = 60)]
async fn later(n: u64) -> u64 {
    BODIES.fetch_add(1, Relaxed);
    n
}

/// Runs in a fork of this process, which has to end well and soon.
fn in_fork(work: impl FnOnce()) {
    match fork().unwrap() {
        Fork::Parent(child) => {
            let status = waitpid(child).unwrap();
            assert_eq!(status, 0, "the child failed");
        }
        Fork::Child => {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            std::process::exit(i32::from(done.is_err()));
        }
    }
}

const FORKED: &str = "forked::a_fork_runs_bodies_and_opens_its_cache";

#[test]
fn a_fork_runs_bodies_and_opens_its_cache() {
    if !is_own_process(FORKED) {
        let server = Server::start();
        in_own_process(FORKED, &[("URL", &server.url())]);
        return;
    }
    let url = std::env::var("URL").unwrap();
    for cache in [patient(&url), Cache::in_memory()] {
        let of_parent = || {
            let _inside = cache.enter();
            // Often enough that each kind of connection is there.
            for _ in 0..100 {
                assert_eq!(plain(1) + near(1) + pollster::block_on(later(1)), 3);
            }
        };
        of_parent();
        let unused = patient(&url);
        in_fork(|| {
            let began = Instant::now();
            {
                let _inside = cache.enter();
                // Stored, and not.
                for n in [1, 2, 2] {
                    assert_eq!((plain(n), near(n)), (n, n));
                    assert_eq!(pollster::block_on(later(n)), n);
                }
                let error = blocking::invalidate(|| plain(1)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                assert!(error.to_string().contains("forked"), "{error}");
                let error = cache.blocking().ping().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                cache.blocking().shutdown();
            }
            for own in [unused, patient(&url)] {
                let _inside = own.enter();
                own.blocking().ping().unwrap();
                plain(3);
                let (_, seen) = blocking::observe(|| plain(3));
                assert_eq!(seen, Seen::Stored);
                assert_eq!(
                    blocking::invalidate(|| plain(3)).unwrap(),
                    Invalidated::Removed
                );
            }
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{:?}",
                began.elapsed()
            );
        });
        let before = BODIES.load(Relaxed);
        of_parent();
        assert_eq!(BODIES.load(Relaxed), before, "the fork took something away");
    }
}

const LAST: &str = "forked::a_fork_drops_a_cache_without_harm";

/// What a connection is registered with is shared by both processes.
#[test]
fn a_fork_drops_a_cache_without_harm() {
    if !is_own_process(LAST) {
        let server = Server::start();
        in_own_process(LAST, &[("URL", &server.url())]);
        return;
    }
    let mut cache = Some(patient(&std::env::var("URL").unwrap()));
    let runtime = crate::support::runtime();
    let calls = |cache: &Option<Cache>| {
        let cache = cache.as_ref().unwrap();
        for _ in 0..100 {
            let _inside = cache.enter();
            assert_eq!(plain(1) + pollster::block_on(later(1)), 2);
            assert_eq!(runtime.block_on(cache.scope(later(1))), 1);
        }
    };
    calls(&cache);
    let began = Instant::now();
    in_fork(|| drop(cache.take()));
    calls(&cache);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
