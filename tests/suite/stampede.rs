//! No number of callers of one process makes the body run twice for one key at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, read_through};
use futures_util::future::join_all;

use crate::support::Server;

const BODY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_async_callers_of_one_cold_key_run_one_body() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60)]
    async fn load(key: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed);
        tokio::time::sleep(BODY).await;
        key
    }

    let server = Server::start();
    for cache in [server.patient(), Cache::in_memory()] {
        BODIES.store(0, Relaxed);
        let callers = (0..1024).map(|_| tokio::spawn(cache.scope(load(7))));
        for answer in join_all(callers).await {
            assert_eq!(answer.unwrap(), 7);
        }
        assert_eq!(BODIES.load(Relaxed), 1);
    }
}

#[tokio::test]
async fn a_body_that_calls_itself_with_its_own_key_runs_through() {
    #[read_through(key = "key", ttl = 60)]
    async fn load(key: u64, depth: u64) -> u64 {
        if depth == 0 {
            return key;
        }
        load(key, depth - 1).await + 1
    }
    #[read_through(key = "key", ttl = 60)]
    fn load_sync(key: u64, depth: u64) -> u64 {
        if depth == 0 {
            return key;
        }
        load_sync(key, depth - 1) + 1
    }

    let server = Server::start();
    for cache in [server.cache(), Cache::in_memory()] {
        let start = Instant::now();
        assert_eq!(cache.scope(load(1, 5)).await, 6);
        let _inside = cache.enter();
        assert_eq!(load_sync(1, 5), 6);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "it waited for itself"
        );
    }
}

/// How a leader may leave.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    Panics,
    Fails,
    IsAborted,
    IsDropped,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_becomes_of_a_leader_its_followers_have_their_answer() {
    static FIRST: AtomicU64 = AtomicU64::new(0);
    #[read_through(key = "key", ttl = 60)]
    async fn load(key: u64, leaves: Leaves) -> Result<u64, ()> {
        if FIRST.fetch_add(1, Relaxed) == 0 {
            tokio::time::sleep(BODY).await;
            match leaves {
                Leaves::Panics => std::panic::resume_unwind(Box::new(())),
                Leaves::Fails => return Err(()),
                Leaves::IsAborted | Leaves::IsDropped => std::future::pending().await,
            }
        }
        tokio::time::sleep(BODY).await;
        Ok(key)
    }

    let server = Server::start();
    for cache in [server.cache(), Cache::in_memory()] {
        for (key, leaves) in (0..).zip([
            Leaves::Panics,
            Leaves::Fails,
            Leaves::IsAborted,
            Leaves::IsDropped,
        ]) {
            FIRST.store(0, Relaxed);
            let leader = tokio::spawn(cache.scope(load(key, leaves)));
            while FIRST.load(Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            let followers = (0..100).map(|_| tokio::spawn(cache.scope(load(key, leaves))));
            let followers: Vec<_> = followers.collect();
            tokio::time::sleep(BODY).await;
            if matches!(leaves, Leaves::IsAborted | Leaves::IsDropped) {
                leader.abort();
            }
            let released = Instant::now();
            for answer in join_all(followers).await {
                assert_eq!(answer.unwrap(), Ok(key), "{leaves:?}");
            }
            let late = released.elapsed().saturating_sub(BODY);
            // Not for as long as a lease lives, which is three seconds.
            assert!(late < Duration::from_secs(1), "{leaves:?}: {late:?}");
            assert_eq!(FIRST.load(Relaxed), 2, "{leaves:?}");
        }
    }
}

#[tokio::test]
async fn a_leader_that_is_never_polled_again_is_waited_for_no_longer_than_follow() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60, follow = "300ms")]
    async fn load() -> u64 {
        if BODIES.fetch_add(1, Relaxed) == 0 {
            std::future::pending::<()>().await;
        }
        7
    }

    let cache = Cache::in_memory();
    let mut leader = Box::pin(cache.scope(load()));
    assert!(futures_util::poll!(&mut leader).is_pending());
    let start = Instant::now();
    assert_eq!(cache.scope(load()).await, 7);
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(1));
    drop(leader);
}

#[tokio::test]
async fn a_source_that_fails_is_done_with_500_callers_in_few_rounds() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    /// The longest row of bodies of which each began when the one before it had ended.
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60)]
    async fn load() -> Result<u64, ()> {
        BODIES.fetch_add(1, Relaxed);
        let round = ROUNDS.load(Relaxed) + 1;
        tokio::time::sleep(BODY).await;
        ROUNDS.fetch_max(round, Relaxed);
        Err(())
    }

    let server = Server::start();
    for cache in [server.cache(), Cache::in_memory()] {
        BODIES.store(0, Relaxed);
        ROUNDS.store(0, Relaxed);
        let callers = (0..500).map(|_| cache.scope(load()));
        assert!(join_all(callers).await.iter().all(Result::is_err));
        // 1 + 1 + 2 + 4 + .. callers a round: 500 are done in ten.
        let rounds = ROUNDS.load(Relaxed);
        assert!((8..=12).contains(&rounds), "{rounds} rounds");
        assert!(BODIES.load(Relaxed) <= 500);
    }
}

#[tokio::test]
async fn with_redis_away_the_callers_of_one_process_still_share_one_body() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    static RUNNING: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60)]
    async fn load(key: u64) -> u64 {
        BODIES.fetch_add(1, Relaxed);
        assert_eq!(RUNNING.fetch_add(1, Relaxed), 0, "two bodies at one time");
        tokio::time::sleep(BODY).await;
        RUNNING.fetch_sub(1, Relaxed);
        key
    }

    let cache = Cache::open("redis://127.0.0.1:1").unwrap();
    let start = Instant::now();
    let callers = (0..200).map(|_| cache.scope(load(7)));
    assert_eq!(join_all(callers).await, vec![7; 200]);
    // Who comes after a body began shares the next one, and they come as fast as the machine goes.
    let most = start.elapsed().as_millis() / BODY.as_millis() + 1;
    assert!(
        u128::from(BODIES.load(Relaxed)) <= most.min(20),
        "{BODIES:?} of {most}"
    );
}

#[tokio::test]
async fn a_value_that_is_not_stored_is_still_shared() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(ttl = 60, store_if = |value: &Arc<u64>| **value > 100)]
    async fn refused() -> Arc<u64> {
        tokio::time::sleep(BODY).await;
        Arc::new(BODIES.fetch_add(1, Relaxed))
    }
    #[read_through(ttl = 60)]
    async fn absent() -> Option<u64> {
        tokio::time::sleep(BODY).await;
        BODIES.fetch_add(1, Relaxed);
        None
    }

    let cache = Cache::in_memory();
    let callers = (0..50).map(|_| cache.scope(refused()));
    assert!(join_all(callers).await.iter().all(|value| **value < 2));
    // Those who began to wait after the body had begun share a second one.
    assert!(BODIES.swap(0, Relaxed) <= 2);
    let callers = (0..50).map(|_| cache.scope(absent()));
    assert!(join_all(callers).await.iter().all(Option::is_none));
    assert!(BODIES.load(Relaxed) <= 2);
    cache
        .scope(async {
            assert_eq!(refused::peek().await.unwrap(), None);
            assert_eq!(absent::peek().await.unwrap(), None);
        })
        .await;
}

#[tokio::test]
async fn a_flight_whose_lease_is_gone_is_not_waited_for() {
    static BODIES: AtomicU64 = AtomicU64::new(0);
    #[read_through(name = "lost-lease", ttl = 60, lease = "150ms")]
    async fn load() -> u64 {
        if BODIES.fetch_add(1, Relaxed) == 0 {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        7
    }

    let server = Server::start();
    let cache = server.cache();
    let leader = tokio::spawn(cache.scope(load()));
    while BODIES.load(Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    server.cli(&["DEL", "cache:lost-lease"]);
    // The heartbeat comes three times in a lease.
    tokio::time::sleep(Duration::from_millis(150)).await;
    let start = Instant::now();
    assert_eq!(cache.scope(load()).await, 7);
    assert!(start.elapsed() < Duration::from_secs(1));
    leader.abort();
}

#[tokio::test]
async fn who_comes_after_an_invalidation_does_not_wait_for_the_load_before_it() {
    static SOURCE: AtomicU64 = AtomicU64::new(1);
    #[read_through(ttl = 60)]
    async fn load() -> u64 {
        let value = SOURCE.load(Relaxed);
        if value == 1 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        value
    }

    let server = Server::start();
    for cache in [server.cache(), Cache::in_memory()] {
        SOURCE.store(1, Relaxed);
        let before = tokio::spawn(cache.scope(load()));
        while cache.stats().functions().iter().all(|of| of.loads == 0) {
            tokio::task::yield_now().await;
        }
        SOURCE.store(2, Relaxed);
        cache.scope(load::invalidate()).await.unwrap();
        let start = Instant::now();
        assert_eq!(cache.scope(load()).await, 2);
        assert!(start.elapsed() < Duration::from_millis(500));
        assert_eq!(before.await.unwrap(), 1);
        assert_eq!(
            cache.scope(load()).await,
            2,
            "the earlier load stored its value"
        );
    }
}
